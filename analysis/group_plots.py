"""Figures of group tests: residuals of an ANOVA, and effect sizes of pairs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import special

from analysis.drawing import BLUE, INK, MUTED, draw_intervals, name_rows, new_figure, shorten, write_right
from analysis.resampling import Floats
from analysis.results import format_number

if TYPE_CHECKING:
    from analysis.effect_sizes import PairEffect

MOST_POINTS = 400  # more than the eye tells apart


def plot_assumptions(residuals: Mapping[str, Floats]) -> Figure:
    """Left a QQ plot of all residuals, right a box for each group: its middle half, whiskers over 95 % of it."""
    figure, (quantiles, spread) = new_figure(max(6, len(residuals) + 1), widths=(1, 1.05))
    _plot_quantiles(quantiles, np.concatenate(list(residuals.values())))
    boxes = [
        {
            "med": np.median(part), "q1": np.quantile(part, 0.25), "q3": np.quantile(part, 0.75),
            "whislo": np.quantile(part, 0.025), "whishi": np.quantile(part, 0.975),
        }
        for part in residuals.values()
    ]  # fmt: skip
    spread.bxp(
        boxes,
        positions=range(len(boxes)),
        orientation="horizontal",
        showfliers=False,
        widths=0.5,
        patch_artist=True,
        boxprops={"facecolor": "#c9d3de", "edgecolor": BLUE, "linewidth": 1.2},
        medianprops={"color": INK, "linewidth": 1.6},
        whiskerprops={"color": BLUE, "linewidth": 1.2},
        capprops={"color": BLUE, "linewidth": 1.2},
    )
    spread.axvline(0, color=MUTED, linewidth=1, zorder=0.8)
    name_rows(spread, [shorten(name, 28) for name in residuals])
    spread.set_xlabel("residual")
    deviations = [part.std(ddof=1) if len(part) > 1 else np.nan for part in residuals.values()]
    write_right(spread, [f"sd {format_number(float(deviation), 2)}" for deviation in deviations])
    return figure


def _plot_quantiles(axes: Axes, residuals: Floats) -> None:
    ordered = np.sort(residuals)
    expected = special.ndtri((np.arange(len(ordered)) + 0.625) / (len(ordered) + 0.25))  # G. Blom 1958
    # The ends are what a QQ plot is looked at for; of the middle a part is enough.
    shown = np.unique(np.round(np.linspace(0, len(ordered) - 1, min(MOST_POINTS, len(ordered)))).astype(int))
    axes.grid(True, axis="both")
    scale = ordered.std(ddof=1) if len(ordered) > 1 else 0.0
    ends = np.array([expected[0], expected[-1]])
    axes.plot(ends, ordered.mean() + scale * ends, color=INK, linewidth=1, zorder=2)
    axes.plot(expected[shown], ordered[shown], "o", color=BLUE, markersize=3.5, markeredgewidth=0)
    axes.set_xlabel("normal quantile")
    axes.set_ylabel("residual")
    axes.tick_params(axis="y", labelcolor=MUTED, labelsize=9.5)


def plot_effects(pairs: Sequence["PairEffect"]) -> Figure:
    """Hedges' g and Cliff's delta of every pair with their intervals, largest first."""
    turned = sorted((pair.upright() for pair in pairs), key=lambda pair: -np.nan_to_num(pair.hedges_g))
    figure, (left, right) = new_figure(len(turned), widths=(1.25, 1), row_height=0.5)
    draw_intervals(
        left,
        [pair.hedges_g for pair in turned],
        [pair.hedges_g_low for pair in turned],
        [pair.hedges_g_high for pair in turned],
        colour=BLUE,
    )
    draw_intervals(
        right,
        [pair.cliffs_delta for pair in turned],
        [pair.cliffs_delta_low for pair in turned],
        [pair.cliffs_delta_high for pair in turned],
        colour=BLUE,
    )
    name_rows(left, [f"{shorten(pair.second, 28)}\n− {shorten(pair.first, 26)}" for pair in turned])
    name_rows(right, [""] * len(turned))
    for axes, label in ((left, "Hedges' g"), (right, "Cliff's delta")):
        axes.axvline(0, color=INK, linewidth=1, zorder=1)
        axes.set_xlabel(label)
    write_right(left, [format_number(pair.hedges_g, 2) for pair in turned])
    write_right(right, [format_number(pair.cliffs_delta, 2) for pair in turned])
    return figure
