"""Long tables of ratings as counts: what agreement statistics add up, counted once.

Counts are kept per cluster (an item with all its units, or the unit itself):

- marginals (K, V): how many pairable ratings of the cluster have value v
- coincidences (K, P): ordered pairs of ratings within a unit that have values c and v, over m_u - 1, for the P
  unordered pairs {c, v}, c != v, that occur

Both are sparse, so memory grows with the ratings, never with V x V per unit. Clusters with equal counts are merged.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from analysis.resampling import Floats
from analysis.tables import cluster_codes, codes, numbers, quoted, require_columns, require_no_gaps
from annotation.errors import InputError

Level = Literal["nominal", "ordinal", "interval", "ratio"]
LEVELS: tuple[Level, ...] = get_args(Level)
Integers = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class EncodedRatings:
    """The pairable ratings as codes, all (N,); `raters` are the names that the codes of raters stand for."""

    level: Level
    values: Floats  # (V,): the numbers, or 0..V-1 for categories
    value: Integers
    unit: Integers
    rater: Integers
    cluster: Integers
    raters: list[Any]
    units_used: int
    units_dropped: int

    def select(self, chosen: NDArray[np.bool_]) -> "EncodedRatings":
        """The ratings where `chosen` (N,); units that keep fewer than two are dropped."""
        ratings_of_unit = np.bincount(self.unit[chosen], minlength=1)
        rows = np.flatnonzero(chosen)
        rows = rows[ratings_of_unit[self.unit[rows]] >= 2]
        units_used = int((ratings_of_unit >= 2).sum())
        return dataclasses.replace(
            self,
            value=self.value[rows],
            unit=self.unit[rows],
            rater=self.rater[rows],
            cluster=self.cluster[rows],
            units_used=units_used,
            units_dropped=self.units_dropped + self.units_used - units_used,
        )


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
    """Count a long table once; alpha and its bootstrap then work on the counts alone."""
    return count_encoded(
        encode_ratings(table, unit=unit, rater=rater, value=value, level=level, order=order, cluster=cluster)
    )


def encode_ratings(
    table: pd.DataFrame,
    *,
    unit: str,
    rater: str,
    value: str,
    level: Level,
    order: Sequence[Any] | None = None,
    cluster: str | None = None,
) -> EncodedRatings:
    """Check a long table, one row a rating, and code its pairable ratings; empty values are missing data."""
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
    rater_codes, raters = codes(rated[rater][pairable])
    occurring, value_of_rating = np.unique(value_codes[pairable], return_inverse=True)
    return EncodedRatings(
        level=level,
        values=values[occurring],
        value=value_of_rating.astype(np.int64),
        unit=unit_codes[pairable],
        rater=rater_codes,
        cluster=cluster_of_rating,
        raters=raters,
        units_used=units_used,
        units_dropped=table[unit].nunique() - units_used,
    )


def count_encoded(encoded: EncodedRatings) -> Counts:
    """Counts per cluster of coded ratings."""
    width = max(1, len(encoded.values))
    entries = _count_entries(encoded.unit, encoded.value, encoded.cluster, width)
    ratings_of_unit = np.bincount(encoded.unit, minlength=1)
    marginals, coincidences, pairs = _count_clusters(entries, ratings_of_unit, width)
    merged_marginals, merged_coincidences, repeats = _merge_equal_rows(marginals, coincidences)
    return Counts(
        level=encoded.level,
        values=encoded.values,
        marginals=merged_marginals,
        coincidences=merged_coincidences,
        pairs=pairs,
        repeats=repeats,
        units_used=encoded.units_used,
        units_dropped=encoded.units_dropped,
        ratings_used=len(encoded.value),
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
