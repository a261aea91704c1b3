"""`manage.py analyze_judgments EXPORT --output DIR`: every statistic of an export, its figures, and a page."""

import dataclasses
import math
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.judgments import INCLUDABLE, Options, analyze_judgments, write_analysis
from annotation.errors import InputError
from annotation.management.command import PipelineCommand
from annotation.records import Comparison, Rating, holds_records, read_comparisons, read_manifest, read_ratings
from annotation.run_folders import open_run


class Command(PipelineCommand):
    help = "Analyse an export: agreement, group tests, preferences, figures, results.json and report.html."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("export", type=Path, help="a folder made by export_judgments")
        parser.add_argument("--output", type=Path, required=True, help="the folder to write; it must not exist")
        parser.add_argument("--seed", type=int, default=Options().seed, help="seed of bootstrap and sign flips")
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

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        export, output = options["export"], options["output"]
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
        )
        manifest = read_manifest(export)
        ratings = to_table(read_ratings(export)) if holds_records(export, Rating) else None
        if difference is not None and ratings is None:
            raise InputError(f"--smallest-difference {difference:g}: the export has no ratings to plan by.")
        comparisons = to_table(read_comparisons(export)) if holds_records(export, Comparison) else None
        with open_run(output, config=chosen, inputs=[export], seed=chosen.seed) as run:
            analysis = analyze_judgments(ratings, comparisons, manifest=manifest, options=chosen)
            summary = write_analysis(analysis, run.path)
            run.write_summary(summary)
        return {"report": output / "report.html", **summary}


def to_table(records: list[Rating] | list[Comparison]) -> pd.DataFrame:
    """The long table that `analysis` works on."""
    return pd.DataFrame([dataclasses.asdict(record) for record in records])
