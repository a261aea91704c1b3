"""A campaign from YAML and a file of items."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation import campaigns
from annotation.campaign_files import load_campaign_config, read_item_rows
from annotation.management.command import PipelineCommand
from annotation.task_templates import load_template


class Command(PipelineCommand):
    help = "Create a campaign and open it to workers. All items are checked first; on an error nothing is stored."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "config", type=Path, help="YAML: name, task, raters_per_hit, seed, allow_tie, reward_per_hit ..."
        )
        parser.add_argument("--items", type=Path, required=True, help="CSV, JSONL or Parquet, one HIT a row")
        parser.add_argument("--draft", action="store_true", help="store it without letting workers in yet")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        config = load_campaign_config(options["config"])
        template = load_template(config.task)
        rows = read_item_rows(options["items"], template)
        campaign = campaigns.create_campaign(config, template, rows)
        if not options["draft"]:
            campaigns.publish(campaign)
        wanted = len(rows) * config.raters_per_hit
        return {"campaign": campaign.name, "state": campaign.state, "hits": len(rows), "assignments_wanted": wanted}
