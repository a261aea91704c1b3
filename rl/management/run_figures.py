"""Curves of training runs as small multiples: panels of lines over iterations, one calm style (analysis.plots)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.drawing import BLUE, INK, MARKERS, MUTED, PAPER, WIDTH, figure_style, new_figure
from analysis.results import Estimate

# The first follows the page's theme; all are told apart in grey by their markers and dashes too.
COLOURS = (BLUE, "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), "-", (0, (5, 2)))
PANEL_HEIGHT = 2.35  # inches
LEGEND_LETTERS = 84  # of names and handles, side by side, in the page's font
PATH_STOPS = 8  # of a path through noisy dots
MOST_MARKERS = 40  # points of a line that still get a marker each


@dataclass(frozen=True, slots=True)
class Line:
    """y over x, NaN where there is no value. `style` numbers its colour, dash and marker; `band` is y ± so much.

    A faint line is one of several that a bold one sums up; it is not in the legend.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    style: int = 0
    band: Sequence[float] = ()
    is_faint: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One set of axes. title: what is drawn, with its unit. guide: a level to compare with, and its name.

    marks: iterations at which something happened. includes: levels that the scale must reach, so that a small wobble
    does not fill the panel. is_share: the scale is written in percent.
    """

    title: str
    lines: tuple[Line, ...]
    guide: tuple[float, str] | None = None
    marks: tuple[float, ...] = ()
    includes: tuple[float, ...] = ()
    is_share: bool = False


@dataclass(frozen=True, slots=True)
class Final:
    """Where the runs of one name ended: a value a seed, and their mean with its interval. `style` is the name's."""

    values: Sequence[float]
    mean: Estimate
    style: int


def draw_panels(panels: Sequence[Panel], *, columns: int = 2) -> Figure:
    """The panels in rows of `columns`, with one legend if any panel has lines to tell apart."""
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    with figure_style():
        figure = Figure(
            figsize=(WIDTH, 0.35 + PANEL_HEIGHT * rows + (0.5 if columns == 1 else 0)), layout="constrained"
        )
        FigureCanvasAgg(figure)
        places = list(figure.subplots(rows, columns, squeeze=False).flatten())
        for axes, panel in zip(places, panels, strict=False):
            _draw_panel(axes, panel)
        for axes in places[len(panels) :]:
            axes.set_visible(False)
        _add_legend(figure, places[: len(panels)])
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    axes.grid(True, axis="both")
    axes.set_title(panel.title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel("iteration")
    axes.tick_params(axis="y", labelcolor=MUTED, labelsize=9.5)
    for mark in panel.marks:
        axes.axvline(mark, color=MUTED, linewidth=1, linestyle=(0, (2, 3)), zorder=1)
    for line in panel.lines:
        _draw_line(axes, line)
    if panel.guide is not None:
        _draw_guide(axes, *panel.guide)
    axes.margins(x=0.03)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    _set_scale(axes, panel)


def _set_scale(axes: Axes, panel: Panel) -> None:
    """Room above and below what is drawn; shares in percent, with no room beyond 0 and 1."""
    low, high = axes.dataLim.intervaly
    levels = [*panel.includes, *([panel.guide[0]] if panel.guide else [])]
    low, high = min([low, *levels]), max([high, *levels])
    room = 0.1 * (high - low) or max(0.02, 0.02 * abs(high))
    # What is never negative gets no room below 0 but for the line itself.
    low, high = (low - room if low < 0 else max(low - room, -0.03 * (high + room))), high + room
    if panel.is_share:
        low, high = max(low, -0.004), min(high, 1.004)  # a line at 0 or 1 is seen whole
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")
    axes.set_ylim(low, high)


def _draw_line(axes: Axes, line: Line) -> None:
    colour = COLOURS[line.style % len(COLOURS)]
    if line.is_faint:
        axes.plot(line.x, line.y, color=colour, linewidth=0.9, alpha=0.4, zorder=2)
        return
    if line.band:
        low = [value - spread for value, spread in zip(line.y, line.band, strict=True)]
        high = [value + spread for value, spread in zip(line.y, line.band, strict=True)]
        axes.fill_between(line.x, low, high, color=colour, alpha=0.16, linewidth=0, zorder=1)
    axes.plot(
        line.x,
        line.y,
        label=line.label,
        color=colour,
        linestyle=DASHES[line.style % len(DASHES)],
        linewidth=1.8,
        marker=MARKERS[line.style % len(MARKERS)] if len(line.x) <= MOST_MARKERS else None,
        markersize=4.5,
        markeredgecolor=PAPER,
        markeredgewidth=0.6,
        zorder=3,
    )


def _draw_guide(axes: Axes, level: float, name: str) -> None:
    axes.axhline(level, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        name,
        (1, level),
        (5, 0),
        axes.get_yaxis_transform(),
        "offset points",
        va="center",
        color=MUTED,
        fontsize=9,
        annotation_clip=False,
    )


def _add_legend(figure: Figure, places: Sequence[Axes]) -> None:
    """One legend above the panels, if any of them has lines to tell apart; as many columns as its names leave room."""
    handles: dict[str, Artist] = {}
    is_needed = False
    for axes in places:
        drawn, labels = axes.get_legend_handles_labels()
        is_needed = is_needed or len(labels) > 1
        for handle, label in zip(drawn, labels, strict=True):
            handles.setdefault(label, handle)
    if is_needed:
        columns = _legend_columns(list(handles))
        figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=columns, handlelength=2.6)


