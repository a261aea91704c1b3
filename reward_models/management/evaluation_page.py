"""The evaluation of a reward model as files: results.json, tables, and a page with its figures."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import PercentFormatter

from analysis.drawing import (
    BLUE,
    MUTED,
    draw_intervals,
    figure_style,
    name_rows,
    new_figure,
    save_figure,
    write_right,
)
from analysis.narrow_drawing import show_figure
from analysis.report import KeyNumber, Note, Paragraph, Part, Report, Section, Table, write_report
from analysis.results import format_interval, format_number
from annotation.run_folders import plain, write_json
from annotation.wording import count_nouns
from reward_models.dataset import describe_left_out
from reward_models.management.evaluation import blank_undefined, is_clear
from reward_models.management.evaluation_details import MODEL

MEASURES = {
    "pair_accuracy": "pair accuracy",
    "pooled_auc": "pooled AUC",
    "log_loss": "log loss, nats",
    "brier_score": "Brier score",
    "calibration_error": "calibration error",
}
IN_NATS = ("log_loss", "brier_score", "calibration_error")  # of a scorer of words these mean nothing
SURER_MAJORITY = (
    "What it learned are shares of votes, and what it is held against here are majorities, which are surer: a "
    "temperature below one is to be expected where voters are divided."
)
WORKER, MODEL_BESIDE = "one worker, by the other workers", "the model, by the same workers"


def write_evaluation(evaluation: dict[str, Any], tables: dict[str, pd.DataFrame], folder: Path, title: str) -> None:
    """`results.json`, `tables/`, `figures/` and `report.html` in `folder`."""
    write_json(folder / "results.json", blank_undefined(plain(evaluation)))
    (folder / "tables").mkdir()
    for name, table in tables.items():
        table.to_csv(folder / "tables" / f"{name}.csv", index=False)
    figures = {
        "accuracy": draw_scorers(evaluation),
        "breakdown": draw_breakdown(tables["breakdown"]),
        "calibration": draw_calibration(tables["calibration"]),
    }
    for name, figure in figures.items():
        save_figure(figure, folder / "figures", name)
    write_report(build_page(evaluation, figures, title), folder / "report.html")


def build_page(evaluation: dict[str, Any], figures: dict[str, Drawing], title: str) -> Report:
    model, workers = evaluation["scorers"][MODEL], evaluation["workers"]
    pairs = count_nouns(evaluation["pairs"], "pair")
    numbers = [_key_number(model["pair_accuracy"], "pair accuracy"), _key_number(model["pooled_auc"], "pooled AUC")]
    if workers:
        numbers += [_key_number(workers["rater"], WORKER), _key_number(workers["scorer"], MODEL_BESIDE)]
    return Report(
        title=title,
        kicker=f"Reward model · {evaluation['split']} split · {pairs} with a majority",
        lead=_lead(evaluation),
        key_numbers=tuple(numbers),
        sections=(
            Section("Beside what is simple, and beside people", tuple(_describe_scorers(evaluation, figures))),
            Section("Where it is right", tuple(_describe_parts(evaluation, figures))),
            Section("Can its probabilities be believed?", tuple(_describe_calibration(evaluation, figures))),
        ),
        footer="Made by evaluate_reward_model; every number is in results.json and tables/.",
    )


BREAKDOWN = (
    "Pair accuracy by the margin of the votes, by whether the chosen completion is the longer one, and by the two "
    "systems, with 95% bootstrap intervals over prompts. Dashed: chance."
)


PAIRS_OF = {
    "train": "of the train split",
    "validation": "of the validation split",
    "test": "of the test split, which it has not seen",
}


def _lead(evaluation: dict[str, Any]) -> str:
    accuracy, workers = evaluation["scorers"][MODEL]["pair_accuracy"], evaluation["workers"]
    pairs = PAIRS_OF[evaluation["split"]]
    found = f"On pairs {pairs}, the model prefers what most workers chose in {accuracy['estimate']:.1%}."
    if not workers:
        return found
    worker, model, gap = (workers[name] for name in ("rater", "scorer", "difference"))
    verdict = "cannot be told from"
    if is_clear(gap):
        verdict = "is better than" if gap["estimate"] > 0 else "is worse than"
    return (
        f"{found} Held against the other workers of a pair, it {verdict} a single worker: {model['estimate']:.1%} "
        f"beside {worker['estimate']:.1%}."
    )


def _key_number(measure: dict[str, Any], label: str) -> KeyNumber:
    return KeyNumber(format_number(measure["estimate"]), label, format_interval(measure["low"], measure["high"]))


def write_measure(measure: Mapping[str, Any], name: str = "estimate") -> str:
    """A number with its interval, or with the word that it has none. name: of the number, beside `low` and `high`."""
    ends = "(no interval)"
    if not math.isnan(measure["low"]):
        ends = format_interval(measure["low"], measure["high"])
    return f"{format_number(measure[name])} {ends}"


def _describe_scorers(evaluation: dict[str, Any], figures: dict[str, Drawing]) -> list[Part]:
    rows = []
    for name, measures in evaluation["scorers"].items():
        shown = [measures[key] for key in MEASURES if name == MODEL or key not in IN_NATS]
        cells = [write_measure(each) for each in shown]
        rows.append((name, *cells, *["—"] * (len(MEASURES) - len(cells))))
    caption = "With 95% bootstrap intervals over prompts. A tie of scores counts half."
    note = (
        "Scorers are held against the majority of all votes on a pair. A worker's own vote is in that, so a worker is "
        "held against the other workers, and the model beside it against the same; where those are divided, both are "
        "half right. Pooled AUC, the paper's measure, sets all chosen completions against all rejected ones, of other "
        "prompts too."
    )
    left_out = describe_left_out(evaluation.get("pairs_left_out", {}))
    return [
        *([Note(" ".join(evaluation["cautions"]), "Read this first.")] if evaluation["cautions"] else []),
        *([Note(" ".join(left_out), "Not tested on.")] if left_out else []),
        show_figure(figures["accuracy"], "Pair accuracy. Dashed: chance."),
        Table(("scorer", *MEASURES.values()), tuple(rows), caption=caption),
        Paragraph(note),
    ]


def _describe_parts(evaluation: dict[str, Any], figures: dict[str, Drawing]) -> list[Part]:
    parts: list[Part] = [show_figure(figures["breakdown"], BREAKDOWN)]
    if evaluation["lengths"]:
        parts.append(Paragraph(describe_lengths(evaluation["lengths"])))
    return parts


def describe_lengths(lengths: dict[str, Any]) -> str:
    """Whether the model leans more to the longer completion than the voters do."""
    voters, model, gap = (lengths[name] for name in ("voters", "model", "difference"))
    shares = [
        f"{share['estimate']:.1%} {format_interval(100 * share['low'], 100 * share['high'], 1)}"
        for share in (model, voters)
    ]
    verdict = "The two shares cannot be told apart."
    if is_clear(gap):
        verdict = f"It leans {'more' if gap['estimate'] > 0 else 'less'} to the longer one than they do."
    return (
        f"Of {count_nouns(voters['used'], 'pair')} whose completions differ in words, the model prefers the longer one "
        f"in {shares[0]}, the voters in {shares[1]}. {verdict}"
    )


def _describe_calibration(evaluation: dict[str, Any], figures: dict[str, Drawing]) -> list[Part]:
    parts: list[Part] = [
        show_figure(
            figures["calibration"],
            "Of pairs that the model gives a probability for a, how many were decided for a: Wilson intervals; the "
            "dashed line is a model that is right as often as it says.",
        )
    ]
    found = evaluation["calibration"]
    if found:
        parts.append(
            Paragraph(
                f"The temperature of least log loss on {count_nouns(found['validation_pairs'], 'validation pair')} is "
                f"{format_number(found['temperature'], 2)}; with it the log loss here goes from "
                f"{format_number(found['log_loss_as_trained'])} to {format_number(found['log_loss_scaled'])} nats, the "
                f"calibration error from {format_number(found['calibration_error_as_trained'])} to "
                f"{format_number(found['calibration_error_scaled'])}. The score itself is left as it is. "
                f"{SURER_MAJORITY}"
            )
        )
    return parts


def draw_scorers(evaluation: dict[str, Any]) -> Drawing:
    """Pair accuracy of each scorer, and of a worker."""
    rows = {name: measures["pair_accuracy"] for name, measures in evaluation["scorers"].items()}
    if evaluation["workers"]:
        rows |= {WORKER: evaluation["workers"]["rater"], MODEL_BESIDE: evaluation["workers"]["scorer"]}
    return _draw_shares(list(rows), pd.DataFrame(list(rows.values())))


def draw_breakdown(breakdown: pd.DataFrame) -> Drawing:
    """Pair accuracy of each part, with how many pairs it has."""
    names = [f"{row.by}: {row.part} ({row.pairs})" for row in breakdown.itertuples()]
    return _draw_shares(names, breakdown.rename(columns={"accuracy": "estimate"}))


def _draw_shares(names: list[str], shares: pd.DataFrame) -> Drawing:
    with figure_style():
        figure, (axes,) = new_figure(len(names))
        name_rows(axes, names)
        centres, lows, highs = (shares[name].astype(float).tolist() for name in ("estimate", "low", "high"))
        draw_intervals(axes, centres, lows, highs, colour=BLUE)
        axes.axvline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xlim(min(0.4, float(shares[["low", "estimate"]].astype(float).min(axis=None))), 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        write_right(axes, [f"{share:.1%}" for share in shares["estimate"].astype(float)])
    return figure


def draw_calibration(table: pd.DataFrame) -> Drawing:
    """Observed shares against predicted probabilities."""
    with figure_style():
        figure, (axes,) = new_figure(7)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.vlines(table["predicted"], table["low"], table["high"], color=BLUE, linewidth=2)
        axes.plot(table["predicted"], table["observed"], "o", color=BLUE, markersize=7, clip_on=False)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_aspect("equal")
        axes.grid(visible=True, axis="both")
        axes.set_xlabel("predicted probability that a is preferred")
        axes.set_ylabel("share of pairs decided for a")
    return figure
