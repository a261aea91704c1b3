"""Does a metric rank texts as people do? At three levels: segments, the completions of one item, and systems.

segment: all completions together. grouped: within each item, then the mean over items, so that easy and hard items do
not count as the metric's merit (WMT's "group by item"). system: means of systems. Items are resampled whole at each.
"""

import dataclasses
import itertools
from typing import Literal, get_args

import numpy as np
import pandas as pd

from analysis.correlation import CORRELATIONS, Coefficient
from analysis.metric_cells import Cells, read_cells
from analysis.resampling import (
    CONFIDENCE,
    DRAWS,
    Floats,
    Statistic,
    bootstrap_estimate,
    resampling_warnings,
)
from analysis.results import NAN, Result, format_interval, format_number, format_p
from analysis.row_correlation import correlate_rows
from annotation.errors import InputError

Level = Literal["segment", "grouped", "system"]
LEVELS: tuple[Level, ...] = get_args(Level)
MOST_EXACT_SYSTEMS = 8  # 40,320 orders
PERMUTATIONS = 10_000
SAME = 1e-9  # correlations that differ by less are equal


@dataclasses.dataclass(frozen=True, slots=True)
class MetricCorrelation(Result):
    """A correlation with people at one level; NaN with a `reason` where it is not defined.

    p_value: at system level, the share of orders of the systems with at least this size of correlation; smallest_p:
    what the best order reaches. items_used counts those that enter the number; at the grouped level items_dropped are
    those in which one side is constant or one system alone was rated. `used` and `dropped` count completions.
    """

    estimate: float
    low: float
    high: float
    level: Level
    coefficient: str
    metric: str
    items_used: int
    items_dropped: int
    systems: int
    used: int
    dropped: int
    method: str
    seed: int
    draws: int
    p_value: float = NAN
    smallest_p: float = NAN
    undefined_share: float = 0.0
    confidence: float = CONFIDENCE
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def reading(self) -> str:
        where = {"segment": "over completions", "grouped": "within items", "system": "over systems"}[self.level]
        if self.reason:
            return (
                f"{self.coefficient.capitalize()} of {self.metric} with people {where} is not defined: {self.reason}."
            )
        number = f"{format_number(self.estimate, 2)} {format_interval(self.low, self.high, 2)}"
        sizes = {
            "segment": f"{self.used} completions of {self.items_used} items",
            "grouped": f"mean over {self.items_used} items",
            "system": f"{self.systems} systems, {format_p(self.p_value)}; the least they allow is {self._floor}",
        }
        return (
            f"{self.coefficient.capitalize()} of {self.metric} with people {where} is {number} ({sizes[self.level]})."
        )

    @property
    def _floor(self) -> str:
        return format_p(self.smallest_p).removeprefix("p ").removeprefix("= ")


def correlate_metric(
    table: pd.DataFrame,
    *,
    metric: str,
    human: str,
    item: str,
    system: str,
    level: Level,
    coefficient: Coefficient,
    seed: int,
    draws: int = DRAWS,
    permutations: int = PERMUTATIONS,
    confidence: float = CONFIDENCE,
) -> MetricCorrelation:
    """Correlation of a metric with people, one row a completion, with an interval from resampling items.

    With up to eight systems p counts every order of them, else (1 + count) / (1 + permutations) at random.
    """
    require_level(level, coefficient)
    cells = read_cells(table, metrics=[metric], human=human, item=item, system=system)
    statistic = statistic_of(cells, 0, level, coefficient)
    estimate = bootstrap_estimate(
        statistic,
        cells.item_of_cell,
        method=f"{level}-level {coefficient}",
        seed=seed,
        dropped=cells.dropped,
        draws=draws,
        confidence=confidence,
        reason_if_undefined=why_undefined(cells, level),
    )
    p_value, smallest_p = NAN, NAN
    if level == "system" and not estimate.reason:
        p_value, smallest_p = _permutation_p(cells, coefficient, permutations, seed)
    items_used = len(cells.items)
    if level == "grouped":
        items_used = int(np.isfinite(correlate_rows(cells.metrics[0], cells.human, coefficient)).sum())
    return MetricCorrelation(
        estimate=estimate.estimate,
        low=estimate.low,
        high=estimate.high,
        level=level,
        coefficient=coefficient,
        metric=metric,
        items_used=items_used,
        items_dropped=len(cells.items) - items_used,
        systems=len(cells.systems),
        used=cells.used,
        dropped=cells.dropped,
        method=estimate.method,
        seed=seed,
        draws=estimate.draws,
        p_value=p_value,
        smallest_p=smallest_p,
        undefined_share=estimate.undefined_share,
        confidence=confidence,
        reason=estimate.reason,
        warnings=_warn(cells, level, coefficient, estimate.undefined_share, is_defined=not estimate.reason),
    )


