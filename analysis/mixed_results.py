"""What mixed models say: systems and their differences, where the variance lies, and how severe each worker is."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.multiple_testing import holm
from analysis.resampling import Floats
from analysis.results import NAN, format_number, format_p


@dataclasses.dataclass(frozen=True, slots=True)
class SystemEffect:
    """A system's level, with its standard error and interval."""

    system: Any
    estimate: float
    standard_error: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True, slots=True)
class Contrast:
    """`second` less `first`. degrees_of_freedom: of t; NaN where the normal distribution was used.

    The interval is for this pair alone; `p_holm` is corrected for the number of pairs, `p_value` is not.
    """

    first: Any
    second: Any
    difference: float
    standard_error: float
    degrees_of_freedom: float
    low: float
    high: float
    p_value: float
    p_holm: float


@dataclasses.dataclass(frozen=True, slots=True)
class VarianceComponent:
    """Variance of one kind of effect, its share of the whole, and its number of levels."""

    name: str
    variance: float
    share: float
    levels: int


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerEffect:
    """severity: how much lower than others this worker rates the same texts, shrunk towards 0 (minus the BLUP).

    `standard_error` is that of the prediction, the systems' levels and the variances taken as known.
    """

    worker: Any
    severity: float
    standard_error: float
    ratings: int


@dataclasses.dataclass(frozen=True, slots=True)
class Omnibus:
    """Likelihood-ratio test of all systems being alike; NaN with one system."""

    statistic: float = NAN
    degrees_of_freedom: int = 0
    p_value: float = NAN

    def __str__(self) -> str:
        return f"chi-square({self.degrees_of_freedom}) = {format_number(self.statistic, 2)}, {format_p(self.p_value)}"


def pair_matrix(size: int) -> tuple[list[tuple[int, int]], Floats]:
    """Pairs (first, second) of systems and the matrix (P, S) that takes levels to second less first."""
    pairs = list(itertools.combinations(range(size), 2))
    matrix = np.zeros((len(pairs), size))
    for row, (first, second) in enumerate(pairs):
        matrix[row, [first, second]] = -1, 1
    return pairs, matrix


def make_contrasts(
    systems: Sequence[Any],
    levels: Floats,
    covariance: NDArray[np.floating],
    degrees_of_freedom: Floats,
    confidence: float,
) -> tuple[Contrast, ...]:
    """Every pair of systems. levels (S,), covariance (S, S); degrees_of_freedom (P,), infinite for the normal."""
    pairs, matrix = pair_matrix(len(systems))
    if not pairs:
        return ()
    difference = matrix @ levels
    error = np.sqrt(np.einsum("ps,st,pt->p", matrix, covariance, matrix))
    half = stats.t.ppf((1 + confidence) / 2, degrees_of_freedom) * error
    p_value = 2 * stats.t.sf(np.abs(difference) / error, degrees_of_freedom)
    corrected = np.array(list(holm(dict(enumerate(p_value))).values()))
    columns = (
        *(difference, error, np.where(np.isfinite(degrees_of_freedom), degrees_of_freedom, NAN)),
        *(difference - half, difference + half, p_value, corrected),
    )
    return tuple(
        Contrast(systems[first], systems[second], *row)
        for (first, second), row in zip(pairs, np.column_stack(columns).tolist(), strict=True)
    )


def make_system_effects(
    systems: Sequence[Any], levels: Floats, errors: Floats, degrees_of_freedom: Floats, confidence: float
) -> tuple[SystemEffect, ...]:
    """Every system with its interval; all (S,), degrees of freedom infinite for the normal."""
    half = stats.t.ppf((1 + confidence) / 2, degrees_of_freedom) * errors
    rows = np.column_stack([levels, errors, levels - half, levels + half]).tolist()
    return tuple(SystemEffect(system, *row) for system, row in zip(systems, rows, strict=True))


def make_components(
    names: Sequence[str], variances: Sequence[float], levels: Sequence[int]
) -> tuple[VarianceComponent, ...]:
    """The components, with their shares of the sum."""
    total = sum(variances)
    return tuple(
        VarianceComponent(name, float(variance), float(variance / total), count)
        for name, variance, count in zip(names, variances, levels, strict=True)
    )


def make_worker_effects(
    workers: Sequence[Any], effects: Floats, errors: Floats, ratings: NDArray[np.integer]
) -> tuple[WorkerEffect, ...]:
    """The most severe first; effects (W,) are BLUPs."""
    rows = [
        WorkerEffect(worker, -float(effect), float(error), int(count))
        for worker, effect, error, count in zip(workers, effects, errors, ratings, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -row.severity))


def rows_frame(rows: Sequence[Any], kind: type) -> pd.DataFrame:
    """A row an entry, with the columns of `kind` even where there is none."""
    columns = [field.name for field in dataclasses.fields(kind)]
    return pd.DataFrame([dataclasses.asdict(row) for row in rows], columns=columns)
