"""`manage.py report_run RUN`: write the page of a training run again."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand


class Command(PipelineCommand):
    help = "Write report.html of a run of train_policy: finished, still running, or stopped (its .partial folder)."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="RUN", type=Path, help="a folder that train_policy wrote")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        from rl.management.run_report import write_run_report

        write_run_report(options["folder"])
        return {"report": options["folder"] / "report.html"}
