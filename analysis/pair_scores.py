"""How well does a scorer predict votes? Accuracy, AUC, log loss, Brier score, calibration, with prompts resampled.

A row is one pair (or one text): `label` 1 where the first is preferred (the text is good), else 0; `logit` the
scorer's log-odds of that, for a pair the score of the first less the score of the second.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import optimize
from scipy.special import expit

from analysis.intervals import wilson_interval
from analysis.resampling import CONFIDENCE, DRAWS, Floats, bootstrap_estimate, midranks, weights_by_value
from analysis.results import Estimate
from analysis.tables import cluster_codes, numbers, quoted, require_columns, require_no_gaps
from annotation.errors import InputError

BINS = 10
LARGEST_LOG_TEMPERATURE = 7.0  # a thousandth, or a thousand times, the logits
WeightedScore = Callable[[Floats, Floats, Floats], Floats]  # weights (D, N), labels (N,), logits (N,) -> (D,)


def pair_accuracy(weights: Floats, labels: Floats, logits: Floats) -> Floats:
    """Share of pairs whose preferred side has the higher score; an equal score is half right."""
    correct = np.where(logits == 0, 0.5, (logits > 0) == (labels == 1))
    return weights @ correct / weights.sum(axis=1)


def roc_auc(weights: Floats, labels: Floats, logits: Floats) -> Floats:
    """Mann and Whitney's U over the pairs of a 1 and a 0, ties half; NaN without both."""
    distinct, score_codes = np.unique(logits, return_inverse=True)
    positive = weights_by_value(weights * labels, score_codes, len(distinct))
    negative = weights_by_value(weights * (1 - labels), score_codes, len(distinct))
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    # The midrank of a score among the zeros is how many of them lie below it, ties half.
    below = (positive * midranks(negative)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(pairs > 0, below / pairs, np.nan)


def log_loss(weights: Floats, labels: Floats, logits: Floats) -> Floats:
    """Mean of -log P(label), in nats, straight from the logit so that a confident mistake stays finite."""
    losses = np.logaddexp(0, np.where(labels == 1, -logits, logits))
    return weights @ losses / weights.sum(axis=1)


def brier_score(weights: Floats, labels: Floats, logits: Floats) -> Floats:
    """Mean squared difference of probability and label."""
    return weights @ (expit(logits) - labels) ** 2 / weights.sum(axis=1)


def calibration_error(weights: Floats, labels: Floats, logits: Floats) -> Floats:
    """Expected calibration error over ten equal bins of P(label = 1): |share of ones - mean P|, weighted by bin."""
    probabilities = expit(logits)
    bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    occupied, bin_codes = np.unique(bins, return_inverse=True)
    gaps = weights_by_value(weights * (labels - probabilities), bin_codes, len(occupied))
    return np.abs(gaps).sum(axis=1) / weights.sum(axis=1)


SCORES: dict[str, WeightedScore] = {
    "pair_accuracy": pair_accuracy,
    "roc_auc": roc_auc,
    "log_loss": log_loss,
    "brier_score": brier_score,
    "calibration_error": calibration_error,
}


def fit_temperature(table: pd.DataFrame, *, label: str, logit: str) -> float:
    """The T > 0 for which σ(logit / T) has the least log loss (Guo et al. 2017); 1 where no T is better than another.

    A label may lie between 0 and 1: the share of votes.
    """
    require_columns(table, label, logit)
    labels, logits = numbers(table, label), numbers(table, logit)
    is_used = np.isfinite(labels) & np.isfinite(logits)
    labels, logits = labels[is_used], logits[is_used]
    if not np.any(logits):
        return 1.0

    def mean_loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, scaled) - labels * scaled))

    found = optimize.minimize_scalar(
        mean_loss, bounds=(-LARGEST_LOG_TEMPERATURE, LARGEST_LOG_TEMPERATURE), method="bounded"
    )
    return float(np.exp(found.x))


def tabulate_calibration(table: pd.DataFrame, *, label: str, logit: str, bins: int = BINS) -> pd.DataFrame:
    """A row for each bin of P(label = 1) that has any pair: the mean P, the share of ones, its Wilson interval, n."""
    require_columns(table, label, logit)
    probabilities, labels = expit(numbers(table, logit)), numbers(table, label)
    bin_of = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    rows = []
    for number in np.unique(bin_of):
        inside = bin_of == number
        ones, pairs = int(labels[inside].sum()), int(inside.sum())
        low, high = wilson_interval(ones, pairs)
        predicted = float(probabilities[inside].mean())
        rows.append({"predicted": predicted, "observed": ones / pairs, "low": low, "high": high, "pairs": pairs})
    return pd.DataFrame(rows)


