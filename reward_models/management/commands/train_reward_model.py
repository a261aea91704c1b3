"""`manage.py train_reward_model PAIRS --base-model M --output DIR`: votes become a reward model."""

import typing
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand
from reward_models.dataset import NearDuplicates
from reward_models.management.training import add_training_options, read_config, read_splits, train_in_folder
from reward_models.pair_sources import PAIRS_HELP


class Command(PipelineCommand):
    help = "Train a preference model on votes; the best epoch lands in DIR/model."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("pairs", help=PAIRS_HELP)
        add_training_options(parser)
        parser.add_argument(
            "--shuffle-votes",
            type=int,
            metavar="SEED",
            help="a control: exchange both sides' votes in half of the pairs",
        )
        parser.add_argument(
            "--near-duplicates",
            choices=typing.get_args(NearDuplicates),
            default="refuse",
            help="of prompts, in two splits that the data came with: refuse them, leave out their pairs in the earlier "
            "split, or allow them (default: %(default)s)",
        )
        parser.add_argument("--output", type=Path, required=True)
        parser.add_argument("--resume", action="store_true", help="continue an interrupted run from its checkpoint")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        config = read_config(options)
        source, splits = read_splits(options["pairs"], config, options["shuffle_votes"], options["near_duplicates"])
        self.stderr.write(source.description)
        for reason, count in splits.left_out.items():
            self.stderr.write(f"{count} pairs left out, {reason}.")
        kept = {name: options[name] for name in ("pairs", "shuffle_votes", "near_duplicates")}
        recorded = {**kept, "layout": source.layout}
        summary = train_in_folder(config, splits, options["output"], recorded, resume=options["resume"])
        if summary.get("prompts_cut"):
            most = summary["max_tokens"]
            self.stderr.write(f"{summary['prompts_cut']} prompts lost their beginning: with --max-tokens {most}.")
        return summary
