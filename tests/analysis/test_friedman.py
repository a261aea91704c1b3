"""Friedman's and Nemenyi's tests against published results, R, scipy and permutations."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.friedman import friedman_test, nemenyi_test
from tests.analysis.group_tables import REFERENCES, WITHIN, assert_pairs_equal, by_r


def long_table(matrix: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(matrix).rename_axis("item").reset_index().melt("item", var_name="system", value_name="value")


def test_it_gives_the_published_result() -> None:
    wide = pd.read_csv(REFERENCES / "rounding_times.csv")
    friedman = friedman_test(
        wide.melt("player", var_name="way", value_name="seconds"), block="player", group="way", value="seconds"
    )
    assert friedman.statistic == pytest.approx(11.143, abs=0.0005)
    assert friedman.p_value == pytest.approx(0.003805, abs=5e-7)
    assert friedman.kendall_w == pytest.approx(friedman.statistic / (22 * 2))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 5))
def test_it_equals_scipy_with_ties(seed: int, systems: int) -> None:
    matrix = np.random.default_rng(seed).integers(1, 4, size=(12, systems)).astype(float)
    matrix[0] = np.arange(systems)  # at least one block without ties
    friedman = friedman_test(long_table(matrix), **WITHIN)
    other = stats.friedmanchisquare(*matrix.T)
    assert friedman.statistic == pytest.approx(other.statistic, abs=1e-9)
    assert friedman.p_value == pytest.approx(other.pvalue, abs=1e-9)


def test_of_two_groups_it_is_the_sign_test_and_nemenyi_too() -> None:
    """McNemar's form: (wins - losses)^2 / (wins + losses), ties out."""
    differences = np.array([1, 1, 1, 1, 1, 1, -1, -1, 0])
    table = long_table(np.column_stack([np.zeros(9), differences]))
    friedman, (pair,) = friedman_test(table, **WITHIN), nemenyi_test(table, **WITHIN).pairs
    assert friedman.statistic == pytest.approx((6 - 2) ** 2 / 8)
    assert pair.p_value == pytest.approx(friedman.p_value)
    assert pair.difference == pytest.approx((6 - 2) / 9)


def test_nemenyi_equals_r() -> None:
    table = pd.DataFrame(by_r("within", "complete", "data"))
    assert_pairs_equal(nemenyi_test(table, **WITHIN).pairs, by_r("within", "nemenyi"))


def test_nemenyis_error_is_that_of_permuted_ranks_with_ties() -> None:
    """Half the range's quantile is the interval: its error, against all orders of two tied blocks and one without."""
    matrix = np.array([[1, 1, 2], [1, 2, 2], [3, 1, 2.0]])
    orders = [list(itertools.permutations(row)) for row in stats.rankdata(matrix, axis=1)]
    differences = [np.mean([rank[1] - rank[0] for rank in ranks]) for ranks in itertools.product(*orders)]
    pair = nemenyi_test(long_table(matrix), **WITHIN).pairs[0]
    quantile = stats.studentized_range.ppf(0.95, 3, np.inf)
    assert (pair.high - pair.low) / 2 == pytest.approx(quantile * np.std(differences) / math.sqrt(2), rel=1e-6)


def test_it_averages_raters_and_leaves_out_incomplete_items() -> None:
    rows = [(1, "a", 1), (1, "a", 3), (1, "b", 2), (2, "a", 1), (2, "b", 5), (3, "a", 1), (3, "b", np.nan)]
    table = pd.DataFrame(rows, columns=["item", "system", "value"])
    friedman = friedman_test(table, **WITHIN)
    # Item 1 is a tie of means, item 2 a win for b, item 3 has no rating of b.
    assert (friedman.blocks_used, friedman.blocks_dropped, friedman.used, friedman.dropped) == (2, 1, 5, 2)
    assert friedman.statistic == pytest.approx(1.0)
    assert friedman.warnings == ("1 items lack a rating for some system and were left out",)
    assert nemenyi_test(table, **WITHIN).used == 2


def test_means_of_the_same_ratings_in_another_order_are_ties() -> None:
    rows = [(item, system, value) for item in range(3) for system in "ab" for value in (0.1, 0.2, 0.3)]
    table = pd.DataFrame(rows, columns=["item", "system", "value"])
    table.loc[table["system"] == "b", "value"] = [0.3, 0.2, 0.1] * 3
    assert "tied" in friedman_test(table, **WITHIN).reason


def test_without_differences_it_is_undefined() -> None:
    table = pd.DataFrame({"item": [1, 1, 2, 2], "system": list("abab"), "value": [3, 3, 4, 4]})
    friedman, nemenyi = friedman_test(table, draws=10, **WITHIN), nemenyi_test(table, **WITHIN)
    assert math.isnan(friedman.p_value)
    assert math.isnan(friedman.low)
    assert "tied" in friedman.reason
    assert friedman.reason == nemenyi.reason
    assert math.isnan(nemenyi.smallest_p)
    one = friedman_test(table[table["system"] == "a"], **WITHIN)
    assert one.reason == "fewer than two groups have a value"


def test_the_interval_of_w_equals_drawing_items_of_the_table() -> None:
    generator = np.random.default_rng(8)
    matrix = np.round(generator.normal([0, 0.5, 1.0], 1.0, size=(25, 3)), 1)
    found = friedman_test(long_table(matrix), seed=3, draws=4000, **WITHIN)
    drawn = []
    for _ in range(800):
        rows = matrix[generator.integers(25, size=25)]
        drawn.append(stats.friedmanchisquare(*rows.T).statistic / (25 * 2))
    excess = 2 * (np.mean(drawn) - found.kendall_w)
    # The end of a bootstrap interval of 800 draws has a standard error of about .015 here; three of them.
    assert [found.low, found.high] == pytest.approx(
        np.clip(np.quantile(drawn, [0.025, 0.975]) - excess, 0, 1), abs=0.045
    )
    assert found.low < found.kendall_w < found.high
    assert found.draws == 4000
