"""Ratings by group (system): sizes, means and spread, and means with intervals over items."""

import dataclasses

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.resampling import DRAWS, Floats, bootstrap_estimate
from analysis.results import NAN, Estimate
from analysis.tables import cluster_codes, codes, numbers, require_columns, require_no_gaps

ROUNDING = 1e-24  # of a squared value: the trace of spread that rounding leaves in equal values


@dataclasses.dataclass(frozen=True, slots=True)
class Groups:
    """A long table read by group: values and group codes (N,), sizes, means and sums of squares within (G,)."""

    names: tuple[str, ...]
    values: Floats
    codes: NDArray[np.int64]
    sizes: Floats
    means: Floats
    squares: Floats
    used: int
    dropped: int

    @property
    def within(self) -> float:
        return float(self.squares.sum())

    @property
    def between(self) -> float:
        return float((self.sizes * (self.means - self.values.mean()) ** 2).sum()) if self.used else NAN

    @property
    def df_within(self) -> int:
        return self.used - len(self.names)

    @property
    def variances(self) -> Floats:
        """Sample variances (G,), NaN in a group of one."""
        return np.divide(self.squares, self.sizes - 1, out=np.full(len(self.names), NAN), where=self.sizes > 1)

    def why_undefined(self) -> str:
        """Why no pooled spread can be had, or nothing."""
        if len(self.names) < 2:
            return "fewer than two groups have a value"
        if self.df_within < 1:
            return "no group has two values, so there is no spread within groups"
        return "all groups are constant" if self.within == 0 else ""


def read_groups(table: pd.DataFrame, *, group: str, value: str) -> Groups:
    """Rows with an empty value are dropped and counted."""
    require_columns(table, group, value)
    require_no_gaps(table, group)
    values = numbers(table, value)
    is_used = np.isfinite(values)
    group_codes, names = codes(table.loc[is_used, group])
    values = values[is_used]
    sizes = np.bincount(group_codes, minlength=len(names)).astype(np.float64)
    means = np.bincount(group_codes, values, minlength=len(names)) / np.maximum(sizes, 1)
    squares = np.bincount(group_codes, (values - means[group_codes]) ** 2, minlength=len(names))
    largest = np.abs(values).max(initial=0.0)
    return Groups(
        names=tuple(map(str, names)),
        values=values,
        codes=group_codes,
        sizes=sizes,
        means=means,
        squares=np.where(squares <= ROUNDING * sizes * largest**2, 0.0, squares),
        used=len(values),
        dropped=int((~is_used).sum()),
    )


def group_means(
    table: pd.DataFrame, *, group: str, value: str, cluster: str, seed: int, draws: int = DRAWS
) -> dict[str, Estimate]:
    """Mean of each group, with intervals from resampling clusters (items)."""
    require_columns(table, group, value, cluster)
    require_no_gaps(table, group, cluster)
    values = pd.Series(numbers(table, value), index=table.index)
    means = {}
    for name in codes(table[group])[1]:
        rows = table[group] == name
        rated = rows & values.notna()
        rated_values = values[rated].to_numpy()

        def weighted_mean(weights: Floats, rated_values: Floats = rated_values) -> Floats:
            return (weights @ rated_values) / weights.sum(axis=1)

        cluster_of_row, _ = cluster_codes(table[rated], cluster)
        dropped = int(rows.sum() - rated.sum())
        means[str(name)] = bootstrap_estimate(
            weighted_mean, cluster_of_row, method="mean rating", seed=seed, dropped=dropped, draws=draws
        )
    return means
