"""`manage.py bench_annotation`: what a worker's cycle costs beside plain floors, on SQLite and PostgreSQL."""

import os
import secrets
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError

from annotation.management.bench import FLOORS, BenchConfig, bench_annotation, is_sound
from annotation.management.command import PipelineCommand


class Command(PipelineCommand):
    help = "Time workers' cycles over HTTP beside plain floors, and claims in small and large campaigns."

    def add_options(self, parser: ArgumentParser) -> None:
        default = BenchConfig()
        parser.add_argument("--databases", nargs="+", default=list(default.databases), help="sqlite, postgresql")
        parser.add_argument("--workers", type=int, default=default.workers, help="who click at once, such as 200")
        parser.add_argument("--seconds", type=float, default=default.seconds, help="of clicking in a round")
        parser.add_argument("--rounds", type=int, default=default.rounds, help="of floors and app, in turn")
        parser.add_argument(
            "--hits", type=int, nargs="+", default=list(default.hits), help="sizes at which claims are timed"
        )

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        # The servers of the bench share nothing with a server of people, so neither does their secret.
        os.environ["PREFLOOP_SECRET_KEY"] = secrets.token_urlsafe(50)
        config = BenchConfig(
            databases=tuple(options["databases"]),
            workers=options["workers"],
            seconds=options["seconds"],
            rounds=options["rounds"],
            hits=tuple(options["hits"]),
        )
        results = bench_annotation(config, self.stderr.write)
        for kind, result in results.items():
            self._show(kind, result)
        if not all(map(is_sound, results.values())):
            raise CommandError("judgments were lost or doubled, or a HIT was overfilled (see above).", returncode=1)
        return results

    def _show(self, kind: str, result: dict[str, Any]) -> None:
        for name in (*FLOORS, "app"):
            row = result[name]
            self.stderr.write(
                f"{kind:10} {name:5} {row['cycles_per_s']:7.1f} cycles/s   "
                f"p50 {row['p50_ms']:6.1f}  p95 {row['p95_ms']:6.1f}  p99 {row['p99_ms']:6.1f} ms a request"
            )
        for floor, ratio in result["ratios"].items():
            self.stderr.write(
                f"{kind:10} {ratio['median']:.2f} of the {floor} floor ({ratio['least']:.2f} to {ratio['most']:.2f})"
            )
        self.stderr.write(
            f"{kind:10} {result['acknowledged']} acknowledged, {result['lost']} lost, {result['doubled']} doubled, "
            f"{result['overfilled']} overfilled"
        )
        for size, row in result["claims"].items():
            claims = "  ".join(f"{name} {value:.2f}" for name, value in row.items())
            self.stderr.write(f"{kind:10} claims, {size} HITs: {claims}")
