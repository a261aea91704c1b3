"""`manage.py analyze_judgments EXPORT --output DIR`: every statistic of an export, its figures, and a page.

Instead of an export it takes anybody's table of ratings or votes, with flags that name its columns.
"""

import dataclasses
import math
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.judgment_tables import (
    READERS,
    JudgmentTable,
    RatingColumns,
    VoteColumns,
    ratings_of_table,
    read_table,
    votes_of_table,
)
from analysis.judgments import INCLUDABLE, Options, analyze_judgments, write_analysis
from analysis.management.score_files import load_scores, load_table
from annotation.errors import InputError
from annotation.management.command import PipelineCommand, seed
from annotation.record_readers import holds_records, read_comparisons, read_manifest, read_rankings, read_ratings
from annotation.records import Comparison, Ranking, Rating
from annotation.run_folders import open_run

NO_COLUMN = "none"
COLUMN_OPTIONS = sorted({field.name for of in (RatingColumns, VoteColumns) for field in dataclasses.fields(of)})


class Command(PipelineCommand):
    help = "Analyse judgments: agreement, group tests, preferences, figures, results.json and report.html."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "export", type=Path, help="a folder made by export_judgments, or a table: .csv, .tsv, .jsonl or .parquet"
        )
        parser.add_argument(
            "--scores", type=Path, help="CSV, JSON lines or Parquet: item and system, or completion, and metrics"
        )
        parser.add_argument(
            "--metric", action="append", default=[], help="use this column of --scores alone; may be repeated"
        )
        parser.add_argument(
            "--gold", type=Path, help="CSV, JSON lines or Parquet: hit, item or pair, question, and the expected answer"
        )
        parser.add_argument("--output", type=Path, required=True, help="the folder to write; it must not exist")
        parser.add_argument("--seed", type=seed, default=Options().seed, help="seed of bootstrap and sign flips")
        parser.add_argument(
            "--draws", type=int, default=Options().draws, help="bootstrap draws, and most simulated studies"
        )
        parser.add_argument(
            "--smallest-difference",
            type=float,
            metavar="D",
            help="plan a next study of ratings for this difference, in points of the scale (default: the one found)",
        )
        parser.add_argument(
            "--include", action="append", default=[], choices=INCLUDABLE, help="use these rows too; may be repeated"
        )
        _add_column_options(parser)

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        export, output = options["export"], options["output"]
        score_file, gold_file = options["scores"], options["gold"]
        if options["draws"] < 1:
            raise InputError(f"--draws {options['draws']}: expected at least 1.")
        difference = options["smallest_difference"]
        if difference is not None and not 0 < difference < math.inf:
            raise InputError(f"--smallest-difference {difference:g}: expected more than 0 points of the scale.")
        chosen = Options(
            seed=options["seed"],
            draws=options["draws"],
            include=tuple(sorted(set(options["include"]))),
            smallest_difference=difference,
            metrics=tuple(options["metric"]),
        )
        if options["metric"] and not score_file:
            raise InputError(f"--metric {options['metric'][0]}: expected --scores FILE with that column beside it.")
        judgments = _read_table(export, options) if export.suffix in READERS else _read_export(export, options)
        if difference is not None and judgments["ratings"] is None:
            raise InputError(f"--smallest-difference {difference:g}: there are no ratings to plan by.")
        judgments["scores"] = load_scores(score_file, chosen.metrics) if score_file else None
        judgments["gold"] = load_table(gold_file) if gold_file else None
        inputs = [export, *filter(None, [score_file, gold_file])]
        with open_run(output, config=chosen, inputs=inputs, seed=chosen.seed) as run:
            analysis = analyze_judgments(**judgments, options=chosen)
            summary = write_analysis(analysis, run.path)
            run.write_summary(summary)
        return {"report": output / "report.html", **summary}


