"""One metric against another: Williams' formula, its level under the null, and the bootstrap of the difference."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.metric_comparison import compare_metrics, williams_t, williams_test
from analysis.metric_correlation import LEVELS, correlate_metric
from annotation.errors import InputError
from tests.analysis.metric_tables import COLUMNS, make_completions

PAIR = {"first": "poor", "second": "good"}


def test_it_equals_a_calculation_by_hand() -> None:
    """r = .5 and .4 with people, .1 with each other, n = 103 (the numbers of the example in R's psych::r.test).

    |R| = 1 - .25 - .16 - .01 + 2 (.5)(.4)(.1) = .62, so t = -.1 sqrt(102 * 1.1) / sqrt(2 * .62 * 1.02 + .2025 * .729).
    """
    assert williams_t(0.5, 0.4, 0.1, 103) == pytest.approx(-0.1 * math.sqrt(112.2) / math.sqrt(1.2648 + 0.1476225))


def test_it_equals_steigers_equation_with_the_determinant_of_the_matrix() -> None:
    table = make_completions(items=20)
    ours = williams_test(table, level="segment", **PAIR, **COLUMNS)
    matrix = table[["poor", "good", "human"]].corr().to_numpy()
    n, between, mean = 100, matrix[0, 1], (matrix[0, 2] + matrix[1, 2]) / 2
    spread = 2 * (n - 1) / (n - 3) * np.linalg.det(matrix) + mean**2 * (1 - between) ** 3
    t = (matrix[1, 2] - matrix[0, 2]) * math.sqrt((n - 1) * (1 + between) / spread)
    assert ours.statistic == pytest.approx(t)
    assert (ours.p_value, ours.degrees_of_freedom) == (pytest.approx(2 * stats.t.sf(t, 97)), 97)
    assert ours.p_second_better == pytest.approx(ours.p_value / 2)
    assert (ours.estimate, ours.r_between) == (pytest.approx(matrix[1, 2] - matrix[0, 2]), pytest.approx(between))


def test_the_other_way_round_it_has_the_other_sign() -> None:
    table = make_completions(items=20)
    there = williams_test(table, level="segment", **PAIR, **COLUMNS)
    back = williams_test(table, level="segment", first="good", second="poor", **COLUMNS)
    assert back.statistic == pytest.approx(-there.statistic)
    assert back.p_value == pytest.approx(there.p_value)
    assert back.p_second_better == pytest.approx(1 - there.p_second_better)


@pytest.mark.parametrize(("n", "with_people"), [(8, 0.5), (30, 0.8)])
def test_equally_good_metrics_differ_significantly_in_one_case_of_twenty(n: int, with_people: float) -> None:
    generator = np.random.default_rng(0)
    matrix = np.array([[1, 0.6, with_people], [0.6, 1, with_people], [with_people, with_people, 1]])
    critical, rejected = stats.t.ppf(0.975, n - 3), 0
    for draw in generator.standard_normal((4000, n, 3)) @ np.linalg.cholesky(matrix).T:
        r = np.corrcoef(draw.T)
        rejected += abs(williams_t(r[0, 2], r[1, 2], r[0, 1], n)) >= critical
    assert rejected / 4000 == pytest.approx(0.05, abs=0.0104)  # three standard errors


def test_over_systems_it_compares_their_means() -> None:
    table = make_completions(items=20, systems=8)
    ours = williams_test(table, level="system", **PAIR, **COLUMNS)
    means = table.groupby("system")[["poor", "good", "human"]].mean().corr()
    t = williams_t(means.loc["poor", "human"], means.loc["good", "human"], means.loc["poor", "good"], 8)
    assert ours.statistic == pytest.approx(t)
    assert "t(5) = " in ours.reading


@pytest.mark.parametrize("level", LEVELS)
def test_the_difference_is_that_of_the_two_correlations_and_paired(level) -> None:
    table = make_completions(items=30, noise=(0.5, 0.55))
    options = {"level": level, "coefficient": "kendall", "seed": 0, **COLUMNS}
    ours = compare_metrics(table, **PAIR, **options)
    good, poor = (correlate_metric(table, metric=name, **options) for name in ("good", "poor"))
    assert ours.estimate == pytest.approx(good.estimate - poor.estimate)
    assert ours.high - ours.low < (good.high - good.low) + (poor.high - poor.low)
    same = compare_metrics(table, first="good", second="good", **options)
    assert (same.estimate, same.low, same.high) == (0, 0, 0)


def test_a_row_that_one_metric_lacks_is_left_out_for_both() -> None:
    table = make_completions(items=10)
    table.loc[0, "poor"] = np.nan
    ours = williams_test(table, level="segment", **PAIR, **COLUMNS)
    assert (ours.used, ours.dropped) == (49, 1)
    assert ours.r_second == pytest.approx(table[["good", "human"]][1:].corr().iloc[0, 1])


def test_what_is_not_defined_says_why() -> None:
    table = make_completions(items=10, systems=3)
    for changed, level, reason in (
        (table, "system", "there are 3 systems, and it needs four"),
        (table.assign(poor=1.0), "segment", "a metric or the ratings are constant"),
        (table.assign(poor=table["good"]), "segment", "the two metrics agree in full"),
    ):
        ours = williams_test(changed, level=level, **PAIR, **COLUMNS)  # type: ignore[arg-type]
        assert math.isnan(ours.p_value)
        assert ours.reason == reason
    assert pd.isna(williams_t(0.1, 0.2, math.nan, 10))
    with pytest.raises(InputError, match="level is 'grouped'; expected segment or system"):
        williams_test(table, level="grouped", **PAIR, **COLUMNS)
