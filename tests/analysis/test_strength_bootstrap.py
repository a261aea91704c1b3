"""Strengths of many draws at once against fits of copied tables; ranks against a loop; what draws lose is said."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.sparse.csgraph import connected_components

from analysis.bradley_terry import fit_bradley_terry, fit_votes
from analysis.davidson import tally
from analysis.strength_bootstrap import bootstrap_strengths, is_connected, rank_probabilities, strengths_of_draws
from analysis.vote_counts import count_votes
from tests.analysis.test_bradley_terry import COLUMNS, half_widths, make_votes, scores


@pytest.mark.parametrize("ties", ["davidson", "half", "drop"])
@pytest.mark.parametrize("left", [None, "left"])
def test_a_draw_is_the_fit_of_its_copied_items(ties, left) -> None:
    table = make_votes(votes=180)
    counts = count_votes(table, **COLUMNS, cluster="item", left=left)
    fit = fit_votes(counts, ties)
    draws = np.random.default_rng(0).multinomial(fit.votes.clusters, [1 / fit.votes.clusters] * fit.votes.clusters, 5)
    together = strengths_of_draws(fit, tally(draws @ fit.votes.of_cluster))
    items = sorted(table["item"].unique())
    for times, strengths in zip(draws, together, strict=True):
        copied = table.loc[table.index.repeat(times[table["item"].map(items.index)])]
        alone = fit_bradley_terry(copied, **COLUMNS, ties=ties, left=left)
        assert strengths == pytest.approx(scores(alone), abs=1e-7)


def test_the_estimate_is_that_of_all_votes_and_the_interval_near_the_sandwichs() -> None:
    table = make_votes()
    ranking = bootstrap_strengths(table, **COLUMNS, seed=0, cluster="item", left="left", draws=2000)
    fit = fit_bradley_terry(table, **COLUMNS, cluster="item", left="left")
    assert scores(ranking) == pytest.approx(scores(fit))
    # 150 items: Wald's and the bootstrap's widths agree within a tenth.
    assert half_widths(ranking) == pytest.approx(half_widths(fit), rel=0.1)
    assert ranking.undefined_share == 0
    assert (ranking.votes_used, ranking.clusters) == (900, 150)


def test_a_draw_is_connected_where_its_graph_of_wins_is() -> None:
    """300 draws of few votes among four systems, each against scipy's strongly connected components."""
    counts = count_votes(make_votes(votes=200), **COLUMNS)
    sums = np.random.default_rng(0).binomial(1, 0.3, size=(300, 3 * len(counts.first))).astype(float)
    found = is_connected(counts, np.ones(4, dtype=bool), tally(sums))
    for row, is_found in zip(sums, found, strict=True):
        for_first, tied, for_second = np.split(row, 3)
        graph = np.zeros((4, 4))
        graph[counts.first, counts.second] = for_second + tied
        graph[counts.second, counts.first] = for_first + tied
        assert is_found == (connected_components(graph, connection="strong")[0] == 1)
    assert 0.1 < found.mean() < 0.9


def test_ranks_are_counted_draw_by_draw() -> None:
    strengths = np.random.default_rng(1).normal([0, 0.2, 0.5, 0.1], size=(200, 4))
    counted = np.zeros((4, 4))
    for row in strengths:
        for place, system in enumerate(sorted(range(4), key=lambda system: -row[system])):
            counted[system, place] += 1 / 200
    assert rank_probabilities(strengths) == pytest.approx(counted)


def test_equal_strengths_share_their_ranks() -> None:
    shares = rank_probabilities(np.array([[0.5, 0.5 + 1e-12, -1.0]]))
    assert shares == pytest.approx(np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]))


def test_rank_probabilities_follow_the_order_of_the_strengths() -> None:
    ranking = bootstrap_strengths(make_votes(), **COLUMNS, seed=0, cluster="item")
    shares = np.array(ranking.rank_probabilities)
    assert shares.sum(axis=0) == pytest.approx(1)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert [strength.system for strength in ranking.strengths] == [3, 2, 1, 0]
    assert shares[3, 3] > 0.99  # the weakest by far
    assert shares[0, 0] > shares[1, 0]
    frame = ranking.to_frame()
    assert frame["rank_4"].tolist() == pytest.approx(shares[:, 3].tolist())


