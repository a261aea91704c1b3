"""Pairwise votes as counts: what win rates and strengths add up, counted once.

A setting is what votes share: the two systems, and where they are asked for the side and other covariates. The first
system of a setting is the one whose name comes first, so votes of either direction meet. Counts are kept per cluster
(an item with all its votes), sparse.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from analysis.preferences import read_votes
from analysis.resampling import Columns, Floats, Statistic, compact, resample_sums
from analysis.tables import cluster_codes, codes, numbers, quoted, require_columns, require_no_gaps
from annotation.errors import InputError

Integers = NDArray[np.int64]
OUTCOMES = 3  # for the first system, a tie, for the second


@dataclasses.dataclass(frozen=True, slots=True)
class VoteCounts:
    """M settings of S systems; `of_cluster` (K, 3M) has votes for the first, then ties, then votes for the second.

    covariates (M, C): what speaks for the second system and changes its sign when the two are exchanged.
    """

    systems: list[Any]
    first: Integers
    second: Integers
    covariates: Floats
    of_cluster: sparse.csr_array
    votes_dropped: int

    @property
    def clusters(self) -> int:
        return int(self.of_cluster.shape[0])

    @property
    def votes_used(self) -> int:
        return int(self.of_cluster.sum())

    @property
    def totals(self) -> Floats:
        """All votes of the table, (1, 3M)."""
        return np.asarray(self.of_cluster.sum(axis=0), dtype=np.float64)[None, :]

    def without_ties(self) -> "VoteCounts":
        """The decided votes alone."""
        is_kept = np.repeat([1.0, 0.0, 1.0], len(self.first))
        return self._with_votes(self.of_cluster @ sparse.diags_array(is_kept, format="csr"))

    def among(self, chosen: NDArray[np.bool_]) -> "VoteCounts":
        """The settings of two systems that are both in `chosen` (S,), with their votes."""
        inside = chosen[self.first] & chosen[self.second]
        kept = self._with_votes(self.of_cluster[:, np.flatnonzero(np.tile(inside, OUTCOMES))])
        return dataclasses.replace(
            kept, first=self.first[inside], second=self.second[inside], covariates=self.covariates[inside]
        )

    def _with_votes(self, of_cluster: sparse.csr_array) -> "VoteCounts":
        """These counts instead, without clusters that have none; what is missing has been dropped."""
        kept = sparse.csr_array(of_cluster)
        kept.eliminate_zeros()
        kept = kept[np.flatnonzero(np.diff(kept.indptr))]
        return dataclasses.replace(
            self, of_cluster=kept, votes_dropped=self.votes_dropped + self.votes_used - int(kept.sum())
        )

    def resample(self, statistic: Statistic, *, seed: int, draws: int) -> Floats:
        """The statistic of summed counts, (D, 3M) to (D, ...), where clusters are drawn with replacement."""
        columns: Columns = self.of_cluster
        repeats = np.ones(self.clusters, dtype=np.int64)
        if self.clusters == self.votes_used:  # a vote is its own cluster: alike ones are drawn together
            occurring = np.flatnonzero(self.totals[0])
            columns = sparse.csr_array(np.eye(self.of_cluster.shape[1])[occurring])
            repeats = self.totals[0, occurring].astype(np.int64)
        return resample_sums(compact(columns), repeats, statistic, seed=seed, draws=draws)


def count_votes(
    table: pd.DataFrame,
    *,
    system_a: str,
    system_b: str,
    vote: str,
    cluster: str | None = None,
    left: str | None = None,
    covariates: Sequence[str] = (),
) -> VoteCounts:
    """Check a long table, one row a vote, and count it. vote: 1 for b, -1 for a, 0 for a tie; empty is missing.

    left: the column that says which was shown left, "a" or "b"; it becomes the first covariate. A row without one of
    its covariates is dropped and counted. Without a cluster column each vote is its own.
    """
    named = [system_a, system_b, *filter(None, [left, cluster])]
    require_columns(table, vote, *named, *covariates)
    require_no_gaps(table, *named)
    votes = np.sign(read_votes(table, vote))
    given = np.column_stack([_read_sides(table, left), *(numbers(table, column) for column in covariates)])
    is_used = np.isfinite(votes) & np.isfinite(given).all(axis=1)
    first, second, systems = _read_systems(table, system_a, system_b)
    turned = first > second
    direction = np.where(turned, -1.0, 1.0)
    settings = np.column_stack([np.where(turned, second, first), np.where(turned, first, second)])
    rows = np.column_stack([settings, given * direction[:, None]])[is_used]
    distinct, setting = np.unique(rows, axis=0, return_inverse=True)
    outcome = (votes * direction + 1)[is_used].astype(np.int64)
    cluster_of_vote, clusters = cluster_codes(table[is_used], cluster)
    return VoteCounts(
        systems=systems,
        first=distinct[:, 0].astype(np.int64),
        second=distinct[:, 1].astype(np.int64),
        covariates=distinct[:, 2:],
        of_cluster=sparse.csr_array(
            (np.ones(len(outcome)), (cluster_of_vote, outcome * len(distinct) + setting)),
            shape=(clusters, OUTCOMES * len(distinct)),
        ),
        votes_dropped=int((~is_used).sum()),
    )


def _read_sides(table: pd.DataFrame, left: str | None) -> Floats:
    """1 where b was shown left, -1 where a was, (N, 1); without the column (N, 0)."""
    if left is None:
        return np.empty((len(table), 0))
    wrong = table.index[~table[left].isin(["a", "b"])]
    if len(wrong):
        raise InputError(f"row {wrong[0]}: {left!r} is {quoted(table[left].loc[wrong[0]])}; expected 'a' or 'b'.")
    return np.where(table[left] == "b", 1.0, -1.0)[:, None]


def _read_systems(table: pd.DataFrame, system_a: str, system_b: str) -> tuple[Integers, Integers, list[Any]]:
    """Codes of a and of b, (N,) each, and the names of all systems."""
    of_both, systems = codes(pd.concat([table[system_a], table[system_b]], ignore_index=True))
    first, second = of_both[: len(table)], of_both[len(table) :]
    same = table.index[first == second]
    if len(same):
        raise InputError(f"row {same[0]}: {quoted(table[system_a].loc[same[0]])} is compared with itself.")
    return first, second, systems
