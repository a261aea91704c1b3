"""Intervals of effect sizes by the noncentral F, against R and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.noncentral import explained_share_interval, noncentrality_interval
from tests.analysis.group_tables import by_r


def test_it_equals_r() -> None:
    for case in by_r("noncentral"):
        assert noncentrality_interval(case["f"], *case["df"], 0.95) == pytest.approx(case["limits"], abs=1e-5)


def test_its_ends_leave_half_of_the_rest_each() -> None:
    low, high = noncentrality_interval(5000.0, 3, 1000, 0.9)  # far beyond what tables hold
    assert stats.ncf.sf(5000.0, 3, 1000, low) == pytest.approx(0.05, abs=1e-6)
    assert stats.ncf.cdf(5000.0, 3, 1000, high) == pytest.approx(0.05, abs=1e-6)


def test_a_share_lies_between_0_and_1_and_is_nothing_without_a_statistic() -> None:
    assert explained_share_interval(0.01, 3, 40, 44, 0.95) == (0, 0)
    low, high = explained_share_interval(1e9, 3, 40, 44, 0.95)
    assert 0.99 < low < high < 1
    assert all(map(math.isnan, explained_share_interval(math.nan, 3, 40, 44, 0.95)))


def test_it_covers_the_true_share_as_often_as_it_says() -> None:
    """Four groups of 15 whose means explain a fifth of the variance."""
    generator = np.random.default_rng(5)
    studies, true_share = 300, 0.2
    noncentrality = 60 * true_share / (1 - true_share)
    covered = 0
    for statistic in stats.ncf.rvs(3, 56, noncentrality, size=studies, random_state=generator):
        low, high = explained_share_interval(statistic, 3, 56, 60, 0.95)
        covered += low <= true_share <= high
    # 3 binomial standard errors: 3 sqrt(.95 .05 / 300) = .038.
    assert covered / studies == pytest.approx(0.95, abs=0.038)
