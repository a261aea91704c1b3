"""`manage.py train_reward_model PAIRS --base-model M --output DIR`: votes become a reward model."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand
from annotation.wording import count_nouns
from reward_models.dataset import describe_left_out
from reward_models.management.cautions import caution_of_training
from reward_models.management.training import add_training_options, read_config, read_data, train_in_folder
from reward_models.pair_sources import PAIRS_HELP


class Command(PipelineCommand):
    help = "Train a preference model on votes; the best epoch lands in DIR/model, what it reaches in DIR/evaluation."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("pairs", help=PAIRS_HELP)
        add_training_options(parser)
        parser.add_argument(
            "--shuffle-votes",
            type=int,
            metavar="SEED",
            help="a control: exchange both sides' votes in half of the pairs",
        )
        parser.add_argument("--output", type=Path, required=True, help="a new folder for model, card and evaluation")
        parser.add_argument("--resume", action="store_true", help="continue an interrupted run from its checkpoint")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        config = read_config(options)
        data = read_data(options["pairs"], config, options["shuffle_votes"], options["near_duplicates"])
        self.stderr.write(data.source.description)
        for sentence in describe_left_out(data.splits.left_out):
            self.stderr.write(sentence)
        kept = {name: options[name] for name in ("pairs", "shuffle_votes", "near_duplicates")}
        recorded = {**kept, "layout": data.source.layout}
        summary = train_in_folder(config, data, options["output"], recorded, resume=options["resume"])
        if cut := summary.get("prompts_cut"):
            most = summary["max_tokens"]
            lost = f"{count_nouns(cut, 'prompt')} lost the beginning"
            self.stderr.write(f"{lost}: an input holds {most:,} tokens (--max-tokens).")
        if caution := caution_of_training(summary):
            self.stderr.write(caution)
        if reason := summary.get("test", {}).get("reason"):
            self.stderr.write(f"Not evaluated: {reason}.")
        return summary and {**summary, "model": options["output"] / "model"}
