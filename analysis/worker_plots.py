"""Figures of workers: two measures against each other, and who takes which category for which."""

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.dawid_skene import DawidSkene, WorkerErrors
from analysis.drawing import BLUE, GRID, INK, MUTED, ORANGE, PAPER, WIDTH, new_figure, shorten
from analysis.worker_measures import WorkerMeasure, WorkerValue

MOST_LABELS = 12
MOST_INTERVALS = 30
MOST_CONFUSIONS = 12
MULTIPLES_A_ROW = 4
ROOM_ABOVE, ROOM_BESIDE, ROOM_BELOW = 2, 1, 1  # cells around squares
SMALLEST_WRITTEN = 0.15
MOST_WRITTEN_CATEGORIES = 6


def plot_two_measures(across: WorkerMeasure, up: WorkerMeasure, *, flagged: Collection[Any] = ()) -> Figure:
    """A dot a worker, larger with more answers; the flagged are diamonds with their names.

    Of a small crowd all have the intervals of both measures, of a large one the flagged alone.
    """
    figure, (axes,) = new_figure(9)
    axes.grid(True, axis="both")
    vertical = {value.worker: value for value in up.values}
    pairs = [(value, vertical[value.worker]) for value in across.values if value.worker in vertical]
    pairs = [pair for pair in pairs if np.isfinite([pair[0].estimate, pair[1].estimate]).all()]
    most = max([other.count for _, other in pairs], default=1)
    middle = np.median([value.estimate for value, _ in pairs]) if pairs else 0.0
    is_small = len(pairs) <= MOST_INTERVALS
    named = 0
    for value, other in pairs:
        is_flagged = value.worker in flagged
        if is_flagged or is_small:
            _draw_cross(axes, value, other, ORANGE if is_flagged else BLUE)
        axes.plot(
            value.estimate, other.estimate, "D" if is_flagged else "o", color=ORANGE if is_flagged else BLUE,
            markersize=4 + 6 * math.sqrt(other.count / most), markeredgecolor=INK if is_flagged else PAPER, zorder=3,
        )  # fmt: skip
        if is_flagged and named < MOST_LABELS:
            named += 1
            _name_dot(
                axes, shorten(str(value.worker), 18), value.estimate, other.estimate, is_left=value.estimate < middle
            )
    if pairs:
        axes.set_xlim(_limits([value for value, _ in pairs], with_intervals=is_small))
        axes.set_ylim(_limits([other for _, other in pairs], with_intervals=is_small))
    axes.set_xlabel(across.label.lower())
    axes.set_ylabel(up.label.lower())
    axes.tick_params(axis="y", labelcolor=MUTED, labelsize=9.5)
    return figure


def _draw_cross(axes: Axes, across: WorkerValue, up: WorkerValue, colour: str) -> None:
    axes.hlines(up.estimate, across.low, across.high, color=colour, linewidth=1, alpha=0.45)
    axes.vlines(across.estimate, up.low, up.high, color=colour, linewidth=1, alpha=0.45)


def _name_dot(axes: Axes, name: str, x: float, y: float, *, is_left: bool) -> None:
    side = "right" if is_left else "left"
    axes.annotate(name, (x, y), (-8 if is_left else 8, 5), textcoords="offset points", fontsize=9, ha=side)


def _limits(values: Sequence[WorkerValue], *, with_intervals: bool) -> tuple[float, float]:
    """Room for the dots and most intervals; one of two answers, which may be endless, runs out of the picture."""
    estimates = [value.estimate for value in values]
    low, high = min(estimates), max(estimates)
    ends = np.array([(value.low, value.high) for value in values if np.isfinite([value.low, value.high]).all()])
    if with_intervals and len(ends):
        low, high = min(low, np.quantile(ends[:, 0], 0.1)), max(high, np.quantile(ends[:, 1], 0.9))
    margin = 0.08 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


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
