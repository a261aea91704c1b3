"""Strengths of systems from pairwise votes: Bradley & Terry (1952), and Davidson (1970) where ties are possible.

With eta = theta_b - theta_a + gamma s, s = 1 where b was shown left and -1 where a was, a vote is for b, for a or a tie
with probabilities in the proportion exp(eta / 2) : exp(-eta / 2) : nu. nu = 0 without ties. Scores are centred, so that
their intervals do not depend on which system would have been the anchor.
"""

import dataclasses
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats

from analysis.preferences import read_votes
from analysis.resampling import CONFIDENCE, Floats
from analysis.results import NAN, Result, format_interval, format_number
from analysis.tables import cluster_codes, codes, quoted, require_columns, require_no_gaps
from annotation.errors import InputError

Ties = Literal["davidson", "half", "drop"]
Variance = Literal["model", "sandwich", "cluster"]
TIES: tuple[Ties, ...] = get_args(Ties)
VARIANCES: tuple[Variance, ...] = get_args(Variance)
ELO_PER_LOGIT, ELO_MEAN = 400 / np.log(10), 1000.0
MOST_STEPS = 100
CONVERGED = 1e-12  # what a step may still gain in log likelihood, per vote
Integers = NDArray[np.int64]


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
class BradleyTerry(Result):
    """Strengths, strongest first. side_effect: log odds that the left side gains; tie_weight: nu. NaN if not fitted."""

    strengths: tuple[Strength, ...]
    side_effect: float
    side_low: float
    side_high: float
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
    def reading(self) -> str:
        if self.reason:
            return f"Strengths are not defined: {self.reason}."
        best = self.strengths[0]
        interval = format_interval(best.elo_low, best.elo_high, 0)
        fitted = sum(not strength.reason for strength in self.strengths)
        return (
            f"{best.system} is the strongest of {fitted} fitted systems, Elo {format_number(best.elo, 0)} {interval}."
        )

    def to_frame(self) -> pd.DataFrame:
        """A row a system, the strongest first."""
        return pd.DataFrame([dataclasses.asdict(strength) for strength in self.strengths])


@dataclasses.dataclass(frozen=True, slots=True)
class _Votes:
    """The votes as codes, all (N,); side is 0 without sides."""

    systems: list[Any]
    first: Integers
    second: Integers
    vote: Floats
    side: Floats
    cluster: Integers

    def select(self, chosen: NDArray[np.bool_]) -> "_Votes":
        arrays = {name: getattr(self, name)[chosen] for name in ("first", "second", "vote", "side", "cluster")}
        return dataclasses.replace(self, **arrays)


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
    confidence: float = CONFIDENCE,
) -> BradleyTerry:
    """Maximum likelihood with Wald intervals. vote: 1 for b, -1 for a, 0 for a tie; empty is missing.

    ties: `davidson` models them, `half` counts half a win for each, `drop` leaves them out. left: the column that says
    "a" or "b". variance: `model` trusts the model, `sandwich` does not, `cluster` also lets the votes of one `cluster`
    (an item) depend on each other; without that column each vote is its own.
    """
    _require_choices(ties, variance)
    votes, dropped = _read(table, system_a, system_b, vote, left, cluster, ties)
    component = _largest_component(votes)
    used = votes.select(component[votes.first] & component[votes.second])
    model = f"{'Davidson' if ties == 'davidson' else f'Bradley-Terry, ties: {ties}'}; {variance} variance"
    fit = _Fit(used, component, has_side=left is not None, has_ties=ties == "davidson" and bool((used.vote == 0).any()))
    estimate = fit.maximise() if len(used.vote) else None
    return _describe(votes, used, fit, estimate, dropped, model, variance, confidence)


def _require_choices(ties: str, variance: str) -> None:
    for name, value, allowed in (("ties", ties, TIES), ("variance", variance, VARIANCES)):
        if value not in allowed:
            raise InputError(f"{name} is {value!r}; expected one of {', '.join(allowed)}.")


