"""Which of two systems do people prefer?

A vote is +1 for b, -1 for a, 0 for a tie (or both bad). Votes on one unit (an item) are averaged first, for they
are not independent; the sign-flip test then asks whether unit means lie about 0. Beside it stands the paper's
protocol: the exact binomial test over single votes, ties left out.
"""

import dataclasses

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.intervals import wilson_interval
from analysis.resampling import CONFIDENCE, DRAWS, Floats, bootstrap_estimate, resampling_warnings
from analysis.results import NAN, SIGNIFICANCE, Result, format_interval, format_number, format_p
from analysis.tables import cluster_codes, numbers, quoted, require_columns, require_no_gaps
from annotation.errors import InputError

FLIPS = 100_000
TOLERANCE = 1e-9  # sums of thirds differ in the last digits; they are equal


@dataclasses.dataclass(frozen=True, slots=True)
class WinCounts:
    """Single votes: for a, for b, ties; `missing` were empty."""

    wins_a: int
    wins_b: int
    ties: int
    missing: int = 0

    @property
    def decided(self) -> int:
        return self.wins_a + self.wins_b


@dataclasses.dataclass(frozen=True, slots=True)
class SignFlipResult(Result):
    """Mean of unit means in [-1, 1] (above 0: b preferred), bootstrap interval over units, two-sided p."""

    estimate: float
    low: float
    high: float
    p_value: float
    units_used: int
    units_nonzero: int
    votes_used: int
    votes_dropped: int
    is_exact: bool
    flips: int
    seed: int
    draws: int
    method: str
    confidence: float = CONFIDENCE
    reason: str = ""
    warnings: tuple[str, ...] = ()
    name_a: str = "a"
    name_b: str = "b"

    @property
    def verdict(self) -> str:
        if not self.p_value <= SIGNIFICANCE:
            return f"No significant preference between {self.name_b} and {self.name_a}"
        winner, loser = (self.name_b, self.name_a) if self.estimate > 0 else (self.name_a, self.name_b)
        return f"Workers prefer {winner} to {loser}"

    @property
    def reading(self) -> str:
        if self.reason:
            return f"{self.name_b} against {self.name_a}: {self.reason}."
        return (
            f"{self.verdict}: mean vote {format_number(self.estimate)} {format_interval(self.low, self.high)} over "
            f"{self.units_used} items (1 = always {self.name_b}, −1 = always {self.name_a}), "
            f"sign-flip {format_p(self.p_value)}."
        )


@dataclasses.dataclass(frozen=True, slots=True)
class BinomialResult(Result):
    """Share of b among decided votes, Wilson interval, exact two-sided p against one half."""

    estimate: float
    low: float
    high: float
    p_value: float
    wins_a: int
    wins_b: int
    ties_dropped: int
    confidence: float = CONFIDENCE
    reason: str = ""
    method: str = "paper protocol: exact binomial test over votes, ties left out; Wilson interval"
    warnings: tuple[str, ...] = ("votes on one item are not independent; see the sign-flip test beside it",)
    name_a: str = "a"
    name_b: str = "b"

    @property
    def decided(self) -> int:
        return self.wins_a + self.wins_b

    @property
    def reading(self) -> str:
        if self.reason:
            return f"{self.name_b} against {self.name_a}: {self.reason}."
        return (
            f"By the paper's protocol {self.name_b} won {self.wins_b} of {self.decided} decided votes "
            f"({self.estimate:.1%}, Wilson {format_interval(self.low, self.high)}), exact binomial "
            f"{format_p(self.p_value)}; {self.ties_dropped} ties left out."
        )


def win_counts(table: pd.DataFrame, *, vote: str) -> WinCounts:
    """Count single votes by their sign."""
    votes = read_votes(table, vote)
    return WinCounts(
        wins_a=int((votes < 0).sum()),
        wins_b=int((votes > 0).sum()),
        ties=int((votes == 0).sum()),
        missing=int(np.isnan(votes).sum()),
    )


def read_votes(table: pd.DataFrame, vote: str) -> Floats:
    """The votes (N,); InputError where one is not between -1 and 1."""
    require_columns(table, vote)
    if pd.api.types.infer_dtype(table[vote]) == "boolean":
        found = quoted(table[vote].iloc[0])
        raise InputError(f"row {table.index[0]}: {vote!r} is {found}; expected -1 for a, 1 for b or 0 for a tie.")
    votes = numbers(table, vote)
    outside = table.index[np.abs(votes) > 1]
    if len(outside):
        found = table[vote].loc[outside[0]]
        raise InputError(f"row {outside[0]}: {vote!r} is {quoted(found)}; expected -1 for a, 1 for b or 0 for a tie.")
    return votes


