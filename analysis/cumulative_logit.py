"""Cumulative logit model with crossed random effects: its likelihood by Laplace's approximation, and its gradient.

P(Y <= j) = 1 / (1 + exp(-(threshold_j - eta))), eta = X beta + Z Lambda u, u ~ N(0, I) (McCullagh 1980). The integral
over u is replaced by exp(h(u*)) |A|^(-1/2) at the mode u* of the joint log density h, A its negative Hessian. With the
logistic function F a rating between thresholds t0 and t1 (less eta) has log F(t1) + log F(-t0) + log(1 - exp(t0 - t1)),
of which only the first two terms know eta: their derivatives are sums over both ends.

N ratings, K categories, P columns of fixed effects, Q random effects.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.crossed_effects import CrossedEffects, Factorisation, Integers
from analysis.resampling import Floats

MOST_STEPS = 100
LARGEST_LOG_STEP = 50.0  # between thresholds; only a search that runs away gets there
MODE_FOUND = 1e-18  # what a step may still gain in h, per random effect


@dataclasses.dataclass(frozen=True, slots=True)
class Parameters:
    """thresholds (K - 1,), rising; fixed (P,); scales (3,): standard deviations of completions, items and workers."""

    thresholds: Floats
    fixed: Floats
    scales: Floats


@dataclasses.dataclass(frozen=True, slots=True)
class _Terms:
    """Of each rating: log probability, its first derivative in eta, minus the second, and F at both ends, (N,) each."""

    log_probability: Floats
    slope: Floats
    weight: Floats
    below: Floats
    above: Floats


class LaplaceLikelihood:
    """Minus log likelihood of one table of ratings as a function of free parameters, with its gradient.

    Free parameters: the first threshold, logs of the steps to the next ones (so that they rise), fixed effects, and the
    scales of the fitted factors, whose sign is of no consequence.
    """

    def __init__(
        self, effects: CrossedEffects, is_fitted: NDArray[np.bool_], columns: Floats, category: Integers
    ) -> None:
        self.effects, self.columns, self.category = effects, columns, category
        self.factors = np.flatnonzero(is_fitted)
        self.categories = int(category.max()) + 1
        self.mode = np.zeros(effects.total)  # the last one found, where the next search begins

    def start(self, scale: float) -> Floats:
        """Thresholds of the shares as they are, no fixed effects, all scales alike."""
        counts = np.bincount(self.category, minlength=self.categories)
        thresholds = special.logit(np.cumsum(counts)[:-1] / counts.sum())
        steps = np.log(np.diff(thresholds))
        return np.concatenate(
            [thresholds[:1], steps, np.zeros(self.columns.shape[1]), np.full(len(self.factors), scale)]
        )

    def unpack(self, free: Floats) -> Parameters:
        ends = self.categories - 1, self.categories - 1 + self.columns.shape[1]
        steps = np.exp(np.minimum(free[1 : ends[0]], LARGEST_LOG_STEP))
        scales = np.zeros(3)
        scales[self.factors] = free[ends[1] :]
        return Parameters(free[0] + np.concatenate([[0.0], np.cumsum(steps)]), free[ends[0] : ends[1]], scales)

    def evaluate(self, free: Floats) -> tuple[float, Floats]:
        """Minus the approximate log likelihood, and its gradient in the free parameters."""
        parameters = self.unpack(free)
        mode, terms, factorisation = self.find_mode(parameters)
        value = terms.log_probability.sum() - mode @ mode / 2 - factorisation.log_determinant / 2
        return -float(value), -self._gradient(free, parameters, mode, terms, factorisation)

    def find_mode(self, parameters: Parameters) -> tuple[Floats, _Terms, Factorisation]:
        """u* by Newton's method, with halved steps where it would fall (h is concave)."""
        spread = self.effects.expand(parameters.scales)
        offset = self.columns @ parameters.fixed
        mode = np.where(spread != 0, self.mode, 0.0)
        terms = self._terms(parameters.thresholds, offset + self.effects.spread(spread * mode))
        height = terms.log_probability.sum() - mode @ mode / 2
        for _ in range(MOST_STEPS):
            factorisation = self.effects.factorise(terms.weight, parameters.scales)
            rise = spread * self.effects.sums(terms.slope) - mode
            step = factorisation.solve(rise)
            if rise @ step < MODE_FOUND * self.effects.total:
                self.mode = mode
                return mode, terms, factorisation
            for _ in range(MOST_STEPS):
                moved = mode + step
                terms = self._terms(parameters.thresholds, offset + self.effects.spread(spread * moved))
                new_height = terms.log_probability.sum() - moved @ moved / 2
                if new_height >= height - 1e-12 * abs(height):
                    break
                step = step / 2
            mode, height = moved, new_height
        raise ArithmeticError("the mode of the random effects was not found")

    def _terms(self, thresholds: Floats, eta: Floats) -> _Terms:
        padded = np.concatenate([[-np.inf], thresholds, [np.inf]])
        lower, upper = padded[self.category] - eta, padded[self.category + 1] - eta
        below, above = special.expit(lower), special.expit(upper)
        with np.errstate(divide="ignore"):  # thresholds that a search has pushed into each other: probability 0
            gap = np.log(-np.expm1(-np.diff(padded)))[self.category]
        log_probability = special.log_expit(upper) + special.log_expit(-lower) + gap
        weight = below * (1 - below) + above * (1 - above)
        return _Terms(log_probability, below + above - 1, weight, below, above)

    def _gradient(
        self, free: Floats, parameters: Parameters, mode: Floats, terms: _Terms, factorisation: Factorisation
    ) -> Floats:
        """By the adjoint method: the mode moves with the parameters, and the determinant with the mode."""
        effects, spread = self.effects, self.effects.expand(parameters.scales)
        leverage, traces = factorisation.variances()
        density_below, density_above = terms.below * (1 - terms.below), terms.above * (1 - terms.above)
        bend_below, bend_above = density_below * (1 - 2 * terms.below), density_above * (1 - 2 * terms.above)
        # Half the change of log |A| as eta changes, without and with what the mode does.
        direct = -leverage * (bend_below + bend_above) / 2
        adjoint = factorisation.solve(spread * effects.sums(direct))
        through_mode = effects.spread(spread * adjoint)
        in_eta = terms.slope - direct + through_mode * terms.weight
        odds = self._gap_odds(parameters.thresholds)
        in_upper = 1 - terms.above + odds - leverage * bend_above / 2 - through_mode * density_above
        in_lower = -terms.below - odds - leverage * bend_below / 2 - through_mode * density_below
        of_upper = np.bincount(self.category, in_upper, minlength=self.categories)[:-1]
        of_lower = np.bincount(self.category, in_lower, minlength=self.categories)[1:]
        # A step moves its own threshold and all above it.
        of_thresholds = np.cumsum((of_upper + of_lower)[::-1])[::-1]
        of_thresholds[1:] *= np.exp(np.minimum(free[1 : self.categories - 1], LARGEST_LOG_STEP))
        of_mode, of_slope = mode * effects.sums(in_eta), adjoint * effects.sums(terms.slope)
        of_scales = [
            of_mode[block].sum() - of_slope[block].sum() - _loss(size, trace, scale)
            for block, size, trace, scale in zip(effects.blocks, effects.sizes, traces, parameters.scales, strict=True)
        ]
        return np.concatenate([of_thresholds, self.columns.T @ in_eta, np.array(of_scales)[self.factors]])

    def _gap_odds(self, thresholds: Floats) -> Floats:
        """1 / (exp(t1 - t0) - 1) of each rating; 0 in the lowest and the highest category."""
        padded = np.concatenate([[-np.inf], thresholds, [np.inf]])
        with np.errstate(over="ignore", divide="ignore"):
            return (1 / np.expm1(np.diff(padded)))[self.category]


def _loss(size: int, trace: float, scale: float) -> float:
    """Slope of log |A| / 2 in a factor's scale, as it stands in A."""
    return (size - trace) / scale if scale else 0.0
