"""`manage.py evaluate_reward_model MODEL PAIRS`: how well a reward model predicts votes."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from annotation.management.command import PipelineCommand, seed
from annotation.records import SPLITS, Preference
from annotation.run_folders import open_run
from reward_models.dataset import describe_left_out, select_judgeable
from reward_models.management.cautions import caution_of_models, caution_of_prompts, caution_of_split
from reward_models.management.evaluation import blank_undefined, evaluate_on_votes
from reward_models.management.model_evaluation import evaluate_in_folder, name_scorers, read_votes
from reward_models.management.scorers import (
    add_model_options,
    combine_members,
    load_members,
    name_together,
    named_models,
    short_names,
)
from reward_models.pair_sources import PAIRS_HELP, read_pairs


class Command(PipelineCommand):
    help = "Pair accuracy, pooled AUC, log loss and calibration on votes, with intervals."

    def add_options(self, parser: ArgumentParser) -> None:
        add_model_options(parser)
        parser.add_argument("pairs", help=PAIRS_HELP)
        parser.add_argument("--split", choices=SPLITS, default="test", help="whose pairs")
        parser.add_argument("--seed", type=seed, default=0, help="of the bootstrap")
        parser.add_argument("--output", type=Path, help="a folder for report.html, figures, tables and results.json")
        parser.add_argument("--world", type=Path, help="of commongen-mini: adds the gold judge's scores as a ceiling")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        preferences, judgeable = self._read_split(options["pairs"], options["split"])
        split, seed, output = options["split"], options["seed"], options["output"]
        models = named_models(options)
        members = load_members(options)
        alone = dict(zip(short_names(models), members, strict=True)) if len(members) > 1 else {}
        scorers = name_scorers(combine_members(members, options), options["world"], alone)
        cautions = caution_of_models(models)
        if output is None:
            measured = evaluate_on_votes(judgeable, scorers, seed)
            self._warn(caution_of_split(split), *cautions, caution_of_prompts(measured["prompts"]))
            return blank_undefined(measured)
        inputs = [path for path in (*models, Path(options["pairs"])) if path.exists()]
        recorded = {name: options[name] for name in ("pairs", "split", "seed", "combine", "penalty")}
        with open_run(output, config=recorded, inputs=inputs, seed=seed) as folder:
            votes, name = read_votes(Path(options["pairs"])), name_together(models, options)
            evaluation = evaluate_in_folder(
                scorers, preferences, votes, folder.path, name=name, split=split, seed=seed, cautions=cautions
            )
            folder.write_summary(blank_undefined(evaluation.results))
        self._warn(*evaluation.results["cautions"])
        return {"report": output / "report.html", **evaluation.headlines}

    def _read_split(self, pairs: str, split: str) -> tuple[list[Preference], list[Preference]]:
        """All pairs, and those of the split between whose completions one can choose; says what they are."""
        source = read_pairs(pairs)
        self.stderr.write(source.description)
        of_split = [pair for pair in source.preferences if pair.split == split]
        if not of_split:
            raise InputError(f"{pairs} has no pair in the {split} split.")
        judgeable, left_out = select_judgeable(of_split)
        for sentence in describe_left_out(left_out):
            self.stderr.write(sentence)
        if not any(pair.label for pair in judgeable):
            expected = "expected some on which accuracy can be measured"
            raise InputError(f"{pairs}: no pair of the {split} split has a majority; {expected}.")
        return source.preferences, judgeable

    def _warn(self, *cautions: str) -> None:
        for caution in filter(None, cautions):
            self.stderr.write(caution)
