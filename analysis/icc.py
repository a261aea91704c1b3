"""Intraclass correlations: how much of the variance of ratings lies between units.

The six forms of McGraw & Wong (1996), "Forming inferences about some intraclass correlation coefficients", with their
F intervals; Shrout & Fleiss (1979) name the first three (1,1), (2,1) and (3,1). Ratings are taken as interval data
with normal errors, which Likert answers only resemble.
"""

import dataclasses
import math
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from analysis.rating_counts import EncodedRatings, encode_ratings
from analysis.resampling import CONFIDENCE
from analysis.results import NAN, Result, format_interval, format_number
from annotation.errors import InputError

Form = Literal["ICC(1)", "ICC(A,1)", "ICC(C,1)", "ICC(k)", "ICC(A,k)", "ICC(C,k)"]
FORMS: tuple[Form, ...] = get_args(Form)
ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True, slots=True)
class IntraclassCorrelation(Result):
    """`statistic` is F of units against error, `p_value` that of no variance between units; NaN with a `reason`."""

    estimate: float
    low: float
    high: float
    form: Form
    statistic: float
    df_between: float
    df_error: float
    p_value: float
    units_used: int
    units_dropped: int
    ratings_used: int
    ratings_per_unit: float
    method: str
    confidence: float = CONFIDENCE
    reason: str = ""
    warnings: tuple[str, ...] = ()
    seed: int | None = None

    @property
    def reading(self) -> str:
        if self.reason:
            return f"{self.form} is not defined: {self.reason}."
        of_what = "the mean of a unit's ratings" if self.form.endswith("k)") else "a single rating"
        value, interval = format_number(self.estimate, 2), format_interval(self.low, self.high, 2)
        return f"The reliability of {of_what} is {self.form} = {value} {interval}."


@dataclasses.dataclass(frozen=True, slots=True)
class _MeanSquares:
    """An analysis of variance of units (and raters, where the design is complete)."""

    between: float
    error: float
    df_between: int
    df_error: int
    size: float  # ratings per unit, k
    raters: float = NAN
    df_raters: int = 0

    @property
    def units(self) -> int:
        return self.df_between + 1


def intraclass_correlation(
    table: pd.DataFrame, *, unit: str, rater: str, value: str, form: Form, confidence: float = CONFIDENCE
) -> IntraclassCorrelation:
    """One form of the ICC with its F interval and F test.

    ICC(1): every unit has raters of its own, as in a crowd; unequal numbers of them are allowed, and the interval is
    then approximate. ICC(A,1), absolute agreement, and ICC(C,1), consistency, need the same raters everywhere: units
    that lack one are dropped. A `k` in the place of the 1: reliability of the mean of a unit's k ratings.
    """
    if form not in FORMS:
        raise InputError(f"form is {form!r}; expected one of {', '.join(FORMS)}.")
    ratings = encode_ratings(table, unit=unit, rater=rater, value=value, level="interval")
    is_one_way = form in ("ICC(1)", "ICC(k)")
    if not is_one_way:
        ratings = _rated_by_all(ratings)
    reason = _why_undefined(ratings, is_one_way)
    if reason:
        return _describe(ratings, form, confidence, reason=reason)
    squares = _one_way(ratings) if is_one_way else _two_way(ratings)
    if squares.between + squares.error <= ROUNDING * _mean_square_of_values(ratings):
        return _describe(ratings, form, confidence, reason="all ratings have the same value")
    return _describe(ratings, form, confidence, squares=squares)


def _rated_by_all(ratings: EncodedRatings) -> EncodedRatings:
    of_unit = np.bincount(ratings.unit, minlength=1)
    return ratings.select(of_unit[ratings.unit] == len(ratings.raters))


def _why_undefined(ratings: EncodedRatings, is_one_way: bool) -> str:
    if ratings.units_used >= 2:
        return ""
    if is_one_way:
        return "fewer than two units have two ratings"
    return "fewer than two units were rated by every rater; ICC(1) does without"


def _mean_square_of_values(ratings: EncodedRatings) -> float:
    """The size of the values, of which rounding leaves a share: 0 only if all are 0."""
    return float((ratings.values[ratings.value] ** 2).mean())


def _one_way(ratings: EncodedRatings) -> _MeanSquares:
    _, unit = np.unique(ratings.unit, return_inverse=True)
    size = np.bincount(unit)
    value = ratings.values[ratings.value]
    means = np.bincount(unit, value) / size
    number, units = len(value), len(size)
    between = float((size * (means - value.mean()) ** 2).sum()) / (units - 1)
    error = float(((value - means[unit]) ** 2).sum()) / (number - units)
    # The size that stands for unequal ones: Searle, Casella & McCulloch 1992, section 3.6; k where all are k.
    typical = (number - float((size**2).sum()) / number) / (units - 1)
    return _MeanSquares(between, error, units - 1, number - units, typical)


