"""Figures of metrics against people: each metric's scores beside the ratings, and how closely it follows them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from analysis.drawing import (
    BLUE,
    CATEGORIES,
    INK,
    MARKERS,
    MUTED,
    draw_intervals,
    name_rows,
    new_figure,
    shorten,
    write_right,
)
from analysis.metric_correlation import MetricCorrelation
from analysis.results import format_number

MOST_PANELS = 3
PANELS = {"segment": "over completions", "grouped": "within items", "system": "over systems"}


def plot_metric_forest(correlations: Sequence[MetricCorrelation]) -> Figure:
    """A row a metric, a panel a level: the correlation with people and its interval."""
    metrics = list(dict.fromkeys(correlation.metric for correlation in correlations))
    levels = [level for level in PANELS if any(correlation.level == level for correlation in correlations)]
    figure, panels = new_figure(len(metrics) + 0.6, widths=(1,) * len(levels), row_height=0.5)
    for axes, level in zip(panels, levels, strict=True):
        chosen = {correlation.metric: correlation for correlation in correlations if correlation.level == level}
        rows = [chosen[metric] for metric in metrics]
        draw_intervals(
            axes, [row.estimate for row in rows], [row.low for row in rows], [row.high for row in rows], BLUE
        )
        name_rows(axes, [shorten(metric, 22) for metric in metrics])
        axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
        lowest = np.nanmin([0.0, *(end for row in rows for end in (row.low, row.estimate))])
        axes.set_xlim(lowest - 0.08, 1.08)
        axes.xaxis.set_major_locator(MultipleLocator(0.5))
        axes.set_title(f"{PANELS[level]}\n{rows[0].coefficient.capitalize()}", fontsize=10, color=MUTED, loc="left")
        write_right(axes, [format_number(row.estimate, 2) for row in rows])
    for axes in panels[1:]:
        axes.set_yticklabels([])
    return figure


def plot_segments(table: pd.DataFrame, *, metrics: Sequence[str], human: str, system: str, human_label: str) -> Figure:
    """A panel a metric, at most three: each completion's score and mean rating, a marker a system, its mean large."""
    shown = metrics[:MOST_PANELS]
    figure, panels = new_figure(6.5, widths=(1,) * len(shown))
    systems = sorted(table[system].unique())
    for axes, metric in zip(panels, shown, strict=True):
        _draw_segments(axes, table[table[metric].notna()], metric, human, system, systems)
        axes.set_xlabel(shorten(metric, 24))
    panels[0].set_ylabel(human_label)
    for axes in panels[1:]:
        axes.sharey(panels[0])
        axes.tick_params(axis="y", labelleft=False)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=min(3, len(systems)), markerscale=0.7
    )
    return figure


def _draw_segments(
    axes: Axes, rows: pd.DataFrame, metric: str, human: str, system: str, systems: Sequence[str]
) -> None:
    axes.grid(True, axis="both")
    axes.tick_params(axis="y", labelcolor=MUTED, labelsize=9.5)
    for index, name in enumerate(systems):
        own = rows[rows[system] == name]
        colour, marker = CATEGORIES[index % len(CATEGORIES)], MARKERS[index % len(MARKERS)]
        axes.scatter(own[metric], own[human], s=13, color=colour, marker=marker, alpha=0.3, linewidths=0)
        axes.scatter(
            own[metric].mean(), own[human].mean(), s=110, color=colour, marker=marker, edgecolors=INK, zorder=4,
            label=shorten(str(name)),
        )  # fmt: skip
