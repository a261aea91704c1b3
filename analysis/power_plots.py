"""Figures of power: curves over the number of items, a line for each number of raters."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from analysis.drawing import CATEGORIES, INK, MARKERS, MUTED, PAPER, new_figure

if TYPE_CHECKING:
    from analysis.power import PowerGrid

LINES = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1, 2)), (0, (1, 1)))
CURVE_POINTS = 60


def plot_power(grid: "PowerGrid") -> Figure:
    """Lines by the closed form; simulated studies as dots with Wilson intervals; the wanted power as a guide."""
    from analysis.power import blocked_power

    figure, (axes,) = new_figure(7)
    axes.grid(True, axis="both")
    sizes = sorted({power.items for power in grid.powers})
    counts = sorted({power.raters for power in grid.powers})
    curve = np.unique(np.geomspace(sizes[0], sizes[-1], CURVE_POINTS).round().astype(int)).tolist()
    for index, raters in enumerate(counts):
        heights = [blocked_power(grid.study, items=items, raters=raters) for items in curve]
        axes.plot(curve, heights, color=_colour(index), linestyle=LINES[index % len(LINES)], linewidth=1.7, zorder=2)
        _draw_simulated(axes, grid, raters, index)
    axes.axhline(grid.target, color=INK, linewidth=1)
    axes.annotate(
        f"{grid.target:.0%}", (1, grid.target), (6, -3), axes.get_yaxis_transform(), "offset points", color=INK
    )
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.tick_params(axis="y", labelcolor=MUTED, labelsize=9.5)
    axes.set_xlabel("items, each completed by every system")
    axes.set_ylabel("power")
    figure.legend(loc="outside upper left", ncols=len(counts), title="a completion is rated by", alignment="left")
    return figure


def _draw_simulated(axes: Axes, grid: "PowerGrid", raters: int, index: int) -> None:
    """Dots of one number of raters, with their intervals; designs that were not simulated have none."""
    powers = [power for power in grid.powers if power.raters == raters and not power.reason]
    shares = np.array([power.estimate for power in powers])
    ends = [shares - [power.low for power in powers], [power.high for power in powers] - shares]
    axes.errorbar(
        [power.items for power in powers],
        shares,
        yerr=np.maximum(ends, 0),
        color=_colour(index),
        fmt=MARKERS[index % len(MARKERS)],
        markersize=7,
        markeredgecolor=PAPER,
        elinewidth=1.3,
        zorder=3,
        clip_on=False,  # a dot at 0 or 1 is whole
        label=f"{raters} {'rater' if raters == 1 else 'raters'}",
    )


def _colour(index: int) -> str:
    return CATEGORIES[index % len(CATEGORIES)]
