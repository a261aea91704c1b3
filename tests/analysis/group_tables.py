"""Tables for tests of group tests: made-up ones, and what R found (tests/references/group_tests.R)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.pair_differences import PairDifference

REFERENCES = Path(__file__).parent.parent / "references"
WITHIN = {"block": "item", "group": "system", "value": "value"}
ALONE = {"group": "system", "value": "value"}


def by_r(*names: str) -> Any:
    content = json.loads((REFERENCES / "group_tests.json").read_text())
    for name in names:
        content = content[name]
    return content


def chicks() -> pd.DataFrame:
    """R's chickwts: the weights of 71 chicks on six feeds."""
    return pd.DataFrame(by_r("one_way", "data")).rename(columns={"group": "system"})


def random_groups(seed: int) -> pd.DataFrame:
    """Three to five groups of unequal size, a few values missing."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(4, 15, size=generator.integers(3, 6))
    table = pd.DataFrame({"system": np.repeat([f"s{index}" for index in range(len(sizes))], sizes)})
    table["value"] = generator.integers(1, 6, size=len(table)).astype(float)
    table.loc[generator.random(len(table)) < 0.1, "value"] = np.nan
    return table


def split(table: pd.DataFrame) -> list[np.ndarray]:
    return [rows["value"].dropna().to_numpy() for _, rows in table.groupby("system")]


def crossed(
    generator: np.random.Generator,
    *,
    items: int = 20,
    systems: int = 5,
    raters: int = 3,
    item_spread: float = 0.0,
    cell_spread: float = 1.0,
    gain: float = 0.0,
) -> pd.DataFrame:
    """Every system on every item; ratings share their item's and their completion's quality, and have noise of 1."""
    shape = items, systems, raters
    values = item_spread * generator.normal(size=(items, 1, 1)) + cell_spread * generator.normal(
        size=(items, systems, 1)
    )
    values = values + gain * np.arange(systems)[:, None] + generator.normal(size=shape)
    item, system, _ = np.indices(shape)
    return pd.DataFrame({"item": item.ravel(), "system": system.ravel(), "value": values.ravel()})


def assert_pairs_equal(pairs: tuple[PairDifference, ...], expected: dict[str, list], *, rel: float = 1e-6) -> None:
    """expected: columns of R, among those of a pair."""
    import pytest

    table = pd.DataFrame([(pair.first, pair.second) for pair in pairs], columns=["first", "second"])
    assert table["first"].tolist() == expected["first"]
    assert table["second"].tolist() == expected["second"]
    for column in ("difference", "low", "high", "p_value"):
        if column in expected:
            found = [getattr(pair, column) for pair in pairs]
            assert found == pytest.approx(expected[column], rel=rel, abs=1e-9), column
