"""Linear mixed model: rating ~ system + completion + item + worker, the last three as crossed random effects.

Estimates are by REML; the test of all systems is a likelihood ratio by ML. Pairs of systems are tested by t with
Satterthwaite's degrees of freedom (Giesbrecht & Burns 1985). `analysis.reml` finds the variances.
"""

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from analysis.crossed_effects import FACTORS
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
    pair_matrix,
    rows_frame,
)
from analysis.reml import Criterion, Fit, minimise_deviance, satterthwaite
from analysis.resampling import CONFIDENCE, Floats
from analysis.results import NAN, Result
from analysis.tables import numbers, require_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHOD = "linear mixed model by REML"


@dataclasses.dataclass(frozen=True, slots=True)
class LinearMixed(Result):
    """Systems, all their pairs, variance components (the residual last), and workers, the most severe first.

    NaN and empty with a `reason` where the model cannot be fitted; `deviance` is the REML criterion.
    """

    systems: tuple[SystemEffect, ...]
    contrasts: tuple[Contrast, ...]
    components: tuple[VarianceComponent, ...]
    workers: tuple[WorkerEffect, ...]
    omnibus: Omnibus
    deviance: float
    used: int
    dropped: int
    items: int
    completions: int
    method: str = METHOD
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def reading(self) -> str:
        if self.reason:
            return f"The linear mixed model is not defined: {self.reason}."
        shares = ", ".join(f"{component.name} {component.share:.0%}" for component in self.components)
        spread = f"the variance of ratings beyond systems lies in: {shares}"
        if math.isnan(self.omnibus.p_value):
            return f"By a linear mixed model {spread}."
        verdict = "differ" if self.omnibus.p_value <= 1 - self.confidence else "do not differ significantly"
        return f"By a linear mixed model the systems {verdict}: {self.omnibus}; {spread}."

    def to_frame(self) -> pd.DataFrame:
        """A row a pair of systems."""
        return rows_frame(self.contrasts, Contrast)

    def plot(self) -> "Figure":
        """A forest of all pairs of systems."""
        from analysis.mixed_plots import plot_contrasts  # takes a second to import

        return plot_contrasts(self.contrasts, xlabel="difference, linear mixed model")


def fit_linear_mixed(
    table: pd.DataFrame,
    *,
    value: str,
    system: str,
    item: str,
    worker: str,
    completion_effect: bool = True,
    confidence: float = CONFIDENCE,
) -> LinearMixed:
    """REML fit. Rows without a value are dropped; factors that cannot be estimated are left out, with a warning.

    completion_effect=False leaves out the effect of each completion (item by system). Where several people rate one
    completion, that makes differences between systems look surer than they are.
    """
    require_columns(table, value)
    values = numbers(table, value)
    is_used = np.isfinite(values)
    design = read_design(
        table, is_used=is_used, system=system, item=item, worker=worker, completion_effect=completion_effect
    )
    reason = _why_undefined(values[is_used], len(design.systems))
    if reason:
        return _undefined(design, reason, confidence)
    centre = float(values[is_used].mean())  # against cancellation; added again to the systems' means
    centred = values[is_used] - centre
    fit = minimise_deviance(Criterion(design.effects, design.is_fitted, design.indicators, centred, is_reml=True))
    if fit.reason:
        return _undefined(design, fit.reason, confidence)
    return _describe(design, fit, centred, centre, confidence)


def _why_undefined(values: Floats, systems: int) -> str:
    if not len(values):
        return "no row has a value"
    if values.min() == values.max():
        return "every rating is the same"
    return "there are no more ratings than systems" if len(values) <= systems else ""


def _undefined(design: Design, reason: str, confidence: float) -> LinearMixed:
    return LinearMixed(
        systems=(), contrasts=(), components=(), workers=(), omnibus=Omnibus(), deviance=NAN, used=design.used,
        dropped=design.dropped, items=design.levels[1], completions=design.levels[0], confidence=confidence,
        warnings=design.warnings, reason=reason,
    )  # fmt: skip


def _describe(design: Design, fit: Fit, centred: Floats, centre: float, confidence: float) -> LinearMixed:
    point, criterion = fit.point, fit.criterion
    variance = point.variance(criterion.freedom)
    covariance = variance * np.linalg.inv(point.information)
    # With one system there is no pair, and with any its own level is a contrast too.
    _, pairs = pair_matrix(len(design.systems))
    freedom = satterthwaite(fit, np.vstack([np.eye(len(design.systems)), pairs]))
    own, of_pairs = freedom[: len(design.systems)], freedom[len(design.systems) :]
    errors = np.sqrt(np.diag(covariance))
    chosen = np.flatnonzero(design.is_fitted)
    components = make_components(
        [*(FACTORS[place] for place in chosen), "residual"],
        [*(variance * point.ratios[chosen]).tolist(), variance],
        [*(design.levels[place] for place in chosen), design.used],
    )
    omnibus, warnings = _test_systems(design, centred, point.ratios)
    return LinearMixed(
        systems=make_system_effects(design.systems, centre + point.fixed, errors, own, confidence),
        contrasts=make_contrasts(design.systems, point.fixed, covariance, of_pairs, confidence),
        components=components,
        workers=_predict_workers(design, fit, variance),
        omnibus=omnibus,
        deviance=point.deviance,
        used=design.used,
        dropped=design.dropped,
        items=design.levels[1],
        completions=design.levels[0],
        method=f"{METHOD}; random effects of {_join([FACTORS[place] + 's' for place in chosen])}; "
        "pairs by t with Satterthwaite's degrees of freedom, systems by likelihood ratio (ML)",
        confidence=confidence,
        warnings=(*design.warnings, *fit.warnings, *warnings),
    )


def _join(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "nothing"


def _test_systems(design: Design, centred: Floats, ratios: Floats) -> tuple[Omnibus, tuple[str, ...]]:
    """Twice the gain in maximised log likelihood (ML) that the systems bring; the search begins at REML's ratios."""
    freedom = len(design.systems) - 1
    if freedom < 1:
        return Omnibus(), ("there is one system, so nothing is compared",)
    alike = np.ones((design.used, 1))
    fits = [
        minimise_deviance(
            Criterion(design.effects, design.is_fitted, columns, centred, is_reml=False), [np.maximum(ratios, 0.02)]
        )
        for columns in (alike, design.indicators)
    ]
    if any(fit.reason for fit in fits):
        return Omnibus(degrees_of_freedom=freedom), ("the likelihood-ratio test is not defined: an ML fit failed",)
    statistic = max(0.0, fits[0].point.deviance - fits[1].point.deviance)
    return Omnibus(statistic, freedom, float(stats.chi2.sf(statistic, freedom))), ()


def _predict_workers(design: Design, fit: Fit, variance: float) -> tuple[WorkerEffect, ...]:
    """Best linear unbiased predictions and their standard errors, given the fixed effects."""
    if not design.is_fitted[2]:
        return ()
    point, criterion = fit.point, fit.criterion
    residual_sums = criterion.sums[:, -1] - criterion.sums[:, :-1] @ point.fixed
    spread = design.effects.expand(np.sqrt(point.ratios))
    block = design.effects.blocks[2]
    effects = (spread * point.factorisation.solve(spread * residual_sums))[block]
    errors = np.sqrt(variance * point.ratios[2] * np.diag(point.factorisation.worker_inverse()))
    ratings = np.bincount(design.effects.codes[2], minlength=len(design.workers))
    return make_worker_effects(design.workers, effects, errors, ratings)
