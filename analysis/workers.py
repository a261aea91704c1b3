"""How do workers judge beside the others who judged the same? Severity, and agreement.

A worker is always compared with the *others* on the same units, never with a mean that holds their own answers. Units
that nobody else answered are dropped and counted. Whether a number is a reason to look closer, `worker_flags` says.
"""

import numpy as np
import pandas as pd
from scipy import stats

from analysis.others import majority_of_others, mean_of_others, sum_by_worker
from analysis.rating_counts import EncodedRatings, encode_ratings
from analysis.resampling import CONFIDENCE, Floats
from analysis.results import NAN
from analysis.worker_measures import WorkerMeasure, WorkerValue, share_values

CHANCE = 0.05  # agreement whose one-sided p against chance is larger is not above chance
FEWEST_FOR_FISHER = 4  # items; Fisher's z has variance 1 / (n - 3)


def measure_severity(
    table: pd.DataFrame,
    *,
    unit: str,
    worker: str,
    value: str,
    cluster: str | None = None,
    confidence: float = CONFIDENCE,
) -> WorkerMeasure:
    """Mean of a worker's values less the others' mean on the same units: below 0 for the severe.

    The interval is Student's t over the worker's clusters (items), with the sandwich variance of a ratio. details:
    `shrunken`, the estimate drawn towards 0 by how little the worker's answers say (empirical Bayes), and `spread`,
    the standard deviation between workers that this rests on, by the moments of DerSimonian & Laird (1986).
    """
    ratings = encode_ratings(table, unit=unit, rater=worker, value=value, level="interval", cluster=cluster)
    count, clusters = _sizes(ratings)
    deviation = ratings.values[ratings.value] - mean_of_others(ratings)
    estimate = sum_by_worker(ratings, deviation) / np.maximum(count, 1)
    squares = _squared_cluster_sums(ratings, deviation - estimate[ratings.rater])
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = squares * clusters / (clusters - 1) / count**2
        pooled = squares.sum() / (clusters - 1).sum() * clusters / count**2
    half = stats.t.ppf((1 + confidence) / 2, np.maximum(clusters - 1, 1)) * np.sqrt(variance)
    shrunken, spread = _shrink(estimate, pooled)
    values = tuple(
        WorkerValue(
            worker=name,
            estimate=float(estimate[code]),
            low=float(estimate[code] - half[code]) if clusters[code] > 1 else NAN,
            high=float(estimate[code] + half[code]) if clusters[code] > 1 else NAN,
            count=int(count[code]),
            reason="" if clusters[code] > 1 else "one item has no spread, so there is no interval",
            details={"items": int(clusters[code]), "shrunken": float(shrunken[code]), "spread": spread},
        )
        for code, name in enumerate(ratings.raters)
    )
    return _measure(
        table, ratings, "severity", "Severity", values, "mean deviation from the others' mean on the same units; t"
    )


