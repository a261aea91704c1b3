"""`manage.py analyze_judgments EXPORT --output DIR`: every statistic of an export, its figures, and a page."""

import dataclasses
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.judgments import INCLUDABLE, Options, analyze_judgments, write_analysis
from analysis.management.score_files import load_scores, load_table
from annotation.errors import InputError
from annotation.management.command import PipelineCommand
from annotation.records import Comparison, Rating, holds_records, read_comparisons, read_manifest, read_ratings
from annotation.run_folders import open_run


class Command(PipelineCommand):
    help = "Analyse an export: agreement, group tests, preferences, figures, results.json and report.html."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("export", type=Path, help="a folder made by export_judgments")
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
        parser.add_argument("--seed", type=int, default=Options().seed, help="seed of bootstrap and sign flips")
        parser.add_argument("--draws", type=int, default=Options().draws, help="bootstrap draws")
        parser.add_argument(
            "--include", action="append", default=[], choices=INCLUDABLE, help="use these rows too; may be repeated"
        )

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        export, output = options["export"], options["output"]
        score_file, gold_file = options["scores"], options["gold"]
        if options["draws"] < 1:
            raise InputError(f"--draws {options['draws']}: expected at least 1.")
        chosen = Options(
            seed=options["seed"],
            draws=options["draws"],
            include=tuple(sorted(set(options["include"]))),
            metrics=tuple(options["metric"]),
        )
        if options["metric"] and not score_file:
            raise InputError(f"--metric {options['metric'][0]}: expected --scores FILE with that column beside it.")
        manifest = read_manifest(export)
        ratings = to_table(read_ratings(export)) if holds_records(export, Rating) else None
        comparisons = to_table(read_comparisons(export)) if holds_records(export, Comparison) else None
        scores = load_scores(score_file, chosen.metrics) if score_file else None
        gold = load_table(gold_file) if gold_file else None
        inputs = [export, *filter(None, [score_file, gold_file])]
        with open_run(output, config=chosen, inputs=inputs, seed=chosen.seed) as run:
            analysis = analyze_judgments(
                ratings, comparisons, manifest=manifest, options=chosen, scores=scores, gold=gold
            )
            summary = write_analysis(analysis, run.path)
            run.write_summary(summary)
        return {"report": output / "report.html", **summary}


def to_table(records: list[Rating] | list[Comparison]) -> pd.DataFrame:
    """The long table that `analysis` works on."""
    return pd.DataFrame([dataclasses.asdict(record) for record in records])
