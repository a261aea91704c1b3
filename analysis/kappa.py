"""Percent agreement, Fleiss' kappa and Cohen's kappa on long tables, with a bootstrap over items.

They are here because papers report them. Kappas depend on how often each category is used, and none of these knows
missing data as Krippendorff's alpha does.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import sparse

from analysis.rating_counts import EncodedRatings, Integers, Level, encode_ratings
from analysis.resampling import (
    CONFIDENCE,
    DRAWS,
    Columns,
    Floats,
    add_up,
    compact,
    percentiles,
    resample_sums,
    resampling_warnings,
)
from analysis.results import NAN, Coefficient
from analysis.tables import codes, quoted, require_columns
from annotation.errors import InputError

Weighting = Literal["none", "linear", "quadratic"]
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)
ROUNDING = 1e-12


def percent_agreement(
    table: pd.DataFrame,
    *,
    unit: str,
    rater: str,
    value: str,
    seed: int,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> Coefficient:
    """Share of a unit's pairs of ratings that are equal, averaged over units with two ratings or more."""
    ratings = encode_ratings(table, unit=unit, rater=rater, value=value, level="nominal", cluster=cluster)
    agreeing = _agreeing_shares(ratings)
    cluster_of_unit = _cluster_of_unit(ratings)
    columns = _sum_by_cluster(np.column_stack([agreeing, np.ones(len(agreeing))]), cluster_of_unit)

    def mean_share(sums: Floats) -> Floats:
        return sums[:, 0] / sums[:, 1]

    result = _bootstrap(ratings, columns, mean_share, "percent agreement", seed, draws, confidence)
    return _describe(result, "no unit has two ratings", "Two raters of a unit give the same answer with probability")


