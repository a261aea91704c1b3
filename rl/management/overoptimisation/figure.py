"""The bench's one figure: proxy (dashed) and gold (solid) against distance, for best-of-n and for NLPO."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.drawing import CATEGORIES, INK, MARKERS, MUTED, WIDTH, figure_style
from rl.management.overoptimisation.nlpo import FREE, PENALISED, PENALTY_NAMES
from rl.management.overoptimisation.rewards import NAMES, REWARDS

STYLES = {reward: (CATEGORIES[place], MARKERS[place]) for place, reward in enumerate(REWARDS)}
DISTANCE = "√KL to the supervised policy, √nats"
DASHED = (0, (5, 2.5))
GAIN = "gain, standard deviations"
Rows = Sequence[Mapping[str, Any]]


def plot_overoptimisation(best_of_n: Mapping[str, Rows], nlpo: Mapping[str, Mapping[str, Rows]]) -> Figure:
    """Best-of-n above; NLPO without and with its KL penalty below, on axes of their own that share one scale."""
    with figure_style():
        figure = Figure(figsize=(WIDTH, 7.4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplot_mosaic([["best", "best"], [FREE, PENALISED]], height_ratios=[1, 1.1])
        _draw_panel(axes["best"], best_of_n, "best-of-n")
        axes["best"].set_ylabel(GAIN)
        for penalty in (FREE, PENALISED):
            _draw_panel(axes[penalty], nlpo[penalty], f"NLPO {PENALTY_NAMES[penalty]}")
        axes[PENALISED].sharey(axes[FREE])
        axes[PENALISED].tick_params(labelleft=False)
        axes[FREE].set_ylabel(GAIN)
        figure.legend(handles=_legend(), loc="outside upper left", ncols=2)
    return figure


def _draw_panel(axes: Axes, curves: Mapping[str, Rows], title: str) -> None:
    axes.grid(True, axis="both")
    axes.axhline(0, color=MUTED, linewidth=1, zorder=1)
    for reward, rows in curves.items():
        colour, marker = STYLES[reward]
        distances = [math.sqrt(max(0.0, row["kl_nats"])) for row in rows]
        lows, highs = ([row["gold"][end] for row in rows] for end in ("low", "high"))
        axes.fill_between(distances, lows, highs, color=colour, alpha=0.12, linewidth=0)
        gold = [row["gold"]["estimate"] for row in rows]
        axes.plot(distances, gold, color=colour, marker=marker, markersize=4.5, linewidth=1.8)
        proxy = [row["proxy"]["estimate"] for row in rows]
        axes.plot(distances, proxy, color=colour, linewidth=1.4, linestyle=DASHED)
    axes.set_title(title, loc="left", fontsize=10.5)
    axes.set_xlabel(DISTANCE)
    axes.tick_params(axis="y", labelcolor=MUTED, labelsize=9.5)


def _legend() -> list[Line2D]:
    rewards = [
        Line2D([], [], color=colour, marker=marker, markersize=5, linewidth=1.8, label=NAMES[reward])
        for reward, (colour, marker) in STYLES.items()
    ]
    gold = Line2D([], [], color=INK, linewidth=1.8, label="gold")
    proxy = Line2D([], [], color=INK, linewidth=1.4, linestyle=DASHED, label="proxy: what the reward itself says")
    return [*rewards, gold, proxy]
