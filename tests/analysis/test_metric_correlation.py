"""Metrics against people at three levels: scipy, plain loops, whole items copied, exact p-values, awkward tables."""

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.correlation import CORRELATIONS, correlate
from analysis.metric_correlation import LEVELS, correlate_metric
from analysis.row_correlation import correlate_rows
from annotation.errors import InputError
from tests.analysis.metric_tables import COLUMNS, make_completions

SCIPY = {
    "pearson": lambda x, y: stats.pearsonr(x, y)[0],
    "spearman": lambda x, y: stats.spearmanr(x, y)[0],
    "kendall": lambda x, y: stats.kendalltau(x, y)[0],
}
COEFFICIENTS = sorted(CORRELATIONS)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(COEFFICIENTS))
def test_rows_are_correlated_as_scipy_does_with_ties_and_gaps(seed: int, coefficient: str) -> None:
    generator = np.random.default_rng(seed)
    x, y = generator.integers(0, 4, size=(2, 12, 6)).astype(float)
    x[generator.random(x.shape) < 0.15] = np.nan
    ours = correlate_rows(x, y, coefficient)
    for row, estimate in enumerate(ours):
        given_places = np.isfinite(x[row])
        left, right = x[row, given_places], y[row, given_places]
        if len(np.unique(left)) < 2 or len(np.unique(right)) < 2:
            assert math.isnan(estimate)
        else:
            assert estimate == pytest.approx(SCIPY[coefficient](left, right), abs=1e-12)


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
def test_each_level_equals_its_definition_in_a_plain_loop(coefficient: Any) -> None:
    table = make_completions()
    segment, grouped, system = (
        correlate_metric(table, metric="good", level=level, coefficient=coefficient, seed=0, draws=5, **COLUMNS)
        for level in LEVELS
    )
    assert segment.estimate == pytest.approx(SCIPY[coefficient](table["good"], table["human"]))
    of_items = [
        SCIPY[coefficient](rows["good"], rows["human"])
        for _, rows in table.groupby("item")
        if rows["human"].nunique() > 1
    ]
    assert grouped.estimate == pytest.approx(np.mean(of_items))
    assert (grouped.items_used, grouped.items_dropped) == (len(of_items), 40 - len(of_items))
    means = table.groupby("system")[["good", "human"]].mean()
    assert system.estimate == pytest.approx(SCIPY[coefficient](means["good"], means["human"]))
    assert (system.systems, system.used) == (5, 200)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("coefficient", COEFFICIENTS)
def test_the_interval_comes_from_copies_of_whole_items(level: Any, coefficient: Any) -> None:
    """Draw by draw, the table with its items copied gives the same numbers, up to the quantiles."""
    table = make_completions(items=12).iloc[:-2]
    ours = correlate_metric(table, metric="good", level=level, coefficient=coefficient, seed=3, draws=30, **COLUMNS)
    generator = np.random.default_rng(3)
    values = []
    for _ in range(30):
        chosen = generator.integers(12, size=12)
        copies = [table[table["item"] == item].assign(item=place) for place, item in enumerate(chosen)]
        copied = correlate_metric(
            pd.concat(copies), metric="good", level=level, coefficient=coefficient, seed=0, draws=1, **COLUMNS
        )
        values.append(copied.estimate)
    assert (ours.low, ours.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_the_segment_level_is_that_of_the_rows() -> None:
    table = make_completions()
    ours = correlate_metric(table, metric="poor", level="segment", coefficient="kendall", seed=4, **COLUMNS)
    rows = correlate(table, metric="poor", human="human", coefficient="kendall", seed=4, cluster="item")
    assert (ours.estimate, ours.low, ours.high) == pytest.approx((rows.estimate, rows.low, rows.high))


def means_in_order(order: list[int]) -> pd.DataFrame:
    """One item and five systems whom people rank 0 to 4."""
    return pd.DataFrame({"item": 0, "system": list("abcde"), "metric": order, "human": range(5)})


def test_five_systems_allow_no_p_below_two_in_a_hundred_and_twenty() -> None:
    perfect = correlate_metric(
        means_in_order([0, 1, 2, 3, 4]), metric="metric", level="system", coefficient="spearman", seed=0, **COLUMNS
    )
    assert perfect.p_value == perfect.smallest_p == pytest.approx(2 / 120)
    assert "p = .0167; the least they allow is .0167" in perfect.reading


@settings(max_examples=12, deadline=None)
@given(st.permutations(range(5)), st.sampled_from(COEFFICIENTS))
def test_the_exact_p_counts_every_order(order: list[int], coefficient: Any) -> None:
    ours = correlate_metric(
        means_in_order(order), metric="metric", level="system", coefficient=coefficient, seed=0, draws=1, **COLUMNS
    )
    sizes = [abs(SCIPY[coefficient](order, other)) for other in itertools.permutations(range(5))]
    observed = abs(SCIPY[coefficient](order, range(5)))
    assert ours.p_value == pytest.approx(np.mean(np.array(sizes) >= observed - 1e-9))
    if coefficient == "kendall" and observed > 0:
        assert ours.p_value == pytest.approx(stats.kendalltau(order, range(5), method="exact").pvalue)


def test_random_orders_come_close_to_the_exact_p() -> None:
    table = make_completions(items=6, systems=9, gain=0.15, seed=2)
    table["human"] += np.random.default_rng(0).normal(size=len(table))  # no ties
    ours = correlate_metric(table, metric="poor", level="system", coefficient="kendall", seed=0, draws=1, **COLUMNS)
    means = table.groupby("system")[["poor", "human"]].mean()
    exact = stats.kendalltau(means["poor"], means["human"], method="exact").pvalue
    assert 0.02 < exact < 0.9
    assert ours.p_value == pytest.approx(exact, abs=0.02)  # four standard errors of 10,000 draws
    assert ours.smallest_p == pytest.approx(1 / 10_001)


def test_a_random_p_is_never_zero() -> None:
    table = pd.DataFrame({"item": 0, "system": list("abcdefghij"), "metric": range(10), "human": range(10)})
    ours = correlate_metric(
        table, metric="metric", level="system", coefficient="spearman", seed=0, draws=1, permutations=999, **COLUMNS
    )
    assert ours.p_value == pytest.approx(1 / 1000)


def test_draws_that_lose_a_system_are_undefined_and_counted() -> None:
    """The fifth system was rated in one of twelve items, which a draw misses with probability (11 / 12)^12 = .35."""
    table = make_completions(items=12)
    table = table[(table["system"] != "system e") | (table["item"] == 3)]
    ours = correlate_metric(table, metric="good", level="system", coefficient="spearman", seed=0, **COLUMNS)
    assert ours.undefined_share == pytest.approx((11 / 12) ** 12, abs=0.05)
    assert any("was undefined in" in warning for warning in ours.warnings)


def test_a_metric_that_knows_nothing_is_significant_as_often_as_it_should_be() -> None:
    generator = np.random.default_rng(0)
    p_values = [
        correlate_metric(
            pd.DataFrame({"item": 0, "system": list("abcdef"), "metric": metric, "human": human}),
            metric="metric", level="system", coefficient="spearman", seed=0, draws=1, **COLUMNS,
        ).p_value
        for metric, human in generator.normal(size=(200, 2, 6))
    ]  # fmt: skip
    # An exact p is at most .05 in at most 5% of cases: at most 19 of 200 with a probability above .99.
    assert 2 <= sum(p_value <= 0.05 for p_value in p_values) <= 19


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(LEVELS), st.sampled_from(COEFFICIENTS))
def test_scale_names_and_order_of_rows_change_nothing(seed: int, level: Any, coefficient: Any) -> None:
    table = make_completions(items=8, seed=seed)
    changed = table.assign(
        good=3 * table["good"] + 7,
        human=100 * table["human"] - 5,
        system=table["system"].map(lambda name: name[::-1]),
        item=-table["item"],
    ).sample(frac=1, random_state=seed)
    options = {"metric": "good", "level": level, "coefficient": coefficient, "seed": 0, "draws": 1, **COLUMNS}
    assert correlate_metric(changed, **options).estimate == pytest.approx(correlate_metric(table, **options).estimate)
    negated = correlate_metric(table.assign(good=-table["good"]), **options)
    assert negated.estimate == pytest.approx(-correlate_metric(table, **options).estimate)


