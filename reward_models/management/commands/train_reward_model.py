"""`manage.py train_reward_model PAIRS --base-model M --output DIR`: votes become a reward model."""

import dataclasses
import typing
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand
from annotation.run_folders import open_run
from reward_models.dataset import shuffle_votes, split_pairs
from reward_models.model import Layout
from reward_models.pair_sources import PAIRS_HELP, read_pairs
from reward_models.train import Loss, RewardModelConfig, train_reward_model

NUMBERS = {
    "learning_rate": "of AdamW",
    "batch": "pairs a step",
    "epochs": "at most",
    "patience": "epochs without a better validation loss before stopping",
    "dropout": "share of units",
    "language_weight": "of the preferred completions' cross-entropy (not in layout encoder)",
    "max_tokens": "of an input; long prompts lose their beginning, long completions are refused (0: the model's own)",
    "seed": "draws batches and dropout",
}
DEFAULTS = {field.name: field.default for field in dataclasses.fields(RewardModelConfig)}


class Command(PipelineCommand):
    help = "Train a T5 preference model on votes; the best epoch lands in DIR/model."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("pairs", help=PAIRS_HELP)
        parser.add_argument("--base-model", required=True, help="an encoder-decoder: folder or hub name")
        parser.add_argument(
            "--layout",
            choices=typing.get_args(Layout),
            default=DEFAULTS["layout"],
            help="the decoder reads the completion, and its verdict counts after every token (decoder-mean) or after "
            "the last (decoder); encoder: the paper's, for pretrained models",
        )
        parser.add_argument("--loss", choices=typing.get_args(Loss), default="bradley-terry")
        for name, text in NUMBERS.items():
            default = DEFAULTS[name]
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help=text)
        parser.add_argument(
            "--shuffle-votes",
            type=int,
            metavar="SEED",
            help="a control: exchange both sides' votes in half of the pairs",
        )
        parser.add_argument("--output", type=Path, required=True)

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        chosen = {name: options[name] for name in ("base_model", "layout", "loss", *NUMBERS)}
        config = RewardModelConfig(**chosen)
        source = read_pairs(options["pairs"])
        self.stderr.write(source.description)
        preferences = source.preferences
        if options["shuffle_votes"] is not None:
            preferences = shuffle_votes(preferences, options["shuffle_votes"])
        splits = split_pairs(preferences)
        # What comes from a hub has no path; its name stands in the configuration.
        inputs = [path for path in map(Path, (options["pairs"], config.base_model)) if path.exists()]
        recorded = {
            "pairs": options["pairs"],
            "layout": source.layout,
            "shuffle_votes": options["shuffle_votes"],
            "reward_model": config,
        }
        with open_run(options["output"], config=recorded, inputs=inputs, seed=config.seed) as folder:
            summary = train_reward_model(config, splits, folder)
        for reason, count in splits.left_out.items():
            self.stderr.write(f"{count} pairs left out, {reason}.")
        if summary["prompts_cut"]:
            most = summary["max_tokens"]
            self.stderr.write(f"{summary['prompts_cut']} prompts lost their beginning: with --max-tokens {most}.")
        return summary
