"""Figures: one calm style, colours that colour-blind readers tell apart, and everything legible in grey.

Each function returns a matplotlib Figure and draws on nothing else. Lightness, position and direct labels carry the
meaning; colour only repeats it.
"""

import contextlib
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter
from scipy import stats

from analysis.agreement import Agreement
from analysis.groups import PairDifference
from analysis.preferences import BinomialResult
from analysis.results import Estimate, format_number

# Every colour is a name on the page too: the inlined SVG follows the page's light or dark theme.
INK, MUTED, GRID, PAPER = "#1d232b", "#66707d", "#dfe3e8", "#fefefe"
BLUE, ORANGE = "#2f6fb0", "#d9822b"
# Okabe and Ito's palette without its yellow (too light for dots), dark to light in grey.
CATEGORIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#4a4a4a")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
LIKERT = ("#b35806", "#f1a340", "#cfd3d9", "#7fb0dc", "#20578f")  # lowest to highest
WIDTH = 7.2  # inches

STYLE: dict[str, object] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 100,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 10.5,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "svg.hashsalt": "prefloop",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 9.5,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 10.5,
    "ytick.major.size": 0,
}


@contextlib.contextmanager
def figure_style() -> Iterator[None]:
    """Draw and save within this block; matplotlib's global settings are as before after it."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        yield


def new_figure(rows: float, *, widths: Sequence[float] = (1,), row_height: float = 0.42) -> tuple[Figure, list[Axes]]:
    """A figure whose height follows its number of rows; no global state, no window."""
    figure = Figure(figsize=(WIDTH, max(1.6, 0.95 + row_height * rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(widths), squeeze=False, width_ratios=list(widths))[0]
    return figure, list(axes)


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """`name`.svg and `name`.png in `folder`: the same bytes for the same figure."""
    folder.mkdir(parents=True, exist_ok=True)
    _settle(figure)
    vector, raster = folder / f"{name}.svg", folder / f"{name}.png"
    with figure_style():
        figure.savefig(vector, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(raster, format="png", dpi=160, metadata={"Software": None})
    return [vector, raster]


def _settle(figure: Figure) -> None:
    """Lay the figure out once, for all the formats that it is drawn in."""
    if figure.get_layout_engine() is not None:
        with figure_style():
            figure.draw_without_rendering()
        figure.set_layout_engine("none")


def figure_svg(figure: Figure) -> str:
    """The figure as an `<svg>` element to set into a page: no fixed size, the page's own ink and font."""
    stream = io.StringIO()
    _settle(figure)
    with figure_style():
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    content = stream.getvalue()
    content = content[content.index("<svg") :]
    content = re.sub(r"<metadata>.*?</metadata>\s*", "", content, flags=re.DOTALL)
    content = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", content, count=1)
    content = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", content, count=1)
    for colour, variable in zip(
        (INK, MUTED, GRID, PAPER, BLUE), ("ink", "muted", "line", "paper", "accent"), strict=True
    ):
        content = content.replace(colour, f"var(--{variable})")
    return re.sub(r"font-family: [^;\"]*|(?<=px )'DejaVu Sans'(, [^;\"]*)?", _page_font, content)


def _page_font(match: re.Match[str]) -> str:
    return "font-family: inherit" if match.group(0).startswith("font-family") else "var(--sans)"


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Rows from the top down, one name each."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _shorten(name: str, longest: int = 34) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _draw_intervals(
    axes: Axes, centres: Sequence[float], lows: Sequence[float], highs: Sequence[float], colour: str
) -> None:
    rows = np.arange(len(centres))
    axes.hlines(rows, lows, highs, color=colour, linewidth=2.2, zorder=2)
    axes.plot(centres, rows, "o", color=colour, markersize=7.5, markeredgecolor=PAPER, markeredgewidth=1.2, zorder=3)


def _write_right(axes: Axes, texts: Sequence[str]) -> None:
    """One short text at the right of each row, outside the axes."""
    for row, text in enumerate(texts):
        axes.annotate(
            text,
            (1, row),
            xycoords=axes.get_yaxis_transform(),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=9.5,
            annotation_clip=False,
        )


