"""Do systems differ on the same items, by ranks? Friedman's test on item means, and Nemenyi's for all pairs."""

import dataclasses

import numpy as np
import pandas as pd
from scipy import stats

from analysis.anova import verdict
from analysis.effect_sizes import share_interval
from analysis.item_means import comparable, item_means
from analysis.pair_differences import PairwiseTest, compare_by_range, pair_places, pairs_without_values
from analysis.resampling import CONFIDENCE, Floats, resample_sums, resampling_warnings
from analysis.results import NAN, Result, format_interval, format_number, format_p


@dataclasses.dataclass(frozen=True, slots=True)
class FriedmanResult(Result):
    """Friedman's test on block means.

    `kendall_w` (0 to 1) is its effect size, [low, high] the interval from drawing blocks, NaN without draws.
    """

    statistic: float
    p_value: float
    kendall_w: float
    degrees_of_freedom: int
    blocks_used: int
    blocks_dropped: int
    used: int
    dropped: int
    groups: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    low: float = NAN
    high: float = NAN
    seed: int | None = None
    draws: int = 0
    confidence: float = CONFIDENCE
    reason: str = ""
    method: str = "Friedman's test on item means"
    warnings: tuple[str, ...] = ()

    @property
    def estimate(self) -> float:
        return self.kendall_w

    @property
    def reading(self) -> str:
        if self.reason:
            return f"Friedman's test is not defined: {self.reason}."
        interval = f" {format_interval(self.low, self.high)}" if self.draws else ""
        return (
            f"Ranked within items, the systems {verdict(self.p_value)}: Friedman's chi-square("
            f"{self.degrees_of_freedom}) = {format_number(self.statistic, 2)}, {format_p(self.p_value)}, "
            f"Kendall's W {format_number(self.kendall_w)}{interval}, {self.blocks_used} items."
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Ranked:
    """Ranks (B, G) within complete blocks, from 1; `spread` their squares about the middle."""

    names: tuple[str, ...]
    ranks: Floats
    used: int
    dropped: int
    blocks_dropped: int

    @property
    def spread(self) -> float:
        return float(((self.ranks - (len(self.names) + 1) / 2) ** 2).sum())

    @property
    def warnings(self) -> tuple[str, ...]:
        count = self.blocks_dropped
        return (f"{count} items lack a rating for some system and were left out",) if count else ()

    def why_undefined(self) -> str:
        if len(self.names) < 2:
            return "fewer than two groups have a value"
        if len(self.ranks) < 2:
            return "fewer than two blocks have a value for every group"
        return "within every block all groups are tied" if self.spread == 0 else ""


def friedman_test(
    table: pd.DataFrame,
    *,
    block: str,
    group: str,
    value: str,
    seed: int = 0,
    draws: int = 0,
    confidence: float = CONFIDENCE,
) -> FriedmanResult:
    """Friedman's test, corrected for ties, on the mean of each block (item) and group (system).

    Blocks that lack a group are dropped and counted. With two groups it is the sign test's chi-square. With `draws`
    (1000 are usual) Kendall's W has an interval.
    """
    ranked = _rank(table, block, group, value)
    count, reason = len(ranked.names), ranked.why_undefined()
    kendall_w = NAN if reason else float(_kendall_w(_sums(ranked).sum(axis=0, keepdims=True), len(ranked.ranks))[0])
    # Conover 1999, eq. 5.8: the spread of rank sums over the spread of ranks, which ties make smaller.
    statistic = kendall_w * len(ranked.ranks) * (count - 1)
    result = FriedmanResult(
        statistic=statistic,
        p_value=float(stats.chi2.sf(statistic, count - 1)) if not reason else NAN,
        kendall_w=kendall_w,
        degrees_of_freedom=count - 1,
        blocks_used=len(ranked.ranks),
        blocks_dropped=ranked.blocks_dropped,
        used=ranked.used,
        dropped=ranked.dropped,
        groups=ranked.names,
        mean_ranks=tuple(ranked.ranks.mean(axis=0).tolist()) if len(ranked.ranks) else (),
        confidence=confidence,
        reason=reason,
        warnings=ranked.warnings,
    )
    return _with_interval(result, ranked, seed, draws) if draws and not reason else result


def _with_interval(result: FriedmanResult, ranked: _Ranked, seed: int, draws: int) -> FriedmanResult:
    blocks = len(ranked.ranks)
    values = resample_sums(
        _sums(ranked), np.ones(blocks, dtype=np.int64), lambda sums: _kendall_w(sums, blocks), seed=seed, draws=draws
    )
    interval = share_interval(result.kendall_w, values, result.confidence)
    return dataclasses.replace(
        result,
        low=interval.low,
        high=interval.high,
        seed=seed,
        draws=draws,
        method=f"{result.method}; W with a shifted percentile bootstrap over {blocks} items",
        warnings=ranked.warnings + resampling_warnings("Kendall's W", blocks, interval.undefined_share),
    )


def _rank(table: pd.DataFrame, block: str, group: str, value: str) -> _Ranked:
    cells = item_means(table, block=block, group=group, value=value)
    is_complete = cells.is_complete if len(cells.groups) else np.zeros(0, dtype=bool)
    complete = comparable(cells.means[is_complete])
    used = int(cells.counts[is_complete].sum())
    return _Ranked(
        names=tuple(map(str, cells.groups)),
        ranks=stats.rankdata(complete, axis=1) if complete.size else np.empty(complete.shape),
        used=used,
        dropped=len(table) - used,
        blocks_dropped=table[block].nunique() - len(complete),
    )


def _sums(ranked: _Ranked) -> Floats:
    """What each block adds: its ranks about the middle, and their squares, (B, G + 1)."""
    centred = ranked.ranks - (len(ranked.names) + 1) / 2
    return np.column_stack([centred, (centred**2).sum(axis=1)])


def _kendall_w(sums: Floats, blocks: int) -> Floats:
    """W of each row of sums (D, G + 1), corrected for ties; NaN where all is tied."""
    spread = sums[:, -1]
    between = (sums[:, :-1] ** 2).sum(axis=1)
    return np.divide(between, blocks * spread, out=np.full(len(sums), NAN), where=spread > 0)


def nemenyi_test(
    table: pd.DataFrame, *, block: str, group: str, value: str, confidence: float = CONFIDENCE
) -> PairwiseTest:
    """P. B. Nemenyi (1963): every pair of mean ranks against the studentised range, for use after Friedman's test.

    Ties make the error smaller, as they do in Friedman's statistic; without ties it is the usual
    sqrt(k (k + 1) / (6 b)). With two groups p is Friedman's.
    """
    ranked = _rank(table, block, group, value)
    reason, (blocks, count) = ranked.why_undefined(), ranked.ranks.shape
    first, second = pair_places(count)
    if reason:
        pairs = pairs_without_values(ranked.names, np.full(len(first), NAN), reason)
    else:
        means = ranked.ranks.mean(axis=0)
        # Under the null a block's ranks are in random order: Var(R_i - R_j) = 2 s_b / (k - 1), summed over blocks.
        error = np.sqrt(ranked.spread / (count - 1)) / blocks
        errors, freedom = np.full(len(first), error), np.full(len(first), np.inf)
        pairs = compare_by_range(ranked.names, means[second] - means[first], errors, freedom, confidence)
    return PairwiseTest(
        pairs=pairs,
        short_name="Nemenyi",
        of="mean ranks within items",
        used=blocks,
        dropped=ranked.blocks_dropped,
        counted="items",
        confidence=confidence,
        method="Nemenyi's test after Friedman, corrected for ties",
        reason=reason,
        warnings=ranked.warnings,
    )
