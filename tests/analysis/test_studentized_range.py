"""The studentised range against R, scipy and Student's t."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.studentized_range import studentized_range_quantile, studentized_range_sf
from tests.analysis.group_tables import by_r


def test_it_equals_r() -> None:
    rows = by_r("studentized_range")
    for q, k, freedom, expected in zip(rows["q"], rows["k"], rows["df"], rows["sf"], strict=True):
        found = studentized_range_sf(q, k, math.inf if freedom < 0 else freedom)
        assert found == pytest.approx(expected, abs=1e-8), (q, k, freedom)


@pytest.mark.parametrize("freedom", [1, 1.3, 2.5, 57.3, 9e4])
def test_it_equals_scipy_for_any_degrees_of_freedom(freedom: float) -> None:
    for groups in (3, 40):
        quantiles = np.array([0.1, 2.0, 5.0])
        expected = stats.studentized_range.sf(quantiles, groups, freedom)
        found = [studentized_range_sf(quantile, groups, freedom) for quantile in quantiles]
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("freedom", [1, 3, 20, 177])
def test_of_two_groups_it_is_students_t_far_into_the_tail(freedom: float) -> None:
    for quantile in (1.0, 5.0, 12.0):
        expected = 2 * stats.t.sf(quantile / math.sqrt(2), freedom)
        assert studentized_range_sf(quantile, 2, freedom) == pytest.approx(expected, rel=1e-6)


def test_the_quantile_is_the_inverse() -> None:
    # As printed in tables of the range: q(.05; 3, 10) = 3.877, q(.05; 4, 20) = 3.958, q(.01; 5, 30) = 5.048.
    for tail, groups, freedom, printed in ((0.05, 3, 10, 3.877), (0.05, 4, 20, 3.958), (0.01, 5, 30, 5.048)):
        quantile = studentized_range_quantile(1 - tail, groups, freedom)
        assert quantile == pytest.approx(printed, abs=0.001)
        assert studentized_range_sf(quantile, groups, freedom) == pytest.approx(tail, rel=1e-9)


def test_nothing_and_infinitely_much() -> None:
    assert studentized_range_sf(0, 4, 10) == pytest.approx(1)
    assert studentized_range_sf(math.inf, 4, 10) == 0
    assert math.isnan(studentized_range_sf(math.nan, 4, 10))
