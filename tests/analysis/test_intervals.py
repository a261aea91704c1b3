"""Student's t interval over runs."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.intervals import mean_interval, paired_difference_interval, wilson_interval


def test_it_is_students_t_interval() -> None:
    runs = [0.71, 0.74, 0.69, 0.77, 0.72]
    result = mean_interval(runs)
    low, high = stats.t.interval(0.95, 4, loc=np.mean(runs), scale=stats.sem(runs))
    assert (result.estimate, result.low, result.high) == pytest.approx((np.mean(runs), low, high))
    # By the table: t(.975, 4) = 2.776; sd of the five is .030496.
    assert result.high - result.estimate == pytest.approx(2.776 * 0.030496 / math.sqrt(5), abs=1e-4)


def test_pairs_are_second_less_first() -> None:
    result = paired_difference_interval([1.0, 2.0, 3.0], [1.5, 2.5, 3.5])
    assert (result.estimate, result.low, result.high) == pytest.approx((0.5, 0.5, 0.5))


def test_unequal_runs_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="2 runs cannot be paired with 1"):
        paired_difference_interval([1.0, 2.0], [1.0])


def test_missing_runs_are_dropped_and_one_run_has_no_interval() -> None:
    result = mean_interval([2.0, math.nan])
    assert (result.estimate, result.used, result.dropped) == (2.0, 1, 1)
    assert math.isnan(result.low)
    assert "one run" in result.reason
    assert math.isnan(mean_interval([]).estimate)


def test_wilson_of_nothing_is_undefined() -> None:
    assert all(math.isnan(end) for end in wilson_interval(0, 0))
