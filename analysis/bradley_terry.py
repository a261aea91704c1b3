"""Strengths of systems from pairwise votes: Bradley & Terry (1952), and Davidson (1970) where ties are possible.

With eta = theta_b - theta_a + gamma s, s = 1 where b was shown left and -1 where a was, a vote is for b, for a or a tie
with probabilities in the proportion exp(eta / 2) : exp(-eta / 2) : nu. nu = 0 without ties. Scores are centred, so that
their intervals do not depend on which system would have been the anchor.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats

from analysis.davidson import Likelihood, Predictions, tally
from analysis.resampling import CONFIDENCE, Floats, resampling_warnings
from analysis.results import NAN, Result, format_interval, format_number, format_p
from analysis.vote_counts import Integers, VoteCounts, count_votes
from annotation.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Ties = Literal["davidson", "half", "drop"]
Variance = Literal["model", "sandwich", "cluster"]
TIES: tuple[Ties, ...] = get_args(Ties)
VARIANCES: tuple[Variance, ...] = get_args(Variance)
ELO_PER_LOGIT, ELO_MEAN = 400 / np.log(10), 1000.0
NO_COMPONENT = "no two systems have each won against the other, even through others"
NO_MAXIMUM = "the likelihood has no maximum that the votes determine"


@dataclasses.dataclass(frozen=True, slots=True)
class Strength:
    """A system's centred log strength; NaN with a `reason` where the votes do not bound it. Elo has mean 1000."""

    system: Any
    estimate: float
    low: float
    high: float
    elo: float
    elo_low: float
    elo_high: float
    wins: int
    losses: int
    ties: int
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """What one unit of a covariate adds to the log odds, with its Wald interval and two-sided p."""

    name: str
    estimate: float = NAN
    low: float = NAN
    high: float = NAN
    p_value: float = NAN

    @property
    def reading(self) -> str:
        interval = format_interval(self.low, self.high)
        return f"The effect of {self.name} is {format_number(self.estimate)} {interval}, {format_p(self.p_value)}."


@dataclasses.dataclass(frozen=True, slots=True)
class BradleyTerry(Result):
    """Strengths, strongest first. side_effect: log odds that the left side gains; tie_weight: nu. NaN if not fitted."""

    strengths: tuple[Strength, ...]
    side_effect: float
    side_low: float
    side_high: float
    side_p: float
    effects: tuple[Effect, ...]
    tie_weight: float
    votes_used: int
    votes_dropped: int
    clusters: int
    method: str
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()
    reason: str = ""
    seed: int | None = None

    @property
    def fitted(self) -> tuple[Strength, ...]:
        return tuple(strength for strength in self.strengths if not strength.reason)

    @property
    def reading(self) -> str:
        if self.reason:
            return f"Strengths are not defined: {self.reason}."
        best = self.strengths[0]
        interval = format_interval(best.elo_low, best.elo_high, 0)
        return (
            f"{best.system} is the strongest of {len(self.fitted)} fitted systems, "
            f"Elo {format_number(best.elo, 0)} {interval}."
        )

    def to_frame(self) -> pd.DataFrame:
        """A row a system, the strongest first."""
        return pd.DataFrame([dataclasses.asdict(strength) for strength in self.strengths])

    def plot(self) -> "Figure":
        from analysis.preference_plots import plot_elo  # takes a second to import

        return plot_elo(self.fitted)


def fit_bradley_terry(
    table: pd.DataFrame,
    *,
    system_a: str,
    system_b: str,
    vote: str,
    ties: Ties = "davidson",
    variance: Variance = "cluster",
    cluster: str | None = None,
    left: str | None = None,
    covariates: Sequence[str] = (),
    confidence: float = CONFIDENCE,
) -> BradleyTerry:
    """Maximum likelihood with Wald intervals. vote: 1 for b, -1 for a, 0 for a tie; empty is missing.

    ties: `davidson` models them, `half` counts half a win for each, `drop` leaves them out. left: the column that says
    "a" or "b". covariates: numbers that speak for b and would have the other sign with a and b exchanged.
    variance: `model` trusts the model, `sandwich` does not, `cluster` also lets the votes of one `cluster` (an item)
    depend on each other; without that column each vote is its own.
    """
    require_ties(ties)
    if variance not in VARIANCES:
        raise InputError(f"variance is {variance!r}; expected one of {', '.join(VARIANCES)}.")
    counts = count_votes(
        table,
        system_a=system_a,
        system_b=system_b,
        vote=vote,
        cluster=cluster if variance == "cluster" else None,
        left=left,
        covariates=covariates,
    )
    fit = fit_votes(counts, ties)
    names = (*(["side"] if left else []), *covariates)
    return _describe(fit, names, ties, variance, confidence)