def plot_alpha(agreements: Mapping[str, Agreement]) -> Figure:
    """Krippendorff's alpha, a dot and its interval a row, with his guides at .667 (tentative) and .8 (reliable)."""
    figure, (axes,) = new_figure(len(agreements))
    results = list(agreements.values())
    _name_rows(axes, [_shorten(name) for name in agreements])
    _draw_intervals(axes, *_columns(results), colour=BLUE)
    for guide, label in ((0.667, ".667"), (0.8, ".8")):
        axes.axvline(guide, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(label, (guide, 1), (0, 3), axes.get_xaxis_transform(), "offset points", ha="center", color=MUTED)
    lows = [value for result in results for value in (result.estimate, result.low) if math.isfinite(value)]
    axes.set_xlim(min([-0.05, *[low - 0.05 for low in lows]]), 1)
    axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
    axes.set_xlabel("Krippendorff's alpha (1 = full agreement, 0 = chance)")
    _write_right(axes, [format_number(result.estimate, 2) for result in results])
    return figure


def _columns(results: Sequence[Agreement | Estimate]) -> tuple[list[float], list[float], list[float]]:
    return (
        [result.estimate for result in results],
        [result.low for result in results],
        [result.high for result in results],
    )


def plot_likert(counts: pd.DataFrame, means: Mapping[str, Estimate]) -> Figure:
    """Diverging stacked bars, centred on the middle of the scale, beside means with intervals.

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
    _name_rows(bars, [_shorten(system) for system in systems])
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
    _draw_intervals(dots, centres, lows, highs, colour=BLUE)
    _name_rows(dots, systems)
    dots.set_yticklabels([])
    ends = np.array(centres + lows + highs)
    dots.set_xlim(np.floor(4 * np.nanmin(ends) - 0.2) / 4, np.ceil(4 * np.nanmax(ends) + 0.2) / 4)
    dots.set_xlabel("mean rating")
    _write_right(dots, [format_number(means[system].estimate, 2) for system in systems])
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
    """A forest of pairwise differences, widest first; filled dots where the interval excludes 0."""
    ordered = sorted(pairs, key=lambda pair: -abs(pair.difference))
    # Each pair is turned so that its difference is positive: "better − worse".
    turned = [pair if pair.difference >= 0 else _turn(pair) for pair in ordered]
    figure, (axes,) = new_figure(len(turned), row_height=0.5)
    _name_rows(axes, [f"{_shorten(pair.second)}\n− {_shorten(pair.first)}" for pair in turned])
    for row, pair in enumerate(turned):
        excludes_zero = pair.low > 0 or pair.high < 0
        axes.hlines(row, pair.low, pair.high, color=BLUE if excludes_zero else MUTED, linewidth=2)
        face = BLUE if excludes_zero else PAPER
        axes.plot(pair.difference, row, "o", markersize=7, markerfacecolor=face, markeredgecolor=BLUE, zorder=3)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_xlabel(xlabel)
    _write_right(axes, [_p_label(pair.p_value) for pair in turned])
    return figure


def _turn(pair: PairDifference) -> PairDifference:
    return PairDifference(pair.second, pair.first, -pair.difference, -pair.high, -pair.low, pair.p_value)


def _p_label(p_value: float) -> str:
    if math.isnan(p_value):
        return "p —"
    return "p < .001" if p_value < 0.001 else f"p = {p_value:.3f}".replace("0.", ".", 1)


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
    _name_rows(axes, [f"{_shorten(b)}\nover {_shorten(a)}" for a, b in results])
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("share of decided votes (ties left out), 95% Wilson interval")
    _write_right(axes, [f"{_percent(r.estimate)}\nn = {r.wins_a + r.wins_b}" for r in results.values()])
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
        mean.set_label(_shorten(str(name)))
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
    axes.scatter(decided[~is_outside], shares[~is_outside], s=32, color=BLUE, edgecolors=PAPER, zorder=3)
    axes.scatter(decided[is_outside], shares[is_outside], s=46, color=ORANGE, marker="D", edgecolors=INK, zorder=3)
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0, votes[-1])
    axes.yaxis.set_major_locator(MultipleLocator(0.25))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.tick_params(axis="y", labelcolor=MUTED, labelsize=9.5)
    axes.set_xlabel("decided votes of the rater")
    axes.set_ylabel("chose the left one")
    return figure
