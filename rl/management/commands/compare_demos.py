"""`manage.py compare_demos DIR …`: headline numbers of several demos, with intervals over their seeds."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand


class Command(PipelineCommand):
    help = "Compare demos of different seeds: a line a number, its mean and Student t interval, then each seed."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("folders", type=Path, nargs="+", help="folders of finished demos, a seed each")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        from rl.management.demo.seeds import compare_demos

        comparison = compare_demos(options["folders"])
        if options["json"]:
            return comparison
        seeds = comparison["seeds"]
        self.stdout.write("number | mean | 95 % interval | " + " | ".join(f"seed {seed}" for seed in seeds))
        lines = {}
        for name, mean in comparison["over_seeds"].items():
            values = " | ".join(f"{row[name]:.4g}" for row in seeds.values())
            interval = f"[{mean['low']:.4g}, {mean['high']:.4g}]" if "low" in mean else "one seed"
            lines[name] = f"{mean['estimate']:.4g} | {interval} | {values}"
        return lines
