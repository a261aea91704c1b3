"""Scores of metrics beside people's ratings, as tables of items by systems: what comparisons of them start from."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.resampling import Floats
from analysis.tables import codes, numbers, require_columns, require_no_gaps

Integers = NDArray[np.int64]
SAME = 1e-9  # means of thirds differ in the last digits; relative to the largest value


@dataclasses.dataclass(frozen=True, slots=True)
class Cells:
    """The completions that have a rating and every metric, averaged for each item and system.

    metrics and human are (K, S), K items by S systems, NaN where there is no completion. `used` and `dropped` count
    rows; rows without a number in any of the columns are dropped.
    """

    metrics: tuple[Floats, ...]
    human: Floats
    items: list[Any]
    systems: list[Any]
    used: int
    dropped: int

    @property
    def is_given(self) -> NDArray[np.bool_]:
        return np.isfinite(self.human)

    @property
    def item_of_cell(self) -> Integers:
        """The item of each given cell, row by row, (N,)."""
        return np.nonzero(self.is_given)[0]


def read_cells(table: pd.DataFrame, *, metrics: Sequence[str], human: str, item: str, system: str) -> Cells:
    """Check a table with one row a completion. Several completions of a system for one item are averaged."""
    require_columns(table, *metrics, human, item, system)
    require_no_gaps(table, item, system)
    columns = [numbers(table, column) for column in (*metrics, human)]
    is_used = np.all(np.isfinite(columns), axis=0)
    item_codes, items = codes(table[item][is_used])
    system_codes, systems = codes(table[system][is_used])
    shape = (len(items), len(systems))
    cell = item_codes * len(systems) + system_codes
    size = len(items) * len(systems)
    counts = np.bincount(cell, minlength=size)
    with np.errstate(invalid="ignore"):
        means = [(np.bincount(cell, column[is_used], size) / counts).reshape(shape) for column in columns]
    return Cells(tuple(means[:-1]), means[-1], items, systems, int(is_used.sum()), int((~is_used).sum()))


def signs(differences: Floats, scale: float) -> Floats:
    """-1, 0 or 1; 0 for what rounding leaves of equal values, and for missing ones."""
    return np.where(np.abs(differences) > SAME * scale, np.sign(differences), 0.0)


def scale_of(values: Floats) -> float:
    """The largest size of a value, to tell rounding from a difference."""
    given = np.abs(values[np.isfinite(values)])
    return float(given.max()) if len(given) else 1.0


def pair_differences(cells: Floats) -> Floats:
    """First less second of each two systems, (K, S) to (K, S (S - 1) / 2); NaN where one is missing."""
    first, second = np.triu_indices(cells.shape[1], k=1)
    return cells[:, first] - cells[:, second]
