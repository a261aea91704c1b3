"""`manage.py measure_learning_curve PAIRS --base-model M --output DIR`: how much more would votes help?"""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand
from reward_models.dataset import describe_left_out
from reward_models.management.evaluation import blank_undefined
from reward_models.management.learning_curve import CurvePlan, measure_learning_curve
from reward_models.management.learning_curve_page import describe_untrained
from reward_models.management.learning_curve_trainings import SHARES
from reward_models.management.training import add_training_options, read_config, read_data
from reward_models.pair_sources import PAIRS_HELP


class Command(PipelineCommand):
    help = "Train reward models on growing parts of the votes and test each on the same pairs."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("pairs", help=PAIRS_HELP)
        parser.add_argument("--shares", type=float, nargs="+", default=SHARES, help="of the train split's pairs")
        parser.add_argument(
            "--repeats", type=int, default=1, help="trainings a share, on other pairs, with other seeds"
        )
        parser.add_argument("--world", type=Path, help="of commongen-mini: adds the gold judge's scores as a ceiling")
        add_training_options(parser)
        parser.add_argument("--output", type=Path, required=True)
        parser.add_argument("--resume", action="store_true", help="continue an interrupted curve")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        config = read_config(options)
        data = read_data(options["pairs"], config, near_duplicates=options["near_duplicates"])
        self.stderr.write(data.source.description)
        for sentence in describe_left_out(data.splits.left_out):
            self.stderr.write(sentence)
        plan = CurvePlan(options["shares"], options["repeats"], options["world"])
        recorded = {name: options[name] for name in ("pairs", "near_duplicates")} | {"layout": data.source.layout}
        results = measure_learning_curve(config, data, plan, options["output"], recorded, resume=options["resume"])
        if not results:
            return {}
        if said := describe_untrained(results):
            self.stderr.write(said)
        largest = results["sizes"][-1]
        measured = {
            "report": options["output"] / "report.html",
            "votes": largest["votes"],
            **largest["measures"],
            "gain": results["gain"],
        }
        return blank_undefined(measured)
