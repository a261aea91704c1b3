"""Which systems differ? All pairs of means of independent values: Tukey's HSD, and Games and Howell's test."""

import numpy as np
import pandas as pd

from analysis.anova import INDEPENDENCE
from analysis.groups import Groups, read_groups
from analysis.pair_differences import PairwiseTest, compare_by_range, pair_places, pairs_without_values
from analysis.resampling import CONFIDENCE, Floats


def tukey_hsd(table: pd.DataFrame, *, group: str, value: str, confidence: float = CONFIDENCE) -> PairwiseTest:
    """Every pair of groups against the studentised range; groups of one are compared too (Tukey-Kramer)."""
    groups = read_groups(table, group=group, value=value)
    reason = groups.why_undefined()
    first, second = pair_places(len(groups.names))
    differences = groups.means[second] - groups.means[first]
    if reason:
        pairs = pairs_without_values(groups.names, differences, reason)
    else:
        # The range is that of means with variance MS/2 (1/n_i + 1/n_j): Kramer 1956.
        mean_square = groups.within / groups.df_within
        errors = np.sqrt(mean_square / 2 * (1 / groups.sizes[first] + 1 / groups.sizes[second]))
        freedom = np.full(len(errors), float(groups.df_within))
        pairs = compare_by_range(groups.names, differences, errors, freedom, confidence)
    return PairwiseTest(
        pairs=pairs,
        short_name="Tukey's HSD",
        of="means",
        used=groups.used,
        dropped=groups.dropped,
        confidence=confidence,
        method="paper protocol: Tukey's HSD (Tukey-Kramer for unequal n)",
        reason=reason,
        warnings=(INDEPENDENCE,),
    )


def games_howell(table: pd.DataFrame, *, group: str, value: str, confidence: float = CONFIDENCE) -> PairwiseTest:
    """P. A. Games & J. F. Howell (1976): each pair by its own spreads, with Welch's degrees of freedom.

    A pair of two constant groups, or with a group of one, is not defined; the others are.
    """
    groups = read_groups(table, group=group, value=value)
    reason = "fewer than two groups have a value" if len(groups.names) < 2 else ""
    first, second = pair_places(len(groups.names))
    share = groups.variances / groups.sizes
    errors = np.sqrt((share[first] + share[second]) / 2)
    pairs = compare_by_range(
        groups.names,
        groups.means[second] - groups.means[first],
        errors,
        _welch_freedom(groups, share),
        confidence,
        [_why_no_pair(groups, i, j) for i, j in zip(first, second, strict=True)],
    )
    undefined = [pair for pair in pairs if pair.reason]
    if undefined and len(undefined) == len(pairs):
        reason = "every pair has a group of one or is constant"
    return PairwiseTest(
        pairs=pairs,
        short_name="Games-Howell",
        of="means",
        used=groups.used,
        dropped=groups.dropped,
        confidence=confidence,
        method="Games-Howell test",
        reason=reason,
        warnings=(INDEPENDENCE,),
    )


def _welch_freedom(groups: Groups, share: Floats) -> Floats:
    """Degrees of freedom (P,) of the difference of two means with the squared errors `share` (G,): Welch 1947."""
    first, second = pair_places(len(groups.names))
    parts = share**2 / np.where(groups.sizes > 1, groups.sizes - 1, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom: Floats = (share[first] + share[second]) ** 2 / (parts[first] + parts[second])
    return freedom


def _why_no_pair(groups: Groups, first: int, second: int) -> str:
    for place in (first, second):
        if groups.sizes[place] < 2:
            return f"{groups.names[place]!r} has one value"
    return "both are constant" if groups.squares[first] == groups.squares[second] == 0 else ""