def require_ties(ties: str) -> None:
    if ties not in TIES:
        raise InputError(f"ties is {ties!r}; expected one of {', '.join(TIES)}.")


@dataclasses.dataclass(frozen=True, slots=True)
class Fit:
    """The model and its maximum (p,), or None; `votes` are those that it was fitted to, of `counts`.

    component (S,): the systems that were fitted. contrasts (S', S' - 1): the first parameters to centred strengths.
    """

    counts: VoteCounts
    votes: VoteCounts
    component: NDArray[np.bool_]
    contrasts: Floats
    likelihood: Likelihood
    parameters: Floats | None

    @property
    def free(self) -> int:
        return int(self.contrasts.shape[1])

    def covariance(self, variance: Variance) -> Floats:
        """Of the parameters, (p, p)."""
        assert self.parameters is not None, "without a maximum there is no covariance"
        at = self.likelihood.predict(self.parameters[None, :])
        inverse = np.linalg.inv(self.likelihood.information(at, tally(self.votes.totals))[0])
        if variance == "model":
            return np.asarray(inverse)
        scores = self._cluster_scores(at)
        clusters = len(scores)
        # Few clusters understate the variance: the usual factor. As few as parameters leave none in some direction.
        factor = clusters / (clusters - 1) if clusters > len(inverse) else NAN
        return np.asarray((factor if variance == "cluster" else 1.0) * inverse @ (scores.T @ scores) @ inverse)

    def _cluster_scores(self, at: Predictions) -> Floats:
        """The gradient of each cluster's log likelihood, (K, p)."""
        mean, share = at.mean[0], at.share[0]
        design, settings = self.likelihood.design, len(mean)
        # What a vote for the first, a tie and a vote for the second add to the score.
        of_vote = np.concatenate([design * ((outcome - mean) / 2)[:, None] for outcome in (-1, 0, 1)])
        if self.likelihood.has_ties:
            is_tie = np.repeat([0.0, 1.0, 0.0], settings)
            of_vote = np.column_stack([of_vote, is_tie - np.tile(share, 3)])
        return np.asarray(self.votes.of_cluster @ of_vote)


def fit_votes(counts: VoteCounts, ties: Ties) -> Fit:
    """The maximum of the largest group of systems whose strengths the votes bound."""
    if ties == "drop":
        counts = counts.without_ties()
    component = largest_component(counts)
    votes = counts.among(component)
    size = max(1, int(component.sum()))
    # Columns orthogonal to (1, ..., 1): centred strengths.
    contrasts = np.linalg.svd(np.eye(size) - 1 / size)[0][:, : size - 1]
    place = np.cumsum(component) - 1
    design = contrasts[place[votes.second]] - contrasts[place[votes.first]]
    tallies = tally(votes.totals)
    likelihood = Likelihood(
        np.column_stack([design, votes.covariates]), has_ties=ties == "davidson" and bool(tallies.ties.any())
    )
    parameters = None
    if votes.votes_used:
        found = likelihood.maximise(tallies, np.zeros(likelihood.size))[0]
        parameters = found if np.isfinite(found).all() else None
    return Fit(counts, votes, component, contrasts, likelihood, parameters)


def largest_component(counts: VoteCounts) -> NDArray[np.bool_]:
    """Which systems (S,) the likelihood bounds: each has, through others, both beaten and lost to each (Ford 1957)."""
    size, votes = len(counts.systems), tally(counts.totals)
    second_scores = (votes.total + votes.net + votes.ties)[0] > 0  # votes for the second, or ties
    first_scores = (votes.total - votes.net + votes.ties)[0] > 0
    loser = np.concatenate([counts.first[second_scores], counts.second[first_scores]])
    winner = np.concatenate([counts.second[second_scores], counts.first[first_scores]])
    graph = sparse.csr_array((np.ones(len(loser)), (loser, winner)), shape=(size, size))
    _, label = sparse.csgraph.connected_components(graph, connection="strong")
    members = np.bincount(label)
    return np.asarray((label == members.argmax()) & (members.max() > 1))


