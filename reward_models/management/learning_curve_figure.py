"""The figure of a learning curve: a panel a measure over the number of votes, with what can be reached."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, log
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from analysis.drawing import BLUE, INK, MUTED, ORANGE, PAPER, WIDTH, figure_style

PANEL_HEIGHT = 1.9  # inches
VOTE_LOSS = "log loss of a vote, nats"
CHANCE = {"pair accuracy": 0.5, "pooled AUC": 0.5, VOTE_LOSS: log(2), "agreement with the other workers": 0.5}
SHARES = ("pair accuracy", "agreement with the other workers")
MARGIN = 0.08  # of a panel's height, above and below what is drawn
NARROWEST = 0.09  # of the axis between two ticks' labels
Share = Mapping[str, float]  # estimate, low, high


@dataclass(frozen=True, slots=True)
class Panel:
    """means: a size; runs: those of each size, if they are known one by one. ceiling: what can be reached, its name."""

    title: str
    means: list[Share]
    runs: list[list[float]]
    ceiling: tuple[str, float] | None = None


def draw_curve(results: Mapping[str, Any]) -> Figure:
    panels = list_panels(results)
    votes = [size["votes"] for size in results["sizes"]]
    with figure_style():
        figure = Figure(figsize=(WIDTH, 0.6 + PANEL_HEIGHT * len(panels)), layout="constrained")
        FigureCanvasAgg(figure)
        rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, panel in zip(rows, panels, strict=True):
            _draw_panel(axes, panel, results)
        _name_sizes(rows[-1], votes, [size["pairs"] for size in results["sizes"]])
    return figure


def list_panels(results: Mapping[str, Any]) -> list[Panel]:
    sizes, gold = results["sizes"], results["gold"]
    names = {"pair_accuracy": "pair accuracy", "pooled_auc": "pooled AUC", "vote_log_loss": VOTE_LOSS}
    panels = [
        Panel(
            title,
            [size["measures"][name] for size in sizes],
            [[run["measures"][name]["estimate"] for run in size["runs"]] for size in sizes],
            ("gold judge", gold[name]["reached"]["estimate"]) if name in gold else None,
        )
        for name, title in names.items()
    ]
    if sizes[-1]["workers"]:
        shares = [size["workers"]["scorer"] for size in sizes]
        one = ("one worker", sizes[-1]["workers"]["rater"]["estimate"])
        panels.append(Panel("agreement with the other workers", shares, [[] for _ in sizes], one))
    return panels


def _draw_panel(axes: Axes, panel: Panel, results: Mapping[str, Any]) -> None:
    votes = [size["votes"] for size in results["sizes"]]
    axes.set_xscale("log")
    axes.grid(visible=True, axis="y")
    axes.grid(visible=False, axis="x")
    if results["repeats"] > 1:
        for size, values in zip(results["sizes"], panel.runs, strict=True):
            of_runs = [run["votes"] for run in size["runs"]][: len(values)]
            axes.plot(of_runs, values, "o", color=INK, markersize=3, zorder=5)
    axes.vlines(votes, [mean["low"] for mean in panel.means], [mean["high"] for mean in panel.means], color=BLUE,
                linewidth=2, zorder=3)  # fmt: skip
    axes.plot(votes, [mean["estimate"] for mean in panel.means], "-o", color=BLUE, linewidth=1.6, markersize=7,
              markeredgecolor=PAPER, markeredgewidth=1.2, zorder=4)  # fmt: skip
    low, high = _limits(panel)
    axes.set_ylim(low, high)
    if low <= CHANCE[panel.title] <= high:
        axes.axhline(CHANCE[panel.title], color=MUTED, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    if panel.ceiling:
        name, height = panel.ceiling
        axes.axhline(height, color=ORANGE, linewidth=1.4, linestyle=(0, (5, 3)), zorder=1)
        axes.annotate(name, (1, height), xycoords=axes.get_yaxis_transform(), xytext=(6, 0), va="center",
                      textcoords="offset points", color=INK, fontsize=9.5, annotation_clip=False)  # fmt: skip
    axes.set_title(panel.title, loc="left", fontsize=10.5, color=INK)
    if panel.title in SHARES:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.yaxis.set_tick_params(labelsize=9.5, labelcolor=MUTED)


def _limits(panel: Panel) -> tuple[float, float]:
    """Around means, intervals, runs and the ceiling: chance may be so far off that it would flatten the curve."""
    drawn = [mean[key] for mean in panel.means for key in ("estimate", "low", "high")]
    drawn += [value for values in panel.runs for value in values] + ([panel.ceiling[1]] if panel.ceiling else [])
    drawn = [value for value in drawn if isfinite(value)]
    lowest, highest = min(drawn), max(drawn)
    room = MARGIN * (highest - lowest) or MARGIN
    return lowest - room, highest + room


def _name_sizes(axes: Axes, votes: list[float], pairs: list[int]) -> None:
    """Votes, and pairs below them, at each size that has room beside its larger neighbour."""
    span = log(votes[-1] / votes[0])
    shown = [len(votes) - 1]
    for place in reversed(range(len(votes) - 1)):
        if log(votes[shown[-1]] / votes[place]) >= NARROWEST * span:
            shown.append(place)
    shown.reverse()
    axes.xaxis.set_major_locator(FixedLocator([votes[place] for place in shown]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{round(votes[place]):,}\n{pairs[place]:,}" for place in shown])
    axes.set_xlabel("votes, and the pairs that they are on")
