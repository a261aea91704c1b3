"""`manage.py bench_agreement`: what Krippendorff's alpha and its bootstrap cost on a large table."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from analysis.management.agreement_bench import BenchConfig, bench_agreement
from annotation.errors import InputError
from annotation.management.command import PipelineCommand


class Command(PipelineCommand):
    help = "Time Krippendorff's alpha: counting the long table, alpha of the counts, and its bootstrap."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--units", type=int, default=BenchConfig().units)
        parser.add_argument("--raters", type=int, default=BenchConfig().raters, help="of each unit")
        parser.add_argument("--draws", type=int, default=BenchConfig().draws, help="bootstrap draws")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        for name, least in (("units", 2), ("raters", 2), ("draws", 1)):
            if options[name] < least:
                raise InputError(f"--{name} {options[name]}: expected at least {least}.")
        results = bench_agreement(BenchConfig(options["units"], options["raters"], options["draws"]))
        for case, steps in results.items():
            if case != "peak_mb":
                times = ", ".join(
                    f"{step} {time['cpu_seconds']:.4f} CPU-s ({time['seconds']:.4f} s)" for step, time in steps.items()
                )
                self.stderr.write(f"{case:40} {times}")
        self.stderr.write(f"peak memory {results['peak_mb']:.0f} MB")
        return results
