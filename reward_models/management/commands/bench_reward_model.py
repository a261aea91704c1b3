"""`manage.py bench_reward_model`: what training and scoring cost beside plain ways to do the same."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from annotation.management.command import PipelineCommand


class Command(PipelineCommand):
    help = "Time training beside the Hugging Face Trainer and scoring beside a plain loop, in turn."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repeats", type=int, default=5, help="counted turns")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        from reward_models.management.bench import BenchConfig, bench_reward_models

        results = bench_reward_models(BenchConfig(options["repeats"]))
        for kind, tasks in results.items():
            for task, rows in tasks.items():
                ours, plain = rows["ours"], rows["plain"]
                shown = (
                    f"{ours['seconds']:7.3f} s beside {plain['seconds']:7.3f} s: {1 / ours['ratio']:.2f} times as fast"
                )
                self.stderr.write(f"{kind:6} {task:28} {shown}")
        return results
