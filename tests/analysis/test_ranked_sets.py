"""Rankings: W against a published table, R and scipy; mean ranks and ends by hand; ties and unequal sets."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.ranked_sets import kendall_w, mean_ranks
from analysis.ranking_findings import unfold_rankings
from annotation.errors import InputError
from tests.analysis.references import r_says

RANKS = {"unit": "set", "rater": "worker", "rank": "rank"}


def ranked(*sets: list[list[float]]) -> pd.DataFrame:
    """Each set a list of raters' ranks, in the order of the systems s0, s1, ..."""
    rows = [
        (number, worker, f"s{system}", rank)
        for number, raters in enumerate(sets)
        for worker, ranks in enumerate(raters)
        for system, rank in enumerate(ranks)
    ]
    return pd.DataFrame(rows, columns=["set", "worker", "system", "rank"])


def w_of(table: pd.DataFrame, **options):
    return kendall_w(table, entry="system", **RANKS, seed=0, **({"draws": 50} | options))


def test_w_is_the_published_one() -> None:
    """S. Siegel, Nonparametric Statistics (1956), p. 230: three executives rank six applicants, W = .16."""
    result = w_of(ranked([[1, 6, 3, 2, 5, 4], [1, 5, 6, 4, 2, 3], [6, 3, 2, 5, 4, 1]]))
    assert result.estimate == pytest.approx(0.16, abs=5e-3)


def test_w_with_ties_is_friedmans_of_r() -> None:
    """W = chi-square / (m (n - 1)), R's friedman.test corrects for ties as W does."""
    result = w_of(ranked([[1, 2, 3, 4], [2, 1, 3, 4], [1, 3, 2, 4], [1, 1, 3, 3], [1, 2, 2, 3]]))
    assert result.estimate == pytest.approx(r_says()["friedman_w"])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(3, 6))
def test_w_of_sets_is_the_mean_of_scipys(seed: int, raters: int, size: int) -> None:
    generator = np.random.default_rng(seed)
    sets = [generator.integers(1, size + 1, size=(raters, size)).tolist() for _ in range(3)]
    expected = []
    for ranks in sets:
        if all(len(set(row)) == 1 for row in ranks):
            continue
        if size >= 3:
            statistic = stats.friedmanchisquare(*np.array(ranks).T).statistic
            expected.append(statistic / (raters * (size - 1)))
    result = w_of(ranked(*sets), draws=2)
    if expected:
        assert result.estimate == pytest.approx(np.mean(expected))
    assert result.units_used == len(expected)


def test_without_ties_the_rank_correlation_is_the_mean_of_spearmans() -> None:
    ranks = np.array([np.random.default_rng(seed).permutation(5) + 1 for seed in range(4)])
    pairs = [stats.spearmanr(one, other).statistic for one, other in itertools.combinations(ranks, 2)]
    assert w_of(ranked(ranks.tolist())).rank_correlation == pytest.approx(np.mean(pairs))


def test_random_orders_have_no_rank_correlation() -> None:
    generator = np.random.default_rng(0)
    sets = [[(generator.permutation(4) + 1).tolist() for _ in range(3)] for _ in range(300)]
    result = w_of(ranked(*sets), draws=500)
    assert result.rank_correlation_low < 0 < result.rank_correlation_high
    # By chance W is 1 / m.
    assert result.estimate == pytest.approx(1 / 3, abs=0.05)


def test_sets_that_say_nothing_of_agreement_are_dropped_and_counted() -> None:
    one_rater = [[1, 2, 3]]
    all_tied = [[1, 1, 1], [1, 1, 1]]
    apart = [[1, 2, math.nan], [math.nan, 1, 2]]
    result = w_of(ranked(one_rater, all_tied, apart))
    assert (result.units_used, result.units_dropped) == (0, 3)
    assert "no set was ranked by two raters" in result.reading
    assert w_of(ranked(one_rater, all_tied, [[1, 2, 3], [1, 2, 3]])).estimate == 1


