"""Do systems differ? The paper's protocol (one-way ANOVA, then Tukey HSD), and a blocked test beside it.

Ramamurthy et al. (2022), "Is Reinforcement Learning (Not) for Natural Language Processing?", tests Likert ratings
this way. It takes ratings as independent, which ratings of one item are not; `friedman_test` on item means
compares systems within an item.
"""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.resampling import CONFIDENCE, DRAWS, Floats, bootstrap_estimate
from analysis.results import NAN, Estimate
from analysis.tables import cluster_codes, codes, numbers, require_columns, require_no_gaps


@dataclasses.dataclass(frozen=True, slots=True)
class AnovaResult:
    """One-way analysis of variance; `eta_squared` is the between share of the sum of squares."""

    statistic: float
    p_value: float
    eta_squared: float
    df_between: int
    df_within: int
    mean_square_within: float
    groups: tuple[str, ...]
    used: int
    dropped: int
    reason: str = ""
    method: str = "paper protocol: one-way ANOVA on ratings"

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class PairDifference:
    """Mean of `second` less mean of `first`, with its simultaneous interval."""

    first: str
    second: str
    difference: float
    low: float
    high: float
    p_value: float


@dataclasses.dataclass(frozen=True, slots=True)
class TukeyResult:
    """All pairwise differences; the intervals hold together with probability `confidence`."""

    pairs: tuple[PairDifference, ...]
    used: int
    dropped: int
    confidence: float
    reason: str = ""
    method: str = "paper protocol: Tukey's HSD (Tukey-Kramer for unequal n)"

    def to_frame(self) -> pd.DataFrame:
        columns = [field.name for field in dataclasses.fields(PairDifference)]
        return pd.DataFrame([dataclasses.asdict(pair) for pair in self.pairs], columns=columns)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class FriedmanResult:
    """Friedman's test on block means; `kendall_w` (0 to 1) is its effect size."""

    statistic: float
    p_value: float
    kendall_w: float
    degrees_of_freedom: int
    blocks_used: int
    blocks_dropped: int
    used: int
    dropped: int
    groups: tuple[str, ...]
    reason: str = ""
    method: str = "Friedman's test on item means"

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class _Grouped:
    """What the variance tests need: names, sizes, means (G,) and the within sum of squares."""

    names: tuple[str, ...]
    sizes: Floats
    means: Floats
    within: float
    between: float
    used: int
    dropped: int

    @property
    def df_within(self) -> int:
        return self.used - len(self.names)

    def why_undefined(self) -> str:
        if len(self.names) < 2:
            return "fewer than two groups have a value"
        if self.df_within < 1:
            return "no group has two values, so there is no spread within groups"
        # Rounding leaves a trace of spread in groups of equal values that are not whole numbers.
        scale = float(np.abs(self.means).max()) ** 2 * self.used
        return "all groups are constant" if self.within <= 1e-24 * max(scale, 1e-300) else ""


def _group(table: pd.DataFrame, group: str, value: str) -> _Grouped:
    require_columns(table, group, value)
    require_no_gaps(table, group)
    values = numbers(table, value)
    is_used = np.isfinite(values)
    group_codes, names = codes(table.loc[is_used, group])
    values = values[is_used]
    sizes = np.bincount(group_codes, minlength=len(names)).astype(np.float64)
    means = np.bincount(group_codes, values, minlength=len(names)) / np.maximum(sizes, 1)
    grand_mean = values.mean() if len(values) else NAN
    return _Grouped(
        names=tuple(map(str, names)),
        sizes=sizes,
        means=means,
        within=float(((values - means[group_codes]) ** 2).sum()),
        between=float((sizes * (means - grand_mean) ** 2).sum()),
        used=len(values),
        dropped=int((~is_used).sum()),
    )


def anova_one_way(table: pd.DataFrame, *, group: str, value: str) -> AnovaResult:
    """F test that all groups have one mean. Empty values are dropped and counted."""
    grouped = _group(table, group, value)
    reason = grouped.why_undefined()
    df_between, df_within = len(grouped.names) - 1, grouped.df_within
    total = grouped.between + grouped.within
    mean_square_within = grouped.within / df_within if df_within > 0 else NAN
    statistic = NAN if reason else grouped.between / df_between / mean_square_within
    return AnovaResult(
        statistic=statistic,
        p_value=float(stats.f.sf(statistic, df_between, df_within)) if not reason else NAN,
        eta_squared=grouped.between / total if not reason else NAN,
        df_between=df_between,
        df_within=df_within,
        mean_square_within=mean_square_within,
        groups=grouped.names,
        used=grouped.used,
        dropped=grouped.dropped,
        reason=reason,
    )


