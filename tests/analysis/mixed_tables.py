"""Made-up ratings from mixed models with known effects, and what R says of a fixed table of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

REFERENCES = Path(__file__).parents[1] / "references"
COLUMNS = {"value": "value", "system": "system", "item": "item", "worker": "worker"}


def make_table(
    *,
    items: int = 20,
    systems: int = 3,
    raters: int = 3,
    workers: int = 8,
    gain: float = 0.4,
    deviations: tuple[float, float, float, float] = (0.5, 0.6, 0.4, 0.8),
    seed: int = 0,
) -> pd.DataFrame:
    """Each system is better than the one before by `gain`; deviations of completions, items, workers, residual."""
    generator = np.random.default_rng(seed)
    of_completion, of_item, of_worker, residual = deviations
    item, system, _ = (grid.ravel() for grid in np.indices((items, systems, raters)))
    order = generator.random((items * systems, workers)).argsort(axis=1)
    worker = order[:, :raters].ravel()
    value = gain * system + generator.normal(0, of_item, items)[item] + generator.normal(0, of_worker, workers)[worker]
    value = value + generator.normal(0, of_completion, (items, systems))[item, system]
    value = value + generator.normal(0, residual, len(item))
    return pd.DataFrame({"item": item, "system": system, "worker": worker, "value": value})


def make_likert(**choices: Any) -> pd.DataFrame:
    """The same, rounded to 1 to 5."""
    table = make_table(**choices)
    return table.assign(value=np.clip(np.round(table["value"] + 2.6), 1, 5).astype(int))


def read_reference(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The ratings that R's models were fitted to, and what it says of one of them."""
    results = json.loads((REFERENCES / "mixed_models.json").read_text())
    return pd.read_csv(REFERENCES / "mixed_ratings.csv"), results[name]
