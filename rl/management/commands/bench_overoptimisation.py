"""`manage.py bench_overoptimisation --output DIR`: how far a reward model can be trusted, and what ensembles change."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.configuration import load_config
from annotation.management.command import PipelineCommand


class Command(PipelineCommand):
    help = "Optimise policies against reward models of simulated votes, and see when gold stops following the proxy."

    def add_options(self, parser: ArgumentParser) -> None:
        from rl.management.overoptimisation.study import STUDY_FILE

        parser.add_argument("--config", type=Path, default=STUDY_FILE, help="the study's YAML file")
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="lay a value over the file's"
        )
        parser.add_argument("--output", type=Path, required=True, help="folder to write")
        parser.add_argument("--resume", action="store_true", help="go on with a bench that was interrupted")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        from rl.management.overoptimisation.bench import run_bench
        from rl.management.overoptimisation.study import Overoptimisation

        study = load_config(Overoptimisation, options["config"], options["set"])
        return run_bench(options["output"], study, self.stderr.write, resume=options["resume"])
