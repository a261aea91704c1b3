"""How large are differences between systems? Hedges' g and Cliff's delta of pairs, shares of variance over all.

Ratings of one item are not independent, so intervals come from drawing whole items again. Everything follows from
counts of each value in each group: what an item adds to them is a short row, and a draw a product of weights with rows.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse, special

from analysis.groups import ROUNDING
from analysis.item_means import comparable
from analysis.pair_differences import pair_places
from analysis.resampling import (
    CONFIDENCE,
    DRAWS,
    Columns,
    Floats,
    Percentiles,
    Statistic,
    add_up,
    compact,
    midranks,
    percentiles,
    resample_sums,
    resampling_warnings,
)
from analysis.results import NAN, Estimate, Result, format_interval, format_number
from analysis.tables import cluster_codes, codes, numbers, require_columns, require_no_gaps

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, slots=True)
class PairEffect:
    """`second` against `first`.

    `hedges_g`: the difference of means in standard deviations. `cliffs_delta`: the chance that a value of `second` is
    the higher one, less that it is the lower one.
    """

    first: str
    second: str
    hedges_g: float
    hedges_g_low: float
    hedges_g_high: float
    cliffs_delta: float
    cliffs_delta_low: float
    cliffs_delta_high: float
    reason: str = ""

    def upright(self) -> "PairEffect":
        """The same, with first and second exchanged where g is negative."""
        if not self.hedges_g < 0:
            return self
        return dataclasses.replace(
            self,
            first=self.second,
            second=self.first,
            hedges_g=-self.hedges_g,
            hedges_g_low=-self.hedges_g_high,
            hedges_g_high=-self.hedges_g_low,
            cliffs_delta=-self.cliffs_delta,
            cliffs_delta_low=-self.cliffs_delta_high,
            cliffs_delta_high=-self.cliffs_delta_low,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class PairEffects(Result):
    """Effect sizes of every pair; each interval stands alone, from drawing clusters (items)."""

    pairs: tuple[PairEffect, ...]
    used: int
    dropped: int
    clusters: int
    seed: int
    draws: int
    confidence: float
    method: str
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def largest(self) -> PairEffect | None:
        """The pair that differs most by Hedges' g, turned so that g is positive."""
        defined = [pair.upright() for pair in self.pairs if not np.isnan(pair.hedges_g)]
        return max(defined, key=lambda pair: pair.hedges_g, default=None)

    @property
    def reading(self) -> str:
        largest = self.largest
        if largest is None:
            return f"Effect sizes of pairs are not defined: {self.reason}."
        return (
            f"The largest difference is that of {largest.second} and {largest.first}: Hedges' g "
            f"{format_number(largest.hedges_g, 2)} {format_interval(largest.hedges_g_low, largest.hedges_g_high, 2)}, "
            f"Cliff's delta {format_number(largest.cliffs_delta, 2)} "
            f"{format_interval(largest.cliffs_delta_low, largest.cliffs_delta_high, 2)}."
        )

    def to_frame(self) -> pd.DataFrame:
        columns = [field.name for field in dataclasses.fields(PairEffect)]
        return pd.DataFrame([dataclasses.asdict(pair) for pair in self.pairs], columns=columns)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"reading": self.reading}

    def plot(self) -> "Figure":
        from analysis.group_plots import plot_effects

        return plot_effects(self.pairs)


@dataclasses.dataclass(frozen=True, slots=True)
class _Counted:
    """How often each value (V,), about their middle, was given to each group: cluster rows (K, G * V)."""

    names: tuple[str, ...]
    values: Floats
    columns: Columns
    clusters: int
    used: int
    dropped: int

    def total(self) -> Floats:
        return add_up(np.ones((1, self.clusters)), self.columns)

    def cube(self, sums: Floats) -> Floats:
        """Sums (D, G * V) as (D, G, V)."""
        return sums.reshape(len(sums), len(self.names), len(self.values))

    def resample(self, statistic: Statistic, seed: int, draws: int) -> Floats:
        return resample_sums(self.columns, np.ones(self.clusters, dtype=np.int64), statistic, seed=seed, draws=draws)


