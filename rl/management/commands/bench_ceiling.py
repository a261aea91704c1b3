"""`manage.py bench_ceiling --output DIR`: how near reward models come to what votes allow, by layout."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from annotation.configuration import load_config
from annotation.management.command import PipelineCommand
from rl.management.study_options import add_study_options


class Command(PipelineCommand):
    help = "Train a reward model for each layout on simulated votes, and hold it against the judge they come from."

    def add_options(self, parser: ArgumentParser) -> None:
        from rl.management.ceiling.study import STUDY_FILE

        add_study_options(parser, STUDY_FILE)

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        from rl.management.ceiling.bench import run_bench
        from rl.management.ceiling.study import CeilingStudy

        study = load_config(CeilingStudy, options["config"], options["set"])
        return run_bench(options["output"], study, self.stderr.write, resume=options["resume"])
