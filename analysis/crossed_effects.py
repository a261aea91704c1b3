"""Crossed random effects of completions, items and workers: their equations, solved block by block.

With u ~ N(0, I), Lambda the standard deviations and weights w on the ratings, everything that mixed models need of
them is in A = I + Lambda Z' diag(w) Z Lambda (Bates et al. 2015, eq. 18). A completion belongs to one item, so
completions go first (a diagonal block), then items (diagonal again), and what is left is a dense block of workers. The
time of a factorisation is that of the ratings plus the cube of the workers.

C completions, I items, W workers, N ratings, Q = C + I + W.
"""

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from analysis.resampling import Columns, Floats

Integers = NDArray[np.int64]
FACTORS = ("completion", "item", "worker")
LARGEST_DENSE = 100_000  # cells of a matrix; beyond it sparse ones are faster


class CrossedEffects:
    """Who rated what. Codes of each rating's completion, item and worker, (N,) each, all from 0 without gaps."""

    def __init__(self, completion: Integers, item: Integers, worker: Integers) -> None:
        self.codes = (completion, item, worker)
        self.sizes = tuple(int(codes.max(initial=-1)) + 1 for codes in self.codes)
        self.item_of_completion = np.empty(self.sizes[0], dtype=np.int64)
        self.item_of_completion[completion] = item
        starts = np.cumsum((0, *self.sizes))
        self.blocks = tuple(slice(int(start), int(end)) for start, end in itertools.pairwise(starts))
        self.total = int(starts[-1])
        self._by_completion = _Pairs(completion, worker, self.sizes[0], self.sizes[2])
        self._by_item = _Pairs(item, worker, self.sizes[1], self.sizes[2])

    def sums(self, values: Floats) -> Floats:
        """Z' values: values (N,) or (N, M), added up over each completion, item and worker, (Q, M)."""
        columns = values if values.ndim == 2 else values[:, None]
        rows = np.zeros((self.total, columns.shape[1]))
        for codes, size, block in zip(self.codes, self.sizes, self.blocks, strict=True):
            for index, column in enumerate(columns.T):
                rows[block, index] = total_by(codes, column, size)
        return rows.reshape((self.total, *values.shape[1:]))

    def spread(self, effects: Floats) -> Floats:
        """Z effects: what the effects (Q,) add to each rating, (N,)."""
        parts = [effects[block][codes] for codes, block in zip(self.codes, self.blocks, strict=True)]
        return parts[0] + parts[1] + parts[2]

    def expand(self, of_factors: Floats) -> Floats:
        """A number for each factor (3,), given to each of its levels, (Q,)."""
        return np.repeat(of_factors, self.sizes)

    def factorise(self, weights: Floats, scales: Floats) -> "Factorisation":
        """weights (N,), at least 0; scales (3,): the factors' standard deviations, 0 for one that is left out."""
        completion, _, worker = self.codes
        sd_completion, sd_item, sd_worker = map(float, scales)
        of_completion = total_by(completion, weights, self.sizes[0])
        pivot_completion = 1 + sd_completion**2 * of_completion
        kept = of_completion / pivot_completion
        of_item = total_by(self.item_of_completion, kept, self.sizes[1])
        pivot_item = 1 + sd_item**2 * of_item
        near = self._by_completion.matrix(weights)
        far = self._by_item.matrix(weights / pivot_completion[completion])
        explained = cross_products(near, sd_completion**2 / pivot_completion)
        explained = explained + cross_products(far, sd_item**2 / pivot_item)
        schur = -(sd_worker**2) * explained
        schur[np.diag_indices_from(schur)] += 1 + sd_worker**2 * total_by(worker, weights, self.sizes[2])
        return Factorisation(
            self, scales, of_completion, pivot_completion, pivot_item, near, far, linalg.cholesky(schur, lower=True)
        )


