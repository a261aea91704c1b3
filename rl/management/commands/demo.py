"""`manage.py demo`: the whole loop on one machine."""

from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from annotation.configuration import load_config
from annotation.management.command import PipelineCommand, seed


class Command(PipelineCommand):
    help = "Run the whole loop with simulated workers: votes, reward model, better policy, second vote, report."

    def add_options(self, parser: ArgumentParser) -> None:
        from rl.management.demo.experiment import EXPERIMENT_FILE

        parser.add_argument("--experiment", type=Path, default=EXPERIMENT_FILE, help="the experiment's YAML file")
        parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="lay a value over it")
        parser.add_argument("--seed", type=seed, help="varies world, corpus, workers and training")
        parser.add_argument("--pairs", type=int, help="in the first vote; 417 is the paper's budget")
        parser.add_argument("--output", type=Path, default=Path("runs/demo"))
        parser.add_argument("--controls", action="store_true", help="also the controls: shuffled votes, no flaw")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        from rl.management.demo.controls import run_controls
        from rl.management.demo.experiment import Experiment
        from rl.management.demo.loop import run_demo

        experiment = load_config(Experiment, options["experiment"], options["set"])
        if options["seed"] is not None:
            experiment = replace(experiment, seed=options["seed"])
        if options["pairs"] is not None:
            experiment = experiment.with_pairs(options["pairs"])
        result = run_demo(options["output"], experiment, self.stderr.write)
        if options["controls"]:
            result = result | run_controls(options["output"], experiment, self.stderr.write)
        return result
