"""`manage.py bench_workers`: what Dawid-Skene, MACE and the measures of workers cost."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from analysis.management.worker_bench import BenchConfig, bench_workers
from annotation.errors import InputError
from annotation.management.command import PipelineCommand


class Command(PipelineCommand):
    help = "Time the models of workers (Dawid-Skene, MACE) and the table of their measures."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--labels", type=int, default=BenchConfig().labels, help="answers, five a unit")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        if options["labels"] < 100:
            raise InputError(f"--labels {options['labels']}: expected at least 100.")
        results = bench_workers(BenchConfig(options["labels"]))
        for step, time in results.items():
            self.stderr.write(f"{step:40} {time['cpu_seconds']:.4f} CPU-s ({time['seconds']:.4f} s)")
        return results