def _legend_columns(names: Sequence[str]) -> int:
    """As many columns as fit, each as wide as its longest name with its handle; names run down the columns."""
    for columns in range(len(names), 1, -1):
        rows = math.ceil(len(names) / columns)
        widths = [max(map(len, names[start : start + rows])) + 8 for start in range(0, len(names), rows)]
        if sum(widths) <= LEGEND_LETTERS:
            return columns
    return 1


def draw_path(x: Sequence[float], y: Sequence[float], *, xlabel: str, title: str) -> Figure:
    """A dot for each (x, y), and a line through the means of a few runs of dots in a row, from `first` to `last`."""
    groups = np.array_split(np.arange(len(x)), min(len(x), PATH_STOPS))
    stops = [(float(np.mean(np.take(x, group))), float(np.mean(np.take(y, group)))) for group in groups]
    with figure_style():
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        axes.grid(True, axis="both")
        axes.plot(x, y, "o", color=BLUE, markersize=4.5, alpha=0.35, markeredgewidth=0, zorder=2)
        axes.plot(*zip(*stops, strict=True), color=BLUE, linewidth=1.8, zorder=3)
        for place, name, face in ((0, "first", PAPER), (-1, "last", BLUE)):
            axes.plot(*stops[place], "o", markersize=9, markerfacecolor=face, markeredgecolor=BLUE, zorder=4)
            axes.annotate(name, stops[place], (0, 9), textcoords="offset points", ha="center", color=INK, fontsize=9.5)
        axes.set_title(title, loc="left", fontsize=10, color=INK)
        axes.set_xlabel(xlabel)
        axes.tick_params(axis="y", labelcolor=MUTED, labelsize=9.5)
        axes.margins(0.06, 0.16)
    return figure


def draw_finals(panels: Mapping[str, Mapping[str, Final]], *, xlabel: str, guide: float | None = None) -> Figure:
    """A panel a title, a row a name: the mean filled, with its interval, and below it each run as an open dot.

    guide: a value that intervals are held against, in every panel.
    """
    names = list(dict.fromkeys(name for rows in panels.values() for name in rows))
    with figure_style():
        figure, places = new_figure(len(names), widths=[1] * len(panels), row_height=0.55)
        for axes, (title, rows) in zip(places, panels.items(), strict=True):
            for name, final in rows.items():
                _draw_final(axes, final, names.index(name))
            if guide is not None:
                axes.axvline(guide, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
            axes.set_xlabel(xlabel)
            axes.set_title(title, loc="left", fontsize=10, color=INK)
            axes.set_yticks(range(len(names)), names if axes is places[0] else [""] * len(names))
            axes.set_ylim(len(names) - 0.4, -0.6)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
            axes.margins(x=0.08)
    return figure


def _draw_final(axes: Axes, final: Final, row: int) -> None:
    colour = COLOURS[final.style % len(COLOURS)]
    if math.isfinite(final.mean.low):
        axes.hlines(row, final.mean.low, final.mean.high, color=colour, linewidth=2.2, zorder=2)
    axes.plot(
        *(final.values, [row + 0.25] * len(final.values)),
        "o",
        markersize=5,
        markerfacecolor="none",
        markeredgecolor=colour,
        zorder=3,
    )
    marker = MARKERS[final.style % len(MARKERS)]
    axes.plot(final.mean.estimate, row, marker, color=colour, markersize=9, markeredgecolor=PAPER, zorder=4)


def draw_seconds(iterations: Sequence[int], stages: Mapping[str, Sequence[float]], speed: Sequence[float]) -> Figure:
    """Seconds of each iteration, stage on stage, beside tokens a second."""
    with figure_style():
        figure = Figure(figsize=(WIDTH, 0.35 + PANEL_HEIGHT), layout="constrained")
        FigureCanvasAgg(figure)
        seconds, tokens = figure.subplots(1, 2)
        bottom = [0.0] * len(iterations)
        for style, (name, values) in enumerate(stages.items()):
            seconds.bar(iterations, values, bottom=bottom, color=COLOURS[style], width=0.85, label=name, linewidth=0)
            bottom = [low + value for low, value in zip(bottom, values, strict=True)]
        seconds.set_title("seconds an iteration", loc="left", fontsize=10, color=INK)
        seconds.set_xlabel("iteration")
        seconds.grid(True, axis="y")
        seconds.grid(False, axis="x")
        seconds.tick_params(axis="y", labelcolor=MUTED, labelsize=9.5)
        seconds.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1, steps=[1, 2, 5, 10]))
        # The legend is the stages'; the line beside them is named by its title.
        figure.legend(*seconds.get_legend_handles_labels(), loc="outside upper left", ncols=3, handlelength=1.2)
        _draw_panel(tokens, Panel("response tokens a second", (Line("", iterations, speed),), includes=(0,)))
    return figure
