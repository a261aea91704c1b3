"""ANOVA, Tukey and Friedman against published results, scipy and statsmodels, and under a simulated null."""

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multicomp import pairwise_tukeyhsd

from analysis.groups import anova_one_way, friedman_test, group_means, tukey_hsd
from annotation.errors import InputError

REFERENCES = Path(__file__).parent.parent / "references"


def random_groups(seed: int) -> pd.DataFrame:
    """Three to five groups of unequal size, a few values missing."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(4, 15, size=generator.integers(3, 6))
    table = pd.DataFrame({"system": np.repeat([f"s{index}" for index in range(len(sizes))], sizes)})
    table["value"] = generator.integers(1, 6, size=len(table)).astype(float)
    table.loc[generator.random(len(table)) < 0.1, "value"] = np.nan
    return table


def split(table: pd.DataFrame) -> list[np.ndarray]:
    return [rows["value"].dropna().to_numpy() for _, rows in table.groupby("system")]


def test_anova_gives_the_published_result() -> None:
    table = pd.read_csv(REFERENCES / "plant_growth.csv")
    anova = anova_one_way(table, group="group", value="weight")
    # Published to four figures.
    assert anova.statistic == pytest.approx(4.846, abs=0.0005)
    assert anova.p_value == pytest.approx(0.01591, abs=0.000005)
    assert (anova.df_between, anova.df_within) == (2, 27)


def test_tukey_gives_the_published_result() -> None:
    tukey = tukey_hsd(pd.read_csv(REFERENCES / "plant_growth.csv"), group="group", value="weight")
    published = [
        ("ctrl", "trt1", -0.371, -1.0622161, 0.3202161, 0.3908711),
        ("ctrl", "trt2", 0.494, -0.1972161, 1.1852161, 0.1979960),
        ("trt1", "trt2", 0.865, 0.1737839, 1.5562161, 0.0120064),
    ]
    for pair, (first, second, *numbers) in zip(tukey.pairs, published, strict=True):
        assert (pair.first, pair.second) == (first, second)
        # R prints seven decimals; its studentised range is accurate to about six.
        assert [pair.difference, pair.low, pair.high, pair.p_value] == pytest.approx(numbers, abs=1e-5)


def test_friedman_gives_the_published_result() -> None:
    wide = pd.read_csv(REFERENCES / "rounding_times.csv")
    friedman = friedman_test(
        wide.melt("player", var_name="way", value_name="seconds"), block="player", group="way", value="seconds"
    )
    assert friedman.statistic == pytest.approx(11.143, abs=0.0005)
    assert friedman.p_value == pytest.approx(0.003805, abs=5e-7)
    assert friedman.kendall_w == pytest.approx(friedman.statistic / (22 * 2))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_anova_equals_scipy(seed: int) -> None:
    table = random_groups(seed)
    anova = anova_one_way(table, group="system", value="value")
    other = stats.f_oneway(*split(table))
    assert anova.statistic == pytest.approx(other.statistic, rel=1e-9)
    assert anova.p_value == pytest.approx(other.pvalue, rel=1e-6)
    assert anova.dropped == table["value"].isna().sum()
    # Eta squared from its other form: F df1 / (F df1 + df2).
    product = anova.statistic * anova.df_between
    assert anova.eta_squared == pytest.approx(product / (product + anova.df_within), rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_tukey_equals_scipy_and_statsmodels(seed: int) -> None:
    table = random_groups(seed)
    tukey = tukey_hsd(table, group="system", value="value")
    other = stats.tukey_hsd(*split(table))
    interval = other.confidence_interval()
    for pair, (i, j) in zip(tukey.pairs, itertools.combinations(range(len(interval.low)), 2), strict=True):
        # scipy gives first - second; both integrate the studentised range numerically, to about 1e-6.
        assert [pair.low, pair.high] == pytest.approx([-interval.high[i, j], -interval.low[i, j]], abs=1e-5)
        assert pair.p_value == pytest.approx(other.pvalue[i, j], abs=1e-5)
    known = table.dropna()
    statsmodels = pairwise_tukeyhsd(known["value"], known["system"])
    # statsmodels interpolates the studentised range to about three decimals.
    assert tukey.to_frame()["p_value"].to_numpy() == pytest.approx(statsmodels.pvalues, abs=2e-3)
    assert tukey.to_frame()["low"].to_numpy() == pytest.approx(statsmodels.confint[:, 0], abs=5e-3)


def test_tukey_compares_a_group_of_one() -> None:
    table = pd.DataFrame({"system": [*"aaaabbbb", "c"], "value": [1, 2, 2, 3, 2, 3, 3, 4, 9.0]})
    pairs = {(pair.first, pair.second): pair for pair in tukey_hsd(table, group="system", value="value").pairs}
    # MS within = 4/6; the error of c - a is sqrt(MS/2 (1/4 + 1)).
    error = math.sqrt(4 / 6 / 2 * (1 / 4 + 1))
    expected = stats.studentized_range.sf(7 / error, 3, 6)
    assert pairs["a", "c"].p_value == pytest.approx(expected, abs=1e-9)
    assert pairs["a", "c"].difference == 7


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 5))
def test_friedman_equals_scipy_with_ties(seed: int, systems: int) -> None:
    matrix = np.random.default_rng(seed).integers(1, 4, size=(12, systems)).astype(float)
    matrix[0] = np.arange(systems)  # at least one block without ties
    table = pd.DataFrame(matrix).rename_axis("item").reset_index().melt("item", var_name="system", value_name="value")
    friedman = friedman_test(table, block="item", group="system", value="value")
    other = stats.friedmanchisquare(*matrix.T)
    assert friedman.statistic == pytest.approx(other.statistic, abs=1e-9)
    assert friedman.p_value == pytest.approx(other.pvalue, abs=1e-9)


def test_friedman_of_two_groups_is_the_sign_test() -> None:
    """McNemar's form: (wins - losses)^2 / (wins + losses), ties out."""
    differences = [1, 1, 1, 1, 1, 1, -1, -1, 0]
    table = pd.DataFrame(
        {"item": [*range(9), *range(9)], "system": ["a"] * 9 + ["b"] * 9, "value": [0.0] * 9 + differences}
    )
    friedman = friedman_test(table, block="item", group="system", value="value")
    assert friedman.statistic == pytest.approx((6 - 2) ** 2 / 8)


