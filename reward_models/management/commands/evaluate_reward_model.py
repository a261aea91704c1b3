"""`manage.py evaluate_reward_model MODEL PAIRS`: how well a reward model predicts votes."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from annotation.management.command import PipelineCommand
from annotation.records import SPLITS, Comparison, holds_records, read_comparisons
from annotation.run_folders import open_run
from reward_models.baselines import score_length, score_overlap
from reward_models.management.evaluation import Score, evaluate_on_votes, gold_score
from reward_models.management.evaluation_details import MODEL, evaluate_in_detail
from reward_models.management.evaluation_page import write_evaluation
from reward_models.pair_sources import PAIRS_HELP, read_pairs
from reward_models.scoring import load_scorer


class Command(PipelineCommand):
    help = "Pair accuracy, pooled AUC, log loss and calibration on votes, with intervals."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", type=Path, help="a folder that train_reward_model wrote")
        parser.add_argument("pairs", help=PAIRS_HELP)
        parser.add_argument("--split", choices=SPLITS, default="test")
        parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
        parser.add_argument("--output", type=Path, help="a folder for report.html, figures, tables and results.json")
        parser.add_argument("--world", type=Path, help="of commongen-mini: adds the gold judge's scores as a ceiling")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        source = read_pairs(options["pairs"])
        self.stderr.write(source.description)
        pairs = [pair for pair in source.preferences if pair.split == options["split"]]
        if not pairs:
            raise InputError(f"{options['pairs']} has no pair in the {options['split']} split.")
        model = load_scorer(options["model"])
        scorers: dict[str, Score] = {
            MODEL: model,
            "longer is better": score_length,
            "words of the prompt": score_overlap,
        }
        if options["world"]:
            scorers["gold"] = gold_score(options["world"])
        if options["output"] is None:
            return evaluate_on_votes(pairs, scorers, options["seed"])
        inputs = [path for path in (options["model"], Path(options["pairs"])) if path.exists()]
        recorded = {name: options[name] for name in ("pairs", "split", "seed")}
        with open_run(options["output"], config=recorded, inputs=inputs, seed=options["seed"]) as folder:
            evaluation, tables = evaluate_in_detail(
                source.preferences, scorers, read_votes(Path(options["pairs"])), options["split"], options["seed"]
            )
            write_evaluation(evaluation, tables, folder.path, f"How well {options['model'].name} predicts votes")
            folder.write_summary(evaluation)
        return {
            "report": options["output"] / "report.html",
            **evaluation["scorers"][MODEL],
            "workers": evaluation["workers"],
        }


def read_votes(source: Path) -> list[Comparison]:
    """The votes of single workers, which an export alone has."""
    is_export = (source / "manifest.json").is_file()
    return read_comparisons(source) if is_export and holds_records(source, Comparison) else []
