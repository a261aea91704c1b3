"""ANOVA of item means against R, with and without missing cells, and where it is not defined."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.blocked_anova import blocked_anova, blocked_tukey, greenhouse_geisser
from tests.analysis.group_tables import WITHIN, by_r, crossed


@pytest.mark.parametrize("design", ["complete", "incomplete"])
def test_it_equals_r(design: str) -> None:
    expected = by_r("within", design)
    anova = blocked_anova(pd.DataFrame(expected["data"]), **WITHIN)
    assert [anova.statistic, anova.p_uncorrected] == pytest.approx([expected["f"], expected["p"]], rel=1e-8)
    assert anova.df_error == expected["df_error"]
    assert anova.mean_square_error == pytest.approx(expected["mean_square"], rel=1e-8)
    assert anova.means == pytest.approx(expected["means"], rel=1e-8)
    product = anova.statistic * anova.df_between
    assert anova.partial_eta_squared == pytest.approx(product / (product + anova.df_error))
    # The upper end leaves 2.5 % of F below, as a share of lambda in lambda + df1 + df2 + 1.
    noncentrality = (anova.df_between + anova.df_error + 1) * anova.high / (1 - anova.high)
    found = stats.ncf.cdf(anova.statistic, anova.df_between, anova.df_error, noncentrality)
    assert found == pytest.approx(0.025, abs=1e-6)
    assert 0 <= anova.low < anova.partial_eta_squared < anova.high


@pytest.mark.parametrize("design", ["complete", "incomplete"])
def test_pairs_equal_emmeans(design: str) -> None:
    expected = by_r("within", design, "pairs")
    pairs = {f"{pair.second} - {pair.first}": pair for pair in blocked_tukey(
        pd.DataFrame(by_r("within", design, "data")), **WITHIN
    ).pairs}  # fmt: skip
    for place, contrast in enumerate(expected["contrast"]):
        pair = pairs[contrast]
        # emmeans takes R's range, which is exact to about 1e-7 here.
        assert [pair.difference, pair.low, pair.high, pair.p_value] == pytest.approx(
            [expected[column][place] for column in ("difference", "low", "high", "p_value")], abs=1e-6
        )


def test_what_is_missing_is_counted() -> None:
    table = pd.DataFrame(by_r("within", "incomplete", "data"))
    extra = pd.DataFrame({"item": ["i01"], "system": ["s1"], "value": [np.nan]})
    anova = blocked_anova(pd.concat([table, extra], ignore_index=True), **WITHIN)
    # i14 has one system; of the other 13 items five cells are missing.
    assert (anova.items_used, anova.items_dropped) == (13, 1)
    assert anova.used == len(table) - 1
    assert anova.used + anova.cells_missing == 13 * 4
    assert anova.dropped == 2
    assert "1 items have one system only and were left out" in anova.warnings
    assert f"{anova.cells_missing} means of an item and a system are missing" in anova.warnings


def test_greenhouse_geisser_equals_r() -> None:
    expected = by_r("within", "greenhouse_geisser")
    anova = blocked_anova(pd.DataFrame(by_r("within", "complete", "data")), **WITHIN)
    assert anova.epsilon == pytest.approx(expected["epsilon"], abs=5e-5)  # R prints four decimals
    assert anova.p_value == pytest.approx(expected["p"], rel=1e-8)


def test_epsilon_is_1_where_differences_spread_alike_and_at_its_least_where_one_system_does_all() -> None:
    same = np.linalg.cholesky(0.5 * np.eye(3) + 0.5)  # covariance 1 and .5 exactly, by whitened draws
    draws = np.random.default_rng(0).normal(size=(30, 3))
    whitened = (draws - draws.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(draws, rowvar=False))).T
    assert greenhouse_geisser(whitened @ same.T) == pytest.approx(1)
    alone = np.zeros((5, 4))
    alone[:, 2] = [1, 5, 2, 4, 3]
    assert greenhouse_geisser(alone) == pytest.approx(1 / 3)
    assert math.isnan(greenhouse_geisser(alone[:1]))


def test_a_verdict_that_hangs_on_equal_spreads_is_not_given() -> None:
    table = pd.DataFrame(
        {
            "item": np.repeat(np.arange(6), 3),
            "system": np.tile(["a", "b", "c"], 6),
            "value": [1, 1.1, 2, 1, 0.9, 5, 2, 2.1, 3, 2, 2, 1.9, 3, 2.9, 7, 1, 1.1, 1.4],
        }
    )
    anova, pairs = blocked_anova(table, **WITHIN), blocked_tukey(table, **WITHIN)
    assert anova.p_uncorrected <= 0.05 < anova.p_value
    assert "do not differ significantly" in anova.reading
    assert f"epsilon {anova.epsilon:.2f}" in anova.reading
    assert f"(epsilon {anova.epsilon:.2f}): pairs with a noisy system are judged too boldly" in pairs.warnings[0]


def test_where_too_few_items_have_every_system_p_is_not_corrected_and_says_so() -> None:
    table = crossed(np.random.default_rng(3), items=12, systems=4)
    whole = blocked_anova(table, **WITHIN)
    assert whole.epsilon < 1
    for complete in (7, 8):
        lacking = blocked_anova(table[(table["item"] < complete) | (table["system"] != table["item"] % 4)], **WITHIN)
        is_enough = complete >= 8
        assert np.isfinite(lacking.epsilon) == is_enough
        assert ("Greenhouse" in lacking.method) == is_enough
        assert (lacking.p_value == lacking.p_uncorrected) == (not is_enough)
        assert any("too few items have every system" in warning for warning in lacking.warnings) == (not is_enough)
    # All of few items is all that there is.
    few = blocked_anova(table[table["item"] < 3], **WITHIN)
    assert np.isfinite(few.epsilon)


def test_of_two_systems_it_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(4)
    wide = rng.normal(size=(12, 2))
    table = pd.DataFrame(wide, columns=["a", "b"]).rename_axis("item").reset_index().melt("item", var_name="system")
    other = stats.ttest_rel(wide[:, 1], wide[:, 0])
    anova, (pair,) = blocked_anova(table, **WITHIN), blocked_tukey(table, **WITHIN).pairs
    assert anova.statistic == pytest.approx(other.statistic**2)
    assert [anova.p_value, pair.p_value] == pytest.approx([other.pvalue] * 2)
    assert [pair.low, pair.high] == pytest.approx(list(other.confidence_interval()))
    assert anova.epsilon == pytest.approx(1)


def test_raters_are_averaged_within_an_item_and_a_system() -> None:
    table = crossed(np.random.default_rng(1), items=8, systems=3)
    means = table.groupby(["item", "system"], as_index=False)["value"].mean()
    unequal = pd.concat([means, means[means["item"] == 2]])  # the same mean, rated twice
    expected = blocked_anova(means, **WITHIN).statistic
    assert blocked_anova(table, **WITHIN).statistic == pytest.approx(expected)
    assert blocked_anova(unequal, **WITHIN).statistic == pytest.approx(expected)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_neither_names_nor_row_order_nor_scale_nor_an_items_level_matter(seed: int) -> None:
    generator = np.random.default_rng(seed)
    table = crossed(generator, items=7, systems=4, raters=2)
    table = table[generator.random(len(table)) < 0.8]
    level = dict(enumerate(generator.normal(size=7)))
    other = table.sample(frac=1, random_state=seed).assign(
        system=lambda rows: rows["system"].map(lambda name: f"z{9 - name}"),
        value=lambda rows: 1e-6 * (rows["value"] + rows["item"].map(level)),
    )
    first, second = blocked_anova(table, **WITHIN), blocked_anova(other, **WITHIN)
    assert second.statistic == pytest.approx(first.statistic, rel=1e-6, nan_ok=True)
    assert second.reason == first.reason


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(1, "a", 1), (2, "a", 2)], "fewer than two systems have a value"),
        ([(1, "a", 1), (2, "b", 2)], "no item has two systems"),
        ([(1, "a", 1), (1, "b", 2)], "no item is left to judge the spread by"),
        (
            [(1, "a", 1), (1, "b", 2), (2, "a", 3), (2, "b", 1), (3, "c", 1), (3, "d", 2), (4, "c", 3), (4, "d", 1)],
            "'a' and 'c' share no item, nor through other systems",
        ),
        ([(1, "a", 0.1), (1, "b", 0.3), (2, "a", 0.2), (2, "b", 0.4)], "explain the means to the last digit"),
        ([(1, "a", 0.1), (1, "b", 0.1), (2, "a", 0.1), (2, "b", 0.1)], "explain the means to the last digit"),
        ([(1, "a", np.nan), (1, "b", np.nan)], "fewer than two systems have a value"),
    ],
)
def test_what_is_not_defined_is_nan_with_the_reason(rows: list[tuple], reason: str) -> None:
    table = pd.DataFrame(rows, columns=["item", "system", "value"])
    anova, pairs = blocked_anova(table, **WITHIN), blocked_tukey(table, **WITHIN)
    assert reason in anova.reason
    assert anova.reason in anova.reading
    assert all(map(math.isnan, (anova.statistic, anova.p_value, anova.partial_eta_squared, anova.low, anova.epsilon)))
    assert pairs.reason == anova.reason
    assert math.isnan(pairs.smallest_p)


def test_systems_that_share_items_only_through_a_third_are_compared() -> None:
    rows = [(1, "a", 1), (1, "b", 2), (2, "b", 2), (2, "c", 5), (3, "a", 2), (3, "b", 2), (4, "b", 1), (4, "c", 3)]
    anova = blocked_anova(pd.DataFrame(rows, columns=["item", "system", "value"]), **WITHIN)
    # b - a is 1 and 0, c - b is 3 and 2: halves of a point of error each.
    assert np.diff(anova.means) == pytest.approx([0.5, 2.5])
    assert anova.mean_square_error == pytest.approx(2 * (0.5**2 * 2 / 2) / 2)
    assert anova.reason == ""
    assert math.isnan(anova.epsilon)


def test_its_reading_names_the_items() -> None:
    anova = blocked_anova(pd.DataFrame(by_r("within", "complete", "data")), **WITHIN)
    assert anova.reading.startswith("Compared within items, the systems differ: F(3, 39) = 7.")
    assert anova.reading.endswith(", 14 items.")
