"""`manage.py generate_samples POLICY --task T --split S --output FILE`: completions of a policy."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand, seed
from rl.generate import Decoder, generate_samples, write_samples
from rl.management.sampler_options import add_sampler_options, read_sampler
from rl.policy import available_device, load_policy
from rl.tasks import SPLITS, TASKS, load_task


class Command(PipelineCommand):
    help = "Write a policy's completions for a split of a task, as JSON lines."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("policy", help="a save_pretrained folder or a hub name")
        parser.add_argument("--task", required=True, choices=TASKS)
        parser.add_argument("--data", type=Path, help="the task's folder, or file of prompts; without it, its hub name")
        parser.add_argument("--split", default="test", choices=SPLITS, help="whose items")
        parser.add_argument("--limit", type=int, help="only the first so many items")
        parser.add_argument("--system", help="the name under which the completions are known; the policy's by default")
        parser.add_argument("--greedy", action="store_true", help="the most likely token each time, not a sample")
        parser.add_argument("--samples-per-item", type=int, default=1, help="completions of each prompt")
        add_sampler_options(parser)
        parser.add_argument("--horizon", type=int, default=32, help="most tokens of a completion")
        parser.add_argument("--seed", type=seed, default=0, help="of the sampled completions")
        parser.add_argument("--output", type=Path, required=True, help="a new file of JSON lines")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        items = load_task(options["task"], options["data"]).split(options["split"])[: options["limit"]]
        model, tokenizer = load_policy(options["policy"], available_device())
        decoder = Decoder(
            is_greedy=options["greedy"],
            samples_per_item=options["samples_per_item"],
            horizon=options["horizon"],
            sampler=read_sampler(options),
            seed=options["seed"],
        )
        samples = generate_samples(model, tokenizer, items, options["system"] or options["policy"], decoder)
        write_samples(samples, options["output"])
        return {"items": len(items), "completions": len(samples), "output": options["output"]}
