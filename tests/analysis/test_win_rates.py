"""Win rates against plain loops, scipy, and exchanges of names; what is tied or lost is said."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.intervals import wilson_interval
from analysis.resampling import cluster_counts
from analysis.win_rates import WinRates, win_rates
from annotation.errors import InputError
from tests.analysis.test_bradley_terry import COLUMNS, make_votes


def cell(rates: WinRates, system: object, opponent: object):
    (found,) = [cell for cell in rates.cells if (cell.system, cell.opponent) == (system, opponent)]
    return found


def test_a_cell_counts_votes_of_both_directions() -> None:
    table = pd.DataFrame(
        {
            "system_a": ["x"] * 6 + ["y"] * 4,
            "system_b": ["y"] * 6 + ["x"] * 4,
            "vote": [-1, -1, -1, -1, 1, 0, 1, 1, 1, 0],
        }
    )
    found = cell(win_rates(table, **COLUMNS, seed=0), "x", "y")
    assert (found.wins, found.losses, found.ties, found.used) == (7, 1, 2, 8)
    assert found.estimate == 7 / 8
    test = stats.binomtest(7, 8)
    assert found.p_value == test.pvalue
    wilson = test.proportion_ci(method="wilson")
    assert (found.wilson_low, found.wilson_high) == pytest.approx((wilson.low, wilson.high))
    halved = cell(win_rates(table, **COLUMNS, seed=0, ties="half"), "x", "y")
    assert (halved.estimate, halved.used) == (8 / 10, 10)
    assert halved.p_value == test.pvalue


@pytest.mark.parametrize("ties", ["drop", "half"])
def test_the_interval_is_that_of_copied_items(ties) -> None:
    """The same draws in a plain loop: all rows of an item, as often as it is drawn."""
    table = make_votes(votes=120)
    rates = win_rates(table, **COLUMNS, seed=3, draws=40, cluster="item", ties=ties)
    items = sorted(table["item"].unique())
    shares = []
    for counts in cluster_counts(len(items), 40, np.random.default_rng(3)):
        drawn = table.loc[table.index.repeat(counts[table["item"].map(items.index)])]
        signs = np.where(drawn["system_a"] == 0, -1, 1) * drawn["vote"]
        of_pair = signs[drawn[["system_a", "system_b"]].isin([0, 1]).all(axis=1)]
        wins, ties_of_pair = (of_pair > 0).sum(), (of_pair == 0).sum() / 2 * (ties == "half")
        losses = (of_pair < 0).sum()
        shares.append((wins + ties_of_pair) / (wins + losses + 2 * ties_of_pair))
    found = cell(rates, 0, 1)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(shares, [0.025, 0.975])))


def test_without_clusters_votes_are_drawn_and_the_interval_is_the_binomials() -> None:
    table = pd.DataFrame({"system_a": "x", "system_b": "y", "vote": [-1] * 300 + [1] * 100})
    found = cell(win_rates(table, **COLUMNS, seed=0, draws=4000), "x", "y")
    assert found.items == 400
    # Within 6% of bootstrap noise, the normal interval of a share.
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * math.sqrt(0.75 * 0.25 / 400), rel=0.06)


def test_copies_of_votes_do_not_narrow_the_interval_over_items() -> None:
    once = make_votes(votes=200).assign(item=np.arange(200))
    fourfold = pd.concat([once] * 4, ignore_index=True)
    narrow, wide = (
        [found.high - found.low for found in win_rates(table, **COLUMNS, seed=1, cluster="item", draws=4000).cells]
        for table in (once, fourfold)
    )
    # Shares of some 30 votes are steps of a thirtieth.
    assert wide == pytest.approx(narrow, rel=0.1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.permutations(["p", "q", "r", "s"]))
def test_names_and_the_order_of_rows_change_no_rate(seed: int, names: list[str]) -> None:
    table = make_votes(seed, votes=60)
    renamed = table.assign(
        system_a=table["system_a"].map(dict(enumerate(names))), system_b=table["system_b"].map(dict(enumerate(names)))
    ).sample(frac=1, random_state=seed)
    ours, other = (win_rates(rows, **COLUMNS, seed=0, draws=2).to_matrix() for rows in (table, renamed))
    expected = ours.rename(index=dict(enumerate(names)), columns=dict(enumerate(names)))
    pd.testing.assert_frame_equal(other.loc[expected.index, expected.columns], expected)
    both = ours + ours.T
    assert both.to_numpy()[~np.eye(4, dtype=bool)] == pytest.approx(1)


def test_ties_alone_have_no_rate_and_missing_votes_are_counted() -> None:
    table = pd.DataFrame({"system_a": "x", "system_b": ["y", "y", "z"], "vote": [0, 0, np.nan]})
    rates = win_rates(table, **COLUMNS, seed=0, draws=10)
    (found,) = rates.cells
    assert math.isnan(found.estimate)
    assert found.reason == "every vote is a tie"
    assert found.reading.endswith("every vote is a tie.")
    assert rates.votes_dropped == 3
    assert set(rates.systems) == {"x", "y", "z"}
    assert rates.to_frame()["reason"].tolist() == ["every vote is a tie"]
    assert win_rates(table, **COLUMNS, seed=0, draws=10, ties="half").cells[0].estimate == 0.5


def test_a_matrix_has_the_best_first_and_a_star_where_the_interval_excludes_half() -> None:
    rates = win_rates(make_votes(), **COLUMNS, seed=0, cluster="item")
    assert rates.systems == (3, 2, 1, 0)
    assert cell(rates, 0, 3).excludes_half
    assert not cell(rates, 1, 2).excludes_half
    assert rates.reading.startswith(f"{sum(found.excludes_half for found in rates.cells)} of 6 win rates")


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (5, 5), (3, 7), (40, 100)])
def test_wilsons_interval_equals_scipys(successes: int, trials: int) -> None:
    other = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((other.low, other.high))


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        ({}, {"ties": "davidson"}, "ties is 'davidson'; expected one of drop, half"),
        ({"vote": True}, {}, "row 0: 'vote' is True; expected -1 for a, 1 for b or 0 for a tie"),
        ({"vote": "left"}, {}, "row 0: 'vote' is 'left'; expected a number"),
        ({"system_b": np.nan}, {}, "row 0: the column 'system_b' is empty"),
    ],
)
def test_bad_input_is_named(change: dict, options: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        win_rates(make_votes(votes=20).assign(**change), **COLUMNS, seed=0, **options)
