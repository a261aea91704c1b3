"""Effect sizes against their definitions over rows, and their intervals against drawing items in a plain loop."""

import itertools
import math

import matplotlib as mpl
import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.anova import anova_one_way
from analysis.effect_sizes import epsilon_squared, eta_squared, hedges_correction, pair_effects, share_interval
from analysis.friedman import friedman_test
from analysis.kruskal_wallis import kruskal_wallis
from tests.analysis.group_tables import ALONE, WITHIN, crossed, random_groups, split


def test_hedges_correction_is_the_exact_one() -> None:
    # Gamma(5) / (sqrt(5) Gamma(4.5)) with Gamma(4.5) = 105 sqrt(pi) / 16.
    expected = 24 / (math.sqrt(5) * 105 * math.sqrt(math.pi) / 16)
    assert hedges_correction(np.array([10.0]))[0] == pytest.approx(expected, rel=1e-12)
    # The usual approximation, which it is not, differs in the fourth digit.
    assert hedges_correction(np.array([10.0]))[0] == pytest.approx(1 - 3 / (4 * 10 - 1), abs=5e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_they_equal_their_definitions(seed: int) -> None:
    table = random_groups(seed)
    groups = split(table)
    effects = pair_effects(table, seed=0, draws=2, **ALONE)
    for pair, (x, y) in zip(effects.pairs, itertools.combinations(groups, 2), strict=True):
        wins = np.sign(y[:, None] - x[None, :])
        assert pair.cliffs_delta == pytest.approx(wins.mean())
        freedom = len(x) + len(y) - 2
        pooled = ((len(x) - 1) * x.var(ddof=1) + (len(y) - 1) * y.var(ddof=1)) / freedom
        correction = math.gamma(freedom / 2) / math.gamma((freedom - 1) / 2) / math.sqrt(freedom / 2)
        assert pair.hedges_g == pytest.approx(correction * (y.mean() - x.mean()) / math.sqrt(pooled))
        # pingouin corrects by 1 - 3 / (4 df - 1).
        other = pingouin.compute_effsize(y, x, eftype="hedges") / (1 - 3 / (4 * freedom - 1)) * correction
        assert pair.hedges_g == pytest.approx(other, rel=1e-6)
    # Every rating twice: the same distributions.
    twice = pair_effects(pd.concat([table] * 2), seed=0, draws=2, **ALONE)
    assert [pair.cliffs_delta for pair in twice.pairs] == pytest.approx([pair.cliffs_delta for pair in effects.pairs])
    shares = [share(table, seed=0, draws=2, **ALONE).estimate for share in (eta_squared, epsilon_squared)]
    assert shares[0] == pytest.approx(anova_one_way(table, **ALONE).eta_squared)
    assert shares[1] == pytest.approx(kruskal_wallis(table, **ALONE).epsilon_squared)


def test_intervals_equal_drawing_items_of_the_table() -> None:
    generator = np.random.default_rng(6)
    table = crossed(generator, items=30, systems=2, gain=0.5).assign(value=lambda rows: rows["value"].round(1))
    pair = pair_effects(table, cluster="item", seed=1, draws=4000, **ALONE).pairs[0]
    share = epsilon_squared(table, cluster="item", seed=1, draws=4000, **ALONE)
    x, y = (rows["value"].to_numpy().reshape(30, 3) for _, rows in table.groupby("system"))
    drawn = []
    for _ in range(600):
        items = generator.integers(30, size=30)
        one, two = x[items].ravel(), y[items].ravel()
        ranks = pd.Series(np.concatenate([one, two])).rank().to_numpy()
        between = 90 * ((ranks[:90].mean() - 90.5) ** 2 + (ranks[90:].mean() - 90.5) ** 2)
        pooled = math.sqrt((one.var(ddof=1) + two.var(ddof=1)) / 2)
        delta = np.sign(two[:, None] - one[None, :]).mean()
        drawn.append((two.mean() - one.mean(), pooled, delta, between / ((ranks - 90.5) ** 2).sum()))
    difference, pooled, delta, epsilon = np.array(drawn).T
    g = hedges_correction(np.array([178.0]))[0] * difference / pooled
    # The ends of an interval of 600 draws have standard errors of about .016 (g), .009 (delta), .006 (share); four.
    assert [pair.hedges_g_low, pair.hedges_g_high] == pytest.approx(np.quantile(g, [0.025, 0.975]), abs=0.06)
    assert [pair.cliffs_delta_low, pair.cliffs_delta_high] == pytest.approx(
        np.quantile(delta, [0.025, 0.975]), abs=0.036
    )
    moved = np.quantile(epsilon, [0.025, 0.975]) - 2 * (epsilon.mean() - share.estimate)
    assert [share.low, share.high] == pytest.approx(np.clip(moved, 0, 1), abs=0.024)


def test_items_that_are_copied_do_not_narrow_the_interval() -> None:
    table = crossed(np.random.default_rng(2), items=40, systems=2, raters=1, gain=0.4)
    five = pd.concat([table] * 5)
    narrow, wide, single = (
        pair_effects(rows, cluster=cluster, seed=0, draws=1000, **ALONE).pairs[0]
        for rows, cluster in ((five, None), (five, "item"), (table, "item"))
    )
    width = {name: pair.hedges_g_high - pair.hedges_g_low for name, pair in
             (("narrow", narrow), ("wide", wide), ("single", single))}  # fmt: skip
    # Of rows alone five copies would look like five times the data.
    assert width["narrow"] < 0.65 * width["wide"]
    assert width["wide"] == pytest.approx(width["single"], rel=0.15)


def test_an_interval_of_a_share_is_moved_by_twice_what_draws_lie_above_it_and_stays_within_0_and_1() -> None:
    drawn = np.linspace(0.2, 0.4, 1001)  # percentiles .205 and .395, mean .3
    interval = share_interval(0.28, drawn)
    assert [interval.low, interval.high] == pytest.approx([0.205 - 0.04, 0.395 - 0.04])
    low = share_interval(0.1, drawn)
    assert (low.low, low.high) == (0, 0)
    assert math.isnan(share_interval(0.1, np.array([np.nan])).low)


def test_a_share_of_nothing_has_0_in_its_interval() -> None:
    generator = np.random.default_rng(7)
    studies = 60
    covered = sum(
        epsilon_squared(crossed(generator, items=20), cluster="item", seed=0, draws=150, **ALONE).low == 0
        for _ in range(studies)
    )
    # At least .95 less 2 binomial standard errors, .056.
    assert covered / studies >= 0.89


def test_shares_are_covered_as_often_as_the_interval_says() -> None:
    """Shares of a real difference, the true ones taken from a table of 4000 items."""
    generator = np.random.default_rng(10)
    design = {"systems": 4, "item_spread": 0.6, "cell_spread": 0.5, "gain": 0.4}
    whole = crossed(generator, items=4000, **design)
    truth = epsilon_squared(whole, seed=0, draws=1, **ALONE).estimate, friedman_test(whole, **WITHIN).kendall_w
    studies, covered = 100, np.zeros(2)
    for _ in range(studies):
        table = crossed(generator, items=60, **design)
        epsilon = epsilon_squared(table, cluster="item", seed=0, draws=200, **ALONE)
        friedman = friedman_test(table, seed=0, draws=200, **WITHIN)
        covered += [epsilon.low <= truth[0] <= epsilon.high, friedman.low <= truth[1] <= friedman.high]
    # 3 binomial standard errors: 3 sqrt(.95 .05 / 100) = .065.
    assert covered / studies == pytest.approx([0.95, 0.95], abs=0.065)


def test_800_distinct_values_are_no_table_of_800_by_800() -> None:
    generator = np.random.default_rng(9)
    table = pd.DataFrame({"system": np.arange(3000) % 3, "item": np.arange(3000) // 15})
    table["value"] = np.arange(3000) % 800 / 8 + table["system"] * 5 + generator.permutation(3000) % 50
    effects = pair_effects(table, cluster="item", seed=0, draws=50, **ALONE)
    x, y = (rows["value"].to_numpy() for _, rows in itertools.islice(table.groupby("system"), 2))
    assert effects.pairs[0].cliffs_delta == pytest.approx(np.sign(y[:, None] - x[None, :]).mean())


def test_pairs_are_turned_in_reading_and_figure_but_not_in_the_table() -> None:
    table = pd.DataFrame({"system": list("aaaabbbb"), "value": [5, 4, 5, 4, 1, 2, 2, 1.0]})
    effects = pair_effects(table, seed=0, draws=20, **ALONE)
    assert effects.to_frame().loc[0, ["first", "second"]].tolist() == ["a", "b"]
    assert effects.to_frame().loc[0, "cliffs_delta"] == -1
    assert effects.reading.startswith("The largest difference is that of a and b: Hedges' g 4.")
    assert effects.plot().axes[0].get_yticklabels()[0].get_text() == "a\n− b"


def test_what_is_not_defined_is_nan_with_the_reason() -> None:
    constant = pd.DataFrame({"system": list("aabb"), "value": [0.1, 0.1, 0.3, 0.3]})
    (pair,) = pair_effects(constant, seed=0, draws=10, **ALONE).pairs
    assert math.isnan(pair.hedges_g)
    assert math.isnan(pair.hedges_g_low)
    assert pair.cliffs_delta == 1
    assert pair.reason == "neither group has a spread"
    rounded = pd.DataFrame({"system": list("abc") * 7, "value": [1.1, 2.3, 3.7] * 7})
    assert all(pair.reason for pair in pair_effects(rounded, seed=0, draws=10, **ALONE).pairs)
    beside = pd.concat([constant, pd.DataFrame({"system": "c", "value": [1, 2.0]})])
    written = [
        text.get_text() for text in pair_effects(beside, seed=0, draws=10, **ALONE).plot().findobj(mpl.text.Text)
    ]
    assert written.count("not defined") == 1
    assert eta_squared(constant, seed=0, draws=10, **ALONE).estimate == pytest.approx(1)
    one = constant[constant["system"] == "a"]
    assert pair_effects(one, seed=0, draws=10, **ALONE).reason == "fewer than two groups have a value"
    assert "not defined" in pair_effects(one, seed=0, draws=10, **ALONE).reading
    assert eta_squared(one, seed=0, draws=10, **ALONE).reason == "fewer than two groups have a value"
    equal = constant.assign(value=2)
    assert eta_squared(equal, seed=0, draws=10, **ALONE).reason == "all values are equal"
    empty = constant.assign(value=np.nan)
    assert eta_squared(empty, seed=0, draws=10, **ALONE).dropped == 4
    assert pair_effects(empty, seed=0, draws=10, **ALONE).pairs == ()
