"""`manage.py train_policy CONFIG.yaml --output DIR`: tune a policy by NLPO, PPO, A2C, TRPO, RLOO or GRPO."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.configuration import load_config
from annotation.management.command import PipelineCommand


class Command(PipelineCommand):
    help = "Tune a policy by NLPO, PPO, A2C, TRPO, RLOO or GRPO against a metric, a reward model, or your own function."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("config", type=Path, help="YAML file, for example rl/configs/commongen-mini-nlpo.yaml")
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="lay a value over the file's"
        )
        parser.add_argument("--output", type=Path, required=True, help="run folder to write")
        parser.add_argument("--resume", action="store_true", help="continue an interrupted run from its checkpoint")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        from rl.config import TrainingConfig
        from rl.management.preference_scorers import load_preference_scorer
        from rl.management.run_report import write_run_report
        from rl.tasks import load_task
        from rl.train import train

        config = load_config(TrainingConfig, options["config"], options["set"])
        task = load_task(config.task, config.data)
        return train(
            config,
            task,
            options["output"],
            scorer=load_preference_scorer(config.reward),
            write_report=write_run_report,
            resume=options["resume"],
        )
