"""Answers beside those that others gave to the same units: sums without the worker's own."""

import numpy as np

from analysis.rating_counts import EncodedRatings, Integers
from analysis.resampling import Floats


def sum_by_worker(ratings: EncodedRatings, values: Floats) -> Floats:
    """values (N,) of the answers to their sums (W,)."""
    return np.bincount(ratings.rater, values, minlength=len(ratings.raters)).astype(np.float64)


def mean_of_others(ratings: EncodedRatings) -> Floats:
    """Of each answer, the mean of the others' on its unit, (N,)."""
    values = ratings.values[ratings.value]
    sums, counts = np.bincount(ratings.unit, values), np.bincount(ratings.unit)
    if not len(values):
        return values
    return (sums[ratings.unit] - values) / (counts[ratings.unit] - 1)


def counts_of_others(ratings: EncodedRatings) -> Floats:
    """How often the others gave each value to the unit of each answer, (N, V)."""
    width = max(1, len(ratings.values))
    units = int(ratings.unit.max()) + 1 if len(ratings.unit) else 0
    counts = np.bincount(ratings.unit * width + ratings.value, minlength=units * width).reshape(units, width)
    others = counts[ratings.unit].astype(np.float64)
    others[np.arange(len(ratings.value)), ratings.value] -= 1
    return others


def majority_of_others(ratings: EncodedRatings) -> Integers:
    """The others' most frequent value on the unit of each answer, (N,); -1 where two are as frequent."""
    others = counts_of_others(ratings)
    if not len(others):
        return np.zeros(0, dtype=np.int64)
    is_most = others == others.max(axis=1, keepdims=True)
    return np.where(is_most.sum(axis=1) == 1, is_most.argmax(axis=1), -1)