def fleiss_kappa(
    table: pd.DataFrame,
    *,
    unit: str,
    rater: str,
    value: str,
    seed: int,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> Coefficient:
    """Agreement beyond chance of any number of raters (Fleiss 1971): (P - P_e) / (1 - P_e).

    P is `percent_agreement`, P_e the sum of p_j^2, with p_j the share of category j.

    Units with different numbers of ratings count alike in P and by their ratings in p_j; a warning says so.
    """
    ratings = encode_ratings(table, unit=unit, rater=rater, value=value, level="nominal", cluster=cluster)
    agreeing = _agreeing_shares(ratings)
    by_unit = _sum_by_cluster(np.column_stack([agreeing, np.ones(len(agreeing))]), _cluster_of_unit(ratings))
    marginals = _count_pairs(ratings.cluster, ratings.value, (len(by_unit), len(ratings.values)))
    columns = compact(sparse.hstack([sparse.csr_array(by_unit), marginals], format="csr"))

    def kappa(sums: Floats) -> Floats:
        shares = sums[:, 2:] / sums[:, 2:].sum(axis=1, keepdims=True)
        return _correct_for_chance(sums[:, 0] / sums[:, 1], (shares**2).sum(axis=1))

    result = _bootstrap(ratings, columns, kappa, "Fleiss' kappa", seed, draws, confidence)
    sizes = np.unique(np.bincount(ratings.unit)) if ratings.units_used else np.empty(0)
    if len(sizes[sizes > 0]) > 1:
        warning = "units have different numbers of ratings, for which Fleiss' kappa was not made"
        result = dataclasses.replace(result, warnings=(*result.warnings, warning))
    return _describe(result, _why_undefined(ratings), "Raters agree beyond chance with Fleiss' kappa =")


def cohen_kappa(
    table: pd.DataFrame,
    *,
    unit: str,
    rater: str,
    value: str,
    seed: int,
    raters: tuple[Any, Any] | None = None,
    weighting: Weighting = "none",
    order: Sequence[Any] | None = None,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> Coefficient:
    """1 - D_o / D_e of two raters over the units that both rated (Cohen 1960; weighted: Cohen 1968).

    D_e takes each rater's own shares. linear and quadratic weigh by the distance of the values, or of their places in
    `order`. raters: the two; they may be left out where the table has no others.
    """
    if weighting not in WEIGHTINGS:
        raise InputError(f"weighting is {weighting!r}; expected one of {', '.join(WEIGHTINGS)}.")
    names = raters or _only_two(table, rater)
    of_both = _rated_by(table, rater, names)
    level: Level = "nominal" if weighting == "none" else "ordinal"
    ratings = encode_ratings(of_both, unit=unit, rater=rater, value=value, level=level, order=order, cluster=cluster)
    first, second, cluster_of_unit = _sides(ratings)
    width = max(1, len(ratings.values))
    keys, cell_of_unit = np.unique(first * width + second, return_inverse=True)
    columns = compact(_count_pairs(cluster_of_unit, cell_of_unit, (_clusters(cluster_of_unit), len(keys))))
    distance = _Distance(weighting, ratings.values, keys // width, keys % width)
    name = "Cohen's kappa" + ("" if weighting == "none" else f", {weighting} weights")
    result = _bootstrap(ratings, columns, distance.kappa, name, seed, draws, confidence)
    opening = f"{names[0]} and {names[1]} agree beyond chance with {name} ="
    return _describe(result, _why_undefined(ratings), opening)


def _only_two(table: pd.DataFrame, rater: str) -> tuple[Any, Any]:
    require_columns(table, rater)
    _, names = codes(table[rater].dropna())
    if len(names) != 2:
        raise InputError(f"the table has {len(names)} raters; name two with `raters`, or use Fleiss' kappa.")
    return names[0], names[1]


def _rated_by(table: pd.DataFrame, rater: str, names: tuple[Any, Any]) -> pd.DataFrame:
    require_columns(table, rater)
    for name in names:
        if not (table[rater] == name).any():
            raise InputError(f"{rater} {quoted(name)} has no row in the table; expected one of its raters.")
    return table[table[rater].isin(names)]


@dataclasses.dataclass(frozen=True, slots=True)
class _Distance:
    """Disagreement of two raters from the counts of their cells; first and second (Q,) are the cells' codes."""

    weighting: Weighting
    values: Floats
    first: Integers
    second: Integers

    def kappa(self, cells: Floats) -> Floats:
        """Counts of cells (D, Q) to kappa (D,)."""
        shares = cells / cells.sum(axis=1, keepdims=True)
        observed = shares @ self._of_cells()
        expected = self._expected(self._marginal(shares, self.first), self._marginal(shares, self.second))
        return _correct_for_chance(1 - observed, 1 - expected)

    def _of_cells(self) -> Floats:
        difference = np.abs(self.values[self.first] - self.values[self.second]) / self._range()
        return {"none": (difference > 0).astype(np.float64), "linear": difference, "quadratic": difference**2}[
            self.weighting
        ]

    def _range(self) -> float:
        return float(np.ptp(self.values)) or 1.0

    def _marginal(self, shares: Floats, code: Integers) -> Floats:
        ones = np.ones(len(code))
        places = sparse.csr_array((ones, (np.arange(len(code)), code)), shape=(len(code), len(self.values)))
        return np.asarray(shares @ places)

    def _expected(self, first: Floats, second: Floats) -> Floats:
        """Mean distance of independent draws from both marginals (D, V), without a V x V table."""
        if self.weighting == "none":
            return 1 - (first * second).sum(axis=1)
        x = (self.values - self.values.mean()) / self._range()
        if self.weighting == "quadratic":
            return first @ x**2 + second @ x**2 - 2 * (first @ x) * (second @ x)
        below_first, below_second = np.cumsum(first, axis=1)[:, :-1], np.cumsum(second, axis=1)[:, :-1]
        either_side = below_first * (1 - below_second) + below_second * (1 - below_first)
        return either_side @ np.diff(x)


def _correct_for_chance(observed: Floats, expected: Floats) -> Floats:
    """(P - P_e) / (1 - P_e), NaN where chance already gives full agreement."""
    room = 1 - expected
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(room > ROUNDING, (observed - expected) / room, np.nan)


def _sides(ratings: EncodedRatings) -> tuple[Integers, Integers, Integers]:
    """Value codes of the first and the second rater, and the cluster, of each unit that both rated, all (U,)."""
    by_unit = np.lexsort((ratings.rater, ratings.unit))
    value = ratings.value[by_unit]
    return value[0::2], value[1::2], ratings.cluster[by_unit][0::2]


def _agreeing_shares(ratings: EncodedRatings) -> Floats:
    """For each unit, in the order of codes, the share of its pairs of ratings that are equal, (U,)."""
    width = max(1, len(ratings.values))
    keys, count = np.unique(ratings.unit * width + ratings.value, return_counts=True)
    size = np.bincount(ratings.unit)
    agreeing = np.bincount(keys // width, count * (count - 1.0), minlength=len(size))
    occurring = size > 0
    return agreeing[occurring] / (size[occurring] * (size[occurring] - 1.0))


def _cluster_of_unit(ratings: EncodedRatings) -> Integers:
    _, first = np.unique(ratings.unit, return_index=True)
    return ratings.cluster[first]


def _clusters(cluster: Integers) -> int:
    return int(cluster.max()) + 1 if len(cluster) else 0


def _sum_by_cluster(rows: Floats, cluster: Integers) -> Floats:
    sums = [np.bincount(cluster, rows[:, column], minlength=_clusters(cluster)) for column in range(rows.shape[1])]
    return np.column_stack(sums)


def _count_pairs(row: Integers, column: Integers, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array((np.ones(len(row)), (row, column)), shape=shape)


def _why_undefined(ratings: EncodedRatings) -> str:
    if not ratings.units_used:
        return "no unit has two ratings"
    return "all ratings have the same value, so chance alone gives full agreement"


def _bootstrap(
    ratings: EncodedRatings,
    columns: Columns,
    statistic: Callable[[Floats], Floats],
    name: str,
    seed: int,
    draws: int,
    confidence: float,
) -> Coefficient:
    """The statistic of sums over clusters with its percentile interval; not yet in words."""
    clusters = columns.shape[0]
    result = Coefficient(
        estimate=NAN,
        low=NAN,
        high=NAN,
        units_used=ratings.units_used,
        units_dropped=ratings.units_dropped,
        ratings_used=len(ratings.value),
        method=name,
        opening="",
        clusters=clusters,
        confidence=confidence,
    )
    if not ratings.units_used:
        return result
    estimate = float(statistic(add_up(np.ones((1, clusters)), columns))[0])
    if np.isnan(estimate):
        return result
    values = resample_sums(columns, np.ones(clusters, dtype=np.int64), statistic, seed=seed, draws=draws)
    interval = percentiles(values, confidence)
    return dataclasses.replace(
        result,
        estimate=estimate,
        low=interval.low,
        high=interval.high,
        method=f"{name}; percentile bootstrap over {clusters} clusters",
        seed=seed,
        draws=draws,
        undefined_share=interval.undefined_share,
        warnings=resampling_warnings(name, clusters, interval.undefined_share),
    )


def _describe(result: Coefficient, reason_if_undefined: str, opening: str) -> Coefficient:
    reason = reason_if_undefined if np.isnan(result.estimate) else ""
    return dataclasses.replace(result, reason=reason, opening=opening)
