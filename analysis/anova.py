"""Do the means of systems differ? One-way ANOVA (the paper's protocol) and Welch's ANOVA, each with an effect size.

Ramamurthy et al. (2022), "Is Reinforcement Learning (Not) for Natural Language Processing?", tests Likert ratings by
one-way ANOVA. Both tests take values as independent, which ratings of one item are not; `blocked_anova` compares
within items.
"""

import dataclasses
import math

import numpy as np
import pandas as pd
from scipy import stats

from analysis.groups import Groups, read_groups
from analysis.noncentral import explained_share_interval
from analysis.resampling import CONFIDENCE
from analysis.results import NAN, Result, format_interval, format_number, format_p

INDEPENDENCE = "one-way tests take values as independent, which ratings of one item are not"


@dataclasses.dataclass(frozen=True, slots=True)
class AnovaResult(Result):
    """One-way analysis of variance.

    `eta_squared` is the between share of the sum of squares, [low, high] its interval by the noncentral F;
    `omega_squared` is the share in the population, without eta's bias.
    """

    statistic: float
    p_value: float
    eta_squared: float
    low: float
    high: float
    omega_squared: float
    df_between: int
    df_within: int
    mean_square_within: float
    groups: tuple[str, ...]
    used: int
    dropped: int
    confidence: float = CONFIDENCE
    reason: str = ""
    method: str = "paper protocol: one-way ANOVA on ratings"
    warnings: tuple[str, ...] = (INDEPENDENCE,)

    @property
    def estimate(self) -> float:
        return self.eta_squared

    @property
    def reading(self) -> str:
        if self.reason:
            return f"The systems cannot be compared by ANOVA: {self.reason}."
        return (
            f"By the paper's protocol the systems {verdict(self.p_value)}: F({self.df_between}, {self.df_within}) = "
            f"{format_number(self.statistic, 2)}, {format_p(self.p_value)}, eta squared "
            f"{format_number(self.eta_squared)} {format_interval(self.low, self.high)}."
        )


@dataclasses.dataclass(frozen=True, slots=True)
class WelchAnova(Result):
    """Welch's F, for groups of unequal spread; `df_within` is not a whole number.

    `omega_squared` is the share of variance in the population by Welch's F, [low, high] its noncentral interval.
    """

    statistic: float
    p_value: float
    omega_squared: float
    low: float
    high: float
    df_between: int
    df_within: float
    groups: tuple[str, ...]
    used: int
    dropped: int
    confidence: float = CONFIDENCE
    reason: str = ""
    method: str = "Welch's ANOVA"
    warnings: tuple[str, ...] = (INDEPENDENCE,)

    @property
    def estimate(self) -> float:
        return self.omega_squared

    @property
    def reading(self) -> str:
        if self.reason:
            return f"The systems cannot be compared by Welch's ANOVA: {self.reason}."
        return (
            f"With a spread for each, the systems {verdict(self.p_value)}: Welch's F({self.df_between}, "
            f"{format_number(self.df_within, 1)}) = {format_number(self.statistic, 2)}, {format_p(self.p_value)}, "
            f"omega squared {format_number(self.omega_squared)} {format_interval(self.low, self.high)}."
        )


def verdict(p_value: float) -> str:
    """The verb of a sentence on a test at .05."""
    return "differ" if p_value <= 1 - CONFIDENCE else "do not differ significantly"


def anova_one_way(table: pd.DataFrame, *, group: str, value: str, confidence: float = CONFIDENCE) -> AnovaResult:
    """F test that all groups have one mean. Empty values are dropped and counted."""
    groups = read_groups(table, group=group, value=value)
    reason = groups.why_undefined()
    df_between, df_within = len(groups.names) - 1, groups.df_within
    mean_square_within = groups.within / df_within if df_within > 0 else NAN
    statistic = NAN if reason else groups.between / df_between / mean_square_within
    low, high = explained_share_interval(statistic, df_between, df_within, groups.used, confidence)
    return AnovaResult(
        statistic=statistic,
        p_value=float(stats.f.sf(statistic, df_between, df_within)) if not reason else NAN,
        eta_squared=groups.between / (groups.between + groups.within) if not reason else NAN,
        low=low,
        high=high,
        omega_squared=_omega_squared(statistic, df_between, groups.used),
        df_between=df_between,
        df_within=df_within,
        mean_square_within=mean_square_within,
        groups=groups.names,
        used=groups.used,
        dropped=groups.dropped,
        confidence=confidence,
        reason=reason,
    )


def welch_anova(table: pd.DataFrame, *, group: str, value: str, confidence: float = CONFIDENCE) -> WelchAnova:
    """B. L. Welch (1951): F test of equal means where spreads differ; not with a constant group or a group of one."""
    groups = read_groups(table, group=group, value=value)
    reason = _why_no_welch(groups)
    statistic, df_within = (NAN, NAN) if reason else _welch(groups)
    df_between = len(groups.names) - 1
    low, high = explained_share_interval(statistic, df_between, df_within, groups.used, confidence)
    return WelchAnova(
        statistic=statistic,
        p_value=float(stats.f.sf(statistic, df_between, df_within)) if not reason else NAN,
        omega_squared=_omega_squared(statistic, df_between, groups.used),
        low=low,
        high=high,
        df_between=df_between,
        df_within=df_within,
        groups=groups.names,
        used=groups.used,
        dropped=groups.dropped,
        confidence=confidence,
        reason=reason,
    )


def _omega_squared(statistic: float, df_between: int, total: int) -> float:
    """W. L. Hays (1963), in terms of F; an F below 1 is no share at all."""
    gain = df_between * max(statistic - 1, 0) if not math.isnan(statistic) else NAN
    return gain / (gain + total)


def _why_no_welch(groups: Groups) -> str:
    if len(groups.names) < 2:
        return "fewer than two groups have a value"
    for name, size, squares in zip(groups.names, groups.sizes, groups.squares, strict=True):
        if size < 2:
            return f"{name!r} has one value, so it has no spread"
        if squares == 0:
            return f"{name!r} is constant, so it has no spread"
    return ""


def _welch(groups: Groups) -> tuple[float, float]:
    """Welch's F and its degrees of freedom within."""
    count = len(groups.names)
    precision = groups.sizes / groups.variances
    mean = precision @ groups.means / precision.sum()
    between = precision @ (groups.means - mean) ** 2 / (count - 1)
    uncertainty = float(np.sum((1 - precision / precision.sum()) ** 2 / (groups.sizes - 1)))
    statistic = between / (1 + 2 * (count - 2) / (count**2 - 1) * uncertainty)
    return float(statistic), (count**2 - 1) / (3 * uncertainty)