def binomial_test(
    counts: WinCounts, confidence: float = CONFIDENCE, *, name_a: str = "a", name_b: str = "b"
) -> BinomialResult:
    """The paper's protocol: decided votes as independent coin tosses. Ties are left out and counted.

    name_a and name_b are the systems, as the reading calls them.
    """
    if not counts.decided:
        reason = "every vote is a tie" if counts.ties else "there is no vote"
        return BinomialResult(NAN, NAN, NAN, NAN, 0, 0, counts.ties, confidence, reason, name_a=name_a, name_b=name_b)
    low, high = wilson_interval(counts.wins_b, counts.decided, confidence)
    return BinomialResult(
        estimate=counts.wins_b / counts.decided,
        low=low,
        high=high,
        p_value=float(stats.binomtest(counts.wins_b, counts.decided).pvalue),
        wins_a=counts.wins_a,
        wins_b=counts.wins_b,
        ties_dropped=counts.ties,
        confidence=confidence,
        name_a=name_a,
        name_b=name_b,
    )


def sign_flip_test(
    table: pd.DataFrame,
    *,
    unit: str,
    vote: str,
    seed: int,
    flips: int = FLIPS,
    draws: int = DRAWS,
    name_a: str = "a",
    name_b: str = "b",
) -> SignFlipResult:
    """Are unit means symmetric about 0? Under that null each mean could as well have the other sign.

    p is the share of sign assignments whose |sum| is at least the observed one: exact when the distinct sums
    are at most `flips`, else (1 + count) / (1 + flips) over random ones (Phipson & Smyth 2010). name_a and name_b are
    the systems, as the reading calls them.
    """
    require_columns(table, unit, vote)
    require_no_gaps(table, unit)
    votes = read_votes(table, vote)
    is_vote = np.isfinite(votes)
    unit_of_vote, units = cluster_codes(table[is_vote], unit)
    votes_per_unit = np.bincount(unit_of_vote, minlength=units)
    means = np.bincount(unit_of_vote, votes[is_vote], minlength=units) / np.maximum(votes_per_unit, 1)
    mean = bootstrap_estimate(
        lambda weights: (weights @ means) / weights.sum(axis=1),
        np.arange(units),
        method="mean of unit means",
        seed=seed,
        draws=draws,
    )
    p_value, is_exact = sign_flip_p(means, seed=seed, flips=flips) if units else (NAN, True)
    how = "all sign flips" if is_exact else f"{flips} random sign flips"
    return SignFlipResult(
        estimate=0.0 if abs(mean.estimate) < TOLERANCE else mean.estimate,
        low=mean.low,
        high=mean.high,
        p_value=p_value,
        units_used=units,
        units_nonzero=int((np.abs(means) > TOLERANCE).sum()),
        votes_used=int(is_vote.sum()),
        votes_dropped=int((~is_vote).sum()),
        is_exact=is_exact,
        flips=0 if is_exact else flips,
        seed=seed,
        draws=draws,
        method=f"sign-flip test over mean votes of units, {how}, two-sided",
        reason="" if units else "there is no vote",
        warnings=resampling_warnings("the mean vote", units, mean.undefined_share) if units else (),
        name_a=name_a,
        name_b=name_b,
    )


def sign_flip_p(means: Floats, *, seed: int, flips: int = FLIPS) -> tuple[float, bool]:
    """Two-sided p of the unit means (N,), and whether it is exact. All zero: p = 1.

    Units with the same |mean| are exchangeable, so the sum of their flipped means is |mean| (2 B - n) with
    B binomial(n, 1/2). With a few votes a unit there are few sizes, and the whole distribution fits in a list.
    """
    sizes, counts = np.unique(np.abs(means).round(12), return_counts=True)
    sizes, counts = sizes[sizes > TOLERANCE], counts[sizes > TOLERANCE]
    observed = abs(float(means.sum())) - TOLERANCE * max(1.0, float(sizes.sum()))
    distribution = _exact_distribution(sizes, counts, largest=flips)
    if distribution is not None:
        sums, probabilities = distribution
        return min(1.0, float(probabilities[np.abs(sums) >= observed].sum())), True
    generator = np.random.default_rng(seed)
    flipped = np.zeros(flips)
    for size, count in zip(sizes, counts, strict=True):
        flipped += size * (2.0 * generator.binomial(count, 0.5, size=flips) - count)
    return (1 + int((np.abs(flipped) >= observed).sum())) / (1 + flips), False


def _exact_distribution(sizes: Floats, counts: NDArray[np.int64], largest: int) -> tuple[Floats, Floats] | None:
    """All sums of flipped means and their probabilities, or None if they are more than `largest`."""
    sums: Floats = np.zeros(1)
    probabilities: Floats = np.ones(1)
    for size, count in zip(sizes, counts, strict=True):
        heads = np.arange(count + 1)
        if len(sums) * len(heads) > 100 * largest:
            return None
        joint = (sums[:, None] + size * (2 * heads - count)).round(10).ravel()
        weights = (probabilities[:, None] * stats.binom.pmf(heads, count, 0.5)).ravel()
        sums, place = np.unique(joint, return_inverse=True)
        probabilities = np.bincount(place, weights).astype(np.float64)
        if len(sums) > largest:
            return None
    return sums, probabilities
