"""Power of rating studies: closed form, simulation, statsmodels, whole tables of ratings, and what is asked for."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy import stats
from statsmodels.stats.power import FTestPowerF2, TTestPower

from analysis.drawing import figure_style, save_figure
from analysis.power import (
    RatingStudy,
    Variances,
    blocked_power,
    items_needed,
    plan_ratings,
    simulate_power,
)
from annotation.errors import InputError
from tests.analysis.mixed_tables import make_table

PILOT = Variances(residual=0.8, completion=0.2, item=0.3, worker=0.15)


def test_with_two_systems_the_closed_form_is_the_paired_t_test() -> None:
    """The difference of two means has twice the variance of one; TTestPower takes it in standard deviations."""
    study = RatingStudy(0.3, PILOT)
    for items, raters in ((10, 1), (60, 3), (200, 2)):
        deviation = math.sqrt(2 * (0.2 + (0.15 + 0.8) / raters))
        other = TTestPower().power(0.3 / deviation, items, 0.05)
        assert blocked_power(study, items=items, raters=raters) == pytest.approx(other, abs=1e-9)


def test_with_more_systems_the_closed_form_is_the_noncentral_f_of_statsmodels() -> None:
    study = RatingStudy(0.4, PILOT, systems=4)
    items, raters = 40, 2
    # Two systems .2 off the mean, two on it.
    noncentrality = items * 2 * 0.2**2 / (0.2 + 0.95 / raters)
    between, within = 3, 3 * 39
    other = FTestPowerF2().power(noncentrality / (between + within), between, within, 0.05, ncc=0)
    assert blocked_power(study, items=items, raters=raters) == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize(
    ("study", "items", "raters"),
    [
        (RatingStudy(0.3, PILOT), 60, 3),
        (RatingStudy(0.3, PILOT, workers=6), 60, 3),
        (RatingStudy(0.3, Variances(residual=0.3, worker=0.8), workers=10), 40, 4),
        (RatingStudy(0.4, PILOT, systems=4, workers=20), 45, 2),
        (RatingStudy(0.5, Variances(residual=1.0), alpha=0.01), 40, 1),
    ],
)
def test_simulation_and_closed_form_agree(study: RatingStudy, items: int, raters: int) -> None:
    power = simulate_power(study, items=items, raters=raters, seed=3, simulations=4000)
    assert 0.2 < power.closed_form < 0.95
    # 3 binomial standard errors: at most 3 sqrt(.25 / 4000) = .024.
    assert power.estimate == pytest.approx(power.closed_form, abs=0.024)
    assert power.low < power.estimate < power.high
    assert power.reading.startswith(f"With {items} items, each completion rated by {raters}, the power is 0.")


@pytest.mark.parametrize(("systems", "workers"), [(2, None), (2, 5), (5, 12)])
def test_without_a_difference_the_power_is_alpha(systems: int, workers: int | None) -> None:
    study = RatingStudy(0, PILOT, systems=systems, workers=workers)
    power = simulate_power(study, items=30, raters=3, seed=1, simulations=4000)
    assert power.closed_form == pytest.approx(0.05, abs=1e-9)
    # 3 binomial standard errors: 3 sqrt(.05 .95 / 4000) = .0103.
    assert power.estimate == pytest.approx(0.05, abs=0.0103)


def test_it_is_the_power_of_tests_on_whole_tables_of_ratings() -> None:
    """Ratings drawn one by one, each completion by three of eight workers, and scipy's paired t-test of their means."""
    deviations = (0.45, 0.55, 0.4, 0.9)
    variances = Variances(completion=0.45**2, item=0.55**2, worker=0.4**2, residual=0.9**2)
    expected = blocked_power(RatingStudy(0.4, variances, workers=8), items=45, raters=3)
    studies, rejected = 300, 0
    for seed in range(studies):
        table = make_table(items=45, systems=2, raters=3, workers=8, gain=0.4, deviations=deviations, seed=seed)
        means = np.bincount(table["item"] * 2 + table["system"], table["value"]).reshape(45, 2)
        rejected += stats.ttest_rel(means[:, 1], means[:, 0]).pvalue <= 0.05
    # 3 binomial standard errors: 3 sqrt(.25 / 300) = .087.
    assert rejected / studies == pytest.approx(expected, abs=0.087)


@settings(max_examples=12, deadline=None)
@given(st.floats(0.2, 2), st.integers(1, 6), st.integers(2, 5), st.floats(0, 0.5))
def test_the_items_needed_are_enough_and_one_less_is_not(
    difference: float, raters: int, systems: int, completion: float
) -> None:
    study = RatingStudy(difference, Variances(residual=0.7, completion=completion, worker=0.2), systems, workers=9)
    items = items_needed(study, raters=raters, target=0.9)
    assert items is not None
    assert blocked_power(study, items=items, raters=raters) >= 0.9
    assert items == 2 or blocked_power(study, items=items - 1, raters=raters) < 0.9
    more = items_needed(study, raters=raters + 1, target=0.9)
    assert more is not None
    assert more <= items


def test_more_raters_do_not_help_beyond_the_variance_of_completions() -> None:
    study = RatingStudy(0.3, Variances(residual=0.8, completion=0.5))
    floor = items_needed(RatingStudy(0.3, Variances(residual=0, completion=0.5)), raters=1)
    assert items_needed(study, raters=1000) == floor