def test_draws_that_lose_a_win_are_left_out_and_counted() -> None:
    """System 8 has one win, on one item: a draw of 41 items misses it with probability (40/41)^41."""
    rare = pd.DataFrame({"system_a": 8, "system_b": [0] * 40 + [1], "vote": [1] * 40 + [-1], "item": range(900, 941)})
    table = pd.DataFrame({"system_a": 0, "system_b": 1, "vote": [1, -1] * 20, "item": np.repeat(range(900, 940), 1)})
    ranking = bootstrap_strengths(pd.concat([table, rare], ignore_index=True), **COLUMNS, seed=0, cluster="item")
    missed = (40 / 41) ** 41
    # Four standard errors of 1,000 draws.
    assert ranking.undefined_share == pytest.approx(missed, abs=4 * math.sqrt(missed * (1 - missed) / 1000))
    assert any("undefined in" in warning for warning in ranking.warnings)
    assert all(math.isfinite(end) for strength in ranking.fitted for end in (strength.low, strength.high))


def test_draws_without_ties_are_fitted_without_them() -> None:
    """Two ties among 400 votes: a draw that loses both has no nu, and strengths all the same."""
    table = make_votes(ties=False, votes=400).assign(item=np.arange(400))
    table.loc[[0, 1], "vote"] = 0
    ranking = bootstrap_strengths(table, **COLUMNS, seed=0, cluster="item", draws=200)
    assert ranking.undefined_share == 0
    assert half_widths(ranking) == pytest.approx(half_widths(fit_bradley_terry(table, **COLUMNS)), rel=0.15)


def test_winless_systems_are_named_and_the_others_ranked() -> None:
    losing = pd.DataFrame({"system_a": 8, "system_b": [0, 1], "vote": 1, "item": 9000})
    table = pd.concat([make_votes()[["system_a", "system_b", "vote", "item"]], losing], ignore_index=True)
    ranking = bootstrap_strengths(table, **COLUMNS, seed=0, cluster="item", draws=50)
    assert [strength.system for strength in ranking.fitted] == [3, 2, 1, 0]
    assert len(ranking.rank_probabilities) == 4
    assert "8: it won no vote" in ranking.warnings[0]
    assert (ranking.votes_used, ranking.votes_dropped) == (900, 2)
    assert math.isnan(ranking.to_frame().loc[4, "rank_1"])


def test_nothing_to_rank_is_said() -> None:
    apart = pd.DataFrame({"system_a": "x", "system_b": "y", "vote": [1, 1]})
    ranking = bootstrap_strengths(apart, **COLUMNS, seed=0, draws=10)
    assert ranking.reading.startswith("The ranking is not defined: no two systems have each won")
    missing = bootstrap_strengths(apart.assign(vote=np.nan), **COLUMNS, seed=0, draws=10)
    assert missing.votes_dropped == 2


def test_without_clusters_alike_votes_are_drawn_together() -> None:
    """As single votes: the intervals are those of the model, within a tenth."""
    table = make_votes()
    ranking = bootstrap_strengths(table, **COLUMNS, seed=0, left="left", draws=2000)
    model = fit_bradley_terry(table, **COLUMNS, left="left", variance="model")
    assert half_widths(ranking) == pytest.approx(half_widths(model), rel=0.1)


@pytest.mark.filterwarnings("error")
def test_tiny_tables_break_nothing() -> None:
    """25 tables of one to twelve votes, some missing, some with one side or ties alone: numbers, or a reason."""
    generator = np.random.default_rng(6)
    for _ in range(25):
        table = make_votes(int(generator.integers(1e6)), votes=int(generator.integers(1, 13)))
        table["left"] = generator.choice(["a", "b"][: generator.integers(1, 3)], len(table))
        table["vote"] = generator.choice(
            [[-1.0, 1.0], [1.0, 0.0], [np.nan, 0.0], [-1.0, 1.0]][generator.integers(4)], len(table)
        )
        table["item"] = generator.integers(4, size=len(table))
        options = {"cluster": "item", "left": "left"}
        ranking = bootstrap_strengths(table, **COLUMNS, **options, seed=0, draws=20)
        fit = fit_bradley_terry(table, **COLUMNS, **options)
        for result in (ranking, fit):
            assert result.votes_used + result.votes_dropped == len(table)
            assert bool(result.reason) == (not result.fitted)
            assert all(math.isfinite(strength.elo) for strength in result.fitted)
