"""What all figures share: one calm style, colours that colour-blind readers tell apart, strokes, and files.

Everything is legible in grey: lightness, position and direct labels carry the meaning; colour only repeats it.
"""

import contextlib
import io
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

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
    "text.parse_math": False,  # names of systems come from outside; a $ in one is a $
    "xtick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 9.5,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 10.5,
    "ytick.major.size": 0,
}

_RENDERED: "WeakKeyDictionary[Figure, str]" = WeakKeyDictionary()


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
    vector, raster = folder / f"{name}.svg", folder / f"{name}.png"
    vector.write_text(_render_svg(figure), encoding="utf-8")
    with figure_style():
        figure.savefig(raster, format="png", dpi=160, metadata={"Software": None})
    return [vector, raster]


def figure_svg(figure: Figure) -> str:
    """The figure as an `<svg>` element to set into a page: no fixed size, the page's own ink, paper and font."""
    content = _render_svg(figure)
    content = content[content.index("<svg") :]
    content = re.sub(r"<metadata>.*?</metadata>\s*", "", content, flags=re.DOTALL)
    content = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", content, count=1)
    content = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", content, count=1)
    for colour, variable in zip(
        (INK, MUTED, GRID, PAPER, BLUE), ("ink", "muted", "line", "paper", "accent"), strict=True
    ):
        content = content.replace(colour, f"var(--{variable})")
    return re.sub(r"font-family: [^;\"]*|(?<=px )'DejaVu Sans'(, [^;\"]*)?", _page_font, content)


def _render_svg(figure: Figure) -> str:
    """The figure as an SVG file; drawn once, for its file and for the page."""
    if figure not in _RENDERED:
        stream = io.StringIO()
        with figure_style():
            # Laid out once, for all formats.
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
        _RENDERED[figure] = stream.getvalue()
    return _RENDERED[figure]


def _page_font(match: re.Match[str]) -> str:
    return "font-family: inherit" if match.group(0).startswith("font-family") else "var(--sans)"


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Rows from the top down, one name each."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def shorten(name: str, longest: int = 34) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def draw_intervals(
    axes: Axes, centres: Sequence[float], lows: Sequence[float], highs: Sequence[float], colour: str
) -> None:
    """A dot and its interval a row; a dot at the end of the axis is whole."""
    rows = np.arange(len(centres))
    axes.hlines(rows, lows, highs, color=colour, linewidth=2.2, zorder=2)
    dots: dict[str, Any] = {"color": colour, "markersize": 7.5, "markeredgecolor": PAPER, "markeredgewidth": 1.2}
    axes.plot(centres, rows, "o", **dots, zorder=3, clip_on=False)


def write_right(axes: Axes, texts: Sequence[str]) -> None:
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


def label_p(p_value: float) -> str:
    if math.isnan(p_value):
        return "p —"
    return "p < .001" if p_value < 0.001 else f"p = {p_value:.3f}".replace("0.", ".", 1)
