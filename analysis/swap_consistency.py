"""Does a choice survive when the sides are exchanged? Votes on one pair that were cast with either side left.

Two votes on a pair agree or not. Votes with different sides left can only agree less than votes with the same side
where workers lean to a side; that difference is what the side costs. With a column for the rater the two votes are
of one worker, who judged the pair twice.
"""

import dataclasses

import numpy as np
import pandas as pd

from analysis.preferences import read_votes
from analysis.resampling import CONFIDENCE, DRAWS, Floats, cluster_counts, percentiles, resampling_warnings
from analysis.results import NAN, Result, format_interval, format_number
from analysis.tables import cluster_codes, codes, quoted, require_columns, require_no_gaps
from annotation.errors import InputError

CHOICES = 3  # a, tie, b


@dataclasses.dataclass(frozen=True, slots=True)
class SwapConsistency(Result):
    """Share of pairs of votes with exchanged sides that agree, with its interval over items.

    same_side: the share among votes with the same side left. difference: the first less the second, with its interval.
    pairs_of_votes, same_side_pairs: what the shares are of. units: pairs (of one rater) that were judged both ways.
    """

    estimate: float
    low: float
    high: float
    same_side: float
    difference: float
    difference_low: float
    difference_high: float
    pairs_of_votes: int
    same_side_pairs: int
    units: int
    used: int
    dropped: int
    clusters: int
    method: str
    seed: int
    draws: int
    undefined_share: float = 0.0
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()
    reason: str = ""
    by_rater: bool = False

    @property
    def reading(self) -> str:
        whose = "a worker's two votes on a pair" if self.by_rater else "two workers' votes on a pair"
        if self.reason:
            return f"Consistency under exchanged sides is not defined: {self.reason}."
        compared = ""
        if self.same_side_pairs:
            interval = format_interval(self.difference_low, self.difference_high)
            compared = (
                f"; with the same side left {self.same_side:.1%} do, a difference of "
                f"{format_number(self.difference)} {interval}"
            )
        return (
            f"With sides exchanged, {whose} agree in {self.estimate:.1%} {format_interval(self.low, self.high)} of "
            f"{self.pairs_of_votes} cases{compared}."
        )


def swap_consistency(
    table: pd.DataFrame,
    *,
    pair: str,
    vote: str,
    left: str,
    seed: int,
    rater: str | None = None,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> SwapConsistency:
    """vote: 1 for b, -1 for a, 0 for a tie, whatever the side; left: "a" or "b". Empty votes are dropped and counted.

    rater: compare votes of one rater alone. cluster: what the bootstrap draws (items); default the pairs.
    """
    named = [pair, left, *filter(None, [rater, cluster])]
    require_columns(table, vote, *named)
    require_no_gaps(table, *named)
    votes = np.sign(read_votes(table, vote))
    wrong = table.index[~table[left].isin(["a", "b"])]
    if len(wrong):
        raise InputError(f"row {wrong[0]}: {left!r} is {quoted(table[left].loc[wrong[0]])}; expected 'a' or 'b'.")
    given = np.isfinite(votes)
    rows = table[given]
    unit, _ = cluster_codes(rows, pair)
    if rater:
        of_rater, names = codes(rows[rater])
        unit = np.unique(unit * max(1, len(names)) + of_rater, return_inverse=True)[1]
    units = int(unit.max()) + 1 if len(unit) else 0
    cell = (unit * 2 + (rows[left] == "b").to_numpy()) * CHOICES + (votes[given] + 1).astype(np.int64)
    counts = np.bincount(cell, minlength=units * 2 * CHOICES).reshape(units, 2, CHOICES).astype(np.float64)
    columns = _pairs_of_votes(counts)
    cluster_of_unit = np.zeros(units, dtype=np.int64)
    of_row, clusters = cluster_codes(rows, cluster or pair)
    cluster_of_unit[unit] = of_row
    sums = np.zeros((clusters, columns.shape[1]))
    np.add.at(sums, cluster_of_unit, columns)
    swapped = columns[:, 1] > 0
    used = int(counts[swapped].sum())
    return _describe(
        sums, int(swapped.sum()), used, len(table) - used, seed, draws, confidence, by_rater=rater is not None
    )


def _pairs_of_votes(counts: Floats) -> Floats:
    """counts (U, 2, 3) of votes by side and choice: agreeing and all pairs of votes with exchanged sides, then with the
    same side, (U, 4)."""
    of_side = counts.sum(axis=2)
    return np.stack(
        [
            (counts[:, 0] * counts[:, 1]).sum(axis=1),
            of_side[:, 0] * of_side[:, 1],
            (counts * (counts - 1) / 2).sum(axis=(1, 2)),
            (of_side * (of_side - 1) / 2).sum(axis=1),
        ],
        axis=1,
    )


def _shares(sums: Floats) -> Floats:
    """Share that agrees with sides exchanged, with the same side, and their difference: (D, 4) to (D, 3)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        swapped, same = sums[:, 0] / sums[:, 1], sums[:, 2] / sums[:, 3]
    return np.stack([swapped, same, swapped - same], axis=1)


def _describe(
    sums: Floats, units: int, used: int, dropped: int, seed: int, draws: int, confidence: float, *, by_rater: bool
) -> SwapConsistency:
    total = sums.sum(axis=0)
    estimate, same_side, difference = (float(value) for value in _shares(total[None, :])[0])
    low = high = difference_low = difference_high = NAN
    undefined_share, reason = 0.0, ""
    warnings: tuple[str, ...] = ()
    # Only items with votes to compare say anything.
    sums = sums[(sums[:, [1, 3]] > 0).any(axis=1)]
    clusters = len(sums)
    if not units:
        reason = "no pair was judged with either side left"
    else:
        generator = np.random.default_rng(seed)
        drawn = _shares(cluster_counts(clusters, draws, generator).astype(np.float64) @ sums)
        interval, of_difference = percentiles(drawn[:, 0], confidence), percentiles(drawn[:, 2], confidence)
        low, high, undefined_share = interval.low, interval.high, interval.undefined_share
        difference_low, difference_high = of_difference.low, of_difference.high
        warnings = resampling_warnings("swap consistency", clusters, undefined_share)
    return SwapConsistency(
        estimate=estimate,
        low=low,
        high=high,
        same_side=same_side,
        difference=difference,
        difference_low=difference_low,
        difference_high=difference_high,
        pairs_of_votes=int(total[1]),
        same_side_pairs=int(total[3]),
        units=units,
        used=used,
        dropped=dropped,
        clusters=clusters,
        method=f"share of agreeing pairs of votes; percentile bootstrap over {clusters} clusters",
        seed=seed,
        draws=draws,
        undefined_share=undefined_share,
        confidence=confidence,
        warnings=warnings,
        reason=reason,
        by_rater=by_rater,
    )
