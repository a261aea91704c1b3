"""Figures of ratings, votes and metrics. Each function returns a matplotlib Figure and draws on nothing else."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter
from scipy import stats

from analysis.agreement import Agreement
from analysis.drawing import (
    BLUE,
    CATEGORIES,
    INK,
    LIKERT,
    MARKERS,
    MUTED,
    ORANGE,
    PAPER,
    draw_intervals,
    label_p,
    name_rows,
    new_figure,
    shorten,
    write_right,
)
from analysis.pair_differences import PairDifference
from analysis.preferences import BinomialResult
from analysis.results import Estimate, format_number


def plot_alpha(agreements: Mapping[str, Agreement]) -> Figure:
    """Krippendorff's alpha, a dot and its interval a row, with his guides at .667 (tentative) and .8 (reliable)."""
    figure, (axes,) = new_figure(len(agreements))
    results = list(agreements.values())
    name_rows(axes, [shorten(name) for name in agreements])
    draw_intervals(axes, *_columns(results), colour=BLUE)
    for guide, label in ((0.667, ".667"), (0.8, ".8")):
        axes.axvline(guide, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(label, (guide, 1), (0, 3), axes.get_xaxis_transform(), "offset points", ha="center", color=MUTED)
    lows = [value for result in results for value in (result.estimate, result.low) if math.isfinite(value)]
    axes.set_xlim(min([-0.05, *[low - 0.05 for low in lows]]), 1)
    axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
    axes.set_xlabel("Krippendorff's alpha (1 = full agreement, 0 = chance)")
    write_right(axes, [format_number(result.estimate, 2) for result in results])
    return figure


def plot_estimate(result: Any) -> Figure:
    """One estimate and its interval, named by its method: the plain figure of a result without one of its own."""
    figure, (axes,) = new_figure(1)
    name_rows(axes, [shorten(result.method.split(";")[0])])
    draw_intervals(axes, [result.estimate], [result.low], [result.high], colour=BLUE)
    write_right(axes, [format_number(result.estimate)])
    return figure


def _columns(results: Sequence[Agreement | Estimate]) -> tuple[list[float], list[float], list[float]]:
    return (
        [result.estimate for result in results],
        [result.low for result in results],
        [result.high for result in results],
    )


def plot_likert(
    counts: pd.DataFrame, means: Mapping[str, Estimate], letters: Mapping[str, str] | None = None
) -> Figure:
    """Diverging stacked bars, centred on the middle of the scale, beside means with intervals, and letters if given.

    counts: one row a system, one column a scale value from low to high.
    """
    systems, values = [str(name) for name in counts.index], [float(value) for value in counts.columns]
    shares = counts.to_numpy(dtype=np.float64)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1)
    figure, (bars, dots) = new_figure(len(systems) + 0.9, widths=(1.9, 1), row_height=0.46)
    middle = (len(values) - 1) / 2
    below = np.array([np.clip(middle + 0.5 - index, 0, 1) for index in range(len(values))])
    left = -(shares * below).sum(axis=1)
    reach = min(1.0, math.ceil(20 * max(float(-left.min()), float((1 + left).max())) + 0.5) / 20)
    for index, (value, colour) in enumerate(zip(values, likert_colours(len(values)), strict=True)):
        width = shares[:, index]
        bars.barh(systems, width, left=left, color=colour, height=0.68, label=f"{value:g}", linewidth=0)
        _write_shares(bars, left, width, smallest=0.18 * reach, light=index in (0, len(values) - 1))
        left = left + width
    bars.axvline(0, color=INK, linewidth=1, zorder=0.8)  # behind the bars, so that it crosses no number
    name_rows(bars, [shorten(system) for system in systems])
    bars.set_xlim(-reach, reach)
    bars.xaxis.set_major_locator(MultipleLocator(0.25 if reach <= 0.8 else 0.5))
    bars.xaxis.set_major_formatter(lambda share, _: f"{abs(share):.0%}")
    bars.set_xlabel("share below and above the middle")
    figure.legend(
        *bars.get_legend_handles_labels(),
        loc="outside upper left",
        ncols=len(values),
        handlelength=1.1,
        title="rating",
        alignment="left",
    )
    centres, lows, highs = _columns([means[system] for system in systems])
    draw_intervals(dots, centres, lows, highs, colour=BLUE)
    name_rows(dots, systems)
    dots.set_yticklabels([])
    ends = np.array(centres + lows + highs)
    dots.set_xlim(np.floor(4 * np.nanmin(ends) - 0.2) / 4, np.ceil(4 * np.nanmax(ends) + 0.2) / 4)
    dots.set_xlabel("mean rating")
    named = letters or {}
    write_right(
        dots, [f"{format_number(means[system].estimate, 2)}  {named.get(system, '')}".rstrip() for system in systems]
    )
    return figure


def likert_colours(values: int) -> list[str]:
    """Orange below, grey in the middle, blue above, the ends darkest."""
    scale = mpl.colors.LinearSegmentedColormap.from_list("likert", LIKERT)
    return [mpl.colors.to_hex(scale(index / max(1, values - 1))) for index in range(values)]


def _write_shares(axes: Axes, left: np.ndarray, width: np.ndarray, *, smallest: float, light: bool) -> None:
    for row, (start, share) in enumerate(zip(left, width, strict=True)):
        if share >= smallest:
            colour = "#ffffff" if light else "#20262e"
            axes.text(start + share / 2, row, f"{share:.0%}", ha="center", va="center", fontsize=8.5, color=colour)


