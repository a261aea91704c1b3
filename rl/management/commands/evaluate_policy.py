"""`manage.py evaluate_policy POLICY --task T --data DIR`: metrics of a policy's completions, sampled and greedy."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand, seed
from rl.management.sampler_options import add_sampler_options, read_sampler
from rl.tasks import SPLITS, TASKS, load_task


class Command(PipelineCommand):
    help = "Score completions, sampled and greedy: METEOR and coverage where items allow, length, distinct-1 and -2."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("policy", help="folder of a policy")
        parser.add_argument("--task", required=True, choices=TASKS)
        parser.add_argument("--data", type=Path, help="the task's folder, or file of prompts; without it, its hub name")
        parser.add_argument("--split", choices=SPLITS, default="test")
        parser.add_argument("--horizon", type=int, default=32, help="most tokens of a completion")
        add_sampler_options(parser)
        parser.add_argument("--seed", type=seed, default=0, help="of the sampled completions")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        from rl.evaluation import evaluate_policy
        from rl.policy import available_device, load_policy
        from rl.sampling import Noise

        items = load_task(options["task"], options["data"]).split(options["split"])
        model, tokenizer = load_policy(options["policy"], available_device())
        return evaluate_policy(
            model,
            tokenizer,
            items,
            horizon=options["horizon"],
            sampler=read_sampler(options),
            noise=Noise(options["seed"]),
        )
