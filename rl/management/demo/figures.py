"""The demo report's figures: one calm style (analysis.plots), one function a figure."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from analysis.drawing import CATEGORIES, INK, MARKERS, MUTED, figure_style, new_figure

Interval = Mapping[str, float]
ARM_STYLES = {name: (CATEGORIES[index], MARKERS[index]) for index, name in enumerate(("arm A", "arm B", "arm C"))}


def plot_gold_of_selectors(gold: Mapping[str, Mapping[str, float]], n: int) -> Figure:
    """Mean gold of the candidate that each selector takes: one dot a selector."""
    with figure_style():
        figure, (axes,) = new_figure(len(gold))
        names = list(gold)
        values = [gold[name]["utility"] for name in names]
        rows = range(len(names))
        axes.hlines(rows, min(values), values, color=MUTED, linewidth=1.2)
        axes.plot(values, rows, "o", color=CATEGORIES[0], markersize=9)
        axes.set_yticks(rows, names)
        axes.invert_yaxis()
        for row, value in zip(rows, values, strict=True):
            axes.annotate(f"{value:.2f}", (value, row), (9, 0), textcoords="offset points", va="center", color=INK)
        axes.set_xlim(min(values) - 0.02, max(values) + 0.06 * (max(values) - min(values)) + 0.03)
        axes.set_xlabel(f"mean gold of the candidate chosen from {n}, 0 to 3")
    return figure


def plot_gold_of_systems(gold: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """Mean gold of each system, sampled (filled) and greedy (open)."""
    with figure_style():
        figure, (axes,) = new_figure(len(gold) + 0.6)
        names = list(gold)
        for kind, face in (("sampled", CATEGORIES[0]), ("greedy", "none")):
            values = [gold[name][kind]["utility"] for name in names]
            axes.plot(
                values,
                range(len(names)),
                "o",
                markerfacecolor=face,
                markeredgecolor=CATEGORIES[0],
                markersize=9,
                label=kind,
            )
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel("mean gold on test prompts, 0 to 3")
        figure.legend(loc="outside upper left", ncols=2)
    return figure


def plot_gold_against_kl(traces: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Gold of sampled completions against how far each run has moved from its start."""
    with figure_style():
        figure, (axes,) = new_figure(7)
        axes.grid(True, axis="both")
        for name, points in traces.items():
            colour, marker = ARM_STYLES[name]
            axes.plot(
                [point["kl_nats_per_sequence"] for point in points],
                [point["utility"] for point in points],
                color=colour,
                marker=marker,
                label=name,
                linewidth=1.8,
            )
        axes.set_xlabel("KL to the supervised policy, nats a sequence (exact, unmasked)")
        axes.set_ylabel("mean gold")
        figure.legend(loc="outside upper left", ncols=3)
    return figure


def plot_training_curves(rewards: Mapping[str, Sequence[float]]) -> Figure:
    """Each arm's mean reward by iteration; the arms' rewards differ, so only shapes compare."""
    with figure_style():
        figure, (axes,) = new_figure(6)
        axes.grid(True, axis="both")
        for name, values in rewards.items():
            colour, _ = ARM_STYLES[name]
            axes.plot(range(1, len(values) + 1), values, color=colour, label=name, linewidth=1.8)
        axes.set_xlabel("iteration")
        axes.set_ylabel("mean reward of the rollout")
        figure.legend(loc="outside upper left", ncols=3)
    return figure


def plot_intervals(rows: Mapping[str, Interval], xlabel: str, guide: float | None = None) -> Figure:
    """A dot and its interval a row."""
    with figure_style():
        figure, (axes,) = new_figure(len(rows))
        for position, interval in enumerate(rows.values()):
            axes.plot([interval["low"], interval["high"]], [position] * 2, color=CATEGORIES[0], linewidth=2.2)
            axes.plot(interval["estimate"], position, "o", color=CATEGORIES[0], markersize=8)
            label = f"{interval['estimate']:.3f}"
            axes.annotate(
                label,
                (1, position),
                (8, 0),
                axes.get_yaxis_transform(),
                "offset points",
                va="center",
                annotation_clip=False,
            )
        axes.set_yticks(range(len(rows)), list(rows))
        axes.invert_yaxis()
        if guide is not None:
            axes.axvline(guide, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xlabel(xlabel)
    return figure


def plot_votes(contests: Mapping[str, Mapping[str, Any]]) -> Figure:
    """All votes of each contest: for C, ties, for its rival."""
    with figure_style():
        figure, (axes,) = new_figure(len(contests) + 0.5, row_height=0.6)
        for position, contest in enumerate(contests.values()):
            parts = (contest["wins_b"], contest["ties"], contest["wins_a"])
            left = 0.0
            for count, colour, text in zip(
                parts, (CATEGORIES[0], "#dfe3e8", CATEGORIES[5]), ("w", INK, INK), strict=True
            ):
                share = count / sum(parts)
                axes.barh(position, share, left=left, color=colour, height=0.6)
                axes.text(left + share / 2, position, str(count), ha="center", va="center", color=text)
                left += share
        axes.set_yticks(range(len(contests)), list(contests))
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of votes: for arm C, ties, for its rival")
    return figure
