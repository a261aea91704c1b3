"""Figures of preferences among several systems: strengths with rank probabilities, win rates, mean ranks."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.bradley_terry import ELO_MEAN, Strength
from analysis.drawing import BLUE, INK, MUTED, PAPER, draw_intervals, name_rows, new_figure, shorten, write_right
from analysis.ranked_sets import SystemRanks
from analysis.resampling import Floats
from analysis.results import format_number
from analysis.strength_bootstrap import RankedStrengths
from analysis.win_rates import WinRate, WinRates

SHADES = ("#f1f4f8", "#9dbfde", "#1f5488")  # none to all, in grey too
ON_LIGHT, ON_DARK = "#20262e", "#ffffff"
DARK_FROM = 0.7  # shares from here on have light text
MOST_WITH_TEXT = 12  # systems whose cells have room for numbers
MOST_WITH_COUNTS = 8


def plot_strengths(ranking: RankedStrengths) -> Figure:
    """Elo with intervals, strongest first, beside the probability of each rank. Systems that were not fitted are left
    out."""
    fitted = ranking.fitted
    figure, (dots, heat) = new_figure(len(fitted) + 0.4, widths=(1.25, 1), row_height=_row_height(len(fitted)))
    _draw_elo(dots, fitted)
    shares = np.array(ranking.rank_probabilities).reshape(-1, len(fitted))
    _shade(heat, shares)
    shown = [place for place in range(len(fitted)) if len(fitted) <= MOST_WITH_TEXT or place == 0 or place % 5 == 4]
    heat.set_xticks(shown, [str(place + 1) for place in shown])
    heat.set_yticks(range(len(fitted)), [""] * len(fitted))
    heat.set_xlabel("probability of rank")
    if len(fitted) <= MOST_WITH_TEXT:
        _write_cells(heat, shares, [[_percent(share) for share in row] for row in shares])
    return figure


def plot_elo(fitted: Sequence[Strength]) -> Figure:
    """Elo with intervals, strongest first."""
    figure, (axes,) = new_figure(len(fitted) + 0.4, row_height=_row_height(len(fitted)))
    _draw_elo(axes, fitted)
    return figure


def _draw_elo(axes: Axes, fitted: Sequence[Strength]) -> None:
    _draw_ends(axes, fitted, "elo", "elo_low", "elo_high")
    name_rows(axes, [shorten(str(strength.system), 26) for strength in fitted])
    axes.axvline(ELO_MEAN, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.set_xlabel("Elo, mean 1000")
    write_right(axes, [format_number(strength.elo, 0) for strength in fitted])


def plot_win_matrix(rates: WinRates) -> Figure:
    """Win rate of the row's system against the column's, with n; a star where the interval over items excludes half."""
    matrix = rates.to_matrix().to_numpy(dtype=np.float64)
    size = len(rates.systems)
    figure, (axes,) = new_figure(size + 2, row_height=_row_height(size))
    _shade(axes, matrix)
    axes.set_yticks(range(size), [shorten(str(system), 28) for system in rates.systems])
    names = [shorten(str(system), 22) for system in rates.systems]
    steepness = 25 if size <= MOST_WITH_COUNTS else 60
    axes.set_xticks(range(size), names, rotation=steepness, ha="left", rotation_mode="anchor")
    axes.xaxis.set_ticks_position("top")
    axes.tick_params(axis="x", length=0, labelcolor=INK)
    place = {system: index for index, system in enumerate(rates.systems)}
    texts = [[""] * size for _ in range(size)]
    for cell in rates.cells:
        row, column = place[cell.system], place[cell.opponent]
        texts[row][column] = _describe_cell(cell, cell.estimate, size)
        texts[column][row] = _describe_cell(cell, 1 - cell.estimate, size)
    _write_cells(axes, matrix, texts)
    axes.set_xlabel("share of votes that the row's system won against the column's")
    return figure


def _describe_cell(cell: WinRate, share: float, size: int) -> str:
    star = "*" if cell.excludes_half else ""
    if size > MOST_WITH_TEXT:
        return star
    text = f"{_percent(share)}{star}" if not math.isnan(share) else "—"
    return f"{text}\nn = {cell.used}" if size <= MOST_WITH_COUNTS else text


def plot_mean_ranks(ranks: SystemRanks) -> Figure:
    """Mean ranks with intervals, the best first, beside best less worst."""
    systems = ranks.systems
    figure, (left, right) = new_figure(len(systems), widths=(1.25, 1), row_height=0.5)
    _draw_ends(left, systems, "mean_rank", "mean_rank_low", "mean_rank_high")
    name_rows(left, [shorten(str(rank.system), 26) for rank in systems])
    left.set_xlabel("mean rank (1 = best)")
    write_right(left, [format_number(rank.mean_rank, 2) for rank in systems])
    _draw_ends(right, systems, "best_worst", "best_worst_low", "best_worst_high")
    name_rows(right, [""] * len(systems))
    right.axvline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    right.set_xlabel("share best less share worst")
    write_right(right, [format_number(rank.best_worst, 2) for rank in systems])
    return figure


def _draw_ends(axes: Axes, rows: Sequence[Any], centre: str, low: str, high: str) -> None:
    """A dot and its interval a row, from the fields of these names."""
    centres, lows, highs = ([getattr(row, name) for row in rows] for name in (centre, low, high))
    draw_intervals(axes, centres, lows, highs, colour=BLUE)


def _row_height(systems: int) -> float:
    """Inches; many rows stand closer, so that a figure stays on a page."""
    return 0.5 if systems <= MOST_WITH_COUNTS else 0.38


def _shade(axes: Axes, shares: Floats) -> None:
    """Cells from light (0) to dark (1), rows from the top down; what is not defined stays open."""
    rows, columns = shares.shape
    scale = mpl.colors.LinearSegmentedColormap.from_list("shares", SHADES)
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    axes.pcolormesh(*edges, np.ma.masked_invalid(shares), cmap=scale, vmin=0, vmax=1, edgecolors=PAPER, linewidth=1.5)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _write_cells(axes: Axes, shares: Floats, texts: Sequence[Sequence[Any]]) -> None:
    for (row, column), share in np.ndenumerate(shares):
        colour = ON_DARK if share >= DARK_FROM else ON_LIGHT
        axes.text(column, row, texts[row][column], ha="center", va="center", fontsize=8.5, color=colour)


def _percent(share: float) -> str:
    """Whole per cent; next to nothing is no number."""
    return f"{share:.0%}" if share >= 0.005 else "·"
