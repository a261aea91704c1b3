"""How sure is the ranking? Strengths in bootstrap draws of items: intervals, and the probability of each rank.

All draws are fitted at once by Newton's method on summed votes. A draw in which a system has lost its wins or its
losses, or falls apart from the others, bounds no strengths: it is left out, and its share is reported. The estimates
are always those of all votes, never a summary of the draws.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats

from analysis.bradley_terry import (
    NO_COMPONENT,
    NO_MAXIMUM,
    Fit,
    Strength,
    Ties,
    describe_strengths,
    fit_votes,
    name_model,
    require_ties,
)
from analysis.davidson import Likelihood, Tallies, tally
from analysis.resampling import CONFIDENCE, DRAWS, Floats, percentiles, resampling_warnings
from analysis.results import NAN, Result, format_interval, format_number
from analysis.vote_counts import VoteCounts, count_votes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIGITS = 9  # strengths that differ by less are the same


@dataclasses.dataclass(frozen=True, slots=True)
class RankedStrengths(Result):
    """Strengths, strongest first, with percentile intervals over draws of items.

    rank_probabilities: a row a fitted system in the order of `strengths`, a column a rank, the first is the best.
    """

    strengths: tuple[Strength, ...]
    rank_probabilities: tuple[tuple[float, ...], ...]
    votes_used: int
    votes_dropped: int
    clusters: int
    method: str
    seed: int
    draws: int
    undefined_share: float = NAN
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def fitted(self) -> tuple[Strength, ...]:
        return tuple(strength for strength in self.strengths if not strength.reason)

    @property
    def reading(self) -> str:
        if self.reason:
            return f"The ranking is not defined: {self.reason}."
        best = self.strengths[0]
        if not self.rank_probabilities:
            return f"{best.system} ranks first of {len(self.fitted)}; no draw bounds the strengths."
        interval = format_interval(best.elo_low, best.elo_high, 0)
        share = self.rank_probabilities[0][0]
        return (
            f"{best.system} ranks first of {len(self.fitted)} systems, Elo {format_number(best.elo, 0)} {interval}; "
            f"it is first in {share:.1%} of the bootstrap draws."
        )

    def to_frame(self) -> pd.DataFrame:
        """A row a system: strength, Elo, and the probability of each rank."""
        table = pd.DataFrame([dataclasses.asdict(strength) for strength in self.strengths])
        return pd.concat([table, self.rank_table().drop(columns="system")], axis=1)

    def rank_table(self) -> pd.DataFrame:
        """A row a fitted system: the probability of each rank."""
        table = pd.DataFrame({"system": [strength.system for strength in self.fitted]})
        for place in range(len(self.rank_probabilities)):
            table[f"rank_{place + 1}"] = [row[place] for row in self.rank_probabilities]
        return table

    def plot(self) -> "Figure":
        from analysis.preference_plots import plot_strengths  # takes a second to import

        return plot_strengths(self)


def bootstrap_strengths(
    table: pd.DataFrame,
    *,
    system_a: str,
    system_b: str,
    vote: str,
    seed: int,
    ties: Ties = "davidson",
    cluster: str | None = None,
    left: str | None = None,
    covariates: Sequence[str] = (),
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> RankedStrengths:
    """Strengths as of `fit_bradley_terry`, with intervals and rank probabilities from drawing `cluster`s (items)."""
    require_ties(ties)
    counts = count_votes(
        table, system_a=system_a, system_b=system_b, vote=vote, cluster=cluster, left=left, covariates=covariates
    )
    return resample_strengths(counts, ties=ties, seed=seed, draws=draws, confidence=confidence)


def resample_strengths(
    counts: VoteCounts, *, ties: Ties = "davidson", seed: int, draws: int = DRAWS, confidence: float = CONFIDENCE
) -> RankedStrengths:
    """The ranking of counted votes."""
    fit = fit_votes(counts, ties)
    drawn = np.empty((0, int(fit.component.sum())))
    if fit.parameters is not None:
        drawn = fit.votes.resample(lambda sums: strengths_of_draws(fit, tally(sums)), seed=seed, draws=draws)
    return _describe(fit, drawn, ties, seed, draws, confidence)


def strengths_of_draws(fit: Fit, votes: Tallies) -> Floats:
    """Centred strengths of the fitted systems (D, S'); NaN in draws that bound none."""
    assert fit.parameters is not None, "draws start from the maximum of all votes"
    strengths = np.full((len(votes.net), len(fit.contrasts)), np.nan)
    connected = is_connected(fit.votes, fit.component, votes)
    has_ties = votes.ties.any(axis=1)
    for is_chosen, likelihood in (
        (connected & has_ties, fit.likelihood),
        # A draw without ties sends log nu to minus infinity, and the strengths to those without nu.
        (connected & ~has_ties, Likelihood(fit.likelihood.design, has_ties=False)),
    ):
        start = fit.parameters[: likelihood.size]
        parameters = likelihood.maximise(votes.select(is_chosen), start)
        strengths[is_chosen] = parameters[:, : fit.free] @ fit.contrasts.T
    return strengths


def is_connected(counts: VoteCounts, component: NDArray[np.bool_], votes: Tallies) -> NDArray[np.bool_]:
    """Whether each system of the component has in each draw, through others, beaten and lost to each, (D,)."""
    size = int(component.sum())
    place = np.cumsum(component) - 1
    first, second = place[counts.first], place[counts.second]
    scored = votes.total + votes.ties
    reach = _sum_pairs(scored + votes.net, first * size + second, size)
    reach += _sum_pairs(scored - votes.net, second * size + first, size)
    reach[:, np.arange(size), np.arange(size)] = 1
    reach = np.minimum(reach, 1)
    for _ in range(max(1, int(np.ceil(np.log2(size))))):
        reach = np.minimum(reach @ reach, 1)
    return np.asarray((reach > 0).all(axis=(1, 2)))


def _sum_pairs(values: Floats, pair: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    """values (D, M) added up by the pair of systems that a setting has, (D, S, S)."""
    settings = len(pair)
    of_pair = sparse.csr_array((np.ones(settings), (np.arange(settings), pair)), shape=(settings, size * size))
    return np.asarray(values @ of_pair, dtype=np.float32).reshape(-1, size, size)


def rank_probabilities(strengths: Floats) -> Floats:
    """Share of draws (D, S) in which a system has a rank, (S, S) with the best first; equal ones share their ranks."""
    places = np.arange(1, strengths.shape[1] + 1)
    rounded = -strengths.round(DIGITS)
    lowest = stats.rankdata(rounded, method="min", axis=1)[:, :, None]
    highest = stats.rankdata(rounded, method="max", axis=1)[:, :, None]
    shares = ((lowest <= places) & (places <= highest)) / (highest - lowest + 1)
    return np.asarray(shares.mean(axis=0))


def _describe(fit: Fit, drawn: Floats, ties: Ties, seed: int, draws: int, confidence: float) -> RankedStrengths:
    size = len(fit.counts.systems)
    theta, low, high = (np.full(size, NAN) for _ in range(3))
    reason, undefined_share = "", NAN
    probabilities: tuple[tuple[float, ...], ...] = ()
    if fit.parameters is None:
        reason = NO_MAXIMUM if fit.votes.votes_used else NO_COMPONENT
    else:
        theta[fit.component] = fit.contrasts @ fit.parameters[: fit.free]
        intervals = [percentiles(column, confidence) for column in drawn.T]
        low[fit.component] = [interval.low for interval in intervals]
        high[fit.component] = [interval.high for interval in intervals]
        undefined_share = intervals[0].undefined_share
    strengths = describe_strengths(fit, theta, low, high, reason)
    defined = drawn[np.isfinite(drawn).all(axis=1)]
    if len(defined):
        shares = dict(zip(np.flatnonzero(fit.component), rank_probabilities(defined), strict=True))
        code = {fit.counts.systems[index]: index for index in range(size)}
        probabilities = tuple(
            tuple(map(float, shares[code[strength.system]])) for strength in strengths if not strength.reason
        )
    unbounded = tuple(f"{strength.system}: {strength.reason}" for strength in strengths if strength.reason)
    clusters, used = fit.votes.clusters, fit.votes.votes_used if fit.parameters is not None else 0
    return RankedStrengths(
        strengths=strengths,
        rank_probabilities=probabilities,
        votes_used=used,
        votes_dropped=fit.counts.votes_dropped + fit.counts.votes_used - used,
        clusters=clusters,
        method=f"{name_model(ties)}; percentile bootstrap over {clusters} clusters",
        seed=seed,
        draws=draws,
        undefined_share=undefined_share,
        confidence=confidence,
        warnings=unbounded + (resampling_warnings("the strengths", clusters, undefined_share) if not reason else ()),
        reason=reason,
    )
