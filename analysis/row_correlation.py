"""Correlations within each row of two tables: one for each item, each bootstrap draw, or each permutation.

Daniels (1944): Kendall's tau-b is the correlation of the signs of all differences, Spearman's that of their sums.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.metric_cells import scale_of, signs
from analysis.resampling import Floats, blocks


def correlate_rows(x: Floats, y: Floats, coefficient: str) -> Floats:
    """pearson, spearman or kendall (tau-b) of x and y, (D, S) to (D,), over the places where both are given (not NaN).

    NaN for a row in which x or y is constant, or has less than two places.
    """
    x, y = np.broadcast_arrays(x, y)
    scales = scale_of(x), scale_of(y)
    values, start = [np.zeros(0)], 0
    for size in blocks(len(x), x.shape[1] ** 2):
        rows = slice(start, start + size)
        values.append(_correlate_block(x[rows], y[rows], coefficient, scales))
        start += size
    return np.concatenate(values)


def _correlate_block(x: Floats, y: Floats, coefficient: str, scales: tuple[float, float]) -> Floats:
    is_given = np.isfinite(x) & np.isfinite(y)
    if coefficient == "pearson":
        return _cosines(*(_centred(values, is_given, scale) for values, scale in zip((x, y), scales, strict=True)))
    compared = is_given[:, :, None] & is_given[:, None, :]
    orders = [
        np.where(compared, signs(values[:, :, None] - values[:, None, :], scale), 0.0)
        for values, scale in zip((x, y), scales, strict=True)
    ]
    if coefficient == "spearman":
        return _cosines(*(order.sum(axis=2) for order in orders))  # a midrank, doubled, less its mean
    return _cosines(*(order.reshape(len(x), -1) for order in orders))


def _centred(values: Floats, is_given: NDArray[np.bool_], scale: float) -> Floats:
    count = np.maximum(is_given.sum(axis=1, keepdims=True), 1)
    given = np.where(is_given, values, 0)
    deviations = np.where(is_given, given - given.sum(axis=1, keepdims=True) / count, 0)
    return np.where(np.abs(deviations) > 1e-12 * scale, deviations, 0)


def _cosines(x: Floats, y: Floats) -> Floats:
    product = (x * x).sum(axis=1) * (y * y).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(product > 0, (x * y).sum(axis=1) / np.sqrt(product), np.nan)
