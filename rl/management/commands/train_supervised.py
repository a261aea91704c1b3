"""`manage.py train_supervised --task T --base-model M --output DIR`: the warm start."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand
from annotation.run_folders import open_run
from rl.supervised import FROM_SCRATCH, SupervisedConfig, train_supervised
from rl.tasks import TASKS, load_task

SETTINGS = {
    "steps": "optimiser steps",
    "batch": "references a step",
    "learning_rate": "peak of the schedule",
    "early_steps": "also save the policy after so many steps, in DIR/early",
    "vocabulary_size": "of the tokenizer made for small-t5",
    "seed": "draws weights, batches and dropout",
}


class Command(PipelineCommand):
    help = "Fine-tune an encoder-decoder on a task's references; the policy lands in DIR/policy."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--task", required=True, choices=TASKS)
        parser.add_argument("--data", type=Path, help="the task's folder; without it, its hub name")
        parser.add_argument("--base-model", default=FROM_SCRATCH, help="folder, hub name, or small-t5 (from scratch)")
        for name, text in SETTINGS.items():
            default = getattr(SupervisedConfig(), name)
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help=text)
        parser.add_argument("--output", type=Path, required=True)

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        config = SupervisedConfig(options["base_model"], **{name: options[name] for name in SETTINGS})
        task = load_task(options["task"], options["data"])
        inputs = [options["data"]] if options["data"] else []
        recorded = {"task": task.name, "data": options["data"], "supervised": config}
        with open_run(options["output"], config=recorded, inputs=inputs, seed=config.seed) as folder:
            return train_supervised(config, task, folder)
