"""One export in, every statistic that fits out: findings, tables, figures and the page."""

import dataclasses
import math
from collections.abc import Collection, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.across_questions import correct_across
from analysis.bias_findings import describe_length_bias, describe_position_bias
from analysis.comparison_findings import describe_matchup, draw_win_rates, tabulate_wins
from analysis.drawing import save_figure
from analysis.findings import Chapter, Finding
from analysis.gold import join_expected
from analysis.judgments_page import build_page
from analysis.matchups import add_votes, are_sides_known, split_matchups
from analysis.metric_findings import describe_metrics_of_ratings, describe_metrics_of_votes
from analysis.metric_scores import Scores
from analysis.plan_findings import PlanOptions, describe_plan, pilots_of
from analysis.power import SIMULATIONS
from analysis.preferences import FLIPS
from analysis.ranking_findings import describe_rankings
from analysis.rating_findings import describe_question, draw_agreement
from analysis.report import write_report
from analysis.resampling import DRAWS
from analysis.results import format_interval, format_number, format_p, latex_table
from analysis.strength_findings import describe_strengths, tabulate_win_rates
from analysis.worker_findings import describe_workers_of_ratings, describe_workers_of_votes
from annotation.errors import InputError
from annotation.run_folders import plain, write_json

VERSIONS_OF = ("matplotlib", "numpy", "pandas", "scipy")
INCLUDABLE = ("gold", "attention", "repeat", "surplus", "excluded")
RATING_COLUMNS = ("hit", "item", "system", "question", "value", "scale_min", "scale_max", "worker", "kind", "excluded")
COMPARISON_COLUMNS = (
    *("hit", "item", "pair", "system_a", "system_b"),
    *("left", "choice", "worker", "kind", "excluded"),
)
RANKING_COLUMNS = ("item", "set", "systems", "asked", "ranking", "worker", "kind", "excluded")


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """`include`: kinds of rows beyond unexcluded work, and "excluded" for excluded rows.

    `smallest_difference`: what a next study of ratings is to find, in points; None for the largest one that was found.
    `metrics`: those of the scores that are used, if not all.
    """

    seed: int = 0
    draws: int = DRAWS
    flips: int = FLIPS
    include: tuple[str, ...] = ()
    smallest_difference: float | None = None
    metrics: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """The rows that count, and those that do not, a line (row, reason) each."""

    rows: pd.DataFrame
    left_out: pd.DataFrame


@dataclasses.dataclass(frozen=True, slots=True)
class JudgmentAnalysis:
    """Everything found in one export."""

    options: Options
    manifest: Mapping[str, Any]
    counts: dict[str, Any]
    chapters: tuple[Chapter, ...]
    left_out: pd.DataFrame  # row, reason


def select_rows(table: pd.DataFrame, include: Collection[str] = ()) -> Selection:
    """Unexcluded work, and what `include` names. An excluded row of another kind needs both to be named."""
    unknown = [name for name in include if name not in INCLUDABLE]
    if unknown:
        raise InputError(f"--include {unknown[0]!r}: expected one of {', '.join(INCLUDABLE)}.")
    is_kind = table["kind"].isin({"work", *include})
    is_kept = is_kind & ((table["excluded"] == "") | ("excluded" in include))
    reasons = table["kind"].where(~is_kind, "excluded: " + table["excluded"])
    left_out = reasons[~is_kept]
    return Selection(table[is_kept], pd.DataFrame({"row": left_out.index, "reason": left_out.to_numpy()}))


def analyze_judgments(
    ratings: pd.DataFrame | None,
    comparisons: pd.DataFrame | None,
    rankings: pd.DataFrame | None = None,
    *,
    manifest: Mapping[str, Any],
    options: Options,
    left_out: pd.DataFrame | None = None,
    scores: Scores | None = None,
    gold: pd.DataFrame | None = None,
) -> JudgmentAnalysis:
    """The analyses that fit the tables; InputError if there is nothing to analyse.

    Of rankings the comparisons are those that follow from them, as an export has them. left_out: rows (row, reason)
    that could not be read; they are counted with those that do not count. scores: of metrics, to set beside people.
    gold: expected answers, as `join_expected` takes them.
    """
    chapters: list[Chapter] = []
    counts: dict[str, Any] = {}
    unread = pd.DataFrame({"row": [], "reason": []}) if left_out is None else left_out
    not_used = [unread]
    if ratings is not None:
        selection = _select(ratings, RATING_COLUMNS, "ratings", options)
        chapters += describe_ratings(selection.rows, manifest, options, scores)
        known = None if gold is None else join_expected(ratings, gold, answer="value")
        chapters.append(describe_workers_of_ratings(selection.rows, known))
        counts["ratings"] = _count(selection, unread, ["item", "system", "hit", "worker"])
        not_used.append(selection.left_out)
    if rankings is not None:
        selection = _select(rankings, RANKING_COLUMNS, "rankings", options)
        chapters.append(describe_rankings(selection.rows, seed=options.seed, draws=options.draws))
        counts["rankings"] = _count(selection, unread, ["item", "set", "worker"])
        not_used.append(selection.left_out)
    if comparisons is not None:
        selection = _select(comparisons, COMPARISON_COLUMNS, "comparisons", options)
        repeated = select_rows(comparisons, {*options.include, "repeat"}).rows
        place = "left" if rankings is None else "first-shown"
        chapters += describe_comparisons(selection.rows, options, repeated=repeated, place=place, scores=scores)
        known = None if gold is None else join_expected(comparisons, gold, answer="choice")
        chapters.append(describe_workers_of_votes(selection.rows, known))
        counts["comparisons"] = _count(selection, unread, ["item", "pair", "worker"])
        not_used.append(selection.left_out)
    if not chapters:
        raise InputError("the export holds neither ratings nor comparisons; expected at least one of them.")
    return JudgmentAnalysis(options, manifest, counts, tuple(correct_across(chapters)), pd.concat(not_used))