@pytest.mark.parametrize("systems", [2, 4])
def test_the_closed_form_is_a_probability_for_the_smallest_and_the_largest_effects(systems: int) -> None:
    powers = [
        blocked_power(RatingStudy(difference, PILOT, systems=systems), items=500, raters=3)
        for difference in np.geomspace(1e-6, 1000, 50)
    ]
    assert powers[0] == pytest.approx(0.05, abs=1e-6)
    assert powers[-1] == 1
    assert (np.diff(powers) >= -1e-12).all()


def test_a_plan_has_every_design_and_the_smallest_for_each_number_of_raters() -> None:
    grid = plan_ratings(
        RatingStudy(0.3, PILOT, workers=30), seed=0, items=(20, 50, 100), raters=(1, 3), simulations=200
    )
    assert [(power.raters, power.items) for power in grid.powers] == [(r, i) for r in (1, 3) for i in (20, 50, 100)]
    assert [(power.raters, power.items) for power in grid.smallest] == [(1, 202), (3, 92)]
    assert all(0.7 < power.estimate < 0.9 for power in grid.smallest)
    assert grid.reading == (
        "To find a difference of 0.3 with power 0.8, 2 systems need 202 items with 1 rater a completion (404 ratings) "
        "or 92 with 3 (552)."
    )
    frame = grid.to_frame()
    assert len(frame) == 8
    assert frame["ratings"].tolist()[:2] == [40, 100]
    assert plan_ratings(grid.study, seed=0, items=(20, 50, 100), raters=(1, 3), simulations=200) == grid


def test_sizes_that_are_not_named_lie_around_the_answer() -> None:
    grid = plan_ratings(RatingStudy(0.3, PILOT), seed=0, simulations=50)
    sizes = sorted({power.items for power in grid.powers})
    needed = [power.items for power in grid.smallest]
    assert len(grid.powers) == 20
    assert sizes[0] < min(needed)
    assert sizes[-1] > max(needed)


def test_a_difference_too_small_for_any_study_is_said_to_be() -> None:
    grid = plan_ratings(RatingStudy(1e-4, PILOT), seed=0, items=(20, 1000), raters=(1,), simulations=1000)
    assert grid.smallest == ()
    assert grid.reading.startswith("To find a difference of 0.0001 with power 0.8")
    assert "more than 1000000 items" in grid.reading
    assert grid.warnings == ("with some numbers of raters no 1000000 items reach power 0.8",)


def test_designs_too_large_to_simulate_have_the_closed_form_alone() -> None:
    grid = plan_ratings(RatingStudy(0.3, PILOT), seed=0, items=(20, 1000), raters=(1,), simulations=1000)
    small, large = grid.powers
    assert (small.reason, large.reason) == ("", "the study is too large to be simulated here")
    assert math.isnan(large.estimate)
    assert large.closed_form == blocked_power(grid.study, items=1000, raters=1)
    with figure_style():
        (axes,) = grid.plot().axes
    assert [len(container.lines[0].get_xdata()) for container in axes.containers] == [1]


def test_raters_beyond_the_pool_are_left_out_of_a_plan() -> None:
    grid = plan_ratings(RatingStudy(0.5, PILOT, workers=2), seed=0, items=(20,), raters=(1, 2, 3), simulations=50)
    assert {power.raters for power in grid.powers} == {1, 2}
    assert grid.warnings == ("designs with more raters than the 2 workers are left out",)
    with pytest.raises(InputError, match="more raters a completion than the 2 workers"):
        plan_ratings(RatingStudy(0.5, PILOT, workers=2), seed=0, raters=(3,))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: Variances(residual=-1), "the variance 'residual' is -1; expected 0 or more"),
        (lambda: Variances(residual=0, worker=1), "'residual' and 'completion' are both 0"),
        (lambda: RatingStudy(math.nan, PILOT), "the difference is nan"),
        (lambda: RatingStudy(0.3, PILOT, systems=1), "there are 1 systems; expected at least 2"),
        (lambda: RatingStudy(0.3, PILOT, alpha=1), "alpha is 1; expected a number between 0 and 1"),
        (lambda: plan_ratings(RatingStudy(0, PILOT), seed=0), "the difference is 0; expected more"),
        (lambda: blocked_power(RatingStudy(0.3, PILOT), items=1, raters=1), "1 items; expected at least 2"),
        (lambda: blocked_power(RatingStudy(0.3, PILOT), items=9, raters=0), "0 raters a completion"),
        (lambda: blocked_power(RatingStudy(0.3, PILOT, workers=2), items=9, raters=3), "at most the 2 workers"),
        (lambda: items_needed(RatingStudy(0.3, PILOT), raters=1, target=0.01), "the power is 0.01"),
        (lambda: simulate_power(RatingStudy(0.3, PILOT), items=9, raters=1, seed=0, simulations=0), "0 simulations"),
    ],
)
def test_an_impossible_study_is_refused(call: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()


def draw() -> Figure:
    grid = plan_ratings(RatingStudy(0.3, PILOT, workers=30), seed=0, items=(20, 80, 300), raters=(1, 3), simulations=50)
    with figure_style():
        return grid.plot()


def test_the_figure_has_a_line_and_dots_for_each_number_of_raters(tmp_path: Path) -> None:
    figure = draw()
    (axes,) = figure.axes
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["1 rater", "3 raters"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["20", "80", "300"]
    curves = [line for line in axes.lines if len(line.get_xdata()) > 10]
    study = RatingStudy(0.3, PILOT, workers=30)
    assert curves[1].get_ydata()[-1] == pytest.approx(blocked_power(study, items=300, raters=3))
    first, second = (save_figure(draw(), tmp_path / name, "power") for name in ("first", "second"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
