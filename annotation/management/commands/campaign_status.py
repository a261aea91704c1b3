"""How far a campaign has come."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from annotation.management.command import PipelineCommand
from annotation.queries import find_campaign, measure_progress
from annotation.run_folders import plain


class Command(PipelineCommand):
    help = "Progress, workers, time, pay and agreement of a campaign."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the campaign")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        campaign = find_campaign(options["name"])
        from annotation.quality import measure_quality  # loads pandas and scipy, which a wrong name need not wait for

        progress, quality = measure_progress(campaign), measure_quality(campaign)
        agreement = {entry.question: {"level": entry.level, "alpha": entry.alpha} for entry in quality.agreements}
        numbers: dict[str, Any] = plain(progress) | {"percent": progress.percent, "agreement": agreement}
        money = ("reward_per_hit", "pay_due", "pay_per_hour")
        return numbers | {key: None if numbers[key] is None else str(numbers[key]) for key in money}
