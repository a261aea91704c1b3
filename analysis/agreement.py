"""Krippendorff's alpha on long tables, with a bootstrap over items.

alpha = 1 - D_o / D_e, observed over expected disagreement (Krippendorff 2011, "Computing Krippendorff's
Alpha-Reliability"). Counts are kept per cluster (an item with all its units, or the unit itself):

- marginals (K, V): how many pairable ratings of the cluster have value v
- coincidences (K, P): ordered pairs of ratings within a unit that have values c and v, over m_u - 1, for the P
  unordered pairs {c, v}, c != v, that occur

Both are sparse, so memory grows with the ratings, never with V x V per unit, and a resample of items is a product with
the counts. Clusters with equal counts are merged first.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from analysis.resampling import CONFIDENCE, DRAWS, Floats, blocks, cluster_counts, midranks, percentiles
from analysis.results import NAN
from analysis.tables import cluster_codes, codes, numbers, quoted, require_columns, require_no_gaps
from annotation.errors import InputError

Level = Literal["nominal", "ordinal", "interval", "ratio"]
LEVELS: tuple[Level, ...] = get_args(Level)
Integers = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Agreement:
    """Krippendorff's alpha; NaN with a `reason` where it is not defined.

    `units_dropped` have fewer than two ratings; `ratings_used` are the pairable ones.
    """

    estimate: float
    low: float
    high: float
    level: Level
    units_used: int
    units_dropped: int
    ratings_used: int
    reason: str = ""
    method: str = "Krippendorff's alpha"
    seed: int | None = None
    draws: int = 0
    clusters: int = 0
    undefined_share: float = 0.0
    confidence: float = CONFIDENCE

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """The counted table; `repeats` (K,) is how many clusters share each row of counts."""

    level: Level
    values: Floats  # (V,): the numbers, or 0..V-1 for categories
    marginals: sparse.csr_array  # (K, V)
    coincidences: sparse.csr_array  # (K, P)
    pairs: tuple[Integers, Integers]  # (P,) and (P,): value codes c < v
    repeats: Integers
    units_used: int
    units_dropped: int
    ratings_used: int


def krippendorff_alpha(
    table: pd.DataFrame, *, unit: str, rater: str, value: str, level: Level, order: Sequence[Any] | None = None
) -> Agreement:
    """Alpha of a long table with one row a rating; empty values are missing data.

    unit: what was rated, for example item x system. order: the categories from low to high, needed where an
    ordinal value is text. No interval: see `bootstrap_alpha`.
    """
    return describe(count_ratings(table, unit=unit, rater=rater, value=value, level=level, order=order))


def bootstrap_alpha(
    table: pd.DataFrame,
    *,
    unit: str,
    rater: str,
    value: str,
    level: Level,
    seed: int,
    order: Sequence[Any] | None = None,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> Agreement:
    """Alpha with a percentile interval: `cluster`s (items; default: units) are drawn with all their units together.

    Draws in which alpha is undefined are left out of the interval; their share is reported.
    """
    counts = count_ratings(table, unit=unit, rater=rater, value=value, level=level, order=order, cluster=cluster)
    return resample(counts, seed=seed, draws=draws, confidence=confidence)


def describe(counts: Counts) -> Agreement:
    """Alpha of the counted table, without an interval."""
    estimate = NAN
    if counts.units_used:
        estimate = float(alpha_of_weights(counts, counts.repeats[None, :].astype(np.float64))[0])
    return Agreement(
        estimate=estimate,
        low=NAN,
        high=NAN,
        level=counts.level,
        units_used=counts.units_used,
        units_dropped=counts.units_dropped,
        ratings_used=counts.ratings_used,
        reason=_why_undefined(counts) if math.isnan(estimate) else "",
        method=f"Krippendorff's alpha, {counts.level}",
        clusters=int(counts.repeats.sum()),
    )


def resample(counts: Counts, *, seed: int, draws: int = DRAWS, confidence: float = CONFIDENCE) -> Agreement:
    """Alpha of the counted table with its bootstrap interval."""
    agreement = describe(counts)
    if agreement.reason:
        return agreement
    generator = np.random.default_rng(seed)
    row_length = len(counts.repeats) + len(counts.values) + len(counts.pairs[0])
    values = np.concatenate(
        [alpha_of_weights(counts, _draw(counts, block, generator)) for block in blocks(draws, row_length)]
    )
    interval = percentiles(values, confidence)
    return dataclasses.replace(
        agreement,
        low=interval.low,
        high=interval.high,
        method=f"{agreement.method}; percentile bootstrap over {agreement.clusters} clusters",
        seed=seed,
        draws=draws,
        undefined_share=interval.undefined_share,
        confidence=confidence,
    )


def _draw(counts: Counts, draws: int, generator: np.random.Generator) -> Floats:
    """Bootstrap weights (D, K) of the distinct rows of counts."""
    clusters = int(counts.repeats.sum())
    if len(counts.repeats) == clusters:
        return cluster_counts(clusters, draws, generator).astype(np.float64)
    return generator.multinomial(clusters, counts.repeats / clusters, size=draws).astype(np.float64)


def _why_undefined(counts: Counts) -> str:
    if not counts.units_used:
        return "no unit has two ratings"
    return "all pairable ratings have the same value, so no disagreement can be expected"


def alpha_of_weights(counts: Counts, weights: Floats) -> Floats:
    """Alpha of each weighting of the clusters: weights (D, K) to (D,), NaN where no disagreement is expected."""
    marginals = weights @ counts.marginals  # (D, V): n_c
    coincidences = weights @ counts.coincidences  # (D, P)
    total = marginals.sum(axis=1)
    lower, upper = counts.pairs
    if counts.level in ("interval", "ordinal"):
        positions = _positions(counts, marginals)
        observed = (coincidences * (positions[:, lower] - positions[:, upper]) ** 2).sum(axis=1)
        expected = _expected_square(marginals, positions, total)
    elif counts.level == "nominal":
        observed = coincidences.sum(axis=1)
        expected = total**2 - (marginals**2).sum(axis=1)
    else:
        observed = coincidences @ ratio_distance(counts.values[lower], counts.values[upper])
        expected = _expected_ratio(marginals, counts.values)
    defined = expected > 1e-12 * np.maximum(total, 1) ** 2 * _scale(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(defined, 1 - (total - 1) * observed / expected, np.nan)


def _positions(counts: Counts, marginals: Floats) -> Floats:
    """Where the values lie, (1, V) or (D, V), so that the distance is the squared difference.

    Ordinal: n_c/2 + n_(c+1) + ... + n_v/2 is a difference of midranks, and they change with every resample.
    """
    if counts.level == "ordinal":
        return midranks(marginals)
    return (counts.values - counts.values.mean())[None, :]


def _scale(counts: Counts) -> float:
    """The size of a squared difference, below which rounding makes what looks like disagreement."""
    return float(np.ptp(counts.values) ** 2) if counts.level == "interval" and len(counts.values) > 1 else 1.0


def _expected_square(marginals: Floats, positions: Floats, total: Floats) -> Floats:
    """Sum over c and v of n_c n_v (x_c - x_v)^2 = 2 n times the sum of squares about the mean, (D,)."""
    mean = (marginals * positions).sum(axis=1) / np.maximum(total, 1)
    return 2 * total * (marginals * (positions - mean[:, None]) ** 2).sum(axis=1)


def _expected_ratio(marginals: Floats, values: Floats) -> Floats:
    """Sum over c and v of n_c n_v ((c - v) / (c + v))^2, (D,); a strip of the V x V table at a time."""
    expected = np.zeros(len(marginals))
    start = 0
    for strip in blocks(len(values), len(values)):
        rows = slice(start, start + strip)
        distance = ratio_distance(values[rows, None], values[None, :])
        expected += ((marginals @ distance.T) * marginals[:, rows]).sum(axis=1)
        start += strip
    return expected


def ratio_distance(first: Floats, second: Floats) -> Floats:
    """((c - v) / (c + v))^2, and 0 between zeros."""
    total = first + second
    return ((first - second) / np.where(total == 0, 1, total)) ** 2


def count_ratings(
    table: pd.DataFrame,
    *,
    unit: str,
    rater: str,
    value: str,
    level: Level,
    order: Sequence[Any] | None = None,
    cluster: str | None = None,
) -> Counts:
    """Count a long table once; `describe` and `resample` then work on the counts alone."""
    if level not in LEVELS:
        raise InputError(f"level is {level!r}; expected one of {', '.join(LEVELS)}.")
    require_columns(table, unit, rater, value, *([cluster] if cluster else []))
    require_no_gaps(table, unit, rater, *([cluster] if cluster else []))
    _require_one_rating_each(table, unit=unit, rater=rater, value=value)
    if cluster:
        _require_one_cluster_each(table, unit=unit, cluster=cluster)
    rated = table[table[value].notna()]
    value_codes, values = _encode_values(rated, value, level, order)
    unit_codes, unit_labels = codes(rated[unit])
    ratings_of_unit = np.bincount(unit_codes, minlength=len(unit_labels))
    pairable = ratings_of_unit[unit_codes] >= 2
    units_used = int((ratings_of_unit >= 2).sum())
    cluster_of_rating, _ = cluster_codes(rated[pairable], cluster or unit)
    occurring, value_of_rating = np.unique(value_codes[pairable], return_inverse=True)
    values = values[occurring]
    entries = _count_entries(unit_codes[pairable], value_of_rating, cluster_of_rating, max(1, len(values)))
    marginals, coincidences, pairs = _count_clusters(entries, ratings_of_unit, max(1, len(values)))
    merged_marginals, merged_coincidences, repeats = _merge_equal_rows(marginals, coincidences)
    return Counts(
        level=level,
        values=values,
        marginals=merged_marginals,
        coincidences=merged_coincidences,
        pairs=pairs,
        repeats=repeats,
        units_used=units_used,
        units_dropped=table[unit].nunique() - units_used,
        ratings_used=int(pairable.sum()),
    )


def _require_one_rating_each(table: pd.DataFrame, *, unit: str, rater: str, value: str) -> None:
    again = table.index[table.duplicated([unit, rater]) & table[value].notna()]
    if len(again):
        row = table.loc[again[0]]
        raise InputError(
            f"row {again[0]}: {rater} {quoted(row[rater])} has rated {unit} {quoted(row[unit])} before; expected once."
        )


def _require_one_cluster_each(table: pd.DataFrame, *, unit: str, cluster: str) -> None:
    owners = table[[unit, cluster]].drop_duplicates()
    shared = owners.index[owners.duplicated(unit)]
    if len(shared):
        found = table.loc[shared[0]]
        raise InputError(f"row {shared[0]}: {unit} {quoted(found[unit])} is in two {cluster}s; expected each in one.")


def _encode_values(
    rated: pd.DataFrame, value: str, level: Level, order: Sequence[Any] | None
) -> tuple[Integers, Floats]:
    """Codes of the ratings (N,) and what the codes stand for (V,), sorted."""
    if order is not None and level in ("nominal", "ordinal"):
        return _encode_by_order(rated, value, order)
    if level == "nominal":
        value_codes, labels = codes(rated[value])
        return value_codes, np.arange(len(labels), dtype=np.float64)
    if level == "ordinal" and not pd.api.types.is_numeric_dtype(rated[value]):
        _require_numbers_or_order(rated, value)
    values, value_codes = np.unique(numbers(rated, value), return_inverse=True)
    if level == "ratio" and len(values) and values[0] < 0:
        raise InputError(f"{value!r} holds {values[0]:g}; a ratio scale has no negative values.")
    return value_codes.astype(np.int64), values


def _require_numbers_or_order(rated: pd.DataFrame, value: str) -> None:
    try:
        numbers(rated, value)
    except InputError as error:
        raise InputError(f"{str(error)[:-1]}, or `order` with the categories from low to high.") from None


def _encode_by_order(rated: pd.DataFrame, value: str, order: Sequence[Any]) -> tuple[Integers, Floats]:
    if len(set(order)) != len(order):
        raise InputError(f"order names a category twice: {', '.join(map(str, order))}.")
    position = {category: index for index, category in enumerate(order)}
    unknown = rated.index[~rated[value].isin(list(order))]
    if len(unknown):
        found = rated[value].loc[unknown[0]]
        raise InputError(
            f"row {unknown[0]}: {value!r} is {quoted(found)}; expected one of {', '.join(map(str, order))}."
        )
    return rated[value].map(position).to_numpy(dtype=np.int64), np.arange(len(order), dtype=np.float64)


@dataclasses.dataclass(frozen=True, slots=True)
class Entries:
    """One entry a unit and value that occurs in it, sorted by unit, then value; all (E,)."""

    unit: Integers
    value: Integers
    cluster: Integers
    count: Integers


def _count_entries(unit: Integers, value: Integers, cluster: Integers, values: int) -> Entries:
    keys, first, count = np.unique(unit * values + value, return_index=True, return_counts=True)
    return Entries(unit=keys // values, value=keys % values, cluster=cluster[first], count=count)


def _count_clusters(
    entries: Entries, ratings_of_unit: Integers, values: int
) -> tuple[sparse.csr_array, sparse.csr_array, tuple[Integers, Integers]]:
    """Marginals (K, V), coincidences (K, P) and the value codes of the P pairs."""
    clusters = int(entries.cluster.max()) + 1 if len(entries.cluster) else 0
    shape = (clusters, values)
    marginals = sparse.csr_array((entries.count.astype(np.float64), (entries.cluster, entries.value)), shape=shape)
    firsts, seconds = _pairs_within_units(entries.unit)
    # Both orders of a pair: n_uc n_uv + n_uv n_uc, over m_u - 1.
    pairable = ratings_of_unit[entries.unit[firsts]] - 1
    weight = 2 * entries.count[firsts] * entries.count[seconds] / pairable
    keys, pair_of_weight = np.unique(entries.value[firsts] * values + entries.value[seconds], return_inverse=True)
    place = (entries.cluster[firsts], pair_of_weight)
    coincidences = sparse.csr_array((weight, place), shape=(clusters, len(keys)))
    return marginals, coincidences, (keys // values, keys % values)


def _pairs_within_units(unit: Integers) -> tuple[Integers, Integers]:
    """Positions of all pairs of entries of the same unit; `unit` is sorted, so partners lie k places apart."""
    firsts, seconds = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for distance in range(1, len(unit)):
        partners = np.flatnonzero(unit[:-distance] == unit[distance:])
        if not len(partners):
            break
        firsts.append(partners)
        seconds.append(partners + distance)
    return np.concatenate(firsts), np.concatenate(seconds)


def _merge_equal_rows(
    marginals: sparse.csr_array, coincidences: sparse.csr_array
) -> tuple[sparse.csr_array, sparse.csr_array, Integers]:
    """Distinct rows of counts and how often each occurs; equal rows have equal projections on a random plane."""
    generator = np.random.default_rng(0)
    parts = []
    for counts in (marginals, coincidences):
        counts.sort_indices()
        parts.append(counts @ generator.standard_normal((counts.shape[1], 2)))
    projection = parts[0] + parts[1]
    _, first, repeats = np.unique(projection[:, 0] + 1j * projection[:, 1], return_index=True, return_counts=True)
    return marginals[first], coincidences[first], repeats
