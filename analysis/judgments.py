"""One export in, every statistic that fits out: findings, tables, figures and the page."""

import dataclasses
import math
from collections.abc import Collection, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.comparison_findings import (
    describe_matchup,
    describe_position_bias,
    draw_win_rates,
    split_matchups,
    tabulate_wins,
)
from analysis.drawing import save_figure
from analysis.findings import Chapter
from analysis.judgments_page import build_page
from analysis.plan_findings import PlanOptions, describe_plan, pilots_of
from analysis.power import SIMULATIONS
from analysis.preferences import FLIPS
from analysis.rating_findings import describe_question, draw_agreement
from analysis.report import write_report
from analysis.resampling import DRAWS
from annotation.errors import InputError
from annotation.run_folders import plain, write_json

VERSIONS_OF = ("matplotlib", "numpy", "pandas", "scipy")
INCLUDABLE = ("gold", "attention", "repeat", "surplus", "excluded")
RATING_COLUMNS = ("hit", "item", "system", "question", "value", "scale_min", "scale_max", "worker", "kind", "excluded")
COMPARISON_COLUMNS = (
    *("hit", "item", "pair", "system_a", "system_b"),
    *("left", "choice", "worker", "kind", "excluded"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """`include`: kinds of rows beyond unexcluded work, and "excluded" for excluded rows.

    `smallest_difference`: what a next study of ratings is to find, in points; None for the largest one that was found.
    """

    seed: int = 0
    draws: int = DRAWS
    flips: int = FLIPS
    include: tuple[str, ...] = ()
    smallest_difference: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """The rows that count, and how many of each kind were left out."""

    rows: pd.DataFrame
    left_out: dict[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class JudgmentAnalysis:
    """Everything found in one export."""

    options: Options
    manifest: Mapping[str, Any]
    counts: dict[str, Any]
    chapters: tuple[Chapter, ...]


def select_rows(table: pd.DataFrame, include: Collection[str] = ()) -> Selection:
    """Unexcluded work, and what `include` names. An excluded row of another kind needs both to be named."""
    unknown = [name for name in include if name not in INCLUDABLE]
    if unknown:
        raise InputError(f"--include {unknown[0]!r}: expected one of {', '.join(INCLUDABLE)}.")
    is_kind = table["kind"].isin({"work", *include})
    is_kept = is_kind & ((table["excluded"] == "") | ("excluded" in include))
    reasons = table["kind"].where(~is_kind, "excluded: " + table["excluded"])
    return Selection(table[is_kept], reasons[~is_kept].value_counts().sort_index().to_dict())


def analyze_judgments(
    ratings: pd.DataFrame | None,
    comparisons: pd.DataFrame | None,
    *,
    manifest: Mapping[str, Any],
    options: Options,
) -> JudgmentAnalysis:
    """The analyses that fit the tables of an export; InputError if there is nothing to compare."""
    chapters: list[Chapter] = []
    counts: dict[str, Any] = {}
    if ratings is not None:
        selection = _select(ratings, RATING_COLUMNS, "ratings", options)
        chapters += describe_ratings(selection.rows, manifest, options)
        counts["ratings"] = _count(selection, ["item", "system", "hit", "worker"])
    if comparisons is not None:
        selection = _select(comparisons, COMPARISON_COLUMNS, "comparisons", options)
        chapters += describe_comparisons(selection.rows, options)
        counts["comparisons"] = _count(selection, ["item", "pair", "worker"])
    if not chapters:
        raise InputError("the export holds neither ratings nor comparisons; expected at least one of them.")
    return JudgmentAnalysis(options, manifest, counts, tuple(chapters))


def _select(table: pd.DataFrame, columns: tuple[str, ...], name: str, options: Options) -> Selection:
    for column in columns:
        if column not in table.columns:
            raise InputError(f"{name}: the column {column!r} is missing.")
    selection = select_rows(table, options.include)
    if selection.rows.empty:
        found = ", ".join(f"{count} {reason}" for reason, count in selection.left_out.items()) or "no row"
        raise InputError(f"{name}: no row is unexcluded work ({found}); name more kinds with --include.")
    return selection


def _count(selection: Selection, columns: list[str]) -> dict[str, Any]:
    distinct = {f"{column}s": int(selection.rows[column].nunique()) for column in columns}
    return {"used": len(selection.rows), "left_out": selection.left_out} | distinct


def describe_ratings(ratings: pd.DataFrame, manifest: Mapping[str, Any], options: Options) -> list[Chapter]:
    """A chapter a question, in the campaign's order, and one figure of agreement over all of them."""
    systems = sorted(ratings["system"].unique())
    if len(systems) < 2:
        raise InputError(f"ratings: only the system {systems[0]!r} was rated; expected at least two to compare.")
    texts = {question["name"]: question.get("text", "") for question in manifest.get("questions", [])}
    names = sorted(ratings["question"].unique())
    asked = [name for name in texts if name in names] + [name for name in names if name not in texts]
    chapters = [
        describe_question(
            ratings, question=name, seed=options.seed, draws=options.draws, introduction=texts.get(name, "")
        )
        for name in asked
    ]
    plan = PlanOptions(
        difference=options.smallest_difference, simulations=min(options.draws, SIMULATIONS), seed=options.seed
    )
    next_study = describe_plan(pilots_of(chapters), plan)
    planned = [next_study] if next_study.findings else []
    return [Chapter("Agreement", (), {}, (draw_agreement(chapters),)), *chapters, *planned]


def describe_comparisons(comparisons: pd.DataFrame, options: Options) -> list[Chapter]:
    """Win rates over all matchups, a chapter each, and the position bias."""
    matchups = split_matchups(comparisons)
    if not matchups:
        name = comparisons["system_a"].iloc[0]
        raise InputError(f"comparisons: every pair is of {name!r} with itself; expected two systems.")
    overview = Chapter("Win rates", (), {"win_counts": tabulate_wins(matchups)}, (draw_win_rates(matchups),))
    chapters = [
        describe_matchup(matchup, seed=options.seed, draws=options.draws, flips=options.flips) for matchup in matchups
    ]
    return [overview, *chapters, describe_position_bias(comparisons)]


def write_analysis(analysis: JudgmentAnalysis, folder: Path) -> dict[str, Any]:
    """`results.json`, `tables/`, `figures/`, `report.html` in `folder`; returns the summary."""
    findings = [finding for chapter in analysis.chapters for finding in chapter.findings]
    results = {
        "campaign": analysis.manifest.get("campaign"),
        "simulated": analysis.manifest.get("simulated"),
        "counts": analysis.counts,
        "include": list(analysis.options.include),
        "versions": {package: metadata.version(package) for package in VERSIONS_OF},
        "results": findings,
    }
    write_json(folder / "results.json", without_nan(plain(results)))
    (folder / "tables").mkdir()
    for chapter in analysis.chapters:
        for name, table in chapter.tables.items():
            table.to_csv(folder / "tables" / f"{file_name(name)}.csv", index=False)
        for named in chapter.figures:
            save_figure(named.figure, folder / "figures", file_name(named.name))
    tidy = pd.DataFrame([plain(finding) for finding in findings]).drop(columns=["details", "warnings"])
    tidy.to_csv(folder / "tables" / "results.csv", index=False)
    page = build_page(analysis.chapters, analysis.manifest, analysis.counts, analysis.options.seed)
    write_report(page, folder / "report.html")
    return summarize(analysis)


def summarize(analysis: JudgmentAnalysis) -> dict[str, Any]:
    """The numbers a reader wants first: `name of subject` to estimate and p."""
    summary: dict[str, Any] = dict(analysis.counts)
    for chapter in analysis.chapters:
        for finding in chapter.findings:
            numbers = {"estimate": finding.estimate, "low": finding.low, "high": finding.high, "p": finding.p_value}
            entry = {name: value for name, value in numbers.items() if not math.isnan(value)}
            summary.setdefault(finding.name, {})[finding.subject] = entry
    return summary


def file_name(name: str) -> str:
    """A name of a question or figure as a file name."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)


def without_nan(content: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(content, dict):
        return {key: without_nan(value) for key, value in content.items()}
    if isinstance(content, list):
        return [without_nan(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