def evaluate_scorer(
    table: pd.DataFrame,
    *,
    label: str,
    logit: str,
    seed: int,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> dict[str, Estimate]:
    """All five scores of one scorer, each with an interval from resampling `cluster`s (prompts).

    Rows without label or logit are dropped and counted. AUC without both labels is NaN with the reason.
    """
    labels, logits, is_used = _read_rows(table, label, [logit], cluster)

    def estimate(name: str, score: WeightedScore) -> Estimate:
        return bootstrap_estimate(
            lambda weights: score(weights, labels, logits[0]),
            cluster_codes(table[is_used], cluster)[0],
            method=name.replace("_", " "),
            seed=seed,
            dropped=int((~is_used).sum()),
            draws=draws,
            confidence=confidence,
            reason_if_undefined="all labels are the same",
        )

    return {name: estimate(name, score) for name, score in SCORES.items()}


def compare_scorers(
    table: pd.DataFrame,
    *,
    label: str,
    first: str,
    second: str,
    seed: int,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> dict[str, Estimate]:
    """Each score of `second` less that of `first` (logit columns), on the same rows and the same draws."""
    labels, logits, is_used = _read_rows(table, label, [first, second], cluster)

    def estimate(name: str, score: WeightedScore) -> Estimate:
        return bootstrap_estimate(
            lambda weights: score(weights, labels, logits[1]) - score(weights, labels, logits[0]),
            cluster_codes(table[is_used], cluster)[0],
            method=f"paired difference in {name.replace('_', ' ')}",
            seed=seed,
            dropped=int((~is_used).sum()),
            draws=draws,
            confidence=confidence,
            reason_if_undefined="all labels are the same",
        )

    return {name: estimate(name, score) for name, score in SCORES.items()}


def compare_with_raters(
    table: pd.DataFrame,
    *,
    unit: str,
    vote: str,
    score: str,
    seed: int,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> dict[str, Estimate]:
    """How often one rater, and the scorer, prefer what the unit's other raters prefer: `rater`, `scorer`, and
    `difference`, the scorer's less the rater's.

    A row is a vote, above 0 for the first; score: the scorer's difference on that unit. Both are held against the sum
    of the other votes; where that, the vote or the score is 0, it counts half. Units with one vote are dropped.
    """
    require_columns(table, unit, vote, score, *([cluster] if cluster else []))
    require_no_gaps(table, unit, *([cluster] if cluster else []))
    votes, scores = numbers(table, vote), numbers(table, score)
    by_unit = pd.Series(votes).groupby(table[unit].to_numpy())
    is_used = np.isfinite(votes) & np.isfinite(scores) & (by_unit.transform("count").to_numpy() > 1)
    of_others = np.sign(by_unit.transform("sum").to_numpy() - votes)[is_used]
    rater = (1 + np.sign(votes[is_used]) * of_others) / 2
    scorer = (1 + np.sign(scores[is_used]) * of_others) / 2
    compared = {"rater": rater, "scorer": scorer, "difference": scorer - rater}
    return {
        name: bootstrap_estimate(
            lambda weights, agreement=agreement: weights @ agreement / weights.sum(axis=1),  # type: ignore[misc]
            cluster_codes(table[is_used], cluster)[0],
            method="agreement with the majority of the other raters, ties half",
            seed=seed,
            dropped=int((~is_used).sum()),
            draws=draws,
            confidence=confidence,
        )
        for name, agreement in compared.items()
    }


def _read_rows(
    table: pd.DataFrame, label: str, logit_columns: list[str], cluster: str | None
) -> tuple[Floats, list[Floats], np.ndarray]:
    """Labels (N,) and logits of the rows that have all of them, and which rows those are."""
    require_columns(table, label, *logit_columns, *([cluster] if cluster else []))
    require_no_gaps(table, *([cluster] if cluster else []))
    labels = numbers(table, label)
    logits = [numbers(table, column) for column in logit_columns]
    wrong = table.index[np.isfinite(labels) & ~np.isin(labels, (0, 1))]
    if len(wrong):
        raise InputError(f"row {wrong[0]}: {label!r} is {quoted(table[label].loc[wrong[0]])}; expected 0 or 1.")
    is_used = np.isfinite(labels) & np.all(np.isfinite(logits), axis=0)
    return labels[is_used], [column[is_used] for column in logits], is_used
