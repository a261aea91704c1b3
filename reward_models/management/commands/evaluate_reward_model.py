"""`manage.py evaluate_reward_model MODEL PAIRS`: how well a reward model predicts votes."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from annotation.management.command import PipelineCommand
from annotation.records import SPLITS
from reward_models.management.evaluation import Score, evaluate_on_votes, gold_score
from reward_models.pair_sources import PAIRS_HELP, read_pairs
from reward_models.scoring import load_scorer


class Command(PipelineCommand):
    help = "Pair accuracy, pooled AUC, log loss and calibration on votes, with intervals."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", type=Path, help="a folder that train_reward_model wrote")
        parser.add_argument("pairs", help=PAIRS_HELP)
        parser.add_argument("--split", choices=SPLITS, default="test")
        parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
        parser.add_argument("--world", type=Path, help="of commongen-mini: adds the gold judge's scores as a ceiling")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        source = read_pairs(options["pairs"])
        self.stderr.write(source.description)
        pairs = [pair for pair in source.preferences if pair.split == options["split"]]
        if not pairs:
            raise InputError(f"{options['pairs']} has no pair in the {options['split']} split.")
        scorers: dict[str, Score] = {"reward model": load_scorer(options["model"])}
        if options["world"]:
            scorers["gold"] = gold_score(options["world"])
        return evaluate_on_votes(pairs, scorers, options["seed"])
