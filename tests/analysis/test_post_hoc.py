"""Tukey's HSD and Games-Howell against published results, R, scipy and statsmodels."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multicomp import pairwise_tukeyhsd

from analysis.post_hoc import games_howell, tukey_hsd
from tests.analysis.group_tables import ALONE, REFERENCES, assert_pairs_equal, by_r, chicks, random_groups, split


def test_tukey_gives_the_published_result() -> None:
    tukey = tukey_hsd(pd.read_csv(REFERENCES / "plant_growth.csv"), group="group", value="weight")
    published = [
        ("ctrl", "trt1", -0.371, -1.0622161, 0.3202161, 0.3908711),
        ("ctrl", "trt2", 0.494, -0.1972161, 1.1852161, 0.1979960),
        ("trt1", "trt2", 0.865, 0.1737839, 1.5562161, 0.0120064),
    ]
    for pair, (first, second, *numbers) in zip(tukey.pairs, published, strict=True):
        assert (pair.first, pair.second) == (first, second)
        # R prints seven decimals.
        assert [pair.difference, pair.low, pair.high, pair.p_value] == pytest.approx(numbers, abs=1e-6)


def test_games_howell_equals_r() -> None:
    assert_pairs_equal(games_howell(chicks(), **ALONE).pairs, by_r("one_way", "games_howell"), rel=1e-5)


def test_both_equal_scipy_and_tukey_statsmodels() -> None:
    table = random_groups(1)
    for test, is_equal in ((tukey_hsd, True), (games_howell, False)):
        found = test(table, **ALONE)
        other = stats.tukey_hsd(*split(table), equal_var=is_equal)
        places = itertools.combinations(range(len(other.pvalue)), 2)
        for pair, (i, j) in zip(found.pairs, places, strict=True):
            # scipy gives first - second.
            assert pair.difference == pytest.approx(-other.statistic[i, j])
            assert pair.p_value == pytest.approx(other.pvalue[i, j], abs=1e-8)
    known = table.dropna()
    statsmodels = pairwise_tukeyhsd(known["value"], known["system"])
    # statsmodels interpolates the studentised range to about three decimals.
    assert tukey_hsd(table, **ALONE).to_frame()["p_value"].to_numpy() == pytest.approx(statsmodels.pvalues, abs=2e-3)


def test_tukey_compares_a_group_of_one() -> None:
    table = pd.DataFrame({"system": [*"aaaabbbb", "c"], "value": [1, 2, 2, 3, 2, 3, 3, 4, 9.0]})
    pairs = {(pair.first, pair.second): pair for pair in tukey_hsd(table, **ALONE).pairs}
    # MS within = 4/6; the error of c - a is sqrt(MS/2 (1/4 + 1)).
    error = math.sqrt(4 / 6 / 2 * (1 / 4 + 1))
    expected = stats.studentized_range.sf(7 / error, 3, 6)
    assert pairs["a", "c"].p_value == pytest.approx(expected, abs=1e-9)
    assert pairs["a", "c"].difference == 7


def test_games_howell_of_constant_groups_is_undefined_for_their_pair_only() -> None:
    table = pd.DataFrame({"system": list("aaabbbcccc"), "value": [1, 1, 1, 2, 2, 2, 1, 3, 4, 4.0]})
    test = games_howell(table, **ALONE)
    pairs = {(pair.first, pair.second): pair for pair in test.pairs}
    assert pairs["a", "b"].reason == "both are constant"
    assert math.isnan(pairs["a", "b"].p_value)
    assert pairs["a", "b"].difference == 1
    # Against a constant group only c's spread counts: a t with c's own degrees of freedom, but a range of three.
    error = table["value"][6:].std() / 2
    expected = stats.studentized_range.sf(2 / error * math.sqrt(2), 3, 3)
    assert pairs["a", "c"].p_value == pytest.approx(expected, abs=1e-8)
    assert test.reason == ""
    assert test.reading.endswith("; 1 pairs are not defined.")
    assert test.warnings


def test_games_howell_with_a_group_of_one_says_which() -> None:
    table = pd.DataFrame({"system": list("aaabbbc"), "value": [1, 2, 3, 2, 3, 5, 9]})
    reasons = {(pair.first, pair.second): pair.reason for pair in games_howell(table, **ALONE).pairs}
    assert reasons == {("a", "b"): "", ("a", "c"): "'c' has one value", ("b", "c"): "'c' has one value"}


@pytest.mark.parametrize(
    ("systems", "values"), [("abcd", [1, 2, 3, 4]), ("aabb", [1, 1, 3, 3]), ("aaaa", [1, 2, 3, 4])]
)
def test_what_is_not_defined_is_nan_with_the_reason(systems: str, values: list[float]) -> None:
    table = pd.DataFrame({"system": list(systems), "value": values})
    for test in (tukey_hsd(table, **ALONE), games_howell(table, **ALONE)):
        assert test.reason
        assert math.isnan(test.smallest_p)
        assert all(math.isnan(pair.p_value) and math.isnan(pair.low) for pair in test.pairs)
        assert test.reason in test.reading


def test_games_howell_of_two_groups_is_welchs_t() -> None:
    table = pd.DataFrame({"system": list("aaaabbb"), "value": [1, 2, 4, 4, 5, 9, 4.5]})
    other = stats.ttest_ind(*reversed(split(table)), equal_var=False)
    (pair,) = games_howell(table, **ALONE).pairs
    assert pair.p_value == pytest.approx(other.pvalue)
    interval = other.confidence_interval()
    assert [pair.low, pair.high] == pytest.approx([interval.low, interval.high])


def test_pairs_come_as_a_table_and_a_figure() -> None:
    tukey = tukey_hsd(chicks(), **ALONE)
    assert tukey.to_frame().columns.tolist() == ["first", "second", "difference", "low", "high", "p_value", "reason"]
    assert tukey.reading == "8 of 15 pairs of systems differ (Tukey's HSD, family error .05)."
    assert len(tukey.plot().axes[0].get_yticklabels()) == 15
    assert "\\toprule" in tukey.to_latex()
    assert np.isfinite(tukey.to_dict()["pairs"][0]["p_value"])