def require_level(level: str, coefficient: str) -> None:
    for name, value, allowed in (("level", level, LEVELS), ("coefficient", coefficient, tuple(CORRELATIONS))):
        if value not in allowed:
            raise InputError(f"{name} is {value!r}; expected one of {', '.join(allowed)}.")


def statistic_of(cells: Cells, which: int, level: Level, coefficient: str) -> Statistic:
    """The correlation of the metric in place `which`, as a function of weights (D, N) of the given cells."""
    metric, human = cells.metrics[which], cells.human
    if level == "segment":
        x, y = metric[cells.is_given], human[cells.is_given]
        return lambda weights: CORRELATIONS[coefficient](weights, x, y)
    # A cell weighs what its item weighs, so one cell of each item tells.
    one_of_item = np.unique(cells.item_of_cell, return_index=True)[1]
    if level == "grouped":
        of_item = correlate_rows(metric, human, coefficient)
        return lambda weights: _mean_of_defined(weights[:, one_of_item], of_item)

    def of_systems(weights: Floats) -> Floats:
        of_items = weights[:, one_of_item]
        return correlate_rows(_system_means(of_items, metric), _system_means(of_items, human), coefficient)

    return of_systems


def _mean_of_defined(weights: Floats, values: Floats) -> Floats:
    is_defined = np.isfinite(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        return weights[:, is_defined] @ values[is_defined] / weights[:, is_defined].sum(axis=1)


def _system_means(weights: Floats, cells: Floats) -> Floats:
    """Means over items, (D, K) and (K, S) to (D, S); NaN for a system that a draw has lost."""
    is_given = np.isfinite(cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        means: Floats = weights @ np.where(is_given, cells, 0) / (weights @ is_given)
    # A draw without a system cannot rank it; leaving it out would compare draws of different systems.
    return np.where(np.isfinite(means).all(axis=1, keepdims=True), means, np.nan)


def _permutation_p(cells: Cells, coefficient: str, permutations: int, seed: int) -> tuple[float, float]:
    """Two-sided p of the systems' order, and the smallest that any order would have."""
    ones = np.ones((1, len(cells.items)))
    metric, human = (_system_means(ones, side) for side in (cells.metrics[0], cells.human))
    systems = len(cells.systems)
    is_exact = systems <= MOST_EXACT_SYSTEMS
    if is_exact:
        orders = np.array(list(itertools.permutations(range(systems))))
    else:
        generator = np.random.default_rng(seed)
        orders = generator.permuted(np.tile(np.arange(systems), (permutations, 1)), axis=1)
    sizes = np.abs(correlate_rows(metric, human[0][orders], coefficient))
    observed = abs(float(correlate_rows(metric, human, coefficient)[0]))
    if not is_exact:
        return (1 + int((sizes >= observed - SAME).sum())) / (1 + permutations), 1 / (1 + permutations)
    return float((sizes >= observed - SAME).mean()), float((sizes >= sizes.max() - SAME).mean())


def why_undefined(cells: Cells, level: Level) -> str:
    if level == "system" and len(cells.systems) < 2:
        return "there is one system"
    if cells.used == 1:
        return "there is one completion"
    if level == "grouped":
        return "in every item one side is constant, or one system alone was rated"
    return "the metric or the ratings are constant"


def _warn(cells: Cells, level: Level, coefficient: str, undefined_share: float, *, is_defined: bool) -> tuple[str, ...]:
    if not is_defined:
        return ()
    warnings = list(resampling_warnings(f"the {level}-level {coefficient}", len(cells.items), undefined_share))
    if level == "system" and not cells.is_given.all():
        missing = int((~cells.is_given).sum())
        warnings.append(f"{missing} cells of items and systems are empty, so systems are compared on different items")
    if level == "system" and len(cells.systems) < 5:
        warnings.append(f"{len(cells.systems)} systems are too few for a correlation over systems")
    return tuple(warnings)


def correlation_between(cells: Cells, first: Floats, second: Floats, level: Level, coefficient: str) -> float:
    """The correlation of two tables (K, S) of these cells, at segment or system level."""
    if not cells.used:
        return NAN
    if level == "system":
        ones = np.ones((1, len(cells.items)))
        first, second = _system_means(ones, first), _system_means(ones, second)
    else:
        first, second = first[cells.is_given][None, :], second[cells.is_given][None, :]
    return float(correlate_rows(first, second, coefficient)[0])
