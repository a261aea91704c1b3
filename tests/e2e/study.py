"""Fills a database for the browser tests, in a process of its own on that database. Prints ways in, as JSON."""

import json
import sys
from collections.abc import Sequence
from datetime import timedelta

from django.core.management import call_command
from django.utils import timezone

from annotation import assignments, campaigns
from annotation.campaign_files import CampaignConfig, ItemRow, LikertRow
from annotation.exclusions import exclude
from annotation.invitations import link_path
from annotation.models import Assignment, Campaign, Worker
from annotation.requesters import issue_ticket
from annotation.task_templates import Qualification, QualifyingItem, QualifyingQuestion, load_template
from tests.annotation.conftest import ROWS, likert_rows, pairwise_rows
from tests.e2e.kinds import KINDS

LAYOUTS = {"article": "cnn-dm-likert", "dialogue": "dailydialog-likert", "table": "totto-likert"}
TEST = Qualification(
    items=(
        QualifyingItem(
            questions=(QualifyingQuestion("preference", ("a",)),),
            explanation="Parks do not run.",
            prompt="dog, park, run",
            completions=("A dog runs in the park.", "A park runs in the dog."),
        ),
        QualifyingItem(
            questions=(QualifyingQuestion("length", ("No",), "Is the longer one better?", ("Yes", "No")),),
            explanation="Length is no merit.",
        ),
    ),
    pass_mark=1.0,
    attempts=2,
)


def open_campaign(name: str, task: str, rows: Sequence[ItemRow], **settings: object) -> Campaign:
    config = CampaignConfig(name=name, task=task, **settings)  # type: ignore[arg-type]
    campaign = campaigns.create_campaign(config, load_template(task), rows)
    campaigns.publish(campaign)
    return campaign


def texts_of(task: str) -> list[ItemRow]:
    """The first worked example of the task; an article is made long."""
    example = load_template(task).examples[0]
    prompt = "\n\n".join([example.prompt] * 12) if task == LAYOUTS["article"] else example.prompt
    return [LikertRow("item", prompt, example.completions[0], "system")]


def review_work() -> None:
    """A campaign in which somebody judged with comments, and one answer was excluded."""
    rows = pairwise_rows(3)
    settings = {"allow_tie": True, "ask_comment": True, "reward_per_hit": 0.25, "raters_per_hit": 1}
    campaign = open_campaign("reviewed", "commongen-pairwise", rows, **settings)
    worker = Worker.objects.create(handle="bea", source=Worker.Source.SIMULATION)
    for comment in ("Both dogs run, but only one of them runs in a park.", ""):
        held = assignments.claim(campaign, worker, now=timezone.now() - timedelta(seconds=10))
        assert held is not None
        answers = [assignments.Answer("preference", choice="a")]
        assignments.submit_and_claim(held, worker, answers, active_seconds=7.5, comment=comment)
    done = Assignment.objects.filter(campaign=campaign, submitted_at__isnull=False).order_by("pk")
    exclude(done.filter(pk=done[0].pk), "answered before the text could be read", reopen=True)


def main() -> None:
    call_command("migrate", verbosity=0)
    for kind in KINDS:
        rows = ROWS[kind.rows](kind.hits_for_rows)
        open_campaign(kind.campaign, kind.task, rows, raters_per_hit=100, reward_per_hit=0.25, **kind.settings)
    for layout, task in LAYOUTS.items():
        open_campaign(layout, task, texts_of(task), raters_per_hit=100)
    open_campaign("tested", "commongen-pairwise", pairwise_rows(2), reward_per_hit=0.25, qualification=TEST)
    open_campaign("invited", "commongen-pairwise", pairwise_rows(2), access="link")
    campaigns.close(open_campaign("closed", "commongen-likert", likert_rows(1)))
    review_work()
    ways = {"worker": link_path("invited", "ada", days=1), "requester": f"/requester/enter/{issue_ticket('rosa')}/"}
    json.dump(ways, sys.stdout)
