"""A finding: one statistic of an export, with all that is needed to quote it."""

import dataclasses
import math
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.agreement import Agreement, read_alpha
from analysis.results import NAN, SIGNIFICANCE, Coefficient, Estimate


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
    label: str = ""  # what the estimate is, in a table's first column: "Friedman, chi-square"
    is_aside: bool = False  # stands in the page's tables, its reading not among the paragraphs
    is_check: bool = False  # of an assumption: its p is not one among those of questions
    p_holm: float = NAN  # corrected over all findings of this name: see `across_questions`
    p_bh: float = NAN


@dataclasses.dataclass(frozen=True, slots=True)
class NamedFigure:
    """A figure, the file name it is saved under, and its caption."""

    name: str
    figure: Figure
    caption: str
    is_aside: bool = False  # on the page it opens on a click


@dataclasses.dataclass(frozen=True, slots=True)
class Chapter:
    """What was found about one thing (a question, two systems), ready for files and for the page."""

    title: str
    findings: tuple[Finding, ...]
    tables: dict[str, pd.DataFrame]
    figures: tuple[NamedFigure, ...]
    introduction: str = ""
    appendix: dict[str, pd.DataFrame] = dataclasses.field(default_factory=dict)  # tables for files alone


def alpha_finding(agreement: Agreement, *, subject: str, extra_warnings: tuple[str, ...] = ()) -> Finding:
    """Alpha in words, by Krippendorff's guides."""
    warnings = [*extra_warnings, *agreement.warnings]
    if agreement.reason:
        warnings.append(f"alpha is not defined: {agreement.reason}")
    reading = read_alpha(agreement, subject)
    label = f"Alpha, {agreement.level}"
    name, is_second = f"alpha_{agreement.level}", agreement.level == "interval"  # beside the ordinal one
    return coefficient_finding(name, label, subject, agreement, reading, tuple(warnings), is_aside=is_second)


def coefficient_finding(
    name: str,
    label: str,
    subject: str,
    coefficient: Agreement | Coefficient,
    reading: str,
    warnings: tuple[str, ...],
    is_aside: bool = False,
) -> Finding:
    """A bootstrapped coefficient of agreement as a finding."""
    return Finding(
        name=name,
        subject=subject,
        estimate=coefficient.estimate,
        low=coefficient.low,
        high=coefficient.high,
        used=coefficient.units_used,
        dropped=coefficient.units_dropped,
        counted="units",
        method=coefficient.method,
        seed=coefficient.seed,
        draws=coefficient.draws,
        warnings=warnings,
        reading=reading,
        details={"ratings_used": coefficient.ratings_used, "undefined_share": coefficient.undefined_share},
        label=label,
        is_aside=is_aside,
    )


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
        label="Mean rating",
        is_aside=True,
    )


def without_empty_reasons(table: pd.DataFrame) -> pd.DataFrame:
    """The table without its column `reason` where no row has one."""
    return table if (table["reason"] != "").any() else table.drop(columns="reason")


def is_significant(p_value: float) -> bool:
    return not math.isnan(p_value) and p_value <= SIGNIFICANCE