def test_friedman_averages_raters_and_leaves_out_incomplete_items() -> None:
    rows = [(1, "a", 1), (1, "a", 3), (1, "b", 2), (2, "a", 1), (2, "b", 5), (3, "a", 1), (3, "b", np.nan)]
    table = pd.DataFrame(rows, columns=["item", "system", "value"])
    friedman = friedman_test(table, block="item", group="system", value="value")
    # Item 1 is a tie of means, item 2 a win for b, item 3 has no rating of b.
    assert (friedman.blocks_used, friedman.blocks_dropped, friedman.used, friedman.dropped) == (2, 1, 5, 2)
    assert friedman.statistic == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("systems", "values", "reason"),
    [
        ("aabb", [0.1, 0.1, 0.3, 0.3], "all groups are constant"),
        ("aabb", [0.1, 0.1, 0.1, 0.1], "all groups are constant"),
        ("abcd", [1, 2, 3, 4], "no group has two values"),
        ("aaaa", [1, 2, 3, 4], "fewer than two groups"),
        ("aabb", [1, 2, np.nan, np.nan], "fewer than two groups"),
    ],
)
def test_what_is_not_defined_is_nan_with_the_reason(systems: str, values: list[float], reason: str) -> None:
    table = pd.DataFrame({"system": list(systems), "value": values, "item": [1, 2, 1, 2]})
    anova = anova_one_way(table, group="system", value="value")
    tukey = tukey_hsd(table, group="system", value="value")
    assert math.isnan(anova.statistic)
    assert math.isnan(anova.p_value)
    assert reason in anova.reason
    assert reason in tukey.reason
    assert all(math.isnan(pair.p_value) for pair in tukey.pairs)


def test_friedman_without_differences_is_undefined() -> None:
    table = pd.DataFrame({"item": [1, 1, 2, 2], "system": list("abab"), "value": [3, 3, 4, 4]})
    friedman = friedman_test(table, block="item", group="system", value="value")
    assert math.isnan(friedman.p_value)
    assert "tied" in friedman.reason


def test_one_constant_group_beside_others_is_fine() -> None:
    table = pd.DataFrame({"system": list("aaabbb"), "value": [3, 3, 3, 1, 2, 4]})
    other = stats.f_oneway([3, 3, 3], [1, 2, 4])
    assert anova_one_way(table, group="system", value="value").p_value == pytest.approx(other.pvalue)


def test_means_have_intervals_over_items() -> None:
    generator = np.random.default_rng(0)
    effects = generator.normal(size=40)
    table = pd.DataFrame({"item": np.repeat(np.arange(40), 5), "system": "a", "value": np.repeat(effects, 5)})
    mean = group_means(table, group="system", value="value", cluster="item", seed=0, draws=4000)["a"]
    assert mean.estimate == pytest.approx(effects.mean())
    assert mean.clusters == 40
    # Five copies of a rating add nothing: the half width is 1.96 sd/sqrt(40), within 6% (bootstrap noise and sd's n).
    assert (mean.high - mean.low) / 2 == pytest.approx(1.96 * effects.std() / math.sqrt(40), rel=0.06)


def test_under_the_null_anova_of_independent_ratings_rejects_at_its_level() -> None:
    generator = np.random.default_rng(1)
    studies = 600
    table = pd.DataFrame({"system": np.repeat(list("abc"), 8)})
    rejected = sum(
        anova_one_way(table.assign(value=generator.normal(size=24)), group="system", value="value").p_value <= 0.05
        for _ in range(studies)
    )
    # 3 binomial standard errors: 3 sqrt(.05 .95 / 600) = .027.
    assert rejected / studies == pytest.approx(0.05, abs=0.027)


def test_when_ratings_share_items_friedman_keeps_its_level_and_anova_on_ratings_does_not() -> None:
    """Five systems, 20 items, 3 raters, no effect; every completion has a quality that its raters share."""
    generator = np.random.default_rng(2)
    item, system = np.repeat(np.arange(20), 15), np.tile(np.repeat(np.arange(5), 3), 20)
    studies, anova_rejected, friedman_rejected = 300, 0, 0
    for _ in range(studies):
        quality = np.repeat(generator.normal(size=100), 3)
        table = pd.DataFrame({"item": item, "system": system, "value": quality + generator.normal(size=300)})
        anova_rejected += anova_one_way(table, group="system", value="value").p_value <= 0.05
        friedman_rejected += friedman_test(table, block="item", group="system", value="value").p_value <= 0.05
    # 3 binomial standard errors: 3 sqrt(.05 .95 / 300) = .038.
    assert friedman_rejected / studies == pytest.approx(0.05, abs=0.038)
    assert anova_rejected / studies > 0.15


def test_text_for_numbers_is_named_with_its_row() -> None:
    table = pd.DataFrame({"system": ["a", "b"], "value": [1, "good"]})
    with pytest.raises(InputError, match="row 1: 'value' is 'good'; expected a number"):
        anova_one_way(table, group="system", value="value")
