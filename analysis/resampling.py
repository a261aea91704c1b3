"""The cluster bootstrap: whole items are drawn with replacement, all their rows with them.

A statistic is a function of row weights: weights (D, N), one row a bootstrap draw, to values (D,). Ones give the
estimate itself. So a draw never copies the table, and a thousand of them are a few matrix products.
Percentile intervals (Efron & Tibshirani 1993, chapter 13).
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from analysis.results import NAN, Estimate

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
Columns: TypeAlias = "Floats | sparse.csr_array"  # (K, C): what each cluster adds to C sums

DRAWS = 1000
CONFIDENCE = 0.95
LARGEST_BLOCK = 4_000_000  # weights held at once, 32 MB
FEWEST_CLUSTERS = 20  # with fewer, percentile intervals are clearly too narrow
LARGEST_UNDEFINED_SHARE = 0.05


@dataclasses.dataclass(frozen=True, slots=True)
class Percentiles:
    """The percentile interval over the draws in which the statistic is defined, and the share in which it is not."""

    low: float
    high: float
    undefined_share: float


def cluster_counts(clusters: int, draws: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """How often each cluster is drawn: (D, K), every row a multinomial over K equally likely clusters."""
    counts = np.empty((draws, clusters), dtype=np.int64)
    # A draw at a time stays in the processor's cache.
    for row in counts:
        row[:] = np.bincount(generator.integers(clusters, size=clusters), minlength=clusters)
    return counts


def resample_sums(
    columns: Columns, repeats: NDArray[np.int64], statistic: Statistic, *, seed: int, draws: int
) -> Floats:
    """The statistic (D,) of bootstrap draws, where it is a function of sums over clusters: (D, C) to (D,).

    columns (K, C): distinct rows of what a cluster adds; repeats (K,): how many clusters have each row.
    """
    generator = np.random.default_rng(seed)
    clusters = int(repeats.sum())
    # A row of a multinomial costs about as much as twenty single draws.
    is_merged = 20 * len(repeats) < clusters
    if not is_merged:
        columns = columns[np.repeat(np.arange(len(repeats)), repeats)]
    values = []
    for block in blocks(draws, sum(columns.shape)):
        if is_merged:
            counts = generator.multinomial(clusters, repeats / clusters, size=block)
        else:
            counts = cluster_counts(clusters, block, generator)
        values.append(statistic(add_up(counts.astype(np.float64), columns)))
    return np.concatenate(values)


def add_up(weights: Floats, columns: Columns) -> Floats:
    """Weighted sums over clusters: (D, K) times (K, C)."""
    return np.asarray(weights @ columns)


def compact(columns: sparse.csr_array) -> Columns:
    """Dense where that takes little more room than sparse: its products are many times faster."""
    size = columns.shape[0] * columns.shape[1]
    return columns.toarray() if size <= 8 * columns.nnz else columns


def resampling_warnings(name: str, clusters: int, undefined_share: float) -> tuple[str, ...]:
    """What a reader must know of a bootstrap interval."""
    warnings = []
    if clusters < FEWEST_CLUSTERS:
        warnings.append(f"the interval of {name} rests on {clusters} clusters and is likely too narrow")
    if undefined_share > LARGEST_UNDEFINED_SHARE:
        warnings.append(f"{name} was undefined in {undefined_share:.0%} of the bootstrap draws")
    return tuple(warnings)


def blocks(draws: int, row_length: int) -> Iterator[int]:
    """`draws` cut into blocks that keep (block, row_length) within memory."""
    size = max(1, min(draws, LARGEST_BLOCK // max(1, row_length)))
    for start in range(0, draws, size):
        yield min(size, draws - start)


def percentiles(values: Floats, confidence: float = CONFIDENCE) -> Percentiles:
    """values (D,): the equal-tailed percentile interval over those that are defined."""
    defined = values[np.isfinite(values)]
    undefined_share = 1 - len(defined) / len(values) if len(values) else 0.0
    if not len(defined):
        return Percentiles(NAN, NAN, undefined_share)
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Percentiles(float(low), float(high), undefined_share)


def bootstrap_estimate(
    statistic: Statistic,
    cluster_of_row: NDArray[np.int64],
    *,
    method: str,
    seed: int,
    dropped: int = 0,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    reason_if_undefined: str = "",
) -> Estimate:
    """The statistic on all rows, with its cluster-bootstrap interval. cluster_of_row (N,): codes 0..K-1.

    One cluster gives none: every draw would be the same, and its ends those of a certainty.
    """
    rows = len(cluster_of_row)
    clusters = int(cluster_of_row.max()) + 1 if rows else 0
    estimate = float(statistic(np.ones((1, rows)))[0]) if rows else NAN
    if not np.isfinite(estimate):
        reason = reason_if_undefined if rows else "no row has the values that are needed"
        return Estimate(NAN, used=rows, dropped=dropped, clusters=clusters, method=method, reason=reason)
    if clusters == 1:
        return Estimate(estimate, used=rows, dropped=dropped, clusters=1, method=f"{method}; of one cluster")
    generator = np.random.default_rng(seed)
    values = [
        statistic(cluster_counts(clusters, block, generator)[:, cluster_of_row].astype(np.float64))
        for block in blocks(draws, rows)
    ]
    interval = percentiles(np.concatenate(values), confidence)
    return Estimate(
        estimate,
        interval.low,
        interval.high,
        used=rows,
        dropped=dropped,
        clusters=clusters,
        method=f"{method}; percentile bootstrap over {clusters} clusters",
        seed=seed,
        draws=draws,
        undefined_share=interval.undefined_share,
        confidence=confidence,
    )


def midranks(weights: Floats) -> Floats:
    """Midrank of each distinct value: weights (D, V) in the order of the values, to ranks (D, V).

    The c-th is n_1 + ... + n_(c-1) + n_c / 2 (less the usual half, which no difference of ranks sees).
    """
    return np.cumsum(weights, axis=1) - weights / 2


def weights_by_value(weights: Floats, value_codes: NDArray[np.int64], values: int) -> Floats:
    """Row weights (D, N) summed over the rows that share a value: (D, V)."""
    order = np.argsort(value_codes, kind="stable")
    starts = np.searchsorted(value_codes[order], np.arange(values))
    return np.add.reduceat(weights[:, order], starts, axis=1)
