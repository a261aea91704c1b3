"""Do systems differ by ranks over all values? Kruskal and Wallis's test, and Dunn's for all pairs.

For systems with items of their own: values are taken as independent. On the same items `friedman_test` sees more.
"""

import dataclasses

import numpy as np
import pandas as pd
from scipy import stats

from analysis.anova import INDEPENDENCE, verdict
from analysis.effect_sizes import epsilon_squared
from analysis.groups import Groups, read_groups
from analysis.item_means import comparable
from analysis.multiple_testing import holm
from analysis.pair_differences import PairDifference, PairwiseTest, pair_places, pairs_without_values
from analysis.resampling import CONFIDENCE, Floats
from analysis.results import NAN, Result, format_interval, format_number, format_p


@dataclasses.dataclass(frozen=True, slots=True)
class KruskalWallis(Result):
    """H, corrected for ties. `epsilon_squared`, H / (N - 1), is the share of the spread of ranks between groups.

    [low, high] is its interval from drawing clusters (items, or single values), NaN without draws.
    """

    statistic: float
    p_value: float
    epsilon_squared: float
    degrees_of_freedom: int
    groups: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    used: int
    dropped: int
    low: float = NAN
    high: float = NAN
    seed: int | None = None
    draws: int = 0
    confidence: float = CONFIDENCE
    reason: str = ""
    method: str = "Kruskal-Wallis test"
    warnings: tuple[str, ...] = (INDEPENDENCE,)

    @property
    def estimate(self) -> float:
        return self.epsilon_squared

    @property
    def reading(self) -> str:
        if self.reason:
            return f"The Kruskal-Wallis test is not defined: {self.reason}."
        interval = f" {format_interval(self.low, self.high)}" if self.draws else ""
        return (
            f"By ranks over all values the systems {verdict(self.p_value)}: Kruskal-Wallis "
            f"H({self.degrees_of_freedom}) = {format_number(self.statistic, 2)}, {format_p(self.p_value)}, "
            f"epsilon squared {format_number(self.epsilon_squared)}{interval}."
        )


def kruskal_wallis(
    table: pd.DataFrame,
    *,
    group: str,
    value: str,
    cluster: str | None = None,
    seed: int = 0,
    draws: int = 0,
    confidence: float = CONFIDENCE,
) -> KruskalWallis:
    """Rank test that all groups have one distribution; empty values are dropped and counted.

    With `draws` (1000 are usual) epsilon squared has an interval, from drawing whole clusters (items).
    """
    groups = read_groups(table, group=group, value=value)
    reason = _why_undefined(groups)
    ranks, variance = _rank(groups)
    means = _mean_ranks(groups, ranks)
    between = float((groups.sizes * (means - (groups.used + 1) / 2) ** 2).sum())
    statistic = NAN if reason else between / variance
    result = KruskalWallis(
        statistic=statistic,
        p_value=float(stats.chi2.sf(statistic, len(groups.names) - 1)) if not reason else NAN,
        epsilon_squared=statistic / (groups.used - 1) if not reason else NAN,
        degrees_of_freedom=len(groups.names) - 1,
        groups=groups.names,
        mean_ranks=tuple(means.tolist()),
        used=groups.used,
        dropped=groups.dropped,
        confidence=confidence,
        reason=reason,
    )
    if reason or not draws:
        return result
    share = epsilon_squared(
        table, group=group, value=value, cluster=cluster, seed=seed, draws=draws, confidence=confidence
    )
    return dataclasses.replace(
        result,
        low=share.low,
        high=share.high,
        seed=seed,
        draws=draws,
        method=f"{result.method}; {share.method}",
        warnings=result.warnings + share.warnings,
    )


def dunn_test(table: pd.DataFrame, *, group: str, value: str, confidence: float = CONFIDENCE) -> PairwiseTest:
    """O. J. Dunn (1964): each pair of mean ranks by a normal z on all ranks, corrected for ties; p by Holm.

    No intervals: Holm's steps have none.
    """
    groups = read_groups(table, group=group, value=value)
    reason = _why_undefined(groups)
    ranks, variance = _rank(groups)
    means = _mean_ranks(groups, ranks)
    first, second = pair_places(len(groups.names))
    differences = means[second] - means[first]
    if reason:
        pairs = pairs_without_values(groups.names, differences, reason)
    else:
        errors = np.sqrt(variance * (1 / groups.sizes[first] + 1 / groups.sizes[second]))
        adjusted = holm(dict(enumerate((2 * stats.norm.sf(np.abs(differences) / errors)).tolist())))
        pairs = tuple(
            PairDifference(groups.names[i], groups.names[j], delta, NAN, NAN, adjusted[place])
            for place, (i, j, delta) in enumerate(zip(first, second, differences.tolist(), strict=True))
        )
    return PairwiseTest(
        pairs=pairs,
        short_name="Dunn, Holm",
        of="mean ranks",
        used=groups.used,
        dropped=groups.dropped,
        confidence=confidence,
        method="Dunn's test after Kruskal-Wallis, Holm's correction",
        reason=reason,
        warnings=(INDEPENDENCE,),
    )


def _rank(groups: Groups) -> tuple[Floats, float]:
    """Midranks (N,) over all values, and their sample variance."""
    ranks = stats.rankdata(comparable(groups.values)) if groups.used else np.empty(0)
    return ranks, float(ranks.var(ddof=1)) if groups.used > 1 else NAN


def _mean_ranks(groups: Groups, ranks: Floats) -> Floats:
    return np.bincount(groups.codes, ranks, minlength=len(groups.names)) / np.maximum(groups.sizes, 1)


def _why_undefined(groups: Groups) -> str:
    if len(groups.names) < 2:
        return "fewer than two groups have a value"
    return "all values are equal" if not np.ptp(comparable(groups.values)) > 0 else ""
