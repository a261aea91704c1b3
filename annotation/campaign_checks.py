"""The dry run: a campaign checked as its creation would, row by row, and what it would ask for. Nothing is stored."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from annotation.campaign_files import CampaignConfig, ItemsCheck, check_items
from annotation.campaigns import expect_free_name
from annotation.table_files import RowProblem
from annotation.task_templates import TaskTemplate


@dataclass(frozen=True, slots=True)
class CampaignCheck:
    """Every problem of an items file, and the numbers of the campaign that its good rows would make."""

    problems: list[RowProblem]
    numbers: dict[str, Any]


def check_campaign(
    config: CampaignConfig, template: TaskTemplate, items: Path, on_problem: Callable[[RowProblem], None]
) -> CampaignCheck:
    """Read all of `items`; `on_problem` hears of each problem as it is found."""
    expect_free_name(config.name)
    seen = ItemsCheck(template)
    problems = []
    for found in tqdm(check_items(items, seen), "check", unit="row", disable=None, leave=False):
        if isinstance(found, RowProblem):
            problems.append(found)
            on_problem(found)
    return CampaignCheck(problems, _count(config, template, seen, problems))


def _count(
    config: CampaignConfig, template: TaskTemplate, seen: ItemsCheck, problems: list[RowProblem]
) -> dict[str, Any]:
    wanted = seen.good * config.raters_per_hit
    return {
        "campaign": config.name,
        "rows_good": seen.good,
        "rows_bad": len({problem.place for problem in problems}),
        "items": seen.items,
        "hits": seen.good,
        "assignments_wanted": wanted,
        "expected_cost_usd": f"{wanted * config.reward:.2f}",
        "expected_hours": round(wanted * template.estimated_seconds / 3600, 2),
    }
