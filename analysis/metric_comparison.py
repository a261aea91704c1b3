"""Is one metric closer to people than another? Williams' test, and a bootstrap of the difference, on the same texts."""

import dataclasses

import numpy as np
import pandas as pd
from scipy import stats

from analysis.correlation import Coefficient
from analysis.metric_cells import read_cells
from analysis.metric_correlation import Level, correlation_between, require_level, statistic_of, why_undefined
from analysis.resampling import CONFIDENCE, DRAWS, Estimate, bootstrap_estimate
from analysis.results import NAN, Result, format_number, format_p
from annotation.errors import InputError


@dataclasses.dataclass(frozen=True, slots=True)
class WilliamsResult(Result):
    """Williams' t for r(second, people) - r(first, people) = `estimate`; NaN with a `reason` where it is not defined.

    p_value: two-sided; p_second_better: one-sided, against the second being no closer to people.
    """

    estimate: float
    statistic: float
    degrees_of_freedom: int
    p_value: float
    p_second_better: float
    first: str
    second: str
    r_first: float
    r_second: float
    r_between: float
    used: int
    dropped: int
    method: str
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def reading(self) -> str:
        if self.reason:
            return f"Williams' test of {self.second} against {self.first} is not defined: {self.reason}."
        return (
            f"{self.second} correlates with people at {format_number(self.r_second, 2)}, {self.first} at "
            f"{format_number(self.r_first, 2)}: Williams' t({self.degrees_of_freedom}) = "
            f"{format_number(self.statistic, 2)}, {format_p(self.p_value)}."
        )


def williams_t(r_first: float, r_second: float, r_between: float, n: int) -> float:
    """Williams' t, n - 3 degrees of freedom, above 0 where r_second > r_first; NaN where it is not defined.

    E. J. Williams (1959), in the form of J. H. Steiger (1980), equation 7; for metrics Graham & Baldwin (EMNLP 2014).
    Both r are with people, r_between is that of the two metrics.
    """
    if n < 4 or not np.isfinite([r_first, r_second, r_between]).all():
        return NAN
    determinant = 1 - r_first**2 - r_second**2 - r_between**2 + 2 * r_first * r_second * r_between
    mean_squared = (r_first + r_second) ** 2 / 4
    spread = 2 * max(determinant, 0.0) * (n - 1) / (n - 3) + mean_squared * (1 - r_between) ** 3
    if spread <= 1e-12 * (1 + mean_squared):
        return NAN
    return float((r_second - r_first) * np.sqrt((n - 1) * (1 + r_between) / spread))


def williams_test(
    table: pd.DataFrame,
    *,
    first: str,
    second: str,
    human: str,
    item: str,
    system: str,
    level: Level,
) -> WilliamsResult:
    """Pearson correlations of two metrics with the same human ratings, one row a completion; level segment or system.

    It takes completions (systems) as independent and normal. Completions of one item are not independent: at segment
    level quote `compare_metrics`. A metric for which less is better must be negated first.
    """
    require_level(level, "pearson")
    if level == "grouped":
        raise InputError("level is 'grouped'; expected segment or system, as Williams' test compares one correlation.")
    cells = read_cells(table, metrics=[first, second], human=human, item=item, system=system)
    r_first, r_second = (correlation_between(cells, side, cells.human, level, "pearson") for side in cells.metrics)
    r_between = correlation_between(cells, cells.metrics[0], cells.metrics[1], level, "pearson")
    n = len(cells.systems) if level == "system" else int(cells.is_given.sum())
    statistic = williams_t(r_first, r_second, r_between, n)
    return WilliamsResult(
        estimate=r_second - r_first,
        statistic=statistic,
        degrees_of_freedom=max(n - 3, 0),
        p_value=float(2 * stats.t.sf(abs(statistic), n - 3)) if np.isfinite(statistic) else NAN,
        p_second_better=float(stats.t.sf(statistic, n - 3)) if np.isfinite(statistic) else NAN,
        first=first,
        second=second,
        r_first=r_first,
        r_second=r_second,
        r_between=r_between,
        used=cells.used,
        dropped=cells.dropped,
        method=f"Williams' test of two dependent correlations, {level} level, Pearson",
        reason="" if np.isfinite(statistic) else _why_no_test(n, level, (r_first, r_second, r_between)),
        warnings=("completions of one item are not independent; see the bootstrap",) if level == "segment" else (),
    )


def _why_no_test(n: int, level: Level, correlations: tuple[float, ...]) -> str:
    if n < 4:
        return f"there are {n} {'systems' if level == 'system' else 'completions'}, and it needs four"
    if not np.isfinite(correlations).all():
        return "a metric or the ratings are constant"
    return "the two metrics agree in full"


def compare_metrics(
    table: pd.DataFrame,
    *,
    first: str,
    second: str,
    human: str,
    item: str,
    system: str,
    level: Level,
    coefficient: Coefficient,
    seed: int,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Correlation of `second` with people less that of `first`, on the same completions and the same draws of items."""
    require_level(level, coefficient)
    cells = read_cells(table, metrics=[first, second], human=human, item=item, system=system)
    statistics = [statistic_of(cells, which, level, coefficient) for which in (0, 1)]
    return bootstrap_estimate(
        lambda weights: statistics[1](weights) - statistics[0](weights),
        cells.item_of_cell,
        method=f"{level}-level {coefficient} of {second} less that of {first}",
        seed=seed,
        dropped=cells.dropped,
        draws=draws,
        confidence=confidence,
        reason_if_undefined=why_undefined(cells, level),
    )
