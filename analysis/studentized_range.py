"""The distribution of the studentised range: how far apart the largest and smallest of k standardised means may lie.

scipy has it too, to the same digits, but takes 10 ms for a probability and 150 ms for a quantile; a page needs
dozens of each. Here the double integral is two Gauss-Legendre rules whose products are one matrix.
"""

import math

import numpy as np
from scipy import optimize, special

from analysis.resampling import Floats

NODES, WEIGHTS = np.polynomial.legendre.leggauss(120)
FARTHEST = 9.0  # standard deviations: beyond it the normal density is below 1e-18
SMALLEST_TAIL = 1e-40


def studentized_range_sf(quantile: float, groups: int, degrees_of_freedom: float) -> float:
    """The chance of a larger range of `groups` means; degrees of freedom from 1 to infinity. Off by at most 1e-9."""
    if math.isnan(quantile):
        return math.nan
    if math.isinf(degrees_of_freedom):
        chance = _range_sf(np.array([quantile]), groups)[0]
    else:
        spreads, weights = _spread_rule(degrees_of_freedom)
        chance = weights @ _range_sf(quantile * spreads, groups)
    return float(np.clip(chance, 0, 1))


def studentized_range_quantile(probability: float, groups: int, degrees_of_freedom: float) -> float:
    """The range that is exceeded with chance 1 - `probability`."""
    tail = 1 - probability
    highest = 8.0
    while studentized_range_sf(highest, groups, degrees_of_freedom) > tail:
        highest *= 4
    return float(
        optimize.brentq(
            lambda quantile: studentized_range_sf(quantile, groups, degrees_of_freedom) - tail, 0, highest, xtol=1e-8
        )
    )


def _range_sf(ranges: Floats, groups: int) -> Floats:
    """The chance that `groups` standard normals spread further than each of ranges (S,): to (S,).

    k times the integral over the largest one, z, of phi(z) Phi(z)^(k-1) less phi(z) (Phi(z) - Phi(z - range))^(k-1).
    """
    largest = FARTHEST * NODES
    below = special.ndtr(largest)
    density = FARTHEST * WEIGHTS * np.exp(-(largest**2) / 2) / math.sqrt(2 * math.pi)
    # As logarithms, so that a small chance keeps its digits.
    with np.errstate(divide="ignore"):
        kept = (groups - 1) * np.log1p(-special.ndtr(largest - ranges[:, None]) / below)
    return -groups * (below ** (groups - 1) * np.expm1(kept)) @ density


def _spread_rule(degrees_of_freedom: float) -> tuple[Floats, Floats]:
    """Nodes and weights (S,) for the mean over the estimated spread, the root of chi-square over its freedom.

    Between far quantiles, and over the cube root: with few degrees of freedom the density has a kink at 0.
    """
    half = degrees_of_freedom / 2
    lowest = (special.gammaincinv(half, SMALLEST_TAIL) / half) ** (1 / 6)
    highest = (special.gammainccinv(half, SMALLEST_TAIL) / half) ** (1 / 6)
    roots = lowest + (highest - lowest) * (NODES + 1) / 2
    log_density = math.log(2) + half * math.log(half) - special.gammaln(half)
    log_density = log_density + (degrees_of_freedom - 1) * 3 * np.log(roots) - half * roots**6
    return roots**3, (highest - lowest) / 2 * WEIGHTS * 3 * roots**2 * np.exp(log_density)
