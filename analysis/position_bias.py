"""Is the left completion chosen more often? Over all votes, and by worker with a mixed model.

Workers have sides of their own: some lean left, some right. Votes of one worker are therefore not independent tosses,
and the binomial test over votes takes a few leaning workers for a bias of all. By worker it is asked what a typical one
does, and how far workers spread.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special, stats

from analysis.intervals import wilson_interval
from analysis.preferences import read_votes, sign_flip_p
from analysis.resampling import CONFIDENCE, Floats
from analysis.results import NAN, SIGNIFICANCE, Result, format_interval, format_number, format_p
from analysis.tables import codes, quoted, require_columns, require_no_gaps
from annotation.errors import InputError

NODES, WEIGHTS = np.polynomial.hermite.hermgauss(25)  # the rule about each worker's mode
MODE_STEPS = 30
LARGEST_SPREAD = 10.0  # in log odds
STEP = 1e-3  # of numerical second derivatives


@dataclasses.dataclass(frozen=True, slots=True)
class PositionBias(Result):
    """Share of decided votes for the left one, Wilson interval, exact two-sided p against one half."""

    estimate: float
    low: float
    high: float
    p_value: float
    left: int
    used: int
    dropped: int
    place: str = "left"
    confidence: float = CONFIDENCE
    method: str = "exact binomial test of the share against one half; Wilson interval"
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def reading(self) -> str:
        if self.reason:
            return f"Position bias is not defined: {self.reason}."
        verdict = "workers favour a side" if self.p_value <= SIGNIFICANCE else "no significant side bias"
        return (
            f"The {self.place} completion won {self.left} of {self.used} decided votes ({self.estimate:.1%}): "
            f"{verdict}, {format_p(self.p_value)}."
        )


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerSides(Result):
    """The left share of a typical worker, and how far workers spread about it.

    estimate, low, high: the share at the mean log odds, Wald interval; p_value: sign-flip test over workers' own
    shares. spread: standard deviation of workers' log odds; spread_p: likelihood ratio against 0.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    spread: float
    spread_p: float
    workers: int
    used: int
    dropped: int
    seed: int
    place: str = "left"
    confidence: float = CONFIDENCE
    method: str = "logistic model with a random intercept a worker, maximum likelihood; sign-flip test over workers"
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def reading(self) -> str:
        if self.reason:
            return f"Side bias by worker is not defined: {self.reason}."
        differ = "workers differ in it" if self.spread_p <= SIGNIFICANCE else "no sign that workers differ in it"
        return (
            f"A typical worker takes the {self.place} one in {self.estimate:.1%} "
            f"{format_interval(self.low, self.high)} of decided votes (sign-flip over {self.workers} workers "
            f"{format_p(self.p_value)}); {differ} (standard deviation {format_number(self.spread, 2)} in log odds, "
            f"{format_p(self.spread_p)})."
        )


def position_bias(
    table: pd.DataFrame, *, vote: str, left: str, place: str = "left", confidence: float = CONFIDENCE
) -> PositionBias:
    """All decided votes as tosses. vote: 1 for b, -1 for a, 0 for a tie; left: "a" or "b". place: how it is called."""
    is_left, is_used = _read(table, vote, left)
    chosen, used = int(is_left.sum()), len(is_left)
    low, high = wilson_interval(chosen, used, confidence)
    return PositionBias(
        estimate=chosen / used if used else NAN,
        low=low,
        high=high,
        p_value=float(stats.binomtest(chosen, used).pvalue) if used else NAN,
        left=chosen,
        used=used,
        dropped=int((~is_used).sum()),
        place=place,
        confidence=confidence,
        reason="" if used else "no vote is decided",
    )


def position_bias_by_worker(
    table: pd.DataFrame,
    *,
    vote: str,
    left: str,
    rater: str,
    seed: int,
    place: str = "left",
    confidence: float = CONFIDENCE,
) -> WorkerSides:
    """A mixed logistic model: the log odds that a worker takes the left one are normal over workers."""
    require_columns(table, rater)
    require_no_gaps(table, rater)
    is_left, is_used = _read(table, vote, left)
    worker, names = codes(table[rater][is_used])
    decided = np.bincount(worker, minlength=len(names)).astype(np.float64)
    chosen = np.bincount(worker, is_left, minlength=len(names)).astype(np.float64)
    workers, used = len(names), len(is_left)
    mean, error, spread, spread_p = (NAN,) * 4
    reason = f"{'one worker has' if workers else 'no worker has'} decided votes" if workers < 2 else ""
    if not reason and chosen.sum() in (0, used):
        reason = f"all votes are for {'one' if used else 'no'} side, so the log odds have no bound"
    if not reason:
        mean, error, spread, spread_p = fit_random_intercept(chosen, decided)
    z = stats.norm.ppf((1 + confidence) / 2)
    estimate, low, high = (float(special.expit(mean + shift * error)) for shift in (0.0, -z, z))
    lean = (2 * chosen - decided) / np.maximum(decided, 1)
    return WorkerSides(
        estimate=estimate,
        low=low,
        high=high,
        p_value=sign_flip_p(lean, seed=seed)[0] if not reason else NAN,
        spread=spread,
        spread_p=spread_p,
        workers=workers,
        used=used,
        dropped=int((~is_used).sum()),
        seed=seed,
        place=place,
        confidence=confidence,
        reason=reason,
    )


