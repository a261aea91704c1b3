"""Kruskal-Wallis and Dunn's test against published results, R and scipy."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.kruskal_wallis import dunn_test, kruskal_wallis
from tests.analysis.group_tables import ALONE, assert_pairs_equal, by_r, chicks, random_groups, split


def test_it_gives_the_published_result() -> None:
    # Hollander & Wolfe (1973), p. 116, as in R's ?kruskal.test: mucociliary efficiency; chi-squared .77143, p .68.
    groups = ([2.9, 3.0, 2.5, 2.6, 3.2], [3.8, 2.7, 4.0, 2.4], [2.8, 3.4, 3.7, 2.2, 2.0])
    table = pd.DataFrame([(name, value) for name, values in zip("xyz", groups, strict=True) for value in values])
    kruskal = kruskal_wallis(table, group=0, value=1)
    assert kruskal.statistic == pytest.approx(0.77143, abs=5e-6)
    assert kruskal.p_value == pytest.approx(0.68, abs=0.005)


def test_both_equal_r() -> None:
    kruskal = kruskal_wallis(chicks(), **ALONE)
    assert {"h": kruskal.statistic, "p": kruskal.p_value} == pytest.approx(by_r("one_way", "kruskal"), rel=1e-8)
    assert_pairs_equal(dunn_test(chicks(), **ALONE).pairs, by_r("one_way", "dunn"))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_it_equals_scipy_with_ties_and_its_effect_the_anova_of_ranks(seed: int) -> None:
    table = random_groups(seed)
    kruskal = kruskal_wallis(table, **ALONE)
    other = stats.kruskal(*split(table))
    assert [kruskal.statistic, kruskal.p_value] == pytest.approx([other.statistic, other.pvalue])
    ranked = table.dropna().assign(value=lambda rows: rows["value"].rank())
    f = stats.f_oneway(*split(ranked)).statistic
    between, within = len(kruskal.groups) - 1, kruskal.used - len(kruskal.groups)
    assert kruskal.epsilon_squared == pytest.approx(f * between / (f * between + within))


def test_dunn_of_two_groups_is_kruskal_wallis() -> None:
    table = pd.DataFrame({"system": list("aaaabbbbb"), "value": [1, 2, 2, 3, 2, 4, 4, 5, 3]})
    (pair,) = dunn_test(table, **ALONE).pairs
    assert pair.p_value == pytest.approx(kruskal_wallis(table, **ALONE).p_value)
    assert pair.difference > 0
    assert math.isnan(pair.low)
    assert dunn_test(table, **ALONE).plot().axes


def test_what_is_not_defined_is_nan_with_the_reason() -> None:
    for systems, values, reason in (
        ("aabb", [0.1 + 0.2, 0.3, 0.3, 0.3], "all values are equal"),
        ("aaaa", [1, 2, 3, 4], "fewer than two groups have a value"),
        ("aabb", [np.nan] * 4, "fewer than two groups have a value"),
    ):
        table = pd.DataFrame({"system": list(systems), "value": values})
        kruskal, dunn = kruskal_wallis(table, draws=10, **ALONE), dunn_test(table, **ALONE)
        assert kruskal.reason == dunn.reason == reason
        assert math.isnan(kruskal.p_value)
        assert math.isnan(kruskal.epsilon_squared)
        assert reason in kruskal.reading
        assert all(math.isnan(pair.p_value) for pair in dunn.pairs)


def test_values_that_differ_by_rounding_are_ties() -> None:
    table = pd.DataFrame({"system": list("aabb"), "value": [0.1 + 0.2, 0.5, 0.3, 0.6]})
    plain = table.assign(value=[0.3, 0.5, 0.3, 0.6])
    one, other = (kruskal_wallis(rows, draws=50, **ALONE) for rows in (table, plain))
    assert (one.statistic, one.low, one.high) == (other.statistic, other.low, other.high)


def test_its_effect_has_an_interval_from_items() -> None:
    table = pd.DataFrame({"system": list("ab") * 30, "value": np.arange(60) % 7, "item": np.repeat(np.arange(30), 2)})
    kruskal = kruskal_wallis(table, cluster="item", seed=4, draws=200, **ALONE)
    assert kruskal.low <= kruskal.epsilon_squared <= kruskal.high
    assert (kruskal.seed, kruskal.draws) == (4, 200)
    assert "30 clusters" in kruskal.method
    assert kruskal_wallis(table, **ALONE).draws == 0