class _Pairs:
    """The pattern of a matrix of a factor by workers, made once; only its values change. Sparse where it is large."""

    def __init__(self, rows: Integers, workers: Integers, size: int, width: int) -> None:
        self._shape = (size, width)
        self._is_dense = size * width <= LARGEST_DENSE
        cells = rows * width + workers
        occupied, self._place_of_rating = np.unique(cells, return_inverse=True)
        self._columns, self._starts = occupied % width, np.searchsorted(occupied // width, np.arange(size + 1))
        if self._is_dense:
            self._place_of_rating = cells

    def matrix(self, values: Floats) -> Columns:
        """values (N,), added up where a worker rated the same thing twice."""
        if self._is_dense:
            return total_by(self._place_of_rating, values, self._shape[0] * self._shape[1]).reshape(self._shape)
        data = total_by(self._place_of_rating, values, len(self._columns))
        return sparse.csr_array((data, self._columns, self._starts), shape=self._shape)


@dataclasses.dataclass(frozen=True, slots=True)
class Factorisation:
    """A, factorised. `near` (C, W) and `far` (I, W) are weights of workers, `far` after completions are eliminated."""

    effects: CrossedEffects
    scales: Floats
    of_completion: Floats
    pivot_completion: Floats
    pivot_item: Floats
    near: Columns
    far: Columns
    worker_factor: Floats

    @property
    def log_determinant(self) -> float:
        dense = 2 * np.log(np.diag(self.worker_factor)).sum()
        return float(np.log(self.pivot_completion).sum() + np.log(self.pivot_item).sum() + dense)

    def solve(self, right: Floats) -> Floats:
        """A^-1 right: (Q, M) to (Q, M), or (Q,) to (Q,)."""
        columns = right if right.ndim == 2 else right[:, None]
        effects, (sd_completion, sd_item, sd_worker) = self.effects, self.scales
        first, second, third = (columns[block] for block in effects.blocks)
        coupling = (sd_completion * self.of_completion)[:, None]
        first = first / self.pivot_completion[:, None]
        second = second - sd_item * sums_by(effects.item_of_completion, coupling * first, effects.sizes[1])
        second = second / self.pivot_item[:, None]
        third = third - sd_worker * (sd_completion * (self.near.T @ first) + sd_item * (self.far.T @ second))
        third = linalg.cho_solve((self.worker_factor, True), third, check_finite=False)
        second = second - sd_item * sd_worker * (self.far @ third) / self.pivot_item[:, None]
        passed = sd_item * coupling * second[effects.item_of_completion]
        passed = passed + sd_completion * sd_worker * (self.near @ third)
        first = first - passed / self.pivot_completion[:, None]
        return np.concatenate([first, second, third]).reshape(right.shape)

    def worker_inverse(self) -> Floats:
        """The workers' block of A^-1, (W, W)."""
        below, _ = linalg.lapack.dpotri(self.worker_factor, lower=True)
        return np.asarray(np.tril(below) + np.tril(below, -1).T)

    def variances(self) -> tuple[Floats, Floats]:
        """Diagonal of Z Lambda A^-1 Lambda Z', (N,), and the traces of the three diagonal blocks of A^-1, (3,)."""
        effects, (sd_completion, sd_item, sd_worker) = self.effects, self.scales
        completion, item, worker = effects.codes
        of_worker = self.worker_inverse()
        near_dense, far_dense = self.near @ of_worker, self.far @ of_worker
        near_near = row_products(self.near, near_dense, np.arange(effects.sizes[0]))
        far_far = row_products(self.far, far_dense, np.arange(effects.sizes[1]))
        near_far = row_products(self.near, far_dense, effects.item_of_completion)
        # What an item's and a completion's effect lose per unit of the workers' weights.
        by_item, by_completion = sd_item**2 / self.pivot_item, sd_completion**2 / self.pivot_completion
        owner = effects.item_of_completion
        shrunk = by_item[owner] / self.pivot_completion
        quadratic = by_completion**2 * near_near + shrunk**2 * far_far[owner] + 2 * by_completion * shrunk * near_far
        cross = (
            by_completion[completion] * near_dense[completion, worker] + shrunk[completion] * far_dense[item, worker]
        )
        diagonal = quadratic[completion] - 2 * cross + np.diag(of_worker)[worker]
        conditional = by_completion + shrunk / self.pivot_completion
        item_variance = 1 / self.pivot_item + sd_worker**2 * sd_item**2 / self.pivot_item**2 * far_far
        total_item = sd_item**2 * item_variance[owner]
        from_above = self.of_completion**2 * total_item + sd_worker**2 * near_near
        from_above = from_above - 2 * self.of_completion * by_item[owner] * sd_worker**2 * near_far
        completion_variance = 1 / self.pivot_completion + by_completion / self.pivot_completion * from_above
        traces = np.array([completion_variance.sum(), item_variance.sum(), np.trace(of_worker)])
        return conditional[completion] + sd_worker**2 * diagonal, traces


def cross_products(matrix: Columns, factors: Floats) -> Floats:
    """matrix' diag(factors) matrix, (W, W)."""
    if isinstance(matrix, np.ndarray):
        return np.asarray(matrix.T @ (factors[:, None] * matrix))
    data = matrix.data * np.repeat(factors, np.diff(matrix.indptr))
    scaled = sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
    return (matrix.T @ scaled).toarray()


def row_products(matrix: Columns, other: Floats, rows: Integers) -> Floats:
    """Each row of matrix (K, W) times a row of other (L, W): the one that rows (K,) names. (K,)."""
    if isinstance(matrix, np.ndarray):
        return np.asarray(np.einsum("kw,kw->k", matrix, other[rows]))
    row_of_cell = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return total_by(row_of_cell, matrix.data * other[rows[row_of_cell], matrix.indices], matrix.shape[0])


def total_by(codes: Integers, values: Floats, size: int) -> Floats:
    """Values (N,) added up by code, (size,)."""
    return np.bincount(codes, values, minlength=size).astype(np.float64)


def sums_by(codes: Integers, columns: Floats, size: int) -> Floats:
    """Rows of columns (K, M) added up by code, (size, M)."""
    return np.column_stack([total_by(codes, column, size) for column in columns.T])
