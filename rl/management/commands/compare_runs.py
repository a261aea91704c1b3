"""`manage.py compare_runs RUN … --output DIR`: finished training runs side by side, seeds as replicates."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand


class Command(PipelineCommand):
    help = "Compare finished runs of train_policy: final validation by label, paired differences over seeds, curves."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "runs", metavar="RUN", nargs="+", help="a run's folder, or LABEL=FOLDER; the label is the algorithm"
        )
        parser.add_argument("--output", type=Path, required=True, help="run folder to write")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        from rl.management.run_comparison import compare_runs

        return compare_runs(options["runs"], options["output"]) | {"report": options["output"] / "report.html"}