def _read(
    table: pd.DataFrame, system_a: str, system_b: str, vote: str, left: str | None, cluster: str | None, ties: Ties
) -> tuple[_Votes, int]:
    named = [system_a, system_b, *filter(None, [left, cluster])]
    require_columns(table, vote, *named)
    require_no_gaps(table, *named)
    value = read_votes(table, vote)
    if left and (wrong := table.index[~table[left].isin(["a", "b"])]).size:
        raise InputError(f"row {wrong[0]}: {left!r} is {quoted(table[left].loc[wrong[0]])}; expected 'a' or 'b'.")
    same = table.index[table[system_a] == table[system_b]]
    if len(same):
        raise InputError(f"row {same[0]}: {quoted(table[system_a].loc[same[0]])} is compared with itself.")
    of_both, systems = codes(pd.concat([table[system_a], table[system_b]], ignore_index=True))
    side = np.where(table[left] == "b", 1.0, -1.0) if left else np.zeros(len(table))
    votes = _Votes(
        systems, of_both[: len(table)], of_both[len(table) :], np.sign(value), side, cluster_codes(table, cluster)[0]
    )
    is_used = np.isfinite(value) & ((value != 0) | (ties != "drop"))
    return votes.select(is_used), int((~is_used).sum())


def _largest_component(votes: _Votes) -> NDArray[np.bool_]:
    """Which systems (S,) the likelihood bounds: each has, through others, both beaten and lost to each (Ford 1957)."""
    loser = np.concatenate([votes.first[votes.vote >= 0], votes.second[votes.vote <= 0]])
    winner = np.concatenate([votes.second[votes.vote >= 0], votes.first[votes.vote <= 0]])
    size = len(votes.systems)
    graph = sparse.csr_array((np.ones(len(loser)), (loser, winner)), shape=(size, size))
    _, label = sparse.csgraph.connected_components(graph, connection="strong")
    members = np.bincount(label)
    return np.asarray((label == members.argmax()) & (members.max() > 1))


