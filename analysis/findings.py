"""A finding: one statistic of an export, with all that is needed to quote it."""

import dataclasses
import math
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.agreement import Agreement
from analysis.results import NAN, Estimate, format_interval, format_number

ALPHA_RELIABLE, ALPHA_TENTATIVE = 0.8, 0.667  # Krippendorff 2004, "Reliability in Content Analysis"
SIGNIFICANCE = 0.05


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """`used` and `dropped` count what `counted` names; `reading` says it in one sentence."""

    name: str
    subject: str
    estimate: float
    reading: str
    low: float = NAN
    high: float = NAN
    p_value: float = NAN
    used: int = 0
    dropped: int = 0
    counted: str = "ratings"
    method: str = ""
    seed: int | None = None
    draws: int = 0
    warnings: tuple[str, ...] = ()
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    headline: str = ""  # the verdict alone, for the top of the page


@dataclasses.dataclass(frozen=True, slots=True)
class NamedFigure:
    """A figure, the file name it is saved under, and its caption."""

    name: str
    figure: Figure
    caption: str


@dataclasses.dataclass(frozen=True, slots=True)
class Chapter:
    """What was found about one thing (a question, two systems), ready for files and for the page."""

    title: str
    findings: tuple[Finding, ...]
    tables: dict[str, pd.DataFrame]
    figures: tuple[NamedFigure, ...]
    introduction: str = ""


def alpha_finding(agreement: Agreement, *, subject: str, extra_warnings: tuple[str, ...] = ()) -> Finding:
    """Alpha in words, by Krippendorff's guides."""
    warnings = list(extra_warnings)
    if agreement.reason:
        warnings.append(f"alpha is not defined: {agreement.reason}")
    if agreement.undefined_share > 0.05:
        warnings.append(f"alpha was undefined in {agreement.undefined_share:.0%} of the bootstrap draws")
    return Finding(
        name=f"alpha_{agreement.level}",
        subject=subject,
        estimate=agreement.estimate,
        low=agreement.low,
        high=agreement.high,
        used=agreement.units_used,
        dropped=agreement.units_dropped,
        counted="units",
        method=agreement.method,
        seed=agreement.seed,
        draws=agreement.draws,
        warnings=tuple(warnings),
        reading=_read_alpha(agreement, subject),
        details={"ratings_used": agreement.ratings_used, "undefined_share": agreement.undefined_share},
    )


def _read_alpha(agreement: Agreement, subject: str) -> str:
    if agreement.reason:
        return f"Agreement on {subject} is not defined: {agreement.reason}."
    value = format_number(agreement.estimate, 2)
    interval = format_interval(agreement.low, agreement.high, 2)
    return f"Workers agree on {subject} with {agreement.level} alpha = {value} {interval}: {_judge_alpha(agreement)}."


def _judge_alpha(agreement: Agreement) -> str:
    if agreement.estimate >= ALPHA_RELIABLE:
        return "reliable by Krippendorff's guide (.8)"
    if agreement.estimate >= ALPHA_TENTATIVE:
        return "enough for tentative conclusions (.667 to .8)"
    if agreement.low > 0:
        return "above chance but below .667, so single answers are noisy and only averages over items carry weight"
    return "not clearly above chance"


def mean_finding(name: str, subject: str, estimate: Estimate, reading: str) -> Finding:
    """A bootstrapped estimate as a finding."""
    return Finding(
        name=name,
        subject=subject,
        estimate=estimate.estimate,
        low=estimate.low,
        high=estimate.high,
        used=estimate.used,
        dropped=estimate.dropped,
        method=estimate.method,
        seed=estimate.seed,
        draws=estimate.draws,
        warnings=(estimate.reason,) if estimate.reason else (),
        reading=reading,
        details={"items": estimate.clusters},
    )


def is_significant(p_value: float) -> bool:
    return not math.isnan(p_value) and p_value <= SIGNIFICANCE
