"""Figures of several systems: what is written, in which order, and what is left out."""

import numpy as np
import pandas as pd
import pytest

from analysis.bradley_terry import fit_bradley_terry
from analysis.drawing import figure_style, figure_svg
from analysis.length_bias import length_adjusted_win_rate, length_bias
from analysis.mcnemar import mcnemar_test_of_votes
from analysis.position_bias import position_bias, position_bias_by_worker
from analysis.preference_plots import SHADES, plot_mean_ranks
from analysis.preference_strength import mean_strength
from analysis.preferences import binomial_test, sign_flip_test, win_counts
from analysis.ranked_sets import kendall_w, mean_ranks
from analysis.results import Result
from analysis.strength_bootstrap import bootstrap_strengths
from analysis.swap_consistency import swap_consistency
from analysis.win_rates import win_rates
from tests.analysis.test_bradley_terry import COLUMNS, make_votes
from tests.analysis.test_plots import luminance, texts
from tests.analysis.test_ranked_sets import RANKS, ranked


def make_many(systems: int) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    first = generator.integers(systems, size=3000)
    second = (first + generator.integers(1, systems, size=3000)) % systems
    vote = np.where(generator.random(3000) < 0.5 + (second - first) / (3 * systems), 1, -1)
    return pd.DataFrame({"system_a": first, "system_b": second, "vote": vote})


def test_strengths_stand_beside_the_probabilities_of_their_ranks() -> None:
    ranking = bootstrap_strengths(make_votes(), **COLUMNS, seed=0, cluster="item", draws=200)
    with figure_style():
        figure = ranking.plot()
    dots, heat = figure.axes
    assert [label.get_text() for label in dots.get_yticklabels()] == ["3", "2", "1", "0"]
    assert [label.get_text() for label in heat.get_xticklabels()] == ["1", "2", "3", "4"]
    written = [text.get_text() for text in heat.texts]
    assert len(written) == 16
    assert written[0] == f"{ranking.rank_probabilities[0][0]:.0%}"
    assert written[3] == "·"  # the strongest is never last
    assert dots.lines[0].get_xdata() == pytest.approx([strength.elo for strength in ranking.fitted])
    figure_svg(figure)


def test_a_matrix_writes_each_rate_both_ways_with_n_and_stars() -> None:
    rates = win_rates(make_votes(), **COLUMNS, seed=0, cluster="item")
    with figure_style():
        figure = rates.plot()
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["3", "2", "1", "0"]
    written = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}
    best = next(cell for cell in rates.cells if (cell.system, cell.opponent) == (0, 3))
    assert written[(3, 0)] == f"{best.estimate:.0%}*\nn = {best.used}"
    assert written[(0, 3)] == f"{1 - best.estimate:.0%}*\nn = {best.used}"
    assert written[(1, 1)] == ""
    close = next(cell for cell in rates.cells if (cell.system, cell.opponent) == (1, 2))
    assert written[(2, 1)] == f"{close.estimate:.0%}\nn = {close.used}"


def test_many_systems_have_stars_and_no_numbers() -> None:
    table = make_many(15)
    with figure_style():
        matrix = win_rates(table, **COLUMNS, seed=0, draws=100).plot()
        strengths = bootstrap_strengths(table, **COLUMNS, seed=0, draws=100).plot()
    assert "*" in texts(matrix)
    assert not [text for text in texts(matrix) if "%" in text]
    ticks = [label.get_text() for label in strengths.axes[1].get_xticklabels()]
    assert ticks == ["1", "5", "10", "15"]


def test_votes_without_a_rate_leave_their_cell_open() -> None:
    table = pd.DataFrame({"system_a": "x", "system_b": ["y", "y", "z", "z"], "vote": [0, 0, 1, -1]})
    with figure_style():
        figure = win_rates(table, **COLUMNS, seed=0, draws=20).plot()
    assert "—\nn = 0" in texts(figure)
    figure_svg(figure)


def test_mean_ranks_have_the_best_first() -> None:
    ranks = mean_ranks(ranked([[2, 1, 3], [1, 2, 3]], [[2, 1, 3]]), system="system", **RANKS, seed=0, draws=50)
    with figure_style():
        figure = plot_mean_ranks(ranks)
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["s1", "s0", "s2"]
    assert left.lines[0].get_xdata() == pytest.approx([4 / 3, 5 / 3, 3])
    assert right.lines[0].get_xdata() == pytest.approx([2 / 3, 1 / 3, -1])


def test_shares_are_told_apart_in_grey() -> None:
    light = [luminance(shade) for shade in SHADES]
    assert light[0] > light[1] + 0.15 > light[2] + 0.3


def every_result() -> list[Result]:
    votes = make_votes(votes=200)
    texts = votes.assign(completion_a="one two", completion_b=["one", "one two three"] * 100, strength=2.0)
    sides, items = {"vote": "vote", "left": "left"}, {"cluster": "item", "seed": 0, "draws": 20}
    lengths = {"completion_a": "completion_a", "completion_b": "completion_b", "vote": "vote"}
    orders = ranked([[2, 1, 3], [1, 2, 3]], [[2, 1, 3], [3, 1, 2]])
    return [
        binomial_test(win_counts(votes, vote="vote")),
        sign_flip_test(votes, unit="item", vote="vote", seed=0, draws=20),
        win_rates(votes, **COLUMNS, **items),
        win_rates(votes, **COLUMNS, **items).cells[0],
        mcnemar_test_of_votes(votes, unit="item", vote="vote"),
        fit_bradley_terry(votes, **COLUMNS, cluster="item", left="left"),
        bootstrap_strengths(votes, **COLUMNS, **items),
        position_bias(votes, **sides),
        position_bias_by_worker(votes.assign(worker=votes["item"] % 5), **sides, rater="worker", seed=0),
        swap_consistency(votes, pair="item", seed=0, draws=20, **sides),
        length_bias(texts, **lengths, **items),
        length_adjusted_win_rate(texts, **lengths, cluster="item"),
        mean_strength(texts, unit="item", vote="vote", strength="strength", seed=0, draws=20),
        mean_ranks(orders, system="system", **RANKS, seed=0, draws=20),
        mean_ranks(orders, system="system", **RANKS, seed=0, draws=20).systems[0],
        kendall_w(orders, entry="system", **RANKS, seed=0, draws=20),
    ]


def test_every_result_can_be_read_tabled_and_drawn() -> None:
    for result in every_result():
        assert result.reading.endswith("."), result
        assert result.to_dict()["reading"] == result.reading
        assert result.to_dict()["method"]
        assert len(result.to_frame())
        assert "toprule" in result.to_latex()
        with figure_style():
            assert result.plot().axes
