"""Krippendorff's alpha on long tables, with a bootstrap over items.

alpha = 1 - D_o / D_e, observed over expected disagreement (Krippendorff 2011, "Computing Krippendorff's
Alpha-Reliability"). Both come from sums over clusters (items with all their units): a resample of items is a product of
weights with the clusters' sums, and never looks at the table again.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from analysis.rating_counts import Counts, Integers, Level, count_ratings
from analysis.resampling import (
    CONFIDENCE,
    DRAWS,
    Columns,
    Floats,
    add_up,
    blocks,
    compact,
    midranks,
    percentiles,
    resample_sums,
    resampling_warnings,
)
from analysis.results import NAN, Result, format_interval, format_number

RELIABLE, TENTATIVE = 0.8, 0.667  # Krippendorff 2004, "Reliability in Content Analysis"


@dataclasses.dataclass(frozen=True, slots=True)
class Agreement(Result):
    """Krippendorff's alpha; NaN with a `reason` where it is not defined.

    `units_dropped` have fewer than two ratings; `ratings_used` are the pairable ones.
    """

    estimate: float
    low: float
    high: float
    level: Level
    units_used: int
    units_dropped: int
    ratings_used: int
    reason: str = ""
    method: str = "Krippendorff's alpha"
    seed: int | None = None
    draws: int = 0
    clusters: int = 0
    undefined_share: float = 0.0
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()

    @property
    def reading(self) -> str:
        return read_alpha(self, "these ratings")


def krippendorff_alpha(
    table: pd.DataFrame, *, unit: str, rater: str, value: str, level: Level, order: Sequence[Any] | None = None
) -> Agreement:
    """Alpha of a long table with one row a rating; empty values are missing data.

    unit: what was rated, for example item x system. order: the categories from low to high, needed where an
    ordinal value is text. No interval: see `bootstrap_alpha`.
    """
    return describe(count_ratings(table, unit=unit, rater=rater, value=value, level=level, order=order))


def bootstrap_alpha(
    table: pd.DataFrame,
    *,
    unit: str,
    rater: str,
    value: str,
    level: Level,
    seed: int,
    order: Sequence[Any] | None = None,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> Agreement:
    """Alpha with a percentile interval: `cluster`s (items; default: units) are drawn with all their units together.

    Draws in which alpha is undefined are left out of the interval; their share is reported.
    """
    counts = count_ratings(table, unit=unit, rater=rater, value=value, level=level, order=order, cluster=cluster)
    return resample(counts, seed=seed, draws=draws, confidence=confidence)


def describe(counts: Counts) -> Agreement:
    """Alpha of the counted table, without an interval."""
    estimate = NAN
    if counts.units_used:
        estimate = float(alpha_of_weights(counts, counts.repeats[None, :].astype(np.float64))[0])
    return Agreement(
        estimate=estimate,
        low=NAN,
        high=NAN,
        level=counts.level,
        units_used=counts.units_used,
        units_dropped=counts.units_dropped,
        ratings_used=counts.ratings_used,
        reason=_why_undefined(counts) if math.isnan(estimate) else "",
        method=f"Krippendorff's alpha, {counts.level}",
        clusters=int(counts.repeats.sum()),
    )


def resample(counts: Counts, *, seed: int, draws: int = DRAWS, confidence: float = CONFIDENCE) -> Agreement:
    """Alpha of the counted table with its bootstrap interval."""
    agreement = describe(counts)
    if agreement.reason:
        return agreement
    values = resample_sums(
        _cluster_sums(counts), counts.repeats, lambda sums: _alpha_of_sums(counts, sums), seed=seed, draws=draws
    )
    interval = percentiles(values, confidence)
    return dataclasses.replace(
        agreement,
        low=interval.low,
        high=interval.high,
        method=f"{agreement.method}; percentile bootstrap over {agreement.clusters} clusters",
        seed=seed,
        draws=draws,
        undefined_share=interval.undefined_share,
        confidence=confidence,
        warnings=resampling_warnings("alpha", agreement.clusters, interval.undefined_share),
    )


def _why_undefined(counts: Counts) -> str:
    if not counts.units_used:
        return "no unit has two ratings"
    return "all pairable ratings have the same value, so no disagreement can be expected"


def alpha_of_weights(counts: Counts, weights: Floats) -> Floats:
    """Alpha of each weighting of the clusters: weights (D, K) to (D,), NaN where no disagreement is expected."""
    return _alpha_of_sums(counts, add_up(weights, _cluster_sums(counts)))


def _cluster_sums(counts: Counts) -> Columns:
    """What each cluster adds to alpha's sums, (K, C); `_alpha_of_sums` reads the columns.

    Only the ordinal distance changes with the draw, so only there the coincidences are kept apart. For interval data
    three sums stand for the marginals, however many values there are.
    """
    if counts.level == "ordinal":
        return compact(sparse.hstack([counts.coincidences, counts.marginals], format="csr"))
    observed = counts.coincidences @ _distance(counts, *counts.pairs)
    if counts.level == "interval":
        centred = _centred(counts)
        moments = np.stack([np.ones_like(centred), centred, centred**2], axis=1)
        return np.column_stack([observed, counts.marginals @ moments])
    return compact(sparse.hstack([sparse.csr_array(observed[:, None]), counts.marginals], format="csr"))


def _alpha_of_sums(counts: Counts, sums: Floats) -> Floats:
    """Alpha of each row of summed columns, (D, C) to (D,)."""
    if counts.level == "interval":
        observed, total = sums[:, 0], sums[:, 1]
        # Sum over c and v of n_c n_v (x_c - x_v)^2.
        expected = 2 * (total * sums[:, 3] - sums[:, 2] ** 2)
    else:
        marginals = sums[:, -len(counts.values) :]
        total = marginals.sum(axis=1)
        observed, expected = sums[:, 0], _expected(counts, marginals, total)
    if counts.level == "ordinal":
        ranks = midranks(marginals)
        lower, upper = counts.pairs
        observed = (sums[:, : len(lower)] * (ranks[:, lower] - ranks[:, upper]) ** 2).sum(axis=1)
    # Below this, rounding makes what looks like disagreement.
    defined = expected > 1e-12 * np.maximum(total, 1) ** 2 * _scale(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(defined, 1 - (total - 1) * observed / expected, np.nan)


def _distance(counts: Counts, lower: Integers, upper: Integers) -> Floats:
    """The squared difference of the values with these codes, where it does not depend on the counts, (P,)."""
    if counts.level == "nominal":
        return np.ones(len(lower))
    if counts.level == "interval":
        return (counts.values[lower] - counts.values[upper]) ** 2
    return ratio_distance(counts.values[lower], counts.values[upper])


def _centred(counts: Counts) -> Floats:
    """The values about their mean, so that sums of squares lose no digits to a far zero."""
    return counts.values - counts.values.mean() if len(counts.values) else counts.values


def _scale(counts: Counts) -> float:
    """The size of a squared difference."""
    return float(np.ptp(counts.values) ** 2) if counts.level == "interval" and len(counts.values) > 1 else 1.0


def _expected(counts: Counts, marginals: Floats, total: Floats) -> Floats:
    """Sum over c and v of n_c n_v times the squared difference of c and v, (D,)."""
    if counts.level == "nominal":
        return total**2 - (marginals**2).sum(axis=1)
    if counts.level == "ordinal":
        ranks = midranks(marginals)
        mean = (marginals * ranks).sum(axis=1) / np.maximum(total, 1)
        return 2 * total * (marginals * (ranks - mean[:, None]) ** 2).sum(axis=1)
    return _expected_ratio(marginals, counts.values)


def _expected_ratio(marginals: Floats, values: Floats) -> Floats:
    """Sum over c and v of n_c n_v ((c - v) / (c + v))^2, (D,); a strip of the V x V table at a time."""
    expected = np.zeros(len(marginals))
    start = 0
    for strip in blocks(len(values), len(values)):
        rows = slice(start, start + strip)
        distance = ratio_distance(values[rows, None], values[None, :])
        expected += ((marginals @ distance.T) * marginals[:, rows]).sum(axis=1)
        start += strip
    return expected


def ratio_distance(first: Floats, second: Floats) -> Floats:
    """((c - v) / (c + v))^2, and 0 between zeros."""
    total = first + second
    return ((first - second) / np.where(total == 0, 1, total)) ** 2


def read_alpha(agreement: Agreement, subject: str) -> str:
    """Alpha in a sentence, by Krippendorff's guides."""
    if agreement.reason:
        return f"Agreement on {subject} is not defined: {agreement.reason}."
    value = format_number(agreement.estimate, 2)
    interval = format_interval(agreement.low, agreement.high, 2)
    return f"Workers agree on {subject} with {agreement.level} alpha = {value} {interval}: {_judge_alpha(agreement)}."


def _judge_alpha(agreement: Agreement) -> str:
    if agreement.estimate >= RELIABLE:
        return "reliable by Krippendorff's guide (.8)"
    if agreement.estimate >= TENTATIVE:
        return "enough for tentative conclusions (.667 to .8)"
    if agreement.low > 0:
        return "above chance but below .667, so single answers are noisy and only averages over items carry weight"
    return "not clearly above chance"
