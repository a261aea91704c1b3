"""A campaign from YAML and a file of items."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation import campaigns
from annotation.campaign_checks import check_campaign
from annotation.campaign_files import CampaignConfig, load_campaign_config, read_item_rows
from annotation.errors import CheckFailedError, InputError
from annotation.management.command import PipelineCommand
from annotation.table_files import RowProblem, write_report
from annotation.task_templates import TaskTemplate, load_template


class Command(PipelineCommand):
    help = (
        "Create a campaign and open it to workers. All items are checked first; on an error nothing is stored. "
        "With --dry-run nothing is stored in any case: every bad row is named, and what the campaign will cost."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "config", type=Path, help="YAML: name, task, raters_per_hit, seed, allow_tie, reward_per_hit ..."
        )
        parser.add_argument("--items", type=Path, required=True, help="CSV, JSONL or Parquet, one HIT a row")
        parser.add_argument("--draft", action="store_true", help="store it without letting workers in yet")
        parser.add_argument(
            "--dry-run", action="store_true", help="only check, and name every bad row; exit code 2 if any"
        )
        parser.add_argument(
            "--report", type=Path, help="with --dry-run: a CSV to make of all bad rows: line, field, reason"
        )

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        if options["report"] and not options["dry_run"]:
            raise InputError("--report is what a check leaves behind; expected --dry-run beside it.")
        config = load_campaign_config(options["config"])
        template = load_template(config.task)
        if options["dry_run"]:
            return self._check(config, template, options["items"], options["report"])
        rows = read_item_rows(options["items"], template)
        campaign = campaigns.create_campaign(config, template, rows)
        if not options["draft"]:
            campaigns.publish(campaign)
        wanted = len(rows) * config.raters_per_hit
        return {"campaign": campaign.name, "state": campaign.state, "hits": len(rows), "assignments_wanted": wanted}

    def _check(
        self, config: CampaignConfig, template: TaskTemplate, items: Path, report: Path | None
    ) -> Mapping[str, Any]:
        check = check_campaign(config, template, items, self._show_problem)
        if report:
            write_report(check.problems, report)
        if check.problems:
            raise CheckFailedError(f"{items}: {len(check.problems)} problems in its rows, named above.", check.numbers)
        if not check.numbers["rows_good"]:
            raise InputError(f"{items} holds no items; expected at least one row.")
        return check.numbers

    def _show_problem(self, problem: RowProblem) -> None:
        self.stdout.write(str(problem))
