"""`manage.py train_supervised --task T --base-model M --output DIR`: the warm start."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand
from rl.supervised import FROM_SCRATCH, SupervisedConfig, train_supervised
from rl.tasks import TASKS, load_task

SETTINGS = {
    "steps": "optimiser steps",
    "batch": "references a step",
    "learning_rate": "peak of the schedule",
    "early_steps": "also save the policy after so many steps, in DIR/early",
    "max_prompt_tokens": "longer prompts are cut, and counted in the summary",
    "max_response_tokens": "longer references are cut, and counted in the summary",
    "vocabulary_size": "of the tokenizer made for small-t5",
    "checkpoint_every": "steps between checkpoints",
    "seed": "draws weights, batches and dropout",
}


class Command(PipelineCommand):
    help = "Fine-tune an encoder-decoder or a causal model on a task's references; the policy lands in DIR/policy."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--task", required=True, choices=TASKS)
        parser.add_argument("--data", type=Path, help="the task's folder, or file of prompts; without it, its hub name")
        parser.add_argument("--base-model", default=FROM_SCRATCH, help="folder, hub name, or small-t5 (from scratch)")
        for name, text in SETTINGS.items():
            default = getattr(SupervisedConfig(), name)
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help=text)
        parser.add_argument("--output", type=Path, required=True, help="run folder to write")
        parser.add_argument("--resume", action="store_true", help="continue an interrupted run from its checkpoint")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        config = SupervisedConfig(options["base_model"], **{name: options[name] for name in SETTINGS})
        task = load_task(options["task"], options["data"])
        return train_supervised(config, task, options["output"], data=options["data"], resume=options["resume"])
