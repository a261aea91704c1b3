"""One-way and Welch's ANOVA against published results, R and scipy, and where they are not defined."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.anova import anova_one_way, welch_anova
from annotation.errors import InputError
from tests.analysis.group_tables import ALONE, REFERENCES, by_r, chicks, random_groups, split


def test_anova_gives_the_published_result() -> None:
    table = pd.read_csv(REFERENCES / "plant_growth.csv")
    anova = anova_one_way(table, group="group", value="weight")
    # Published to four figures.
    assert anova.statistic == pytest.approx(4.846, abs=0.0005)
    assert anova.p_value == pytest.approx(0.01591, abs=0.000005)
    assert (anova.df_between, anova.df_within) == (2, 27)


def test_both_equal_r_with_their_intervals() -> None:
    expected = by_r("one_way")
    anova, welch = anova_one_way(chicks(), **ALONE), welch_anova(chicks(), **ALONE)
    assert [anova.statistic, anova.p_value] == pytest.approx([expected["f"], expected["p"]], rel=1e-8)
    low, high = expected["noncentrality"]
    assert [anova.low, anova.high] == pytest.approx([low / (low + 71), high / (high + 71)], rel=1e-7)
    found = {"f": welch.statistic, "df_within": welch.df_within, "p": welch.p_value}
    assert found == pytest.approx(expected["welch"], rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_both_equal_scipy(seed: int) -> None:
    table = random_groups(seed)
    anova, groups = anova_one_way(table, **ALONE), split(table)
    other = stats.f_oneway(*groups)
    assert [anova.statistic, anova.p_value] == pytest.approx([other.statistic, other.pvalue], rel=1e-6)
    assert anova.dropped == table["value"].isna().sum()
    # Eta squared from its other form: F df1 / (F df1 + df2); omega squared from sums of squares.
    product = anova.statistic * anova.df_between
    assert anova.eta_squared == pytest.approx(product / (product + anova.df_within), rel=1e-9)
    between = (product - anova.df_between) * anova.mean_square_within
    total = (product + anova.df_within) * anova.mean_square_within
    assert anova.omega_squared == pytest.approx(max(between / (total + anova.mean_square_within), 0), abs=1e-9)
    if all(np.ptp(group) > 0 for group in groups):
        welch, other = welch_anova(table, **ALONE), stats.f_oneway(*groups, equal_var=False)
        assert [welch.statistic, welch.p_value] == pytest.approx([other.statistic, other.pvalue], rel=1e-6)


def test_welchs_test_of_two_groups_is_welchs_t() -> None:
    table = chicks()[lambda rows: rows["system"].isin(["casein", "linseed"])]
    other = stats.ttest_ind(*split(table), equal_var=False)
    welch = welch_anova(table, **ALONE)
    assert [welch.statistic, welch.df_within] == pytest.approx([other.statistic**2, other.df])
    assert welch.p_value == pytest.approx(other.pvalue)


@pytest.mark.parametrize(
    ("systems", "values", "reason"),
    [
        ("aaabbb", [0.1] * 3 + [0.7] * 3, "all groups are constant"),  # but for rounding
        ("aabb", [0.1, 0.1, 0.1, 0.1], "all groups are constant"),
        ("abcd", [1, 2, 3, 4], "no group has two values"),
        ("aaaa", [1, 2, 3, 4], "fewer than two groups"),
        ("aabb", [1, 2, np.nan, np.nan], "fewer than two groups"),
        ("aabb", [np.nan] * 4, "fewer than two groups"),
    ],
)
def test_what_is_not_defined_is_nan_with_the_reason(systems: str, values: list[float], reason: str) -> None:
    anova = anova_one_way(pd.DataFrame({"system": list(systems), "value": values}), **ALONE)
    numbers = (anova.statistic, anova.p_value, anova.eta_squared, anova.omega_squared, anova.low, anova.high)
    assert all(map(math.isnan, numbers))
    assert reason in anova.reason
    assert f"cannot be compared by ANOVA: {anova.reason}." in anova.reading


@pytest.mark.parametrize(
    ("systems", "values", "reason"),
    [
        ("aabbb", [1, 2, 3, 3, 3], "'b' is constant"),
        ("aabbc", [1, 2, 3, 4, 3], "'c' has one value"),
        ("aaaaa", [1, 2, 3, 4, 3], "fewer than two groups"),
    ],
)
def test_welch_names_the_group_without_a_spread(systems: str, values: list[float], reason: str) -> None:
    welch = welch_anova(pd.DataFrame({"system": list(systems), "value": values}), **ALONE)
    assert math.isnan(welch.p_value)
    assert math.isnan(welch.omega_squared)
    assert reason in welch.reason
    assert welch.reason in welch.reading


def test_one_constant_group_beside_others_is_fine_for_one_way_anova() -> None:
    table = pd.DataFrame({"system": list("aaabbb"), "value": [3, 3, 3, 1, 2, 4]})
    other = stats.f_oneway([3, 3, 3], [1, 2, 4])
    assert anova_one_way(table, **ALONE).p_value == pytest.approx(other.pvalue)


def test_an_f_below_1_explains_nothing() -> None:
    table = pd.DataFrame({"system": list("aaabbb"), "value": [1, 2, 3, 1, 2, 3.1]})
    assert anova_one_way(table, **ALONE).omega_squared == 0
    assert welch_anova(table, **ALONE).omega_squared == 0


def test_booleans_and_the_text_nan_are_names_like_others() -> None:
    table = pd.DataFrame({"system": [True, True, False, False, "nan", "nan"], "value": [1, 2, 2, 4, 3, 3.5]})
    plain = table.assign(system=list("bbaacc"))
    assert anova_one_way(table, **ALONE).statistic == anova_one_way(plain, **ALONE).statistic
    assert set(anova_one_way(table, **ALONE).groups) == {"False", "True", "nan"}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_neither_names_nor_the_order_of_rows_nor_the_scale_matter(seed: int) -> None:
    table = random_groups(seed)
    other = table.sample(frac=1, random_state=seed).assign(
        system=lambda rows: rows["system"].map(lambda name: f"z{9 - int(name[1:])}"),
        value=lambda rows: 1e-7 * rows["value"] - 3e-6,
    )
    for test in (anova_one_way, welch_anova):
        assert test(other, **ALONE).statistic == pytest.approx(test(table, **ALONE).statistic, rel=1e-6, nan_ok=True)


def test_text_for_numbers_is_named_with_its_row() -> None:
    table = pd.DataFrame({"system": ["a", "b"], "value": [1, "good"]})
    with pytest.raises(InputError, match="row 1: 'value' is 'good'; expected a number"):
        anova_one_way(table, **ALONE)


def test_a_reading_has_all_that_a_paper_prints() -> None:
    welch, anova = welch_anova(chicks(), **ALONE), anova_one_way(chicks(), **ALONE)
    assert "the systems differ: Welch's F(5, 30.0) = 19.66, p < .0001, omega squared 0.568 [" in welch.reading
    assert anova.reading.startswith("By the paper's protocol the systems differ: F(5, 65) = 15.36, p < .0001, eta sq")
    assert welch.to_frame().loc[0, "df_within"] == pytest.approx(29.952, abs=0.001)
    assert welch.plot().axes
