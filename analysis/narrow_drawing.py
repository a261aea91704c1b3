"""A figure laid out anew for a phone, so that its words keep their size; and both layouts as one part of a page.

The drawing is copied: names and labels of the copy are broken into lines, a legend gets fewer columns, ticks that
would overlap are left out. Scaling alone would leave words of 7 px.
"""

import copy
import re
import textwrap
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure as Drawing
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import Bbox

from analysis.drawing import figure_style, figure_svg, shorten
from analysis.report import Figure

NARROW = 4.9  # inches: 353 points, and so the pixels of a page's column on a phone of 390
NAME = 20  # characters of a row's name in a line
LONGEST = 32  # at most: a longer line would leave no room for what is drawn
GAP = 6  # hundredths of an inch between two numbers
JOINT = "\u200b"  # stands where two parts of a name join
LINES = (44, 36, 28, 22, 16)  # characters of a label in a line, tried in turn


def show_figure(drawing: Drawing, caption: str, description: str = "") -> Figure:
    """The drawing as a page shows it: as it is, and on a phone laid out anew."""
    return Figure(figure_svg(drawing), caption, description, narrow_figure_svg(drawing))


def narrow_figure_svg(drawing: Drawing) -> str:
    """As `figure_svg`, for a phone; the drawing itself stays what it is. Empty for what cannot be laid out anew."""
    if not any(axes.axison for axes in drawing.axes):
        return ""  # a picture whose parts have their places in it can only be scaled
    svg = figure_svg(lay_out_narrow(drawing))
    # Both stand in one page: one id must not mean a part of the other, which is not displayed.
    return re.sub(r'(\bid="|url\(#|href="#)', r"\1narrow-", svg)


def lay_out_narrow(drawing: Drawing) -> Drawing:
    """A copy of a phone's width and the same height, in which nothing is cut and no labels overlap."""
    with figure_style():
        narrow = copy.deepcopy(drawing)
        FigureCanvasAgg(narrow)
        narrow.set_layout_engine("constrained")
        narrow.set_size_inches(NARROW, drawing.get_figheight())
        for axes in narrow.axes:
            _break_names(axes)
        narrow.draw_without_rendering()
        _fit_legends(narrow)
        for axes in narrow.axes:
            _fit_labels(axes)
        narrow.draw_without_rendering()
        narrow.set_layout_engine("none")  # another layout might have other ticks
        _thin_out_ticks(narrow)
        for axes in narrow.axes:
            _thin_out_numbers(axes)
    return narrow


def _break_names(axes: Axes) -> None:
    """Names of rows, in two lines of like length; the rest of a very long one is cut."""
    names = [label.get_text() for label in axes.get_yticklabels()]
    if isinstance(axes.yaxis.get_major_locator(), FixedLocator) and any(map(str.strip, names)):
        axes.set_yticks(axes.get_yticks(), [_break_evenly(name) for name in names])


def _break_evenly(name: str) -> str:
    if "\n" in name:
        return "\n".join(shorten(line, LONGEST) for line in name.split("\n"))
    if len(name) <= NAME:
        return name
    # A long name may break after the signs that join its parts, as on the page.
    parted = re.sub(r"(?<=[+_/])(?=\w)", f"{JOINT} ", name)
    width = min(max(NAME, len(name) // 2 + 4), LONGEST)
    lines = textwrap.fill(parted, width, max_lines=2, placeholder="…")
    return lines.replace(f"{JOINT} ", "").replace(JOINT, "")


def _fit_legends(narrow: Drawing) -> None:
    """A legend above the axes with as many columns as fit, drawn anew: its columns are laid out when it is made."""
    for legend in list(narrow.legends):
        columns = len(legend.get_texts())
        while columns > 1 and legend.get_window_extent().x1 > narrow.bbox.x1:
            columns -= 1
            narrow.legends.remove(legend)  # its own remove() still means the drawing that was copied
            legend = _draw_anew(legend, narrow, columns)
            narrow.draw_without_rendering()


def _draw_anew(legend: Legend, narrow: Drawing, columns: int) -> Legend:
    return narrow.legend(
        [handle for handle in legend.legend_handles if handle is not None],
        [text.get_text() for text in legend.get_texts()],
        loc="outside upper left",
        ncols=columns,
        title=legend.get_title().get_text(),
        alignment=legend.get_alignment(),
        handlelength=legend.handlelength,
    )


def _fit_labels(axes: Axes) -> None:
    """The axis' name and titles no wider than the axes, where others stand beside them, or than the figure."""
    figure = axes.get_figure()
    assert figure is not None
    is_beside = any(other is not axes and _share_row(axes, other) for other in figure.axes)
    room = axes.bbox.width if is_beside else figure.bbox.width
    for label in _list_labels(axes):
        whole, longest = label.get_text(), LINES[0]
        for longest in LINES:
            box = label.get_window_extent()
            if box.width <= room and box.x0 >= 0 and box.x1 <= figure.bbox.width:
                break
            label.set_text(textwrap.fill(" ".join(whole.split()), longest, break_long_words=False))


def _list_labels(axes: Axes) -> Iterator[Text]:
    """The name of the x axis and what stands above the axes."""
    yield axes.xaxis.label
    yield from (text for text in axes.get_children() if type(text) is Text and text not in axes.texts)


def _share_row(one: Axes, other: Axes) -> bool:
    return bool(one.bbox.y0 < other.bbox.y1 and other.bbox.y0 < one.bbox.y1)


def _thin_out_ticks(narrow: Drawing) -> None:
    """Of labels below the x axes that all but touch, those of neighbours too, the right one stays; none is cut."""
    taken: list[Bbox] = []
    for axes in sorted(narrow.axes, key=lambda axes: -axes.bbox.x0):
        low, high = sorted(axes.get_xlim())
        labels = [tick.label1 for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
        for label in reversed(labels):
            if not label.get_text() or label.get_rotation():
                continue
            box = label.get_window_extent()
            box = Bbox.from_extents(box.x0, box.y0, box.x1 + GAP, box.y1)
            if box.x1 - GAP > narrow.bbox.x1 or any(box.overlaps(other) for other in taken):
                label.set_visible(False)
            else:
                taken.append(box)


def _thin_out_numbers(axes: Axes) -> None:
    """Of numbers in bars and cells, those that have no room are left out: cut they would be read as others."""
    taken: list[Bbox] = []
    for text in axes.texts:
        if type(text) is Text and text.get_text():
            box = text.get_window_extent()
            if box.width > _room_around(text, axes) or any(box.overlaps(other) for other in taken):
                text.set_visible(False)
            else:
                taken.append(box)


def _room_around(text: Text, axes: Axes) -> float:
    """How wide the bar or the cell is in which the text is centred; endless if it stands in none."""
    centre = axes.transData.transform(text.get_position())
    for bar in axes.patches:
        if bar.get_window_extent().contains(*centre):
            return float(bar.get_window_extent().width)
    has_cells = any(isinstance(collection, QuadMesh) for collection in axes.collections)
    return float(axes.bbox.width / abs(np.diff(axes.get_xlim())[0])) if has_cells else float("inf")
