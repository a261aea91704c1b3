"""Krippendorff's alpha in parts: for each question or system, and without each rater."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from analysis.agreement import Agreement, bootstrap_alpha, describe
from analysis.rating_counts import Counts, EncodedRatings, Level, count_encoded, encode_ratings
from analysis.resampling import CONFIDENCE, DRAWS, Floats
from analysis.tables import codes, require_columns, require_no_gaps


def alpha_by_group(
    table: pd.DataFrame,
    *,
    by: str,
    unit: str,
    rater: str,
    value: str,
    level: Level,
    seed: int,
    order: Sequence[Any] | None = None,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> dict[Any, Agreement]:
    """Alpha with its interval for each value of the column `by` (a question, a system), in sorted order.

    Alpha is relative to the spread of what is rated: within one system it is usually lower than over all of them, and
    that alone does not say that raters agree less there.
    """
    require_columns(table, by)
    require_no_gaps(table, by)
    group_of_row, groups = codes(table[by])
    return {
        group: bootstrap_alpha(
            table[group_of_row == code],
            unit=unit,
            rater=rater,
            value=value,
            level=level,
            seed=seed,
            order=order,
            cluster=cluster,
            draws=draws,
            confidence=confidence,
        )
        for code, group in enumerate(groups)
    }


def alpha_without_each_rater(
    table: pd.DataFrame, *, unit: str, rater: str, value: str, level: Level, order: Sequence[Any] | None = None
) -> dict[Any, Agreement]:
    """Alpha of the table without each rater who has a pairable rating, in sorted order; no intervals.

    A rater without whom alpha rises pulls agreement down. Only units that a rater has rated are counted again.
    """
    ratings = encode_ratings(table, unit=unit, rater=rater, value=value, level=level, order=order)
    ratings = dataclasses.replace(ratings, cluster=np.zeros_like(ratings.cluster))
    whole = count_encoded(ratings)
    return {name: describe(_count_without(ratings, whole, code)) for code, name in enumerate(ratings.raters)}


def _count_without(ratings: EncodedRatings, whole: Counts, rater: int) -> Counts:
    """The whole table's counts, less those of the rater's units, and these again without the rater."""
    is_theirs = ratings.rater == rater
    is_touched = np.zeros(int(ratings.unit.max()) + 1, dtype=bool)
    is_touched[ratings.unit[is_theirs]] = True
    in_touched_unit = is_touched[ratings.unit]
    touched = count_encoded(ratings.select(in_touched_unit))
    remaining = count_encoded(ratings.select(in_touched_unit & ~is_theirs))
    marginals, coincidences = _sums(whole, whole)
    for sign, part in ((-1, touched), (1, remaining)):
        part_marginals, part_coincidences = _sums(part, whole)
        marginals, coincidences = marginals + sign * part_marginals, coincidences + sign * part_coincidences
    lost = touched.units_used - remaining.units_used
    return dataclasses.replace(
        whole,
        marginals=sparse.csr_array(marginals[None, :]),
        coincidences=sparse.csr_array(coincidences[None, :]),
        repeats=np.ones(1, dtype=np.int64),
        units_used=whole.units_used - lost,
        units_dropped=whole.units_dropped + lost,
        ratings_used=whole.ratings_used - touched.ratings_used + remaining.ratings_used,
    )


def _sums(part: Counts, whole: Counts) -> tuple[Floats, Floats]:
    """The part's marginals (V,) and coincidences (P,) in the places that the whole table gives them."""
    width = len(whole.values)
    coincidences: NDArray[np.float64] = np.zeros(len(whole.pairs[0]))
    if not part.units_used:
        return np.zeros(width), coincidences
    keys = whole.pairs[0] * width + whole.pairs[1]
    places = np.searchsorted(keys, part.pairs[0] * width + part.pairs[1])
    coincidences[places] = part.coincidences.sum(axis=0)
    return np.asarray(part.marginals.sum(axis=0)), coincidences
