"""Mixed models of one question as findings: do systems differ, where is the variance, how severe is each worker?"""

import math

import numpy as np
import pandas as pd

from analysis.drawing import figure_style
from analysis.findings import Finding, NamedFigure, is_significant
from analysis.mixed_linear import LinearMixed, fit_linear_mixed
from analysis.mixed_ordinal import OrdinalMixed, fit_ordinal_mixed
from analysis.mixed_plots import plot_contrasts
from analysis.mixed_results import Contrast, WorkerEffect, rows_frame
from analysis.results import NAN, format_interval, format_number, format_p

Described = tuple[list[Finding], dict[str, pd.DataFrame], list[NamedFigure]]


def describe_mixed(rated: pd.DataFrame, question: str) -> Described:
    """Findings, tables and figures. rated: the question's ratings, a worker's first of each HIT."""
    linear = fit_linear_mixed(rated, value="value", system="system", item="item", worker="worker")
    ordinal = fit_ordinal_mixed(rated, value="value", system="system", item="item", worker="worker")
    findings = [_linear_finding(linear, question), _ordinal_finding(ordinal, question)]
    findings += _share_findings(linear, question)
    tables = {
        f"{question}_mixed_pairs": _tabulate_pairs(linear, ordinal),
        f"{question}_worker_severity": rows_frame(linear.workers, WorkerEffect),
    }
    tables = {name: table for name, table in tables.items() if len(table)}
    return findings, tables, _draw_contrasts(linear, question)


def largest_contrast(contrasts: tuple[Contrast, ...]) -> Contrast | None:
    """The pair of systems that lie farthest apart."""
    return max(contrasts, key=lambda contrast: abs(contrast.difference), default=None)


def _linear_finding(model: LinearMixed, question: str) -> Finding:
    name = "a linear mixed model"
    details = {
        "degrees_of_freedom": model.omnibus.degrees_of_freedom,
        "variances": {component.name: component.variance for component in model.components},
        "workers": len(model.workers),
        "ratings_per_completion": _ratings_per_completion(model),
        "reml_deviance": model.deviance,
        "pairs": model.to_frame().to_dict("records"),
        "estimate_is": "likelihood-ratio chi-square of systems",
    }
    return Finding(
        name="mixed_linear",
        subject=question,
        estimate=model.omnibus.statistic,
        p_value=model.omnibus.p_value,
        used=model.used,
        dropped=model.dropped,
        method=model.method,
        warnings=_warnings(name, model),
        reading=_read(model, name, question, _read_largest(model)),
        details=details,
        label="Linear mixed model, chi-square",
    )


def _ordinal_finding(model: OrdinalMixed, question: str) -> Finding:
    name = "a cumulative logit mixed model"
    return Finding(
        name="mixed_ordinal",
        subject=question,
        estimate=model.omnibus.statistic,
        p_value=model.omnibus.p_value,
        used=model.used,
        dropped=model.dropped,
        method=model.method,
        warnings=_warnings(name, model),
        reading=_read(model, name, question, _read_largest_odds(model)),
        details={
            "degrees_of_freedom": model.omnibus.degrees_of_freedom,
            "thresholds": list(model.thresholds),
            "categories": list(model.categories),
            "variances": {component.name: component.variance for component in model.components},
            "log_likelihood": model.log_likelihood,
            "pairs": model.to_frame().to_dict("records"),
            "estimate_is": "likelihood-ratio chi-square of systems",
        },
        is_aside=True,
        label="Cumulative logit mixed model, chi-square",
    )


def _warnings(name: str, model: LinearMixed | OrdinalMixed) -> tuple[str, ...]:
    reasons = (f"{name} is not defined: {model.reason}",) if model.reason else ()
    return (*(f"{name}: {warning}" for warning in model.warnings), *reasons)


def _read(model: LinearMixed | OrdinalMixed, name: str, question: str, largest: str) -> str:
    if model.reason:
        return f"The systems cannot be compared on {question} by {name}: {model.reason}."
    if math.isnan(model.omnibus.p_value):
        return f"On {question} {name} compares nothing: {model.warnings[-1]}."
    verdict = "differ" if is_significant(model.omnibus.p_value) else "do not differ significantly"
    return f"By {name} the systems {verdict} on {question}: {model.omnibus}; {largest}."


def _read_largest(model: LinearMixed) -> str:
    pair = largest_contrast(model.contrasts)
    if pair is None:
        return ""
    better, worse, low, high = _turned(pair)
    shares = ", ".join(f"{component.share:.0%} {component.name}" for component in model.components)
    return (
        f"{better} less {worse} is {format_number(abs(pair.difference), 2)} {format_interval(low, high, 2)} "
        f"(Holm {format_p(pair.p_holm)}); the variance beyond systems is {shares}"
    )


def _read_largest_odds(model: OrdinalMixed) -> str:
    pair = largest_contrast(model.contrasts)
    if pair is None:
        return ""
    better, worse, low, high = _turned(pair)
    interval = format_interval(math.exp(low), math.exp(high), 2)
    return (
        f"the odds of a higher rating are {format_number(math.exp(abs(pair.difference)), 2)} {interval} times as large "
        f"for {better} as for {worse} (Holm {format_p(pair.p_holm)})"
    )


def _turned(pair: Contrast) -> tuple[str, str, float, float]:
    """The better system, the worse one, and the interval of their difference."""
    if pair.difference >= 0:
        return str(pair.second), str(pair.first), pair.low, pair.high
    return str(pair.first), str(pair.second), -pair.high, -pair.low


def _ratings_per_completion(model: LinearMixed) -> float:
    return model.used / model.completions if model.completions else NAN


def _share_findings(model: LinearMixed, question: str) -> list[Finding]:
    return [
        Finding(
            name="variance_share",
            subject=f"{question}: {component.name}",
            estimate=component.share,
            used=model.used,
            dropped=model.dropped,
            method=model.method,
            reading=f"Of the variance of {question} beyond systems {component.share:.1%} is {component.name} variance.",
            details={"variance": component.variance, "levels": component.levels},
            label="Share of variance",
            is_aside=True,
        )
        for component in model.components
    ]


def _tabulate_pairs(linear: LinearMixed, ordinal: OrdinalMixed) -> pd.DataFrame:
    """A row a pair of systems: points of the scale by the linear model, odds of a higher rating by the other."""
    points = linear.to_frame()[["first", "second", "difference", "low", "high", "p_holm"]]
    odds = ordinal.to_frame()[["first", "second", "difference", "p_holm"]]
    odds["difference"] = np.exp(odds["difference"].astype(np.float64))
    odds = odds.rename(columns={"difference": "odds_ratio", "p_holm": "p_holm_of_odds"})
    return points.merge(odds, on=["first", "second"], how="outer")


def _draw_contrasts(model: LinearMixed, question: str) -> list[NamedFigure]:
    if not model.contrasts:
        return []
    with figure_style():
        figure = plot_contrasts(model.contrasts, xlabel=f"difference of {question}, linear mixed model")
    caption = (
        f"Differences of {question} by the linear mixed model, 95% intervals of single pairs, p corrected by Holm. A "
        "filled dot marks a difference whose interval excludes 0."
    )
    return [NamedFigure(f"{question}_mixed", figure, caption, is_aside=True)]
