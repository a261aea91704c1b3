"""Agreement beside the headline alpha: what else papers report, alpha by system, and without each worker."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.agreement import Agreement
from analysis.agreement_breakdowns import alpha_without_each_rater
from analysis.findings import Finding, coefficient_finding
from analysis.icc import Form, IntraclassCorrelation, intraclass_correlation
from analysis.kappa import fleiss_kappa, percent_agreement
from analysis.results import NAN

# A crowd's units have raters of their own, so the two-way forms do not fit.
CROWD_FORMS: tuple[tuple[str, str, Form], ...] = (
    ("icc_1", "ICC(1), one rating", "ICC(1)"),
    ("icc_k", "ICC(k), mean of a HIT", "ICC(k)"),
)


def categorical_findings(
    judgments: pd.DataFrame, *, unit: str, value: str, subject: str, seed: int, draws: int
) -> list[Finding]:
    """Percent agreement and Fleiss' kappa. judgments: one row a worker and unit, with columns worker and item."""
    percent = percent_agreement(
        judgments, unit=unit, rater="worker", value=value, cluster="item", seed=seed, draws=draws
    )
    kappa = fleiss_kappa(judgments, unit=unit, rater="worker", value=value, cluster="item", seed=seed, draws=draws)
    return [
        coefficient_finding(name, label, subject, found, found.reading, found.warnings, is_aside=True)
        for name, label, found in (
            ("percent_agreement", "Percent agreement", percent),
            ("fleiss_kappa", "Fleiss' kappa", kappa),
        )
    ]


def icc_findings(ratings: pd.DataFrame, *, unit: str, value: str, subject: str) -> list[Finding]:
    """The reliability of one rating, and of the mean of a unit's ratings."""
    return [
        _icc_finding(
            name, label, subject, intraclass_correlation(ratings, unit=unit, rater="worker", value=value, form=form)
        )
        for name, label, form in CROWD_FORMS
    ]


def tabulate_alpha_by_system(by_system: Mapping[Any, Agreement]) -> pd.DataFrame:
    """A row a system, with its interval over items."""
    return pd.DataFrame(
        [
            {
                "system": system,
                "alpha": agreement.estimate,
                "low": agreement.low,
                "high": agreement.high,
                "units_used": agreement.units_used,
                "units_dropped": agreement.units_dropped,
                "reason": agreement.reason,
            }
            for system, agreement in by_system.items()
        ]
    )


def tabulate_alpha_without_workers(judgments: pd.DataFrame, whole: Agreement, *, unit: str, value: str) -> pd.DataFrame:
    """A row a worker; first those without whom alpha rises most."""
    without = alpha_without_each_rater(judgments, unit=unit, rater="worker", value=value, level=whole.level)
    rows = [
        {
            "worker": worker,
            "alpha_without": agreement.estimate,
            "change": agreement.estimate - whole.estimate,
            "units_used": agreement.units_used,
            "reason": agreement.reason,
        }
        for worker, agreement in without.items()
    ]
    columns = ["worker", "alpha_without", "change", "units_used", "reason"]
    return pd.DataFrame(rows, columns=columns).sort_values("change", ascending=False, kind="stable")


def _icc_finding(name: str, label: str, subject: str, correlation: IntraclassCorrelation) -> Finding:
    return Finding(
        name=name,
        subject=subject,
        estimate=correlation.estimate,
        low=correlation.low,
        high=correlation.high,
        p_value=NAN,
        used=correlation.units_used,
        dropped=correlation.units_dropped,
        counted="units",
        method=correlation.method,
        warnings=correlation.warnings,
        reading=correlation.reading,
        details={
            "ratings_used": correlation.ratings_used,
            "ratings_per_unit": correlation.ratings_per_unit,
            "f": correlation.statistic,
            "df_between": correlation.df_between,
            "df_error": correlation.df_error,
        },
        label=label,
    )
