"""Judgments of a campaign, as files that every other stage reads."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.exports import export_judgments
from annotation.management.command import PipelineCommand
from annotation.queries import find_campaign
from annotation.record_files import FORMATS


class Command(PipelineCommand):
    help = "Export a campaign to a new folder: records as JSONL or Parquet, and a manifest."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the campaign")
        parser.add_argument("--output", type=Path, required=True, help="the folder to make; it must not exist yet")
        parser.add_argument("--format", choices=FORMATS, default="jsonl", help="of the records (default: %(default)s)")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        manifest = export_judgments(find_campaign(options["name"]), options["output"], options["format"])
        return {"output": options["output"], **manifest["counts"], "agreement": manifest["agreement"]}