def _add_column_options(parser: ArgumentParser) -> None:
    """Where not given, a column has the name that it has in an export."""
    ratings, votes = RatingColumns(), VoteColumns()
    group = parser.add_argument_group("columns of a table (not of an export)")
    group.add_argument("--item", help=f"what was judged (default: {ratings.item})")
    group.add_argument("--rater", help=f"who judged (default: {ratings.rater})")
    group.add_argument(
        "--system", help=f"what produced it; 'none' if there is no such column (default: {ratings.system})"
    )
    group.add_argument("--value", action="append", help="a rating; repeated, each is a question (default: value)")
    group.add_argument("--question", help="the question, where one column holds the ratings of all (default: none)")
    group.add_argument("--unit", help="what was rated at once (default: item and system)")
    group.add_argument("--order", help="categories from low to high, by commas, where ratings are text")
    group.add_argument(
        "--scale", nargs=2, type=float, metavar=("LOW", "HIGH"), help="ends of the scale (default: seen)"
    )
    group.add_argument("--choice", help=f"a vote: a, b, tie, both_bad or the winner's name (default: {votes.choice})")
    group.add_argument("--system-a", help=f"(default: {votes.system_a})")
    group.add_argument("--system-b", help=f"(default: {votes.system_b})")
    group.add_argument("--left", help="which was shown left, a or b (default: not known)")
    group.add_argument("--pair", help="what a vote was on (default: item and systems)")
    group.add_argument("--strength", help="how much better the chosen one is (default: not asked)")
    group.add_argument("--completion-a", help="the text of a, for length bias (default: not known)")
    group.add_argument("--completion-b", help="the text of b")


def _read_export(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    given = [name for name in COLUMN_OPTIONS if options[name]]
    if given:
        raise InputError(f"--{given[0].replace('_', '-')}: {folder} is an export, whose columns are known.")
    return {
        "manifest": read_manifest(folder),
        "ratings": to_table(read_ratings(folder)) if holds_records(folder, Rating) else None,
        "comparisons": to_table(read_comparisons(folder)) if holds_records(folder, Comparison) else None,
        "rankings": to_table(read_rankings(folder)) if holds_records(folder, Ranking) else None,
    }


def _read_table(path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Votes if a column of choices is named, or stands there under its usual name; else ratings."""
    table = read_table(path)
    given = {name: options[name] for name in COLUMN_OPTIONS if options[name]}
    are_votes = "choice" in given or ("value" not in given and VoteColumns().choice in table.columns)
    fields = {field.name for field in dataclasses.fields(VoteColumns if are_votes else RatingColumns)}
    misplaced = [name for name in given if name not in fields]
    if misplaced:
        kind = "votes" if are_votes else "ratings"
        raise InputError(f"--{misplaced[0].replace('_', '-')}: {path} is taken as {kind}, which have no such column.")
    usual = {RatingColumns().value[0], VoteColumns().choice}
    if not given.keys() & {"value", "choice"} and usual.isdisjoint(table.columns):
        raise InputError(
            f"{path} has neither a column value (ratings) nor a column choice (votes); expected single judgments, and "
            f"--value or --choice to name theirs. Its columns are {', '.join(map(str, table.columns))}."
        )
    read: JudgmentTable
    if are_votes:
        read = votes_of_table(table, VoteColumns(**given))
    else:
        read = ratings_of_table(table, RatingColumns(**_as_fields(given)))
    return {
        "manifest": {"campaign": path.stem, "title": path.name},
        "ratings": None if are_votes else read.rows,
        "comparisons": read.rows if are_votes else None,
        "left_out": read.left_out,
    }


def _as_fields(given: dict[str, Any]) -> dict[str, Any]:
    fields = dict(given)
    if fields.get("system") == NO_COLUMN:
        fields["system"] = None
    if "order" in fields:
        fields["order"] = tuple(part.strip() for part in fields["order"].split(","))
    for name in ("value", "scale"):
        if name in fields:
            fields[name] = tuple(fields[name])
    return fields


def to_table(records: list[Rating] | list[Comparison] | list[Ranking]) -> pd.DataFrame:
    """The long table that `analysis` works on."""
    return pd.DataFrame([dataclasses.asdict(record) for record in records])