def test_mean_ranks_and_ends_by_hand() -> None:
    """s1 is first, tied for first, and last; ties share places and their ends."""
    table = ranked([[2, 1, 3], [1, 1, 2]], [[1, 3, 2]])
    result = mean_ranks(table, system="system", **RANKS, seed=0, draws=20)
    by_system = {rank.system: rank for rank in result.systems}
    assert by_system["s1"].mean_rank == pytest.approx((1 + 1.5 + 3) / 3)
    assert (by_system["s1"].best, by_system["s1"].worst) == (1.5, 1)
    assert by_system["s1"].best_worst == pytest.approx(0.5 / 3)
    assert [rank.system for rank in result.systems] == ["s0", "s1", "s2"]
    assert sum(rank.best for rank in result.systems) == sum(rank.worst for rank in result.systems) == 3
    assert (result.rankings, result.used, by_system["s0"].used) == (3, 9, 3)


def test_the_interval_draws_sets_with_all_their_rankings() -> None:
    generator = np.random.default_rng(1)
    first = generator.random(200) < 0.7
    sets = [[[1, 2]] * 5 if leads else [[2, 1]] * 5 for leads in first]
    result = mean_ranks(ranked(*sets), system="system", **RANKS, seed=0, draws=4000)
    best = result.systems[0]
    share = first.mean()
    assert best.mean_rank == pytest.approx(2 - share)
    # Five alike rankings add nothing; within 6% of bootstrap noise.
    half = 1.96 * math.sqrt(share * (1 - share) / 200)
    assert (best.mean_rank_high - best.mean_rank_low) / 2 == pytest.approx(half, rel=0.06)
    assert (best.best_worst_high - best.best_worst_low) / 2 == pytest.approx(2 * half, rel=0.06)


def test_sets_of_unequal_size_are_warned_of() -> None:
    result = mean_ranks(ranked([[1, 2]], [[1, 2, 3]]), system="system", **RANKS, seed=0, draws=5)
    assert "sets have 2 to 3 completions" in result.warnings[0]


def test_relabelled_raters_and_another_order_of_rows_change_nothing() -> None:
    generator = np.random.default_rng(2)
    table = ranked(*[[(generator.permutation(4) + 1).tolist() for _ in range(3)] for _ in range(20)])
    other = table.assign(worker=table["worker"].map({0: "z", 1: "a", 2: "m"})).sample(frac=1, random_state=0)
    assert w_of(other).estimate == pytest.approx(w_of(table).estimate)
    ours, theirs = (mean_ranks(rows, system="system", **RANKS, seed=0, draws=5).to_frame() for rows in (table, other))
    pd.testing.assert_frame_equal(ours, theirs)


def test_a_set_may_hold_a_system_twice_where_its_letters_say_which() -> None:
    table = ranked([[1, 2, 3], [1, 3, 2]]).assign(letter=lambda rows: rows["system"]).replace({"system": {"s2": "s0"}})
    result = mean_ranks(table, system="system", entry="letter", **RANKS, seed=0, draws=5)
    assert {rank.system: rank.mean_rank for rank in result.systems} == {"s0": 7 / 4, "s1": 2.5}
    with pytest.raises(InputError, match="row 2: 0, 0, 's0' occurs twice; expected one rank a set, rater and system"):
        mean_ranks(table, system="system", **RANKS, seed=0)


def test_rankings_as_text_unfold_to_ranks_of_their_groups() -> None:
    rankings = pd.DataFrame(
        {
            "set": ["x", "y"],
            "worker": ["v", "w"],
            "item": ["i", "j"],
            "systems": [("p", "q", "r"), ("q", "p")],
            "ranking": ["c>a=b", "b>a"],
        }
    )
    unfolded = unfold_rankings(rankings)
    assert unfolded[["set", "letter", "system", "rank"]].to_numpy().tolist() == [
        ["x", "a", "p", 2], ["x", "b", "q", 2], ["x", "c", "r", 1], ["y", "a", "q", 2], ["y", "b", "p", 1],
    ]  # fmt: skip
    with pytest.raises(InputError, match="row 0: 'c>a=b' ranks other completions than the 2 of the set"):
        unfold_rankings(rankings.assign(systems=[("p", "q"), ("q", "p")]))