def test_several_completions_of_a_system_for_an_item_are_averaged() -> None:
    table = make_completions(items=10)
    apart = pd.concat([table.assign(good=table["good"] + shift) for shift in (-1.0, 1.0)])
    options = {"metric": "good", "level": "segment", "coefficient": "pearson", "seed": 0, **COLUMNS}
    assert correlate_metric(apart, **options).low == pytest.approx(correlate_metric(table, **options).low)


@pytest.mark.parametrize(
    ("change", "level", "reason"),
    [
        ({"human": 3}, "segment", "the metric or the ratings are constant"),
        ({"human": 3}, "grouped", "in every item one side is constant, or one system alone was rated"),
        ({"good": 0.1}, "system", "the metric or the ratings are constant"),
        ({"system": "one"}, "system", "there is one system"),
        ({"human": np.nan}, "grouped", "no row has the values that are needed"),
    ],
)
def test_what_is_not_defined_says_why(change: dict[str, Any], level: Any, reason: str) -> None:
    table = make_completions(items=6).assign(**change)
    ours = correlate_metric(table, metric="good", level=level, coefficient="kendall", seed=0, **COLUMNS)
    assert math.isnan(ours.estimate) and math.isnan(ours.p_value)
    assert ours.reason == reason
    assert ours.reading.endswith(f"is not defined: {reason}.")


def test_gaps_are_counted_and_warned_of() -> None:
    table = make_completions(items=30)
    table.loc[[0, 1, 2], "good"] = np.nan
    ours = correlate_metric(table, metric="good", level="system", coefficient="pearson", seed=0, **COLUMNS)
    assert (ours.used, ours.dropped) == (147, 3)
    assert "3 cells of items and systems are empty, so systems are compared on different items" in ours.warnings
    few = correlate_metric(
        make_completions(items=5, systems=3), metric="good", level="system", coefficient="pearson", seed=0, **COLUMNS
    )
    assert "3 systems are too few for a correlation over systems" in few.warnings


def test_bad_input_is_named() -> None:
    table = make_completions(items=3)
    with pytest.raises(InputError, match="level is 'document'; expected one of segment, grouped, system"):
        correlate_metric(table, metric="good", level="document", coefficient="pearson", seed=0, **COLUMNS)  # type: ignore[arg-type]
    words = table.assign(good=["0", "high", *["1"] * 13])
    with pytest.raises(InputError, match="row 1: 'good' is 'high'; expected a number"):
        correlate_metric(words, metric="good", level="segment", coefficient="pearson", seed=0, **COLUMNS)
