"""Judgments that were made elsewhere, such as a Batch_*_results.csv of Mechanical Turk, as an export."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.judgment_imports import import_judgments
from annotation.management.command import PipelineCommand
from annotation.record_files import FORMATS


class Command(PipelineCommand):
    help = (
        "Turn a results file of another platform into an export that every other stage reads. Workers and assignments "
        "become pseudonyms, rejected work is kept as excluded. docs/data.md has the mapping's keys and an example."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="CSV, JSONL or Parquet, one assignment a row")
        parser.add_argument("--mapping", type=Path, help="YAML: what the columns mean; without it, they are listed")
        parser.add_argument("--output", type=Path, required=True, help="the folder to make; it must not exist yet")
        parser.add_argument("--format", choices=FORMATS, default="jsonl", help="of the records (default: %(default)s)")
        parser.add_argument("--report", type=Path, help="a CSV to make of all bad rows, if any: line, field, reason")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        manifest = import_judgments(
            options["file"],
            options["mapping"],
            options["output"],
            file_format=options["format"],
            report=options["report"],
        )
        return {"output": options["output"], **manifest["counts"], "agreement": manifest["agreement"]}
