"""Intervals for means of independent runs, and for shares."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from analysis.results import NAN, Estimate

CONFIDENCE = 0.95


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Mean of independent runs (one value a seed) with Student's t interval; missing values are dropped."""
    given = np.asarray(values, dtype=np.float64)
    finite = given[np.isfinite(given)]
    used, dropped = len(finite), len(given) - len(finite)
    method = f"mean of {used} runs, Student t"
    if not used:
        return Estimate(NAN, used=0, dropped=dropped, method=method, reason="no run has a value")
    mean = float(finite.mean())
    if used == 1:
        reason = "one run has no spread, so there is no interval"
        return Estimate(mean, used=1, dropped=dropped, method=method, confidence=confidence, reason=reason)
    half = stats.t.ppf((1 + confidence) / 2, used - 1) * finite.std(ddof=1) / math.sqrt(used)
    return Estimate(
        mean, mean - float(half), mean + float(half), used=used, dropped=dropped, method=method, confidence=confidence
    )


def paired_difference_interval(
    first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE
) -> Estimate:
    """Mean of second - first over runs that share a seed, with Student's t interval."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} runs cannot be paired with {len(second)}")
    return mean_interval(np.subtract(second, first).tolist(), confidence)


def wilson_interval(successes: float, trials: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval for a share (Wilson 1927); NaN without trials. A tie may count as half a success."""
    if not trials:
        return NAN, NAN
    z, share = float(stats.norm.ppf((1 + confidence) / 2)), successes / trials
    centre = share + z**2 / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    scale = 1 + z**2 / trials
    # At a share of 0 or 1 the end is exact; rounding would set it beside.
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == trials else (centre + half) / scale
    return low, high
