"""Figures of mixed models: where the variance of ratings lies, and the differences of systems."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analysis.drawing import PAPER, name_rows, new_figure, shorten
from analysis.mixed_results import Contrast
from analysis.pair_differences import PairDifference
from analysis.plots import plot_differences

# Dark to light, so that grey tells them apart.
PARTS = {"item": "#1d4f86", "completion": "#4f86bd", "worker": "#e6b566", "residual": "#d5dae1"}
SMALLEST_LABELLED = 0.07


def plot_variance_shares(shares: Mapping[str, Mapping[str, float]]) -> Figure:
    """A stacked bar for each question: shares of items, completions, workers and the residual."""
    figure, (axes,) = new_figure(len(shares) + 0.9, row_height=0.46)
    rows = np.arange(len(shares))
    left = np.zeros(len(shares))
    for name, colour in PARTS.items():
        widths = np.array([parts.get(name, 0.0) for parts in shares.values()])
        axes.barh(rows, widths, left=left, height=0.62, color=colour, edgecolor=PAPER, linewidth=1, label=name)
        is_dark = name in ("item", "completion")
        for row, (start, width) in enumerate(zip(left, widths, strict=True)):
            if width >= SMALLEST_LABELLED:
                ink = "#ffffff" if is_dark else "#20262e"
                axes.text(start + width / 2, row, f"{width:.0%}", ha="center", va="center", fontsize=8.5, color=ink)
        left = left + widths
    name_rows(axes, [shorten(name) for name in shares])
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("share of the variance of ratings, systems aside")
    figure.legend(loc="outside upper left", ncols=len(PARTS), handlelength=1.1)
    return figure


def plot_contrasts(contrasts: Sequence[Contrast], *, xlabel: str) -> Figure:
    """A forest of all pairs of systems."""
    pairs = [
        PairDifference(str(pair.first), str(pair.second), pair.difference, pair.low, pair.high, pair.p_holm)
        for pair in contrasts
    ]
    return plot_differences(pairs, xlabel=xlabel)
