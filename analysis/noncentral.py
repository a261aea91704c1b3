"""How large is an effect that an F test saw? Intervals by the noncentral F distribution.

J. H. Steiger (2004), "Beyond the F Test": the noncentralities that the observed F would not be surprising under.
"""

import math
from collections.abc import Callable

from scipy import optimize, special

from analysis.results import NAN


def noncentrality_interval(
    statistic: float, df_effect: float, df_error: float, confidence: float
) -> tuple[float, float]:
    """The noncentralities under which `statistic` leaves (1 - confidence) / 2 above, and below; 0 where none does."""
    if not math.isfinite(statistic):
        return NAN, NAN
    tail = (1 - confidence) / 2

    def below(noncentrality: float) -> float:
        return float(special.ncfdtr(df_effect, df_error, noncentrality, statistic))

    return _where_it_falls_to(below, 1 - tail, statistic * df_effect), _where_it_falls_to(
        below, tail, statistic * df_effect
    )


def _where_it_falls_to(decreasing: Callable[[float], float], level: float, scale: float) -> float:
    if decreasing(0) <= level:
        return 0.0
    highest = max(scale, 1.0)
    while decreasing(highest) > level:
        highest *= 2
    return float(optimize.brentq(lambda place: decreasing(place) - level, 0, highest, xtol=1e-10 * highest))


def explained_share_interval(
    statistic: float, df_effect: float, df_error: float, total: float, confidence: float
) -> tuple[float, float]:
    """The interval of the share of variance that the effect explains: noncentrality / (noncentrality + total).

    total: the number of observations, or for a partial share df_effect + df_error + 1.
    """
    low, high = noncentrality_interval(statistic, df_effect, df_error, confidence)
    return low / (low + total), high / (high + total)