def plot_differences(pairs: Sequence[PairDifference], *, xlabel: str = "difference of means") -> Figure:
    """A forest of pairwise differences, widest first; filled dots where the interval (without one: p) excludes 0."""
    ordered = sorted(pairs, key=lambda pair: -abs(pair.difference))
    # Each pair is turned so that its difference is positive: "better − worse".
    turned = [pair.upright() for pair in ordered]
    figure, (axes,) = new_figure(len(turned), row_height=0.5)
    name_rows(axes, [f"{shorten(pair.second)}\n− {shorten(pair.first)}" for pair in turned])
    for row, pair in enumerate(turned):
        has_interval = not math.isnan(pair.low)
        excludes_zero = pair.low > 0 or pair.high < 0 if has_interval else pair.p_value <= 0.05
        axes.hlines(row, pair.low, pair.high, color=BLUE if excludes_zero else MUTED, linewidth=2)
        face = BLUE if excludes_zero else PAPER
        axes.plot(pair.difference, row, "o", markersize=7, markerfacecolor=face, markeredgecolor=BLUE, zorder=3)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_xlabel(xlabel)
    write_right(axes, [label_p(pair.p_value) for pair in turned])
    return figure


def plot_win_rates(results: Mapping[tuple[str, str], BinomialResult]) -> Figure:
    """Share of votes for b of each (a, b), Wilson interval, with the number of votes; ties are left out."""
    figure, (axes,) = new_figure(len(results), row_height=0.62)
    rows = np.arange(len(results))
    shares = np.array([result.estimate for result in results.values()])
    axes.barh(rows, np.nan_to_num(shares), height=0.5, color=BLUE, linewidth=0)
    axes.barh(rows, np.nan_to_num(1 - shares), left=np.nan_to_num(shares), height=0.5, color="#c9d3de", linewidth=0)
    for row, result in enumerate(results.values()):
        ends = [result.estimate - result.low], [result.high - result.estimate]
        axes.errorbar(result.estimate, row, xerr=ends, color="#111418", capsize=4, linewidth=1.6, capthick=1.6)
    axes.axvline(0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    name_rows(axes, [f"{shorten(b)}\nover {shorten(a)}" for a, b in results])
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("share of decided votes (ties left out), 95% Wilson interval")
    write_right(axes, [f"{_percent(r.estimate)}\nn = {r.wins_a + r.wins_b}" for r in results.values()])
    return figure


def _percent(share: float) -> str:
    return "—" if math.isnan(share) else f"{share:.1%}"


def plot_metric_against_human(
    table: pd.DataFrame, *, metric: str, human: str, system: str, metric_label: str = "", human_label: str = ""
) -> Figure:
    """Each segment's metric score and mean rating, a marker a system; large markers are the systems' means."""
    figure, (axes,) = new_figure(8)
    axes.grid(True, axis="both")
    systems = sorted(table[system].unique())
    handles = []
    for index, name in enumerate(systems):
        rows = table[table[system] == name]
        colour, marker = CATEGORIES[index % len(CATEGORIES)], MARKERS[index % len(MARKERS)]
        axes.scatter(rows[metric], rows[human], s=13, color=colour, marker=marker, alpha=0.3, linewidths=0)
        mean = axes.scatter(
            [rows[metric].mean()], [rows[human].mean()], s=150, color=colour, marker=marker, edgecolors=INK, zorder=4
        )
        mean.set_label(shorten(str(name)))
        handles.append(mean)
    axes.set_xlabel(metric_label or metric)
    axes.set_ylabel(human_label or human)
    axes.tick_params(axis="y", labelcolor=MUTED, labelsize=9.5)
    figure.legend(handles=handles, loc="outside upper left", ncols=min(3, len(systems)), markerscale=0.7)
    return figure


def plot_position_bias(left_shares: pd.DataFrame) -> Figure:
    """Left share of each rater against the number of decided votes, with the funnel a fair rater stays in.

    left_shares: one row a rater, columns `left` (times the left one was chosen) and `decided`.
    """
    figure, (axes,) = new_figure(7)
    axes.grid(True, axis="both")
    decided = left_shares["decided"].to_numpy(dtype=np.float64)
    shares = left_shares["left"].to_numpy(dtype=np.float64) / np.maximum(decided, 1)
    largest = float(decided.max()) if len(decided) else 1.0
    votes = np.linspace(1, largest * 1.08 + 1, 400)
    for coverage, style in ((0.95, (0, (4, 3))), (0.998, "-")):
        half = stats.norm.ppf((1 + coverage) / 2) * np.sqrt(0.25 / votes)
        for sign in (-1, 1):
            axes.plot(votes, 0.5 + sign * half, color=MUTED, linewidth=1.1, linestyle=style)
        end = (votes[-1], min(1.0, 0.5 + half[-1]))
        axes.annotate(f"{coverage:.1%}".replace(".0", ""), end, (5, 0), textcoords="offset points", color=MUTED)
    axes.axhline(0.5, color=INK, linewidth=1)
    is_outside = np.abs(shares - 0.5) > stats.norm.ppf(0.999) * np.sqrt(0.25 / np.maximum(decided, 1))
    axes.scatter(decided[~is_outside], shares[~is_outside], s=32, color=BLUE, edgecolors=PAPER, zorder=3, clip_on=False)
    axes.scatter(
        decided[is_outside],
        shares[is_outside],
        s=46,
        color=ORANGE,
        marker="D",
        edgecolors=INK,
        zorder=3,
        clip_on=False,
    )
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0, votes[-1])
    axes.yaxis.set_major_locator(MultipleLocator(0.25))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.tick_params(axis="y", labelcolor=MUTED, labelsize=9.5)
    axes.set_xlabel("decided votes of the rater")
    axes.set_ylabel("chose the left one")
    return figure
