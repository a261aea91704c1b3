"""`manage.py bench_ceiling --output DIR`: how near reward models come to what votes allow, by layout."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.configuration import load_config
from annotation.management.command import PipelineCommand


class Command(PipelineCommand):
    help = "Train a reward model for each layout on simulated votes, and hold it against the judge they come from."

    def add_options(self, parser: ArgumentParser) -> None:
        from rl.management.ceiling.study import STUDY_FILE

        parser.add_argument("--config", type=Path, default=STUDY_FILE, help="the study's YAML file")
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="lay a value over the file's"
        )
        parser.add_argument("--output", type=Path, required=True, help="folder to write")
        parser.add_argument("--resume", action="store_true", help="go on with a bench that was interrupted")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        from rl.management.ceiling.bench import run_bench
        from rl.management.ceiling.study import CeilingStudy

        study = load_config(CeilingStudy, options["config"], options["set"])
        return run_bench(options["output"], study, self.stderr.write, resume=options["resume"])