def _describe(fit: Fit, names: Sequence[str], ties: Ties, variance: Variance, confidence: float) -> BradleyTerry:
    size = len(fit.counts.systems)
    theta, half = np.full(size, NAN), np.full(size, NAN)
    effects = [Effect(name) for name in names]
    tie_weight, reason = NAN, ""
    if fit.parameters is None:
        reason = NO_MAXIMUM if fit.votes.votes_used else NO_COMPONENT
    else:
        covariance, z = fit.covariance(variance), stats.norm.ppf((1 + confidence) / 2)
        theta[fit.component] = fit.contrasts @ fit.parameters[: fit.free]
        of_strengths = fit.contrasts @ covariance[: fit.free, : fit.free] @ fit.contrasts.T
        # A variance of 0 may be rounded to less.
        half[fit.component] = z * np.sqrt(np.maximum(np.diag(of_strengths), 0))
        spreads = np.sqrt(np.maximum(np.diag(covariance), 0))[fit.free :]
        effects = [_effect(*entry, z) for entry in zip(names, fit.parameters[fit.free :], spreads, strict=False)]
        tie_weight = float(np.exp(fit.parameters[-1])) if fit.likelihood.has_ties else NAN
    strengths = describe_strengths(fit, theta, theta - half, theta + half, reason)
    side = effects[0] if names[:1] == ("side",) else Effect("side")
    used = fit.votes.votes_used if fit.parameters is not None else 0
    return BradleyTerry(
        strengths=strengths,
        side_effect=side.estimate,
        side_low=side.low,
        side_high=side.high,
        side_p=side.p_value,
        effects=tuple(effect for effect in effects if effect is not side),
        tie_weight=tie_weight,
        votes_used=used,
        votes_dropped=fit.counts.votes_dropped + fit.counts.votes_used - used,
        clusters=fit.votes.clusters,
        method=f"{name_model(ties)}; {variance} variance",
        confidence=confidence,
        warnings=_warn(strengths, fit.votes.clusters, variance),
        reason=reason,
    )


def _warn(strengths: Sequence[Strength], clusters: int, variance: Variance) -> tuple[str, ...]:
    unbounded = tuple(f"{strength.system}: {strength.reason}" for strength in strengths if strength.reason)
    if variance == "cluster" and any(not strength.reason for strength in strengths):
        return unbounded + resampling_warnings("the strengths", clusters, 0.0)
    return unbounded


def name_model(ties: Ties) -> str:
    return "Davidson" if ties == "davidson" else f"Bradley-Terry, ties: {ties}"


def _effect(name: str, estimate: float, spread: float, z: float) -> Effect:
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = 2 * stats.norm.sf(abs(estimate / spread))
    return Effect(name, float(estimate), float(estimate - z * spread), float(estimate + z * spread), float(p_value))


def describe_strengths(fit: Fit, theta: Floats, low: Floats, high: Floats, reason: str) -> tuple[Strength, ...]:
    """Strengths (S,) with their ends, strongest first, those that were not fitted last."""
    scores = score_votes(fit.counts)
    strengths = [
        _strength(fit, code, (float(theta[code]), float(low[code]), float(high[code])), scores[code], reason)
        for code in range(len(fit.counts.systems))
    ]
    return tuple(sorted(strengths, key=lambda strength: (bool(strength.reason), -np.nan_to_num(strength.estimate))))


def score_votes(counts: VoteCounts) -> Integers:
    """Wins, losses and ties of each system, (S, 3)."""
    size = len(counts.systems)
    first, tied, second = np.split(counts.totals[0], 3)
    columns = [
        np.bincount(counts.first, of_first, size) + np.bincount(counts.second, of_second, size)
        for of_first, of_second in ((first, second), (second, first), (tied, tied))
    ]
    return np.stack(columns, axis=1).astype(np.int64)


def _strength(fit: Fit, code: int, ends: tuple[float, float, float], scores: Integers, reason: str) -> Strength:
    wins, losses, ties = (int(count) for count in scores)
    elo, elo_low, elo_high = (float(ELO_MEAN + ELO_PER_LOGIT * end) for end in ends)
    return Strength(
        system=fit.counts.systems[code],
        estimate=ends[0],
        low=ends[1],
        high=ends[2],
        elo=elo,
        elo_low=elo_low,
        elo_high=elo_high,
        wins=wins,
        losses=losses,
        ties=ties,
        reason=reason if fit.component[code] else _why_unbounded(wins, losses, ties),
    )


def _why_unbounded(wins: int, losses: int, ties: int) -> str:
    if not wins + ties:
        return "it won no vote, so its strength has no lower bound" if losses else "it has no vote"
    if not losses + ties:
        return "it lost no vote, so its strength has no upper bound"
    return "it is not compared, in both directions, with the systems that were fitted"
