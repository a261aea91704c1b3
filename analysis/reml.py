"""Variances of crossed random effects: the profiled likelihood, restricted (REML) or not, and its least deviance.

As in Bates, Maechler, Bolker & Walker (2015), "Fitting linear mixed-effects models using lme4", but in the ratios of
each variance to the residual one, in which the deviance has a slope at 0 too, and with its exact gradient.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from analysis.crossed_effects import FACTORS, CrossedEffects, Factorisation
from analysis.resampling import Floats

STARTS = (np.full(3, 0.5), np.full(3, 0.02))  # ratios of each factor's variance to the residual one
SMALLEST_RATIO, LARGEST_RATIO = 1e-8, 1e6
CONVERGED = 1e-4  # largest slope of the deviance left, per unit of log ratio
DISAGREEMENT = 1e-3  # in deviance, between starts
ZERO_RATIO = 1e-5  # below it a variance is taken as 0
NO_RESIDUAL = 1e-12  # share of the sum of squares
SMALLEST_SQUARES = 1e-200


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """The criterion at one set of ratios (3,), and all that follows from it. P columns of fixed effects.

    slope (3,): of the profiled deviance in the ratios; parts (3, P, P): what they take from the information.
    """

    ratios: Floats
    deviance: float
    slope: Floats
    fixed: Floats
    information: Floats
    sum_of_squares: float
    parts: Floats
    of_determinants: Floats
    of_squares: Floats
    factorisation: Factorisation

    def variance(self, freedom: int) -> float:
        return self.sum_of_squares / freedom


class Criterion:
    """-2 log likelihood (REML or ML) profiled over fixed effects and the residual variance."""

    def __init__(
        self, effects: CrossedEffects, is_fitted: NDArray[np.bool_], columns: Floats, values: Floats, *, is_reml: bool
    ) -> None:
        self.effects, self.is_fitted, self.is_reml = effects, is_fitted, is_reml
        self.count, self.width = columns.shape
        together = np.column_stack([columns, values])
        self.cross, self.sums = together.T @ together, effects.sums(together)
        self.ones = np.ones(self.count)
        self.freedom = self.count - self.width if is_reml else self.count

    def at(self, ratios: Floats) -> Point:
        """ratios (3,): variances of completions, items and workers over the residual one."""
        scales = np.sqrt(ratios)
        factorisation = self.effects.factorise(self.ones, scales)
        spread = self.effects.expand(scales)
        scaled = spread[:, None] * self.sums
        solved = factorisation.solve(scaled)
        products = self.cross - scaled.T @ solved
        information, right = products[:-1, :-1], products[:-1, -1]
        root = linalg.cho_factor(information)
        fixed = linalg.cho_solve(root, right)
        # Above 0 even where the effects explain everything, so that its logarithm stays finite.
        squares = max(float(products[-1, -1] - right @ fixed), SMALLEST_SQUARES)
        log_information = 2 * np.log(np.diag(root[0])).sum() if self.is_reml else 0.0
        deviance = factorisation.log_determinant + log_information
        deviance += self.freedom * (1 + math.log(2 * math.pi * squares / self.freedom))
        of_determinants, of_squares, parts = self._slopes(factorisation, solved, spread, fixed)
        if self.is_reml:
            of_determinants = of_determinants - np.einsum(
                "kpq,qp->k", parts, linalg.cho_solve(root, np.eye(self.width))
            )
        slope = np.where(self.is_fitted, of_determinants - self.freedom * of_squares / squares, 0.0)
        return Point(
            ratios, float(deviance), slope, fixed, information, squares, parts, of_determinants, of_squares,
            factorisation,
        )  # fmt: skip

    def _slopes(
        self, factorisation: Factorisation, solved: Floats, spread: Floats, fixed: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """For each ratio: tr(V^-1 Z Z'), |Z' V^-1 residual|^2, and X' V^-1 Z Z' V^-1 X."""
        _, traces = factorisation.variances()
        determinants, squares = np.zeros(3), np.zeros(3)
        parts = np.zeros((3, self.width, self.width))
        for place in np.flatnonzero(self.is_fitted & (factorisation.scales > 0)):
            block, ratio = self.effects.blocks[place], factorisation.scales[place] ** 2
            weighted = solved[block] / spread[block, None]
            determinants[place] = (self.effects.sizes[place] - traces[place]) / ratio
            parts[place] = weighted[:, :-1].T @ weighted[:, :-1]
            squares[place] = ((weighted[:, -1] - weighted[:, :-1] @ fixed) ** 2).sum()
        return determinants, squares, parts


@dataclasses.dataclass(frozen=True, slots=True)
class Fit:
    criterion: Criterion
    point: Point
    warnings: tuple[str, ...] = ()
    reason: str = ""


def minimise_deviance(criterion: Criterion, starts: Sequence[Floats] = STARTS) -> Fit:
    """The least deviance, from several starts (3,); a ratio at its lower end is 0."""
    free = np.flatnonzero(criterion.is_fitted)
    try:
        found = [_descend(criterion, free, start) for start in (starts if len(free) else starts[:1])]
        best = _polish(criterion, min(found, key=lambda point: point.deviance))
    except np.linalg.LinAlgError:
        return Fit(criterion, criterion.at(np.zeros(3)), reason="the equations are singular")
    inside = best.ratios > ZERO_RATIO
    reason = _why_not_found(criterion, best, free, inside)
    spread = max(point.deviance for point in found) - best.deviance
    several = [f"the fit depended on where the search began; the best of {len(found)} was kept"]
    zero = [f"the variance of {FACTORS[place]}s is estimated as 0" for place in free if not inside[place]]
    warnings = () if reason else (*(several if spread > DISAGREEMENT else []), *zero)
    return Fit(criterion, criterion.at(np.where(inside, best.ratios, 0.0)), warnings, reason)


def _why_not_found(criterion: Criterion, point: Point, free: NDArray[np.intp], inside: NDArray[np.bool_]) -> str:
    is_exact = point.sum_of_squares <= NO_RESIDUAL * criterion.cross[-1, -1]
    if is_exact or (point.ratios >= LARGEST_RATIO * 0.99).any():
        return "the effects leave no residual variance"
    # What the deviance would still gain: within, by a change of the ratio by its own size; at 0, by leaving it.
    within = np.abs(point.slope * point.ratios)[inside]
    outward = -point.slope[free] * ZERO_RATIO * ~inside[free]
    has_converged = not (within > CONVERGED).any() and not (outward > CONVERGED).any()
    return "" if has_converged else "the search for the variances did not converge"


def _descend(criterion: Criterion, free: NDArray[np.intp], start: Floats) -> Point:
    """Quasi-Newton within bounds."""
    if not len(free):
        return criterion.at(np.zeros(3))

    def evaluate(chosen: Floats) -> tuple[float, Floats]:
        point = criterion.at(_placed(chosen, free))
        return point.deviance, point.slope[free]

    result = optimize.minimize(
        evaluate,
        start[free],
        jac=True,
        method="L-BFGS-B",
        bounds=[(SMALLEST_RATIO, LARGEST_RATIO)] * len(free),
        options={"maxiter": 200, "ftol": 1e-12, "gtol": 1e-5},
    )
    return criterion.at(_placed(result.x, free))


def _placed(chosen: Floats, free: NDArray[np.intp]) -> Floats:
    ratios = np.zeros(3)
    ratios[free] = chosen
    return ratios


def _polish(criterion: Criterion, point: Point) -> Point:
    """Newton steps on the exact gradient, for the last digits."""
    inside = np.flatnonzero(criterion.is_fitted & (point.ratios > ZERO_RATIO))
    for _ in range(4):
        if not len(inside) or np.abs(point.slope * point.ratios)[inside].max() < CONVERGED / 100:
            return point
        steps = []
        for place in inside:
            width = 1e-4 * point.ratios[place] * np.eye(3)[place]
            rise = criterion.at(point.ratios + width).slope - criterion.at(point.ratios - width).slope
            steps.append(rise[inside] / (2 * width[place]))
        step = np.linalg.lstsq(np.array(steps), -point.slope[inside], rcond=None)[0]
        ratios = point.ratios.copy()
        ratios[inside] = np.clip(ratios[inside] + step, ratios[inside] / 2, ratios[inside] * 2)
        moved = criterion.at(ratios)
        if moved.deviance > point.deviance:
            return point
        point = moved
    return point


def satterthwaite(fit: Fit, contrasts: Floats) -> Floats:
    """Degrees of freedom (M,) of contrasts (M, P) of the fixed effects: 2 v^2 / Var(v).

    The variances' covariance is twice the inverse Hessian of the REML deviance, in the ratios above 0 and the log of
    the residual variance; no choice of parameters changes the result.
    """
    point, criterion = fit.point, fit.criterion
    inside = np.flatnonzero(point.ratios > 0)
    variance = point.variance(criterion.freedom)
    inverse = np.linalg.inv(point.information)
    spread = variance * np.einsum("mp,pq,mq->m", contrasts, inverse, contrasts)
    slopes = [
        variance * np.einsum("mp,pq,mq->m", contrasts, inverse @ point.parts[place] @ inverse, contrasts)
        for place in inside
    ]
    gradient = np.column_stack([*slopes, spread])
    covariance = 2 * np.linalg.pinv(_hessian(criterion, point, inside, variance), hermitian=True)
    return np.asarray(2 * spread**2 / np.einsum("mk,kl,ml->m", gradient, covariance, gradient))


def _hessian(criterion: Criterion, point: Point, inside: NDArray[np.intp], variance: float) -> Floats:
    """Of the deviance in the ratios and the log of the residual variance, by differences of its exact gradient."""
    size = len(inside) + 1
    hessian = np.empty((size, size))
    for row, place in enumerate(inside):
        width = 1e-4 * point.ratios[place]
        step = width * np.eye(3)[place]
        above, below = criterion.at(point.ratios + step), criterion.at(point.ratios - step)
        rise = [(end.of_determinants - end.of_squares / variance)[inside] for end in (above, below)]
        hessian[row, :-1] = (rise[0] - rise[1]) / (2 * width)
    hessian[-1, :-1] = hessian[:-1, -1] = point.of_squares[inside] / variance
    hessian[-1, -1] = criterion.freedom
    return (hessian + hessian.T) / 2
