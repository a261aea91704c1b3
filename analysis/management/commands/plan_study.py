"""`manage.py plan_study SOURCE --output DIR`: how many items and raters a study of ratings needs for a difference."""

import math
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.findings import Chapter
from analysis.plan_findings import PlanOptions
from analysis.study_plan import COLUMNS, plan_study, read_source, results_file, smallest_designs, write_plan
from annotation.errors import InputError
from annotation.management.command import PipelineCommand, seed
from annotation.run_folders import open_run


class Command(PipelineCommand):
    help = "Plan a study of ratings: power over items and raters, by a closed form and by simulation."

    def add_options(self, parser: ArgumentParser) -> None:
        default = PlanOptions()
        parser.add_argument(
            "source",
            nargs="+",
            help="an analysis (folder or results.json), or variances such as residual=0.8 completion=0.2 worker=0.1",
        )
        parser.add_argument("--output", type=Path, required=True, help="the folder to write; it must not exist")
        parser.add_argument(
            "--difference", type=float, metavar="D", help="in points of the scale (default: the one found)"
        )
        parser.add_argument("--question", help="of the analysis (default: each)")
        parser.add_argument("--systems", type=int, default=default.systems, help="to be compared")
        parser.add_argument("--workers", type=int, help="in the pool (default: as many as the pilot had)")
        parser.add_argument(
            "--items", type=int, nargs="+", default=[], help="sizes to look at (default: around the answer)"
        )
        parser.add_argument("--raters", type=int, nargs="+", default=[], help="of a completion (default: 1 2 3 5)")
        parser.add_argument("--alpha", type=float, default=default.alpha, help="level of the test")
        parser.add_argument("--power", type=float, default=default.target, help="that is wanted")
        parser.add_argument("--simulations", type=int, default=default.simulations, help="of each design")
        parser.add_argument("--seed", type=seed, default=default.seed, help="of the bootstrap")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        chosen, output = read_options(options), options["output"]
        pilots = read_source(options["source"], options["question"])
        is_numbers = "=" in options["source"][0]
        inputs = [] if is_numbers else [results_file(options["source"][0])]
        config = {"source": options["source"], "question": options["question"], "plan": chosen}
        with open_run(output, config=config, inputs=inputs, seed=chosen.seed) as run:
            chapter = plan_study(pilots, chosen)
            write_plan(chapter, chosen, run.path)
            summary = {
                finding.subject: {power["raters"]: power["items"] for power in finding.details["smallest"]}
                for finding in chapter.findings
            }
            run.write_summary({"items_needed": summary})
        self.print_plan(chapter)
        return {"report": output / "report.html", "items_needed": summary}

    def print_plan(self, chapter: Chapter) -> None:
        """What is needed, as tables."""
        for finding in chapter.findings:
            rows = [COLUMNS, *smallest_designs(finding)]
            widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
            self.stdout.write(finding.reading)
            for row in rows:
                self.stdout.write("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def read_options(options: Mapping[str, Any]) -> PlanOptions:
    """The options of the command line; InputError names the first that is out of range."""
    for name, least in (("systems", 2), ("simulations", 1), ("seed", 0)):
        if options[name] < least:
            raise InputError(f"--{name} {options[name]}: expected at least {least}.")
    for name, least in (("items", 2), ("raters", 1)):
        for number in options[name]:
            if number < least:
                raise InputError(f"--{name} {number}: expected at least {least}.")
    if options["workers"] is not None and options["workers"] < 1:
        raise InputError(f"--workers {options['workers']}: expected at least 1.")
    difference = options["difference"]
    if difference is not None and not 0 < difference < math.inf:
        raise InputError(f"--difference {difference:g}: expected more than 0 points of the scale.")
    return PlanOptions(
        difference=difference,
        systems=options["systems"],
        workers=options["workers"],
        items=tuple(options["items"]),
        raters=tuple(options["raters"]),
        alpha=options["alpha"],
        target=options["power"],
        simulations=options["simulations"],
        seed=options["seed"],
    )