def _two_way(ratings: EncodedRatings) -> _MeanSquares:
    order = np.lexsort((ratings.rater, ratings.unit))
    table = ratings.values[ratings.value[order]].reshape(ratings.units_used, -1)
    units, raters = table.shape
    of_unit, of_rater = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    residual = table - of_unit - of_rater + table.mean()
    df_error = (units - 1) * (raters - 1)
    return _MeanSquares(
        between=raters * float(of_unit.var(ddof=1)),
        error=float((residual**2).sum()) / df_error,
        df_between=units - 1,
        df_error=df_error,
        size=float(raters),
        raters=units * float(of_rater.var(ddof=1)),
        df_raters=raters - 1,
    )


def _single(squares: _MeanSquares, is_absolute: bool) -> float:
    """The ICC of a single rating."""
    k = squares.size
    bias = k / squares.units * (squares.raters - squares.error) if is_absolute else 0.0
    return (squares.between - squares.error) / (squares.between + (k - 1) * squares.error + bias)


def _interval(squares: _MeanSquares, is_absolute: bool, confidence: float) -> tuple[float, float]:
    """Limits of the ICC of a single rating: McGraw & Wong 1996, table 7."""
    if is_absolute:
        return _interval_of_absolute(squares, confidence)
    tail, k = (1 + confidence) / 2, squares.size
    ratio = squares.between / squares.error
    lower = ratio / stats.f.ppf(tail, squares.df_between, squares.df_error)
    upper = ratio * stats.f.ppf(tail, squares.df_error, squares.df_between)
    return float((lower - 1) / (lower + k - 1)), float((upper - 1) / (upper + k - 1))


def _interval_of_absolute(squares: _MeanSquares, confidence: float) -> tuple[float, float]:
    tail, k, n = (1 + confidence) / 2, squares.size, squares.units
    single = _single(squares, is_absolute=True)
    a = k * single / (n * (1 - single))
    b = 1 + k * single * (n - 1) / (n * (1 - single))
    weighed_raters, weighed_error = a * squares.raters, b * squares.error
    freedom = (weighed_raters + weighed_error) ** 2 / (
        weighed_raters**2 / squares.df_raters + weighed_error**2 / squares.df_error
    )
    others = k * squares.raters + (k * n - k - n) * squares.error
    f_low, f_high = stats.f.ppf(tail, n - 1, freedom), stats.f.ppf(tail, freedom, n - 1)
    low = n * (squares.between - f_low * squares.error) / (f_low * others + n * squares.between)
    high = n * (f_high * squares.between - squares.error) / (others + n * f_high * squares.between)
    return float(low), float(high)


def _of_mean(single: float, k: float) -> float:
    """Spearman-Brown: the reliability of a mean of k ratings."""
    room = 1 + (k - 1) * single
    return k * single / room if abs(room) > ROUNDING else -math.inf


def _describe(
    ratings: EncodedRatings, form: Form, confidence: float, *, squares: _MeanSquares | None = None, reason: str = ""
) -> IntraclassCorrelation:
    estimate = low = high = statistic = p_value = NAN
    warnings = []
    if squares is not None:
        is_absolute, is_mean = form.startswith("ICC(A"), form.endswith("k)")
        estimate = _single(squares, is_absolute)
        if squares.error > ROUNDING * squares.between:
            low, high = _interval(squares, is_absolute, confidence)
            statistic = squares.between / squares.error
            p_value = float(stats.f.sf(statistic, squares.df_between, squares.df_error))
        else:
            warnings.append("no unit's ratings differ by chance, so there is no F and no interval")
        if is_mean:
            estimate, low, high = (_of_mean(single, squares.size) for single in (estimate, low, high))
        if len(np.unique(np.bincount(ratings.unit)[np.unique(ratings.unit)])) > 1:
            warnings.append("units have different numbers of ratings, so the interval is approximate")
    return IntraclassCorrelation(
        estimate=estimate,
        low=low,
        high=high,
        form=form,
        statistic=statistic,
        df_between=squares.df_between if squares else NAN,
        df_error=squares.df_error if squares else NAN,
        p_value=p_value,
        units_used=ratings.units_used,
        units_dropped=ratings.units_dropped,
        ratings_used=len(ratings.value),
        ratings_per_unit=squares.size if squares else NAN,
        method=f"{form}, {'one' if form in ('ICC(1)', 'ICC(k)') else 'two'}-way analysis of variance; F interval",
        confidence=confidence,
        reason=reason,
        warnings=tuple(warnings),
    )
