"""Simulated workers who use the real pages over HTTP."""

import time
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.configuration import load_config
from annotation.crowd_client import run_crowd
from annotation.errors import InputError
from annotation.management.command import PipelineCommand, seed
from annotation.models import Campaign
from annotation.queries import measure_progress
from annotation.simulated_workers import CrowdConfig


class Command(PipelineCommand):
    help = "Let simulated workers judge a campaign that is being served. Interrupted, it goes on where it stopped."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the campaign")
        parser.add_argument("--workers", type=int, required=True, help="how many simulated workers")
        parser.add_argument("--url", required=True, help="where the app is served, such as http://127.0.0.1:8000")
        parser.add_argument(
            "--world", type=Path, required=True, help="the folder of the commongen-mini world they know"
        )
        parser.add_argument("--seed", type=seed, default=0, help="makes the workers and all their votes")
        parser.add_argument("--crowd", type=Path, help="YAML: temperature, side_bias_sd, lapse_rate, spammer_share ...")
        parser.add_argument("--prefix", default="simulated", help="of the workers' handles (default: %(default)s)")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        # The gold judge serves simulated workers alone, so nothing outside management may import it.
        from rl.tasks.commongen_mini.judge import load_judge

        if options["workers"] < 1:
            raise InputError(f"--workers: expected at least 1, found {options['workers']}.")
        config = load_config(CrowdConfig, options["crowd"]) if options["crowd"] else CrowdConfig()
        judge = load_judge(options["world"])
        handles = [f"{options['prefix']}-{options['seed']}-{number:04d}" for number in range(options["workers"])]
        started = time.monotonic()
        judged = run_crowd(
            options["url"], options["name"], handles, judge, config, options["seed"], total=_count_open(options["name"])
        )
        seconds = time.monotonic() - started
        return {
            "campaign": options["name"],
            "hits_judged": judged,
            "workers": len(handles),
            "seconds": round(seconds, 1),
        }


def _count_open(name: str) -> int | None:
    """How many assignments are still wanted, where this machine holds the campaign; the app may run elsewhere."""
    campaign = Campaign.objects.filter(name=name).first()
    if campaign is None:
        return None
    progress = measure_progress(campaign)
    return progress.assignments_wanted - progress.assignments_counted
