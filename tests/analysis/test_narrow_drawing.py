"""Figures for a phone: nothing cut, nothing overlapping, and the drawing itself as it was."""

import itertools
import math
import re

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from analysis.agreement import Agreement
from analysis.drawing import figure_style, figure_svg, new_figure
from analysis.narrow_drawing import NARROW, lay_out_narrow, narrow_figure_svg, show_figure
from analysis.plots import plot_alpha, plot_likert
from analysis.results import Estimate

NAMES = ("supervised+nlpo+preference", "vote margin: a half or less (23)", "short")


def a_forest() -> Figure:
    with figure_style():
        return plot_alpha({name: Agreement(0.5, 0.4, 0.6, "ordinal", 10, 0, 30) for name in NAMES})


def shown(figure: Figure) -> list[tuple[str, Bbox]]:
    """What can be read, and where it stands; the figure is laid out."""
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent()) for text in texts]


def ticks_across(figure: Figure) -> list[Text]:
    return [label for label in figure.axes[0].get_xticklabels() if label.get_visible() and label.get_text()]


def test_on_a_phone_all_words_are_within_the_figure_and_as_large_as_before() -> None:
    wide = a_forest()
    narrow = lay_out_narrow(wide)
    assert narrow.get_figwidth() == NARROW < wide.get_figwidth() and narrow.get_figheight() == wide.get_figheight()
    for words, box in shown(narrow):
        assert box.x0 >= -1 and box.x1 <= narrow.bbox.width + 1, words  # a pixel for rounding
    sizes = [{text.get_fontsize() for text in figure.findobj(Text)} for figure in (wide, narrow)]
    assert sizes[0] == sizes[1]


def test_names_break_between_words_and_after_the_signs_that_join_their_parts() -> None:
    names = [label.get_text() for label in lay_out_narrow(a_forest()).axes[0].get_yticklabels()]
    assert names == ["supervised+nlpo+\npreference", "vote margin: a half\nor less (23)", "short"]


def test_a_very_long_name_is_cut_and_leaves_room_for_what_is_drawn() -> None:
    with figure_style():
        figure = plot_alpha({"x": Agreement(0.5, 0.4, 0.6, "ordinal", 10, 0, 30)})
        figure.axes[0].set_yticks([0], [f"systems: {'one/two+three ' * 9}and{'w' * 90}"])
    narrow = lay_out_narrow(figure)
    (name,) = [label.get_text() for label in narrow.axes[0].get_yticklabels()]
    assert name.count("\n") == 1 and name.endswith("…")
    assert narrow.axes[0].bbox.width > 0.3 * narrow.bbox.width


def test_the_drawing_stays_what_it_was() -> None:
    drawing = a_forest()
    before = figure_svg(a_forest())
    narrow_figure_svg(drawing)
    assert figure_svg(drawing) == before


def test_the_two_layouts_share_no_id() -> None:
    """A reference to an id finds the first one on the page, and that one may not be displayed."""
    figure = show_figure(a_forest(), "caption", "description")
    wide, narrow = (set(re.findall(r' id="([^"]+)"', svg)) for svg in (figure.svg, figure.narrow))
    assert wide and narrow and not wide & narrow
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', figure.narrow))
    assert used and used <= narrow
    assert (figure.caption, figure.description) == ("caption", "description")


def test_the_same_figure_is_the_same_bytes() -> None:
    assert narrow_figure_svg(a_forest()) == narrow_figure_svg(a_forest())


def test_ticks_that_would_overlap_are_thinned_out_from_the_right() -> None:
    with figure_style():
        figure, (axes,) = new_figure(2)
        axes.set_xlim(0, 40)
        axes.set_xticks(range(0, 41), [f"{tick},000" for tick in range(0, 41)])
        narrow = lay_out_narrow(figure)
    ticks = ticks_across(narrow)
    assert 2 < len(ticks) < 41 and ticks[-1].get_text() == "40,000"
    boxes = [tick.get_window_extent() for tick in ticks]
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(boxes))


def test_ticks_of_neighbours_do_not_run_into_each_other_nor_out_of_the_figure() -> None:
    """Ticks are chosen once the panels' widths are known, so the layout may leave no room; here it never does."""
    with figure_style():
        figure, panels = new_figure(4, widths=(1, 1))
        for axes in panels:
            axes.set_xticks([0, 0.5, 1], ["0", "0.500000", "1.0000000000000000"])
            axes.set_xlim(0, 1)
            axes.set_in_layout(False)
        narrow = lay_out_narrow(figure)
    boxes = sorted(
        (label.get_window_extent().x0, label.get_window_extent().x1)
        for axes in narrow.axes
        for label in axes.get_xticklabels()
        if label.get_visible()
    )
    assert 1 < len(boxes) < 5 and boxes[-1][1] <= narrow.bbox.x1
    assert all(left[1] < right[0] for left, right in itertools.pairwise(boxes))


def test_numbers_without_room_in_their_bar_are_left_out_rather_than_cut() -> None:
    """Half of a white 14% on a narrow bar reads as 4%."""
    counts = pd.DataFrame([[14, 21, 26, 20, 19]] * 2, index=["supervised+nlpo+preference", "b"], columns=range(1, 6))
    with figure_style():
        wide = plot_likert(counts, dict.fromkeys(counts.index, Estimate(3.0, 2.5, 3.5)))
        narrow = lay_out_narrow(wide)
    kept = [text for text in narrow.axes[0].texts if text.get_visible()]
    assert 0 < len(kept) <= len(wide.axes[0].texts)
    for text in kept:
        centre = narrow.axes[0].transData.transform(text.get_position())
        (bar,) = [bar for bar in narrow.axes[0].patches if bar.get_window_extent().contains(*centre)]
        assert text.get_window_extent().width <= bar.get_window_extent().width


@pytest.mark.parametrize("columns", [2, 6])
def test_a_legend_gets_as_many_columns_as_fit(columns: int) -> None:
    with figure_style():
        figure, (axes,) = new_figure(4)
        for number in range(6):
            axes.plot([0, 1], [0, number], label=f"ensemble: uncertainty-penalised {number}")
        figure.legend(loc="outside upper left", ncols=columns)
        (legend,) = lay_out_narrow(figure).legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= legend.get_figure().bbox.width


def test_what_has_no_axes_to_lay_out_is_only_scaled() -> None:
    with figure_style():
        figure, (axes,) = new_figure(2)
        axes.set_axis_off()
        assert narrow_figure_svg(figure) == ""
    assert show_figure(figure, "caption").narrow == ""


def test_what_is_not_defined_is_drawn_too() -> None:
    with figure_style():
        figure = plot_alpha({"x": Agreement(math.nan, math.nan, math.nan, "ordinal", 0, 1, 0, reason="none")})
    assert "not defined" in narrow_figure_svg(figure)