def _read(table: pd.DataFrame, vote: str, left: str) -> tuple[Floats, NDArray[np.bool_]]:
    """Whether the left one was chosen in each decided vote (N',), and which rows these are (N,)."""
    require_columns(table, vote, left)
    votes = read_votes(table, vote)
    wrong = table.index[~table[left].isin(["a", "b"])]
    if len(wrong):
        raise InputError(f"row {wrong[0]}: {left!r} is {quoted(table[left].loc[wrong[0]])}; expected 'a' or 'b'.")
    side = np.where(table[left] == "b", 1.0, -1.0)
    is_used = np.isfinite(votes) & (votes != 0)
    return (votes * side > 0)[is_used].astype(np.float64), is_used


def fit_random_intercept(chosen: Floats, decided: Floats) -> tuple[float, float, float, float]:
    """Mean log odds, its standard error, spread and the spread's p, from each worker's counts (W,).

    The likelihood integrates over workers by an adaptive Gauss-Hermite rule (Pinheiro & Bates 1995). A spread of 0 lies
    on the boundary, so half the chi-square's tail is p (Self & Liang 1987).
    """

    def cost(parameters: Floats) -> float:
        return -marginal_log_likelihood(chosen, decided, float(parameters[0]), abs(float(parameters[1])))

    without = float(special.logit(chosen.sum() / decided.sum()))
    cost_without = cost(np.array([without, 0.0]))
    starts = [np.array([without, spread]) for spread in (0.2, 1.0)]
    tolerances = {"ftol": 1e-13, "gtol": 1e-7}
    bounds = [(without - LARGEST_SPREAD, without + LARGEST_SPREAD), (0.0, LARGEST_SPREAD)]
    found = min(
        (optimize.minimize(cost, start, method="L-BFGS-B", bounds=bounds, options=tolerances) for start in starts),
        key=lambda result: float(result.fun),
    )
    ratio = 2 * (cost_without - float(found.fun))
    if ratio < 1e-8:
        rate = special.expit(without)
        return without, 1 / math.sqrt(float(decided.sum()) * rate * (1 - rate)), 0.0, 1.0
    mean, spread = float(found.x[0]), abs(float(found.x[1]))
    return mean, _standard_error(cost, np.array([mean, spread])), spread, float(stats.chi2.sf(ratio, 1) / 2)


def _standard_error(cost: Callable[[Floats], float], at: Floats) -> float:
    """Of the first parameter, from the cost's second derivatives at its least value."""
    steps = np.diag(np.array([STEP, min(STEP, at[1] / 2)]))
    size = steps.diagonal()
    hessian = np.empty((2, 2))
    for row in range(2):
        for column in range(2):
            ends = [
                sign * other * cost(at + sign * steps[row] + other * steps[column])
                for sign in (1, -1)
                for other in (1, -1)
            ]
            hessian[row, column] = sum(ends) / (4 * size[row] * size[column])
    return math.sqrt(np.linalg.inv(hessian)[0, 0])


def marginal_log_likelihood(chosen: Floats, decided: Floats, mean: float, spread: float) -> float:
    """Of binomial counts (W,) whose log odds are normal with this mean and spread, without the binomial constants."""
    if spread == 0:
        return float(chosen.sum() * mean - decided.sum() * np.logaddexp(0, mean))
    mode = np.zeros_like(decided)
    for _ in range(MODE_STEPS):
        rate = special.expit(mean + spread * mode)
        slope = spread * (chosen - decided * rate) - mode
        curvature = spread**2 * decided * rate * (1 - rate) + 1
        step = slope / curvature
        mode = mode + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-7:
            break
    scale = np.sqrt(2 / curvature)[:, None]
    standard = mode[:, None] + scale * NODES
    odds = mean + spread * standard
    joint = chosen[:, None] * odds - decided[:, None] * np.logaddexp(0, odds) - standard**2 / 2
    terms = joint + NODES**2 + np.log(WEIGHTS) + np.log(scale)
    largest = terms.max(axis=1, keepdims=True)
    integrals = np.log(np.exp(terms - largest).sum(axis=1)) + largest[:, 0]
    return float((integrals - math.log(2 * math.pi) / 2).sum())