def _count(table: pd.DataFrame, group: str, value: str, cluster: str | None) -> _Counted:
    named = [group, *([cluster] if cluster else [])]
    require_columns(table, value, *named)
    require_no_gaps(table, *named)
    read = numbers(table, value)
    is_used = np.isfinite(read)
    group_codes, names = codes(table.loc[is_used, group])
    cluster_of_row, clusters = cluster_codes(table[is_used], cluster)
    # None of these effect sizes depends on the scale.
    distinct, value_codes = np.unique(comparable(read[is_used]), return_inverse=True)
    cells = sparse.coo_array(
        (np.ones(len(value_codes)), (cluster_of_row, group_codes * len(distinct) + value_codes)),
        shape=(clusters, len(names) * len(distinct)),
    ).tocsr()
    return _Counted(
        names=tuple(map(str, names)),
        values=distinct - distinct.mean() if len(distinct) else distinct,
        columns=compact(cells),
        clusters=clusters,
        used=len(value_codes),
        dropped=int((~is_used).sum()),
    )


def pair_effects(
    table: pd.DataFrame,
    *,
    group: str,
    value: str,
    seed: int,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> PairEffects:
    """Hedges' g (pooled spread of the two groups, the correction by gamma functions) and Cliff's delta of every pair.

    cluster: what the bootstrap draws (items); without it single rows.
    """
    counted = _count(table, group, value, cluster)
    pairs, undefined_share = _estimate_pairs(counted, seed, draws, confidence)
    reasons = [pair.reason for pair in pairs] or ["fewer than two groups have a value"]
    return PairEffects(
        pairs=pairs,
        used=counted.used,
        dropped=counted.dropped,
        clusters=counted.clusters,
        seed=seed,
        draws=draws,
        confidence=confidence,
        method=f"Hedges' g (gamma correction) and Cliff's delta; percentile bootstrap over {counted.clusters} clusters",
        reason=reasons[0] if all(reasons) else "",
        warnings=resampling_warnings("effect sizes", counted.clusters, undefined_share),
    )


def _estimate_pairs(
    counted: _Counted, seed: int, draws: int, confidence: float
) -> tuple[tuple[PairEffect, ...], float]:
    """Every pair, and the share of draws in which g of a pair was undefined that is defined."""
    places = pair_places(len(counted.names))
    if not len(places[0]):
        return (), 0.0

    def both(sums: Floats) -> Floats:
        cube = counted.cube(sums)
        return np.stack([_hedges_g(cube, counted.values, places), _cliffs_delta(cube, places)], axis=2)

    observed, drawn = both(counted.total())[0], counted.resample(both, seed, draws)
    pairs = tuple(
        _pair_effect(counted.names[i], counted.names[j], observed[place], drawn[:, place], confidence)
        for place, (i, j) in enumerate(zip(*places, strict=True))
    )
    is_defined = ~np.isnan(observed[:, 0])
    return pairs, float(np.isnan(drawn[:, is_defined, 0]).mean()) if is_defined.any() else 0.0


def _pair_effect(first: str, second: str, observed: Floats, drawn: Floats, confidence: float) -> PairEffect:
    """observed (2,): g and delta; drawn (D, 2)."""
    g, delta = percentiles(drawn[:, 0], confidence), percentiles(drawn[:, 1], confidence)
    return PairEffect(
        first=first,
        second=second,
        hedges_g=float(observed[0]),
        hedges_g_low=g.low,
        hedges_g_high=g.high,
        cliffs_delta=float(observed[1]),
        cliffs_delta_low=delta.low,
        cliffs_delta_high=delta.high,
        reason="neither group has a spread" if np.isnan(observed[0]) else "",
    )


def hedges_correction(degrees_of_freedom: Floats) -> Floats:
    """What makes a standardised difference unbiased: L. V. Hedges (1981), exact, not 1 - 3 / (4 df - 1)."""
    half = degrees_of_freedom / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.exp(special.gammaln(half) - special.gammaln(half - 0.5)) / np.sqrt(half)


def _hedges_g(cube: Floats, values: Floats, places: tuple[np.ndarray, np.ndarray]) -> Floats:
    """g of every pair (D, P); NaN where neither group has a spread."""
    first, second = places
    sizes = cube.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = cube @ values / sizes
        squares = cube @ values**2 - sizes * means**2
        squares = np.where(squares <= 1e-12 * sizes * np.ptp(values) ** 2, 0.0, squares)
        freedom = sizes[:, first] + sizes[:, second] - 2
        pooled = np.sqrt((squares[:, first] + squares[:, second]) / freedom)
        g = hedges_correction(freedom) * (means[:, second] - means[:, first]) / pooled
    return np.where(pooled > 0, g, NAN)


def _cliffs_delta(cube: Floats, places: tuple[np.ndarray, np.ndarray]) -> Floats:
    """delta of every pair (D, P): N. Cliff (1993)."""
    first, second = places
    sizes = cube.sum(axis=2)
    # Of each value: how many of a group lie below it, those equal to it counted half.
    below = np.cumsum(cube, axis=2) - cube / 2
    wins = np.einsum("djv,div->dij", cube, below)[:, first, second]
    with np.errstate(invalid="ignore", divide="ignore"):
        return 2 * wins / (sizes[:, first] * sizes[:, second]) - 1


def eta_squared(
    table: pd.DataFrame, *, group: str, value: str, seed: int, cluster: str | None = None, draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> Estimate:  # fmt: skip
    """The share of the values' spread that lies between groups, with an interval from drawing clusters (items)."""
    counted = _count(table, group, value, cluster)
    scores = np.broadcast_to(counted.values, (1, len(counted.values)))
    return _share(counted, lambda cube: _between_share(cube, scores), "eta squared", seed, draws, confidence)


def epsilon_squared(
    table: pd.DataFrame, *, group: str, value: str, seed: int, cluster: str | None = None, draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> Estimate:  # fmt: skip
    """The same of the ranks, H / (N - 1): M. Tomczak & E. Tomczak (2014). Ranks are taken anew in every draw."""
    counted = _count(table, group, value, cluster)
    return _share(
        counted,
        lambda cube: _between_share(cube, midranks(cube.sum(axis=1))),
        "epsilon squared",
        seed,
        draws,
        confidence,
    )


def _share(counted: _Counted, statistic: Statistic, name: str, seed: int, draws: int, confidence: float) -> Estimate:
    estimate = float(statistic(counted.cube(counted.total()))[0]) if counted.used else NAN
    if len(counted.names) < 2 or np.isnan(estimate):
        reason = "all values are equal" if len(counted.names) > 1 else "fewer than two groups have a value"
        return Estimate(NAN, used=counted.used, dropped=counted.dropped, method=name, reason=reason)
    values = counted.resample(lambda sums: statistic(counted.cube(sums)), seed, draws)
    interval = share_interval(estimate, values, confidence)
    return Estimate(
        estimate,
        interval.low,
        interval.high,
        used=counted.used,
        dropped=counted.dropped,
        clusters=counted.clusters,
        method=f"{name}; shifted percentile bootstrap over {counted.clusters} clusters",
        seed=seed,
        draws=draws,
        undefined_share=interval.undefined_share,
        confidence=confidence,
        warnings=resampling_warnings(name, counted.clusters, interval.undefined_share),
    )


def _between_share(cube: Floats, scores: Floats) -> Floats:
    """Between over total sum of squares (D,) of the scores (D or 1, V) under counts (D, G, V)."""
    marginal = cube.sum(axis=1)
    total = marginal.sum(axis=1)
    centred = scores - ((marginal * scores).sum(axis=1) / total)[:, None]
    sizes = cube.sum(axis=2)
    sums = (cube * centred[:, None, :]).sum(axis=2)
    between = np.divide(sums**2, sizes, out=np.zeros_like(sums), where=sizes > 0).sum(axis=1)
    spread = (marginal * centred**2).sum(axis=1)
    scale = ROUNDING * total * np.abs(scores).max(axis=1) ** 2
    return np.divide(between, spread, out=np.full(len(cube), NAN), where=spread > scale)


def share_interval(estimate: float, values: Floats, confidence: float = CONFIDENCE) -> Percentiles:
    """The percentile interval of a share, without the bias of the draws, within 0 to 1.

    Drawing items adds spread between groups, as having drawn them once did: a draw lies above the estimate by what
    that lies above the truth, so the percentiles are moved down by twice that. Unmoved they would miss a share of 0.
    """
    interval = percentiles(values, confidence)
    excess = 2 * (float(np.nanmean(values)) - estimate) if interval.undefined_share < 1 else NAN
    low, high = np.clip([interval.low - excess, interval.high - excess], 0, 1).tolist()
    return Percentiles(low, high, interval.undefined_share)
