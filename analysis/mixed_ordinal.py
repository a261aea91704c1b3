"""Cumulative logit mixed model: ratings in ordered categories ~ system + completion + item + worker.

Completions, items and workers are crossed random effects. For Likert answers this is the model that takes them as what
they are: ordered, with a ceiling. Maximum likelihood by Laplace's approximation, as R's ordinal::clmm (Christensen
2019); pairs of systems by Wald's z.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from analysis.crossed_effects import FACTORS, Integers
from analysis.cumulative_logit import LaplaceLikelihood
from analysis.mixed_design import Design, read_design
from analysis.mixed_results import (
    Contrast,
    Omnibus,
    SystemEffect,
    VarianceComponent,
    WorkerEffect,
    make_components,
    make_contrasts,
    make_system_effects,
    make_worker_effects,
    rows_frame,
)
from analysis.resampling import CONFIDENCE, Floats
from analysis.results import NAN, Result
from analysis.tables import numbers, quoted, require_columns
from annotation.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHOD = "cumulative logit mixed model, Laplace approximation"
FIRST_SCALE = 0.7  # standard deviation of the random effects where the search begins, in logits
SMALLEST_SCALE = 0.02  # below it the variance is taken as 0
LARGEST = 20.0  # logits; an estimate beyond it has no bound
CONVERGED = 1e-3  # largest slope of the log likelihood left
MOST_CATEGORIES = 20
LOGISTIC_VARIANCE = math.pi**2 / 3
Order = Sequence[Any]


@dataclasses.dataclass(frozen=True, slots=True)
class OrdinalMixed(Result):
    """As `LinearMixed`, in logits: systems less their mean, positive for better ratings; the residual is pi^2 / 3.

    `thresholds` lie between neighbouring `categories`, which are those that were used.
    """

    systems: tuple[SystemEffect, ...]
    contrasts: tuple[Contrast, ...]
    thresholds: tuple[float, ...]
    categories: tuple[Any, ...]
    components: tuple[VarianceComponent, ...]
    workers: tuple[WorkerEffect, ...]
    omnibus: Omnibus
    log_likelihood: float
    used: int
    dropped: int
    items: int
    method: str = METHOD
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def reading(self) -> str:
        if self.reason:
            return f"The cumulative logit mixed model is not defined: {self.reason}."
        if math.isnan(self.omnibus.p_value):
            return "By a cumulative logit mixed model nothing is compared: there is one system."
        verdict = "differ" if self.omnibus.p_value <= 1 - self.confidence else "do not differ significantly"
        return f"By a cumulative logit mixed model the systems {verdict}: {self.omnibus}."

    def to_frame(self) -> pd.DataFrame:
        """A row a pair of systems."""
        return rows_frame(self.contrasts, Contrast)

    def plot(self) -> "Figure":
        """A forest of all pairs of systems."""
        from analysis.mixed_plots import plot_contrasts  # takes a second to import

        return plot_contrasts(self.contrasts, xlabel="difference in logits, cumulative logit mixed model")


def fit_ordinal_mixed(
    table: pd.DataFrame,
    *,
    value: str,
    system: str,
    item: str,
    worker: str,
    order: Order | None = None,
    completion_effect: bool = True,
    confidence: float = CONFIDENCE,
) -> OrdinalMixed:
    """Rows without a value are dropped and counted; factors that cannot be estimated are left out, with a warning.

    order: the categories from low to high, where values are text. Categories that nobody used have no threshold.
    """
    category, categories = _read_categories(table, value, order)
    is_used = category >= 0
    design = read_design(
        table, is_used=is_used, system=system, item=item, worker=worker, completion_effect=completion_effect
    )
    reason = _why_undefined(design, category[is_used], categories)
    if reason:
        return _undefined(design, categories, reason, confidence)
    fit = _fit(design, category[is_used], design.indicators[:, 1:])
    hessian = np.full((1, 1), NAN) if fit.reason else _differentiate(fit.likelihood, fit.free)
    if not fit.reason and np.linalg.eigvalsh(hessian).min() <= 0:
        fit = dataclasses.replace(fit, reason="the likelihood is flat at its maximum")
    if fit.reason:
        return _undefined(design, categories, fit.reason, confidence)
    return _describe(design, fit, hessian, category[is_used], categories, confidence)


def _read_categories(table: pd.DataFrame, value: str, order: Order | None) -> tuple[Integers, list[Any]]:
    """Category of each row (N,), -1 where there is no value, and the categories that were used, from low to high."""
    require_columns(table, value)
    if order is None:
        values = numbers(table, value)
        categories, category = np.unique(values[np.isfinite(values)], return_inverse=True)
        of_row = np.full(len(table), -1)
        of_row[np.isfinite(values)] = category
        return of_row, categories.tolist()
    places = table[value].map({entry: place for place, entry in enumerate(order)})
    wrong = table.index[places.isna() & table[value].notna()]
    if len(wrong):
        expected = ", ".join(map(str, order))
        raise InputError(
            f"row {wrong[0]}: {value!r} is {quoted(table[value].loc[wrong[0]])}; expected one of {expected}."
        )
    used, category = np.unique(places.dropna().to_numpy(dtype=np.int64), return_inverse=True)
    of_row = np.full(len(table), -1)
    of_row[places.notna().to_numpy()] = category
    return of_row, [order[place] for place in used]


def _why_undefined(design: Design, category: Integers, categories: list[Any]) -> str:
    if not len(category):
        return "no row has a value"
    if len(categories) < 2:
        return "every rating is the same"
    if len(categories) > MOST_CATEGORIES:
        return (
            f"there are {len(categories)} distinct ratings, and the model is for at most {MOST_CATEGORIES} categories"
        )
    return _why_separated(design, category, categories)


def _why_separated(design: Design, category: Integers, categories: list[Any]) -> str:
    """A category that no system has ratings on both sides of: the two groups can be moved apart without end."""
    lowest, highest = np.full(len(design.systems), len(categories)), np.full(len(design.systems), -1)
    np.minimum.at(lowest, design.system, category)
    np.maximum.at(highest, design.system, category)
    for place, name in enumerate(categories):
        above, below = lowest >= place, highest <= place
        if len(design.systems) > 1 and above.any() and below.any() and (above | below).all():
            upper = above & ~below if (above & ~below).any() else above
            names = " and ".join(str(system) for system, is_up in zip(design.systems, upper, strict=True) if is_up)
            shown = f"{name:g}" if isinstance(name, float) else name
            return (
                f"all ratings of {names} are {shown} or higher and all others {shown} or lower, "
                "so nothing bounds the difference"
            )
    return ""


def _undefined(design: Design, categories: list[Any], reason: str, confidence: float) -> OrdinalMixed:
    return OrdinalMixed(
        systems=(), contrasts=(), thresholds=(), categories=tuple(categories), components=(), workers=(),
        omnibus=Omnibus(), log_likelihood=NAN, used=design.used, dropped=design.dropped, items=design.levels[1],
        confidence=confidence, warnings=design.warnings, reason=reason,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class _Fit:
    """The free parameters where the likelihood is largest, or a `reason`."""

    likelihood: LaplaceLikelihood
    is_fitted: NDArray[np.bool_]
    free: Floats
    minus_log: float
    warnings: tuple[str, ...] = ()
    reason: str = ""


def _fit(design: Design, category: Integers, columns: Floats) -> _Fit:
    """The maximum; a factor whose variance goes to 0 is left out, and the rest fitted again."""
    is_fitted = design.is_fitted.copy()
    warnings: tuple[str, ...] = ()
    while True:
        likelihood = LaplaceLikelihood(design.effects, is_fitted, columns, category)
        try:
            fit = _maximise(likelihood, is_fitted)
        except ArithmeticError as error:
            return _Fit(likelihood, is_fitted, likelihood.start(FIRST_SCALE), NAN, warnings, str(error))
        vanished = is_fitted & (np.abs(likelihood.unpack(fit.free).scales) < SMALLEST_SCALE)
        if fit.reason or not vanished.any():
            return dataclasses.replace(fit, warnings=warnings)
        is_fitted = is_fitted & ~vanished
        warnings += tuple(f"the variance of {FACTORS[place]}s is estimated as 0" for place in np.flatnonzero(vanished))


def _maximise(likelihood: LaplaceLikelihood, is_fitted: NDArray[np.bool_]) -> _Fit:
    """Quasi-Newton; where rounding stops it early, a Newton step for the last digits."""
    start = likelihood.start(FIRST_SCALE)
    found = optimize.minimize(
        likelihood.evaluate, start, jac=True, method="BFGS", options={"gtol": CONVERGED / 10, "maxiter": 500}
    )
    free, minus_log, slope = found.x, float(found.fun), found.jac
    parameters = likelihood.unpack(free)
    if max(np.abs(parameters.fixed).max(initial=0), np.abs(parameters.scales).max()) > LARGEST:
        reason = "the likelihood has no maximum, for an effect grows without bound"
        return _Fit(likelihood, is_fitted, free, minus_log, reason=reason)
    if np.abs(slope).max() > CONVERGED:
        free = free - np.linalg.lstsq(_differentiate(likelihood, free), slope, rcond=None)[0]
        minus_log, slope = likelihood.evaluate(free)
    has_stopped = np.abs(slope).max() <= CONVERGED and minus_log <= found.fun + CONVERGED
    reason = "" if has_stopped else "the search for the maximum did not converge"
    return _Fit(likelihood, is_fitted, free, minus_log, reason=reason)


def _differentiate(likelihood: LaplaceLikelihood, free: Floats) -> Floats:
    """Hessian, by central differences of the exact gradient."""
    width = 1e-4
    rows = [
        (likelihood.evaluate(free + step)[1] - likelihood.evaluate(free - step)[1]) / (2 * width)
        for step in width * np.eye(len(free))
    ]
    return (np.array(rows) + np.array(rows).T) / 2


def _describe(
    design: Design, fit: _Fit, hessian: Floats, category: Integers, categories: list[Any], confidence: float
) -> OrdinalMixed:
    count, steps = len(design.systems), len(categories) - 1
    parameters = fit.likelihood.unpack(fit.free)
    levels = np.concatenate([[0.0], parameters.fixed])
    covariance = np.zeros((count, count))
    covariance[1:, 1:] = np.linalg.inv(hessian)[steps : steps + count - 1, steps : steps + count - 1]
    centre = np.eye(count) - 1 / count
    centred, errors = centre @ levels, np.sqrt(np.diag(centre @ covariance @ centre).clip(min=0))
    normal = np.full(max(count, count * (count - 1) // 2), np.inf)  # degrees of freedom
    omnibus, warnings = _test_systems(design, fit, category)
    fitted = np.flatnonzero(fit.is_fitted)
    return OrdinalMixed(
        systems=make_system_effects(design.systems, centred, errors, normal[:count], confidence),
        contrasts=make_contrasts(design.systems, levels, covariance, normal[: count * (count - 1) // 2], confidence),
        # With the first system's level as 0; the systems' mean is 0 instead.
        thresholds=tuple((parameters.thresholds - levels.mean()).tolist()),
        categories=tuple(categories),
        components=make_components(
            [*(FACTORS[place] for place in fitted), "residual"],
            [*(parameters.scales[fitted] ** 2).tolist(), LOGISTIC_VARIANCE],
            [*(design.levels[place] for place in fitted), design.used],
        ),
        workers=_predict_workers(design, fit),
        omnibus=omnibus,
        log_likelihood=-fit.minus_log,
        used=design.used,
        dropped=design.dropped,
        items=design.levels[1],
        method=f"{METHOD}; pairs by Wald's z, systems by likelihood ratio",
        confidence=confidence,
        warnings=(*design.warnings, *fit.warnings, *warnings),
    )


def _test_systems(design: Design, fit: _Fit, category: Integers) -> tuple[Omnibus, tuple[str, ...]]:
    freedom = len(design.systems) - 1
    if freedom < 1:
        return Omnibus(), ("there is one system, so nothing is compared",)
    alike = _fit(design, category, np.empty((design.used, 0)))
    if alike.reason:
        return Omnibus(degrees_of_freedom=freedom), (
            f"the likelihood-ratio test is not defined: without systems, {alike.reason}",
        )
    statistic = max(0.0, 2 * (alike.minus_log - fit.minus_log))
    return Omnibus(statistic, freedom, float(stats.chi2.sf(statistic, freedom))), ()


def _predict_workers(design: Design, fit: _Fit) -> tuple[WorkerEffect, ...]:
    """Modes of the workers' effects, and their standard errors given the systems' levels."""
    if not fit.is_fitted[2]:
        return ()
    parameters = fit.likelihood.unpack(fit.free)
    mode, _, factorisation = fit.likelihood.find_mode(parameters)
    scale = parameters.scales[2]
    errors = np.abs(scale) * np.sqrt(np.diag(factorisation.worker_inverse()))
    ratings = np.bincount(design.effects.codes[2], minlength=len(design.workers))
    return make_worker_effects(design.workers, scale * mode[design.effects.blocks[2]], errors, ratings)
