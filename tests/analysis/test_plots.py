"""Figures: what they draw is what they were given, and the same figure is the same bytes."""

import math
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.agreement import Agreement
from analysis.drawing import CATEGORIES, figure_style, figure_svg, save_figure
from analysis.pair_differences import PairDifference
from analysis.plots import (
    likert_colours,
    plot_alpha,
    plot_differences,
    plot_likert,
    plot_metric_against_human,
    plot_position_bias,
    plot_win_rates,
)
from analysis.preferences import WinCounts, binomial_test
from analysis.results import Estimate

NAN = math.nan


def an_alpha_figure() -> Figure:
    fine = Agreement(0.5, 0.4, 0.6, "ordinal", 10, 0, 30)
    undefined = Agreement(NAN, NAN, NAN, "ordinal", 0, 10, 0, reason="no unit has two ratings")
    with figure_style():
        return plot_alpha({"quality": fine, "fluency <&> more": undefined})


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


def luminance(colour: str) -> float:
    red, green, blue = mpl.colors.to_rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_same_figure_is_saved_as_the_same_bytes(tmp_path: Path) -> None:
    first = save_figure(an_alpha_figure(), tmp_path / "first", "alpha")
    second = save_figure(an_alpha_figure(), tmp_path / "second", "alpha")
    assert [path.suffix for path in first] == [".svg", ".png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert figure_svg(an_alpha_figure()) == figure_svg(an_alpha_figure())


def test_the_inlined_figure_follows_the_page_and_escapes_names() -> None:
    svg = figure_svg(an_alpha_figure())
    assert svg.startswith("<svg")
    opening = svg[: svg.index(">")]
    assert "viewBox" in opening
    assert " width=" not in opening
    assert "var(--ink)" in svg
    assert "<metadata" not in svg
    assert "fluency &lt;&amp;&gt; more" in svg
    assert "DejaVu" not in svg


def test_drawing_leaves_global_settings_alone() -> None:
    before = dict(mpl.rcParams)
    an_alpha_figure()
    assert dict(mpl.rcParams) == before


def test_alpha_is_written_beside_its_dot_and_undefined_is_said() -> None:
    written = texts(an_alpha_figure())
    assert "0.50" in written
    assert "not defined" in written
    assert {".667", ".8"} <= set(written)


def test_likert_bars_are_the_shares_and_meet_at_the_middle() -> None:
    counts = pd.DataFrame([[1, 2, 4, 2, 1], [0, 0, 0, 5, 5]], index=["plain", "better"], columns=[1, 2, 3, 4, 5])
    means = {"plain": Estimate(3.0, 2.5, 3.5), "better": Estimate(4.5, 4.2, 4.8)}
    with figure_style():
        figure = plot_likert(counts, means)
    bars = figure.axes[0].containers
    assert [container[0].get_width() for container in bars] == pytest.approx([0.1, 0.2, 0.4, 0.2, 0.1])
    # A symmetric row is centred; one wholly above the middle starts there.
    assert bars[0][0].get_x() == pytest.approx(-0.5)
    assert bars[3][1].get_x() == pytest.approx(0)


def test_a_scale_of_four_has_its_middle_between_two_values() -> None:
    counts = pd.DataFrame([[1, 1, 1, 1]], index=["plain"], columns=[1, 2, 3, 4])
    with figure_style():
        figure = plot_likert(counts, {"plain": Estimate(2.5, 2, 3)})
    assert figure.axes[0].containers[2][0].get_x() == pytest.approx(0)


def test_pairs_are_turned_to_better_less_worse() -> None:
    pair = PairDifference("best", "worst", -1.0, -1.5, -0.5, 0.01)
    with figure_style():
        figure = plot_differences([pair])
    axes = figure.axes[0]
    assert axes.get_yticklabels()[0].get_text() == "best\n− worst"
    assert axes.lines[0].get_xdata()[0] == 1.0
    assert "p = .010" in texts(figure)


def test_win_rates_show_the_share_and_n_and_survive_all_ties() -> None:
    results = {
        ("supervised", "nlpo"): binomial_test(WinCounts(30, 70, 5)),
        ("supervised", "early"): binomial_test(WinCounts(0, 0, 9)),
    }
    with figure_style():
        figure = plot_win_rates(results)
    written = texts(figure)
    assert "70.0%\nn = 100" in written
    assert "—\nn = 0" in written
    figure_svg(figure)


def test_every_system_has_its_own_marker_and_its_mean() -> None:
    table = pd.DataFrame({"metric": [0.1, 0.3, 0.5, 0.9], "human": [1, 3, 4, 5], "system": ["a", "a", "b", "b"]})
    with figure_style():
        figure = plot_metric_against_human(table, metric="metric", human="human", system="system")
    offsets = [
        tuple(points.get_offsets()[0]) for points in figure.axes[0].collections if len(points.get_offsets()) == 1
    ]
    assert offsets == [pytest.approx((0.2, 2.0)), pytest.approx((0.7, 4.5))]


def test_only_raters_outside_the_funnel_are_marked() -> None:
    shares = pd.DataFrame({"left": [50, 95, 3], "decided": [100, 100, 3]}, index=["fair", "biased", "new"])
    with figure_style():
        figure = plot_position_bias(shares)
    inside, outside = (points.get_offsets() for points in figure.axes[0].collections)
    assert np.asarray(outside).tolist() == [[100, 0.95]]
    assert len(inside) == 2


def test_a_likert_scale_is_told_apart_in_grey_on_either_side() -> None:
    lightness = [luminance(colour) for colour in likert_colours(5)]
    assert lightness[0] < lightness[1] - 0.1 < lightness[2] - 0.15
    assert lightness[4] < lightness[3] - 0.1 < lightness[2] - 0.15


def test_category_colours_differ() -> None:
    assert len(set(CATEGORIES)) == len(CATEGORIES)
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in CATEGORIES)


def test_a_dollar_in_a_name_is_a_dollar_and_no_formula(tmp_path: Path) -> None:
    """A system may be called anything; what is no formula would end the whole run."""
    with figure_style():
        figure = plot_alpha({r"a $\frac$ b": Agreement(0.5, 0.4, 0.6, "ordinal", 10, 0, 30)})
    save_figure(figure, tmp_path, "alpha")
    assert r"a $\frac$ b" in (tmp_path / "alpha.svg").read_text()
