"""`manage.py bench_votes`: what strengths of systems and their bootstrap cost, beside other packages."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from analysis.management.vote_bench import VoteBenchConfig, bench_votes
from annotation.errors import InputError
from annotation.management.command import PipelineCommand


class Command(PipelineCommand):
    help = "Time Bradley-Terry and Davidson fits and their bootstrap beside choix and statsmodels, where installed."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--votes", type=int, default=VoteBenchConfig().votes)
        parser.add_argument("--systems", type=int, default=VoteBenchConfig().systems)
        parser.add_argument("--draws", type=int, default=VoteBenchConfig().draws, help="bootstrap draws")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        for name, least in (("votes", 1000), ("systems", 2), ("draws", 1)):
            if options[name] < least:
                raise InputError(f"--{name} {options[name]}: expected at least {least}.")
        if options["votes"] < 50 * options["systems"] ** 2:
            least = 50 * options["systems"] ** 2
            raise InputError(f"--votes {options['votes']}: expected at least {least} for {options['systems']} systems.")
        results = bench_votes(VoteBenchConfig(options["votes"], options["systems"], options["draws"]))
        for case, steps in results.items():
            if case not in ("peers", "peak_mb"):
                self.stderr.write(f"{case:40} {', '.join(_time(step, time) for step, time in steps.items())}")
        for peer, time in results["peers"].items():
            self.stderr.write(f"{peer:40} {_time('fit', time) if time else 'not installed'}")
        self.stderr.write(f"peak memory {results['peak_mb']:.0f} MB")
        return results


def _time(step: str, time: Mapping[str, float]) -> str:
    return f"{step} {time['cpu_seconds']:.4f} CPU-s ({time['seconds']:.4f} s)"
