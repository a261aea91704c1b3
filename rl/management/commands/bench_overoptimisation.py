"""`manage.py bench_overoptimisation --output DIR`: how far a reward model can be trusted, and what ensembles change."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from annotation.configuration import load_config
from annotation.management.command import PipelineCommand
from rl.management.study_options import add_study_options


class Command(PipelineCommand):
    help = "Optimise policies against reward models of simulated votes, and see when gold stops following the proxy."

    def add_options(self, parser: ArgumentParser) -> None:
        from rl.management.overoptimisation.study import STUDY_FILE

        add_study_options(parser, STUDY_FILE)

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        from rl.management.overoptimisation.bench import run_bench
        from rl.management.overoptimisation.study import Overoptimisation

        study = load_config(Overoptimisation, options["config"], options["set"])
        return run_bench(options["output"], study, self.stderr.write, resume=options["resume"])