def correlate_with_others(
    table: pd.DataFrame,
    *,
    unit: str,
    worker: str,
    value: str,
    cluster: str | None = None,
    confidence: float = CONFIDENCE,
) -> WorkerMeasure:
    """Pearson's r of a worker's values with the others' mean on the same units; Fisher's interval over items.

    p_value: one-sided, that the worker's correlation is the other workers' (their z weighted by items); 1 where the
    correlation is above chance, whatever the others reach.
    """
    ratings = encode_ratings(table, unit=unit, rater=worker, value=value, level="interval", cluster=cluster)
    count, clusters = _sizes(ratings)
    own, others = ratings.values[ratings.value], mean_of_others(ratings)
    r = _correlation_by_worker(ratings, own, others)
    weight = np.where(np.isfinite(r), np.maximum(clusters - 3, 0), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
        half = np.where(weight > 0, stats.norm.ppf((1 + confidence) / 2) / np.sqrt(weight), np.nan)
        known = np.where(weight > 0, z, 0)
        rest = weight.sum() - weight
        crowd = ((weight * known).sum() - weight * known) / rest
        below = stats.norm.cdf((z - crowd) / np.sqrt(1 / weight + 1 / rest))
        above_chance = stats.norm.sf(z * np.sqrt(weight))
    p_values = np.where(above_chance <= CHANCE, 1.0, below)
    values = tuple(
        WorkerValue(
            worker=name,
            estimate=float(r[code]),
            low=float(np.tanh(z[code] - half[code])),
            high=float(np.tanh(z[code] + half[code])),
            count=int(count[code]),
            p_value=float(p_values[code]) if weight[code] > 0 else NAN,
            reason=_why_no_correlation(r[code], clusters[code]),
            details={"others": float(np.tanh(crowd[code])), "p_chance": float(above_chance[code])},
        )
        for code, name in enumerate(ratings.raters)
    )
    return _measure(
        table,
        ratings,
        "agreement",
        "Correlation with the others",
        values,
        "Pearson's r with the others' mean on the same units; Fisher's z over items",
        rule="agrees with the others no more than by chance, and less than the others agree",
    )


def match_majority(
    table: pd.DataFrame, *, unit: str, worker: str, value: str, confidence: float = CONFIDENCE
) -> WorkerMeasure:
    """Share of a worker's answers that are the others' most frequent one on the same units; Wilson's interval.

    Units on which the others are split evenly say nothing and are left out. details: Cohen's kappa, and what chance
    gives. p_value: exact binomial, one-sided, that the share is the other workers'; 1 where it is above chance.
    """
    ratings = encode_ratings(table, unit=unit, rater=worker, value=value, level="nominal")
    majority = majority_of_others(ratings)
    is_clear = majority >= 0
    rater, own, theirs = ratings.rater[is_clear], ratings.value[is_clear], majority[is_clear]
    width, workers = max(1, len(ratings.values)), len(ratings.raters)
    trials = np.bincount(rater, minlength=workers).astype(np.float64)
    matches = np.bincount(rater, own == theirs, minlength=workers).astype(np.float64)
    shares = [
        np.bincount(rater * width + side, minlength=workers * width).reshape(workers, width) for side in (own, theirs)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = (shares[0] * shares[1]).sum(axis=1) / trials**2
        crowd = (matches.sum() - matches) / (trials.sum() - trials)
        kappa = (matches / trials - chance) / (1 - chance)
    above_chance = stats.binom.sf(matches - 1, trials, np.nan_to_num(chance))
    below = stats.binom.cdf(matches, trials, np.nan_to_num(crowd, nan=0.0))
    p_values = np.where(above_chance <= CHANCE, 1.0, below)
    details = [
        dict(zip(("kappa", "chance", "others", "p_chance"), map(float, numbers), strict=True))
        for numbers in zip(kappa, chance, crowd, above_chance, strict=True)
    ]
    reason = "on no unit do the others have a most frequent answer"
    values = share_values(
        ratings.raters, matches, trials, p_values, reason=reason, details=details, confidence=confidence
    )
    return _measure(
        table,
        ratings,
        "agreement",
        "Share with the others' majority",
        values,
        "share of answers that are the others' most frequent one on the same units; Wilson",
        rule="agrees with the others no more than by chance, and less than the others agree",
        used=int(is_clear.sum()),
    )


def _measure(
    table: pd.DataFrame,
    ratings: EncodedRatings,
    name: str,
    label: str,
    values: tuple[WorkerValue, ...],
    method: str,
    *,
    rule: str = "",
    used: int | None = None,
) -> WorkerMeasure:
    used = len(ratings.value) if used is None else used
    reason = "" if len(ratings.value) else "no unit has answers of two workers"
    return WorkerMeasure(name, label, values, "answers", used, len(table) - used, method, rule, reason=reason)


def _sizes(ratings: EncodedRatings) -> tuple[Floats, Floats]:
    """Answers and clusters of each worker, (W,)."""
    workers = len(ratings.raters)
    width = int(ratings.cluster.max()) + 1 if len(ratings.cluster) else 1
    met = np.unique(ratings.rater * width + ratings.cluster) // width
    answers, clusters = np.bincount(ratings.rater, minlength=workers), np.bincount(met, minlength=workers)
    return answers.astype(np.float64), clusters.astype(np.float64)


def _squared_cluster_sums(ratings: EncodedRatings, residuals: Floats) -> Floats:
    """Sum over a worker's clusters of the squared sum of residuals, (W,)."""
    if not len(residuals):
        return np.zeros(len(ratings.raters))
    width = int(ratings.cluster.max()) + 1
    met, place = np.unique(ratings.rater * width + ratings.cluster, return_inverse=True)
    sums = np.bincount(place, residuals)
    return np.bincount(met // width, sums**2, minlength=len(ratings.raters)).astype(np.float64)


def _shrink(estimate: Floats, variance: Floats) -> tuple[Floats, float]:
    """Estimates drawn towards 0, and the standard deviation between workers."""
    is_known = np.isfinite(variance) & (variance > 0)
    if not is_known.any():
        return estimate, float(np.sqrt((estimate**2).mean())) if len(estimate) else NAN
    precision = 1 / variance[is_known]
    between = max(0.0, float(((estimate[is_known] ** 2 * precision).sum() - is_known.sum()) / precision.sum()))
    return np.where(is_known, estimate * between / (between + variance), estimate), float(np.sqrt(between))


def _correlation_by_worker(ratings: EncodedRatings, x: Floats, y: Floats) -> Floats:
    """Pearson's r over each worker's answers, (W,); NaN where x or y is constant."""
    count = np.maximum(sum_by_worker(ratings, np.ones(len(x))), 1)
    x, y = (side - (sum_by_worker(ratings, side) / count)[ratings.rater] for side in (x, y))
    x, y = (np.where(np.abs(side) > 1e-9, side, 0) for side in (x, y))  # rounding is no spread
    spread = sum_by_worker(ratings, x * x) * sum_by_worker(ratings, y * y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, sum_by_worker(ratings, x * y) / np.sqrt(spread), np.nan)


def _why_no_correlation(r: float, clusters: float) -> str:
    if np.isnan(r):
        return "the worker's or the others' values are all the same"
    return "" if clusters >= FEWEST_FOR_FISHER else "fewer than four items leave no interval"