class _Fit:
    """Newton's method on distinct votes; the parameters are contrasts of strengths, then gamma, then log nu."""

    def __init__(self, votes: _Votes, component: NDArray[np.bool_], *, has_side: bool, has_ties: bool) -> None:
        self.has_side, self.has_ties, self.component = has_side, has_ties, component
        size = max(1, int(component.sum()))
        # Columns orthogonal to (1, ..., 1): centred strengths.
        self.contrasts = np.linalg.svd(np.eye(size) - 1 / size)[0][:, : size - 1]
        place = np.cumsum(component) - 1
        rows = np.column_stack([place[votes.first], place[votes.second], votes.side, votes.vote])
        distinct, self.row_of_vote = np.unique(rows, axis=0, return_inverse=True)
        self.weight = np.bincount(self.row_of_vote, minlength=len(distinct)).astype(np.float64)
        first, second = distinct[:, 0].astype(int), distinct[:, 1].astype(int)
        self.vote = distinct[:, 3]
        design = self.contrasts[second] - self.contrasts[first]
        self.design = np.column_stack([design, distinct[:, 2]]) if has_side else design

    def maximise(self) -> Floats | None:
        """The parameters, or None where Newton's method finds no maximum."""
        parameters = np.zeros(self.design.shape[1] + self.has_ties)
        value = self.log_likelihood(parameters)
        for _ in range(MOST_STEPS):
            gradient, information = self.weight @ self.scores(parameters), self.information(parameters)
            if np.linalg.cond(information) > 1e12:
                return None
            step = np.linalg.solve(information, gradient)
            if float(gradient @ step) < CONVERGED * self.weight.sum():
                return parameters + step
            while self.log_likelihood(parameters + step) < value:
                step = step / 2
            parameters = parameters + step
            value = self.log_likelihood(parameters)
        return None

    def _predict(self, parameters: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """eta, log of the sum of the three terms, mean vote and share of ties of each distinct vote, (R,) each."""
        eta = self.design @ parameters[: self.design.shape[1]]
        total = np.logaddexp(eta / 2, -eta / 2)
        share = np.zeros_like(eta)
        if self.has_ties:
            total = np.logaddexp(total, parameters[-1])
            share = np.exp(parameters[-1] - total)
        return eta, total, np.exp(eta / 2 - total) - np.exp(-eta / 2 - total), share

    def log_likelihood(self, parameters: Floats) -> float:
        eta, total, _, _ = self._predict(parameters)
        log_weight = self.vote * eta / 2
        if self.has_ties:
            log_weight = log_weight + (self.vote == 0) * parameters[-1]
        return float(self.weight @ (log_weight - total))

    def scores(self, parameters: Floats) -> Floats:
        """The gradient of each distinct vote's log likelihood, (R, parameters)."""
        _, _, mean, share = self._predict(parameters)
        of_design = self.design * ((self.vote - mean) / 2)[:, None]
        return np.column_stack([of_design, (self.vote == 0) - share]) if self.has_ties else of_design

    def information(self, parameters: Floats) -> Floats:
        """Fisher's information, (parameters, parameters)."""
        _, _, mean, share = self._predict(parameters)
        variance = (1 - share - mean**2) / 4
        matrix = (self.design * (self.weight * variance)[:, None]).T @ self.design
        if not self.has_ties:
            return np.asarray(matrix)
        cross = self.design.T @ (self.weight * -mean * share / 2)
        corner = self.weight @ (share * (1 - share))
        return np.block([[matrix, cross[:, None]], [cross[None, :], np.array([[corner]])]])

    def covariance(self, parameters: Floats, variance: Variance, cluster: Integers) -> Floats:
        inverse = np.linalg.inv(self.information(parameters))
        if variance == "model":
            return np.asarray(inverse)
        scores = self.scores(parameters)
        if variance == "sandwich":
            return np.asarray(inverse @ ((scores * self.weight[:, None]).T @ scores) @ inverse)
        _, cluster = np.unique(cluster, return_inverse=True)
        counts = sparse.csr_array((np.ones(len(cluster)), (cluster, self.row_of_vote)))
        sums = counts @ scores[: counts.shape[1]]
        clusters = len(sums)
        # Few clusters understate the variance: the usual factor.
        factor = clusters / (clusters - 1) if clusters > 1 else NAN
        return np.asarray(factor * inverse @ (sums.T @ sums) @ inverse)


def _describe(
    votes: _Votes,
    used: _Votes,
    fit: _Fit,
    parameters: Floats | None,
    dropped: int,
    method: str,
    variance: Variance,
    confidence: float,
) -> BradleyTerry:
    size = len(votes.systems)
    theta, half = np.full(size, NAN), np.full(size, NAN)
    side = side_half = tie_weight = NAN
    reason = "" if len(used.vote) else "no two systems have each won against the other, even through others"
    if parameters is None:
        reason = reason or "the likelihood has no maximum that the votes determine"
    else:
        covariance = fit.covariance(parameters, variance, used.cluster)
        z, free = stats.norm.ppf((1 + confidence) / 2), fit.contrasts.shape[1]
        theta[fit.component] = fit.contrasts @ parameters[:free]
        half[fit.component] = z * np.sqrt(np.diag(fit.contrasts @ covariance[:free, :free] @ fit.contrasts.T))
        if fit.has_side:
            side, side_half = float(parameters[free]), float(z * np.sqrt(covariance[free, free]))
        if fit.has_ties:
            tie_weight = float(np.exp(parameters[-1]))
    strengths = [_strength(votes, code, theta[code], half[code], fit.component, reason) for code in range(size)]
    strengths.sort(key=lambda strength: (bool(strength.reason), -strength.estimate if not strength.reason else 0.0))
    votes_used = len(used.vote) if parameters is not None else 0
    return BradleyTerry(
        strengths=tuple(strengths),
        side_effect=side,
        side_low=side - side_half,
        side_high=side + side_half,
        tie_weight=tie_weight,
        votes_used=votes_used,
        votes_dropped=dropped + len(votes.vote) - votes_used,
        clusters=len(np.unique(used.cluster)),
        method=method,
        confidence=confidence,
        warnings=tuple(f"{strength.system}: {strength.reason}" for strength in strengths if strength.reason),
        reason=reason,
    )


def _strength(
    votes: _Votes, code: int, theta: float, half: float, component: NDArray[np.bool_], reason: str
) -> Strength:
    sign = np.where(votes.second == code, 1.0, np.where(votes.first == code, -1.0, np.nan)) * votes.vote
    wins, losses, ties = int((sign > 0).sum()), int((sign < 0).sum()), int((sign == 0).sum())
    if not component[code]:
        reason = "it is not compared, in both directions, with the systems that were fitted"
        if not wins + ties:
            reason = "it won no vote, so its strength has no lower bound" if losses else "it has no vote"
        elif not losses + ties:
            reason = "it lost no vote, so its strength has no upper bound"
    low, high = theta - half, theta + half
    elo, elo_low, elo_high = (ELO_MEAN + float(ELO_PER_LOGIT) * value for value in (theta, low, high))
    return Strength(
        votes.systems[code],
        float(theta),
        float(low),
        float(high),
        float(elo),
        float(elo_low),
        float(elo_high),
        wins,
        losses,
        ties,
        reason,
    )
