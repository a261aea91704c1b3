"""Figures of workers: two measures against each other, and who takes which category for which."""

import math
from collections.abc import Collection
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.dawid_skene import DawidSkene, WorkerErrors
from analysis.drawing import BLUE, GRID, INK, MUTED, ORANGE, PAPER, WIDTH, new_figure, shorten
from analysis.worker_measures import WorkerMeasure

MOST_LABELS = 12
MOST_CONFUSIONS = 12
MULTIPLES_A_ROW = 4
ROOM_ABOVE, ROOM_BESIDE, ROOM_BELOW = 2, 1, 1  # cells around squares
SMALLEST_WRITTEN = 0.15
MOST_WRITTEN_CATEGORIES = 6


def plot_two_measures(across: WorkerMeasure, up: WorkerMeasure, *, flagged: Collection[Any] = ()) -> Figure:
    """A dot a worker with the intervals of both measures; the flagged are diamonds with their names."""
    figure, (axes,) = new_figure(9)
    axes.grid(True, axis="both")
    vertical = {value.worker: value for value in up.values}
    named = 0
    for value in across.values:
        other = vertical.get(value.worker)
        if other is None or not np.isfinite([value.estimate, other.estimate]).all():
            continue
        is_flagged = value.worker in flagged
        colour = ORANGE if is_flagged else BLUE
        axes.hlines(other.estimate, value.low, value.high, color=colour, linewidth=1, alpha=0.45)
        axes.vlines(value.estimate, other.low, other.high, color=colour, linewidth=1, alpha=0.45)
        axes.plot(
            value.estimate, other.estimate, "D" if is_flagged else "o", color=colour, markersize=7,
            markeredgecolor=INK if is_flagged else PAPER, zorder=3,
        )  # fmt: skip
        if is_flagged and named < MOST_LABELS:
            named += 1
            name = shorten(str(value.worker), 18)
            axes.annotate(name, (value.estimate, other.estimate), (7, 5), textcoords="offset points", fontsize=9)
    axes.set_xlabel(across.label.lower())
    axes.set_ylabel(up.label.lower())
    axes.tick_params(axis="y", labelcolor=MUTED, labelsize=9.5)
    return figure


def plot_confusions(fit: DawidSkene) -> Figure:
    """A square a worker, true category down, given one across, the least accurate first; at most twelve workers.

    Shares of the expected answers to each true category; a row of less than one answer is left blank. All squares are
    one picture in one panel: a panel each takes seconds to lay out.
    """
    chosen = sorted(fit.workers, key=lambda worker: worker.accuracy)[:MOST_CONFUSIONS]
    size = len(fit.categories)
    rows = math.ceil(len(chosen) / MULTIPLES_A_ROW)
    shape = (rows * (size + ROOM_ABOVE) + ROOM_BELOW, MULTIPLES_A_ROW * (size + ROOM_BESIDE) + 1)
    figure = Figure(figsize=(WIDTH, WIDTH * shape[0] / shape[1]))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    picture = np.full(shape, np.nan)
    for place, worker in enumerate(chosen):
        row, column = divmod(place, MULTIPLES_A_ROW)
        top, left = row * (size + ROOM_ABOVE) + ROOM_ABOVE, column * (size + ROOM_BESIDE) + ROOM_BESIDE
        counts = np.array(worker.expected)
        met = counts.sum(axis=1, keepdims=True)
        shares = np.where(met >= 1, counts / np.maximum(met, 1), np.nan)
        picture[top : top + size, left : left + size] = shares
        _write_square(axes, worker, shares, [shorten(str(category), 6) for category in fit.categories], top, left)
    axes.imshow(picture, cmap="Blues", vmin=0, vmax=1, aspect="equal", zorder=0)
    axes.set_axis_off()
    return figure


def _write_square(axes: Axes, worker: WorkerErrors, shares: np.ndarray, names: list[str], top: int, left: int) -> None:
    """The worker's name and accuracy above the square, the categories beside and below it, percents in it."""
    size = len(names)
    title = f"{shorten(str(worker.worker), 16)}\n{worker.accuracy:.0%} right, n = {worker.labels}"
    axes.text(left - 0.5, top - 0.7, title, fontsize=8.5, va="bottom")
    axes.add_patch(Rectangle((left - 0.5, top - 0.5), size, size, fill=False, edgecolor=GRID))
    small: dict[str, Any] = {"fontsize": 7.5, "color": MUTED}
    for code, name in enumerate(names):
        axes.text(left - 0.7, top + code, name, ha="right", va="center", **small)
        axes.text(left + code, top + size - 0.35, name, ha="center", va="top", **small)
    for (true, given), share in np.ndenumerate(shares):
        if share >= SMALLEST_WRITTEN and size <= MOST_WRITTEN_CATEGORIES:
            colour = "#ffffff" if share > 0.6 else "#20262e"
            axes.text(
                left + given, top + true, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=colour
            )
