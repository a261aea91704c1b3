"""Ratings as means of item and system: the table that every comparison within items starts from."""

import dataclasses

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.resampling import Floats
from analysis.results import NAN
from analysis.tables import codes, numbers, require_columns, require_no_gaps


@dataclasses.dataclass(frozen=True, slots=True)
class ItemMeans:
    """means (B, G): one row a block (item), one column a group (system), NaN where a cell has no rating.

    counts (B, G): the ratings of each cell. `dropped` rows had no value.
    """

    blocks: tuple[object, ...]
    groups: tuple[object, ...]
    means: Floats
    counts: Floats
    dropped: int

    @property
    def is_complete(self) -> NDArray[np.bool_]:
        """Blocks (B,) with a rating in every group."""
        return np.asarray((self.counts > 0).all(axis=1))

    def to_long(self, *, block: str = "item", group: str = "system", value: str = "value") -> pd.DataFrame:
        """One row a cell that has a mean."""
        rows, columns = np.nonzero(self.counts)
        return pd.DataFrame(
            {
                block: [self.blocks[row] for row in rows],
                group: [self.groups[column] for column in columns],
                value: self.means[rows, columns],
            }
        )


def item_means(table: pd.DataFrame, *, block: str, group: str, value: str) -> ItemMeans:
    """The mean of each block and group, whatever its number of ratings; empty values are dropped and counted."""
    require_columns(table, block, group, value)
    require_no_gaps(table, block, group)
    values = numbers(table, value)
    is_used = np.isfinite(values)
    block_codes, blocks = codes(table.loc[is_used, block])
    group_codes, groups = codes(table.loc[is_used, group])
    shape = len(blocks), len(groups)
    cell = block_codes * len(groups) + group_codes
    counts = np.bincount(cell, minlength=shape[0] * shape[1]).astype(np.float64)
    sums = np.bincount(cell, values[is_used], minlength=len(counts))
    means = np.divide(sums, counts, out=np.full(len(counts), NAN), where=counts > 0)
    return ItemMeans(tuple(blocks), tuple(groups), means.reshape(shape), counts.reshape(shape), int((~is_used).sum()))


def comparable(values: Floats) -> Floats:
    """Values that rank as equal where only rounding tells them apart: means of the same ratings in another order."""
    largest = np.nanmax(np.abs(values), initial=0.0)
    return np.round(values / largest, 12) if largest > 0 else values
