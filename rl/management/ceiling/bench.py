"""The bench: its stages, and what it leaves: results.json, a table, a figure and a page."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure as Drawing

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
from analysis.report import KeyNumber, Note, Report, Section, Table, write_report
from analysis.results import format_interval, format_number
from annotation.run_folders import describe_environment, write_json
from rl.management.ceiling import stages
from rl.management.ceiling.study import CeilingStudy
from rl.management.demo import training
from rl.management.demo.workshop import THREADS, Result, expect_new, open_workshop

STAGES: tuple[tuple[str, str, Callable[[stages.Shop], Result]], ...] = (
    ("task", "a. The task: a world, its concept sets, and a corpus that has learned to err", training.build_task),
    ("supervised", "b. Supervised policy: a small T5 from scratch imitates the corpus", training.train_supervised),
    ("votes", "c. Simulated annotators vote on pairs of its completions", stages.hold_vote),
    ("reward-models", "d. A reward model for each layout", stages.train_models),
    ("measures", "e. Each beside what the votes allow", stages.measure_models),
)
MEASURES = {"pair_accuracy": "pair accuracy", "pooled_auc": "pooled AUC"}
GAP = "what the votes allow, less the model's"


def run_bench(folder: Path, study: CeilingStudy, say: Callable[[str], None], *, resume: bool) -> Result:
    """Run all stages that are not done yet. InputError if there is something in `folder` and no `resume`."""
    expect_new(folder, resume=resume)
    torch.set_num_threads(THREADS)
    shop, started = open_workshop(folder, study, say, "bench"), time.monotonic()
    for name, title, work in STAGES:
        shop.run_stage(name, title, work)
    outcome = write_outcome(shop)
    seconds = {name: shop.result(name)["seconds"] for name, _, _ in STAGES}
    environment = describe_environment(seed=study.seed, device="cpu")
    write_json(folder / "environment.json", environment | {"seconds_by_stage": seconds})
    table = outcome["models"]
    return {
        **{row["layout"]: {key: row[key] for key in row if key.endswith("_gap")} for row in table},
        "seconds": round(time.monotonic() - started, 1),
        "report": folder / "report.html",
    }


def write_outcome(shop: stages.Shop) -> Result:
    """`results.json`, `tables/models.csv`, `ceiling.svg` and `.png`, and `report.html`, last."""
    outcome: Result = {"votes": shop.numbers("votes"), "models": tabulate(shop.result("measures"))}
    write_json(shop.folder / "results.json", outcome)
    (shop.folder / "tables").mkdir(exist_ok=True)
    pd.DataFrame(outcome["models"]).to_csv(shop.folder / "tables" / "models.csv", index=False)
    figure = draw_gaps(outcome["models"])
    save_figure(figure, shop.folder, "ceiling")
    write_report(build_page(shop.experiment, outcome, figure), shop.folder / "report.html")
    return outcome


def tabulate(measures: Result) -> list[dict[str, Any]]:
    """A row a layout: each measure, its ceiling, and the gap between them with its interval (paired: same prompts)."""
    votes, best_of = measures["votes"], measures["best_of"]
    rows = []
    for layout, gap in best_of["oracle less"].items():
        row: dict[str, Any] = {"layout": layout}
        for key in MEASURES:
            row |= {key: votes[layout][key]["estimate"], f"{key}_ceiling": votes[stages.GOLD][key]["estimate"]}
            row |= _gap(key, votes[f"{stages.GOLD} less {layout}"][key])
        row |= {"best_of_gold": best_of["gold"][layout], "best_of_gold_ceiling": best_of["gold"]["oracle"]}
        rows.append(row | _gap("best_of_gold", gap) | {"first_sample_gold": best_of["gold"]["first sample"]})
    return rows


def _gap(key: str, found: dict[str, float]) -> dict[str, float]:
    return {f"{key}_gap": found["estimate"], f"{key}_gap_low": found["low"], f"{key}_gap_high": found["high"]}


def draw_gaps(rows: list[dict[str, Any]]) -> Drawing:
    """One panel: for each layout and measure, how far below its ceiling it is."""
    names, gaps = [], []
    for row in rows:
        for key, title in (MEASURES | {"best_of_gold": "best-of-n gold, of 3"}).items():
            names.append(f"{row['layout']}: {title}")
            gaps.append([row[f"{key}_gap"], row[f"{key}_gap_low"], row[f"{key}_gap_high"]])
    with figure_style():
        figure, (axes,) = new_figure(len(names))
        name_rows(axes, names)
        centres, lows, highs = (list(column) for column in zip(*gaps, strict=True))
        draw_intervals(axes, centres, lows, highs, colour=BLUE)
        axes.axvline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xlabel(GAP)
        write_right(axes, [f"{gap[0]:.3f}" for gap in gaps])
    return figure


def build_page(study: CeilingStudy, outcome: Result, figure: Drawing) -> Report:
    rows, votes = outcome["models"], outcome["votes"]
    best = min(rows, key=lambda row: row["pooled_auc_gap"])
    titles = MEASURES | {"best_of_gold": f"best-of-{study.best_of.samples} gold"}
    numbers = [
        KeyNumber(format_number(best[f"{key}_gap"]), f"{title}, below its ceiling", _interval(best, key))
        for key, title in titles.items()
    ]
    learned = study.annotators.pairs - study.validation_pairs
    return Report(
        title="How near a reward model comes to what votes allow",
        kicker=f"Simulated annotators · {votes['pairs']} pairs, {votes['votes']} votes · seed {study.seed}",
        lead=f"Each model learned from {learned} pairs and stopped by {study.validation_pairs}; all are held against "
        f"{study.held_out_pairs} further pairs on other prompts, beside the gold judge that the annotators' votes come "
        "from: noisy as they are, no model of these votes can be much better. The numbers are of the layout that comes "
        f"nearest in AUC, {best['layout']}.",
        key_numbers=tuple(numbers),
        sections=(
            Section("Below the ceiling", (show_figure(figure, FIGURE), _table(rows), Note(CAVEAT, "Simulated"))),
        ),
        footer="Made by bench_ceiling; every number is in results.json and tables/.",
    )


FIGURE = "The gap to the ceiling, with 95% intervals: prompts resampled for accuracy and AUC, over prompts for gold."
CAVEAT = "Annotators and gold judge are simulated, the policy is tiny, and one world was drawn."


def _interval(row: dict[str, Any], key: str) -> str:
    return format_interval(row[f"{key}_gap_low"], row[f"{key}_gap_high"])


def _table(rows: list[dict[str, Any]]) -> Table:
    cells = []
    for row in rows:
        keys = (*MEASURES, "best_of_gold")
        measures = [f"{format_number(row[key])} of {format_number(row[f'{key}_ceiling'])}" for key in keys]
        cells.append((row["layout"], *measures))
    return Table(("layout", *MEASURES.values(), "best-of-n gold"), tuple(cells), caption="Each beside its ceiling.")