def _select(table: pd.DataFrame, columns: tuple[str, ...], name: str, options: Options) -> Selection:
    for column in columns:
        if column not in table.columns:
            raise InputError(f"{name}: the column {column!r} is missing.")
    selection = select_rows(table, options.include)
    if selection.rows.empty:
        counted = _count_reasons(selection.left_out)
        found = ", ".join(f"{count} {reason}" for reason, count in counted.items()) or "no row"
        raise InputError(f"{name}: no row is unexcluded work ({found}); name more kinds with --include.")
    raters = selection.rows["worker"].unique()
    if len(raters) < 2:
        raise InputError(f"{name}: only {raters[0]!r} has judged; expected at least two raters.")
    return selection


def _count(selection: Selection, unread: pd.DataFrame, columns: list[str]) -> dict[str, Any]:
    distinct = {f"{column}s": int(selection.rows[column].nunique()) for column in columns}
    left_out = _count_reasons(pd.concat([unread, selection.left_out]))
    return {"used": len(selection.rows), "left_out": left_out} | distinct


def _count_reasons(left_out: pd.DataFrame) -> dict[str, int]:
    return left_out["reason"].value_counts().sort_index().to_dict()


def describe_ratings(
    ratings: pd.DataFrame, manifest: Mapping[str, Any], options: Options, scores: Scores | None = None
) -> list[Chapter]:
    """A chapter a question, in the campaign's order, and one figure of agreement over all of them."""
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
    chapters = [Chapter("Agreement", (), {}, (draw_agreement(chapters),)), *chapters]
    if scores is not None:
        chapters += describe_metrics_of_ratings(
            ratings, scores, questions=asked, seed=options.seed, draws=options.draws
        )
    return [*chapters, *([next_study] if next_study.findings else [])]


def describe_comparisons(
    comparisons: pd.DataFrame, options: Options, *, repeated: pd.DataFrame, place: str, scores: Scores | None = None
) -> list[Chapter]:
    """Win rates over all matchups, the strengths of several systems, a chapter a matchup, and what else draws votes.

    repeated: the comparisons with those that a worker was shown again. place: what `left` means, "left" or
    "first-shown".
    """
    matchups = split_matchups(comparisons)
    if not matchups:
        name = comparisons["system_a"].iloc[0]
        raise InputError(f"comparisons: every pair is of {name!r} with itself; expected two systems.")
    seeded = {"seed": options.seed, "draws": options.draws}
    votes = pd.concat([matchup.votes for matchup in matchups])
    tables = {"win_counts": tabulate_wins(matchups), "win_rates": tabulate_win_rates(votes, **seeded)}
    overview = Chapter("Win rates", (), tables, (draw_win_rates(matchups),))
    chapters = [describe_matchup(matchup, flips=options.flips, **seeded) for matchup in matchups]
    if are_sides_known(comparisons):
        chapters.append(describe_position_bias(add_votes(comparisons), add_votes(repeated), place=place, **seeded))
    chapters += describe_length_bias(votes, matchups, **seeded)
    if scores is not None:
        chapters += describe_metrics_of_votes(comparisons, scores, **seeded)
    return [overview, *describe_strengths(votes, **seeded), *chapters]


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
        for name, table in (chapter.tables | chapter.appendix).items():
            _write_table(table, folder / "tables", name)
        for named in chapter.figures:
            save_figure(named.figure, folder / "figures", file_name(named.name))
    tidy = pd.DataFrame([plain(finding) for finding in findings]).drop(columns=["details", "warnings", "is_aside"])
    tidy.to_csv(folder / "tables" / "results.csv", index=False)
    printed = latex_table(pd.DataFrame(map(_print_finding, findings)))
    (folder / "tables" / "results.tex").write_text(printed, encoding="utf-8")
    analysis.left_out.to_csv(folder / "tables" / "left_out.csv", index=False)
    page = build_page(analysis.chapters, analysis.manifest, analysis.counts, analysis.options.seed)
    write_report(page, folder / "report.html")
    return summarize(analysis)


def _print_finding(finding: Finding) -> dict[str, str]:
    """A row as a paper has it."""
    return {
        "statistic": finding.label,
        "of": finding.subject,
        "estimate": format_number(finding.estimate),
        "95% interval": format_interval(finding.low, finding.high) if not math.isnan(finding.low) else "",
        "p": format_p(finding.p_value).removeprefix("p ").removeprefix("= ") if not math.isnan(finding.p_value) else "",
        "n": f"{finding.used} {finding.counted}",
    }


def _write_table(table: pd.DataFrame, folder: Path, name: str) -> None:
    """For programs and for papers."""
    table.to_csv(folder / f"{file_name(name)}.csv", index=False)
    (folder / f"{file_name(name)}.tex").write_text(latex_table(table), encoding="utf-8")


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
