"""Does a metric rank texts as people do? Segment-level correlations with intervals over items.

A segment is one completion: its metric score beside its mean human rating. Segments of one item share a prompt, so
items are resampled whole. Ranks are taken anew in every draw.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.resampling import CONFIDENCE, DRAWS, Floats, bootstrap_estimate, midranks, weights_by_value
from analysis.results import Estimate
from analysis.tables import cluster_codes, numbers, require_columns, require_no_gaps
from annotation.errors import InputError

Coefficient = Literal["pearson", "spearman", "kendall"]
WeightedCorrelation = Callable[[Floats, Floats, Floats], Floats]
STRIP = 512  # segments compared at once with all others


def correlate(
    table: pd.DataFrame,
    *,
    metric: str,
    human: str,
    coefficient: Coefficient,
    seed: int,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Correlation over segments (table rows) with an interval from resampling `cluster`s (items).

    pearson; spearman: Pearson's of midranks; kendall: tau-b. NaN with a reason if a column is constant.
    """
    if coefficient not in get_args(Coefficient):
        raise InputError(f"coefficient is {coefficient!r}; expected one of {', '.join(get_args(Coefficient))}.")
    require_columns(table, metric, human, *([cluster] if cluster else []))
    require_no_gaps(table, *([cluster] if cluster else []))
    scores, ratings = numbers(table, metric), numbers(table, human)
    is_used = np.isfinite(scores) & np.isfinite(ratings)
    scores, ratings = scores[is_used], ratings[is_used]
    cluster_of_row, _ = cluster_codes(table[is_used], cluster)
    weighted = CORRELATIONS[coefficient]
    return bootstrap_estimate(
        lambda weights: weighted(weights, scores, ratings),
        cluster_of_row,
        method=f"segment-level {coefficient}",
        seed=seed,
        dropped=int((~is_used).sum()),
        draws=draws,
        confidence=confidence,
        reason_if_undefined="one of the two columns is constant" if len(scores) > 1 else "there is one segment",
    )


def weighted_pearson(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Pearson's r under each row of weights (D, N); x and y are (N,) or, where they change by draw, (D, N)."""
    x, y = _centred(weights, x), _centred(weights, y)
    product = (weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(product > 0, (weights * x * y).sum(axis=1) / np.sqrt(product), np.nan)


def _centred(weights: Floats, values: Floats) -> Floats:
    """Values less their weighted mean (D, N); what rounding leaves of a constant is set to 0."""
    mean = (weights * values).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    deviations = values - mean
    return np.where(np.abs(deviations) > 1e-12 * np.abs(values).max(), deviations, 0)


def weighted_spearman(weights: Floats, x: Floats, y: Floats) -> Floats:
    return weighted_pearson(weights, _ranks(weights, x), _ranks(weights, y))


def _ranks(weights: Floats, values: Floats) -> Floats:
    """Midranks (D, N) of the values under each row of weights."""
    distinct, value_codes = np.unique(values, return_inverse=True)
    return midranks(weights_by_value(weights, value_codes, len(distinct)))[:, value_codes]


def weighted_kendall(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Tau-b: concordant less discordant pairs, over the root of the pairs untied in x times those untied in y."""
    score = np.zeros(len(weights))
    for start in range(0, len(x), STRIP):
        strip = slice(start, start + STRIP)
        agreement = _signs(x, strip) * _signs(y, strip)  # (strip, N)
        score += ((weights @ agreement.T) * weights[:, strip]).sum(axis=1)
    untied = _untied_pairs(weights, x) * _untied_pairs(weights, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(untied > 0, score / np.sqrt(untied), np.nan)


def _signs(values: Floats, strip: slice) -> Floats:
    return np.sign(values[strip, None] - values[None, :])


def _untied_pairs(weights: Floats, values: Floats) -> Floats:
    """Ordered pairs with different values, (D,)."""
    distinct, value_codes = np.unique(values, return_inverse=True)
    ties: NDArray[np.float64] = (weights_by_value(weights, value_codes, len(distinct)) ** 2).sum(axis=1)
    return weights.sum(axis=1) ** 2 - ties


CORRELATIONS: dict[str, WeightedCorrelation] = {
    "pearson": weighted_pearson,
    "spearman": weighted_spearman,
    "kendall": weighted_kendall,
}
