"""The forms of over-optimisation: how gain depends on the distance d = √KL to where optimisation began.

Gao et al. 2022 (arXiv 2210.10760): R(d) = d(α − βd) for best-of-n, R(d) = d(α − β log d) for RL. Both are linear in
α and β, so that least squares has one solution; both pass through 0 at d = 0.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from analysis.resampling import Floats
from analysis.results import NAN, Result, format_number

Form = Literal["best-of-n", "rl"]
FORMULAS: dict[Form, str] = {"best-of-n": "d(α − βd)", "rl": "d(α − β log d)"}


@dataclasses.dataclass(frozen=True, slots=True)
class OveroptimisationFit(Result):
    """α and β of one curve. peak: the distance d at which the fitted gain is greatest, NaN where it never turns;
    peak_gain: the gain there. residual: root mean square of what the fit misses, in the gain's unit."""

    form: Form
    alpha: float
    beta: float
    peak: float = NAN
    peak_gain: float = NAN
    residual: float = NAN
    used: int = 0
    method: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def reading(self) -> str:
        if self.reason:
            return f"The form {FORMULAS[self.form]} has no fit: {self.reason}."
        turn = "; it never turns" if math.isnan(self.peak) else f"; greatest at d = {format_number(self.peak, 2)}"
        return f"Gain is d times {format_number(self.alpha)} less {format_number(self.beta)} {_slope(self.form)}{turn}."

    def predict(self, distances: Sequence[float]) -> Floats:
        """The fitted gain at each distance."""
        return regressors(distances, self.form) @ np.array([self.alpha, self.beta])


def _slope(form: Form) -> str:
    return "d" if form == "best-of-n" else "log d"


def regressors(distances: Sequence[float], form: Form) -> Floats:
    """(M, 2): what α and β are multiplied by; 0 at d = 0, the limit of both forms."""
    d = np.asarray(distances, dtype=np.float64)
    slope = d if form == "best-of-n" else np.log(np.where(d > 0, d, 1.0))
    return np.stack([d, -d * slope], axis=1)


def fit_overoptimisation(distances: Sequence[float], gains: Sequence[float], form: Form) -> OveroptimisationFit:
    """Least squares of the form on the points (d, gain); those at d = 0 say nothing and are left out.

    Two different distances are the least; without them α and β are NaN, with a reason.
    """
    method = f"least squares of {FORMULAS[form]}"
    points = [(d, gain) for d, gain in zip(distances, gains, strict=True) if d > 0]
    if len({d for d, _ in points}) < 2:
        reason = "fewer than two different distances above 0"
        return OveroptimisationFit(form, NAN, NAN, used=len(points), method=method, reason=reason)
    used, observed = np.array(points).T
    design = regressors(used, form)
    (alpha, beta), *_ = np.linalg.lstsq(design, observed, rcond=None)
    residual = float(np.sqrt(np.mean((observed - design @ [alpha, beta]) ** 2)))
    peak = find_peak(float(alpha), float(beta), form)
    fit = OveroptimisationFit(form, float(alpha), float(beta), peak, NAN, residual, len(points), method)
    if math.isnan(peak):
        return fit
    beyond = ("the fitted peak lies beyond the observed distances",) if peak > used.max() else ()
    return dataclasses.replace(fit, peak_gain=float(fit.predict([peak])[0]), warnings=beyond)


def find_peak(alpha: float, beta: float, form: Form) -> float:
    """Where the form is greatest: α/(2β) for best-of-n, exp(α/β − 1) for RL; NaN where it only rises or only falls."""
    if beta <= 0 or (form == "best-of-n" and alpha <= 0):
        return NAN
    exponent = alpha / beta - 1
    if form == "rl":
        return math.exp(exponent) if exponent < 700 else NAN  # beyond a float
    return alpha / (2 * beta)