def tukey_hsd(table: pd.DataFrame, *, group: str, value: str, confidence: float = CONFIDENCE) -> TukeyResult:
    """Every pair of groups against the studentised range; groups of one are compared too (Tukey-Kramer)."""
    grouped = _group(table, group, value)
    reason = grouped.why_undefined()
    count, df_within = len(grouped.names), grouped.df_within
    pairs = list(itertools.combinations(range(count), 2))
    first = np.array([pair[0] for pair in pairs], dtype=np.int64)
    second = np.array([pair[1] for pair in pairs], dtype=np.int64)
    difference = grouped.means[second] - grouped.means[first]
    half, p_value = np.full(len(pairs), NAN), np.full(len(pairs), NAN)
    if not reason:
        # The range is that of means with variance MS/2 (1/n_i + 1/n_j): Kramer 1956.
        error = np.sqrt(grouped.within / df_within / 2 * (1 / grouped.sizes[first] + 1 / grouped.sizes[second]))
        half = stats.studentized_range.ppf(confidence, count, df_within) * error
        p_value = np.clip(stats.studentized_range.sf(np.abs(difference) / error, count, df_within), 0, 1)
    rows = zip(pairs, difference.tolist(), half.tolist(), p_value.tolist(), strict=True)
    return TukeyResult(
        pairs=tuple(
            PairDifference(grouped.names[i], grouped.names[j], delta, delta - width, delta + width, p)
            for (i, j), delta, width, p in rows
        ),
        used=grouped.used,
        dropped=grouped.dropped,
        confidence=confidence,
        reason=reason,
    )


def friedman_test(table: pd.DataFrame, *, block: str, group: str, value: str) -> FriedmanResult:
    """Friedman's test, corrected for ties, on the mean of each block (item) and group (system).

    Blocks that lack a group are dropped and counted. With two groups it is the sign test's chi-square.
    """
    require_columns(table, block, group, value)
    require_no_gaps(table, block, group)
    values = numbers(table, value)
    is_used = np.isfinite(values)
    rated = pd.DataFrame({"block": table[block], "group": table[group], "value": values})[is_used]
    means = rated.pivot_table(index="block", columns="group", values="value", aggfunc="mean").dropna(axis=0)
    used = int(rated["block"].isin(means.index).sum())
    count, blocks = means.shape[1], len(means)
    # Means of the same ratings in another order differ in the last digit; they are ties.
    ranks = stats.rankdata(means.to_numpy().round(9), axis=1) if blocks and count else np.empty((0, count))
    # Conover 1999, eq. 5.8: the spread of rank sums over the spread of ranks, which ties make smaller.
    between = float(((ranks.sum(axis=0) - blocks * (count + 1) / 2) ** 2).sum())
    spread = float(((ranks - (count + 1) / 2) ** 2).sum())
    reason = _why_no_friedman(count, blocks, spread)
    statistic = NAN if reason else (count - 1) * between / spread
    return FriedmanResult(
        statistic=statistic,
        p_value=float(stats.chi2.sf(statistic, count - 1)) if not reason else NAN,
        kendall_w=NAN if reason else statistic / (blocks * (count - 1)),
        degrees_of_freedom=count - 1,
        blocks_used=blocks,
        blocks_dropped=table[block].nunique() - blocks,
        used=used,
        dropped=len(table) - used,
        groups=tuple(map(str, means.columns)),
        reason=reason,
    )


def _why_no_friedman(count: int, blocks: int, spread: float) -> str:
    if count < 2:
        return "fewer than two groups have a value"
    if blocks < 2:
        return "fewer than two blocks have a value for every group"
    return "within every block all groups are tied" if spread == 0 else ""


def group_means(
    table: pd.DataFrame, *, group: str, value: str, cluster: str, seed: int, draws: int = DRAWS
) -> dict[str, Estimate]:
    """Mean of each group, with intervals from resampling clusters (items)."""
    require_columns(table, group, value, cluster)
    require_no_gaps(table, group, cluster)
    values = pd.Series(numbers(table, value), index=table.index)
    means = {}
    for name in codes(table[group])[1]:
        rows = table[group] == name
        rated = rows & values.notna()
        rated_values = values[rated].to_numpy()

        def weighted_mean(weights: Floats, rated_values: Floats = rated_values) -> Floats:
            return (weights @ rated_values) / weights.sum(axis=1)

        cluster_of_row, _ = cluster_codes(table[rated], cluster)
        dropped = int(rows.sum() - rated.sum())
        means[str(name)] = bootstrap_estimate(
            weighted_mean, cluster_of_row, method="mean rating", seed=seed, dropped=dropped, draws=draws
        )
    return means
