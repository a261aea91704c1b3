"""Exclusions: what does not count stays where it is, and can be replaced by one other worker, never by two."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client

from annotation.assignments import Answer, claim, submit
from annotation.models import Assignment, Campaign, Judgment, Worker
from annotation.pseudonyms import pseudonym
from annotation.queries import count_earnings, measure_progress
from annotation.record_readers import read_comparisons, read_manifest, read_preferences
from annotation.requesters import issue_ticket

MakeCampaign = Callable[..., Campaign]


def judge(campaign: Campaign, worker: Worker, choice: str = "a") -> Assignment:
    """The worker's next HIT, submitted."""
    assignment = claim(campaign, worker)
    assert assignment is not None
    submit(assignment, [Answer("preference", choice=choice)])
    assignment.refresh_from_db()
    return assignment


def run(*arguments: str, **options: object) -> None:
    call_command("exclude_judgments", *arguments, **options)


def refuses(message: str, *arguments: str, **options: object) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        run(*arguments, **options)
    assert caught.value.returncode == 2


def test_excluded_work_is_kept_and_paid_and_does_not_vote(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, tmp_path: Path
) -> None:
    campaign = make_campaign(hits=2)
    for worker, choice in ((ada, "a"), (ada, "a"), (bea, "b"), (bea, "b")):
        judge(campaign, worker, choice)
    run(campaign.name, worker=pseudonym(ada), reason="too fast")
    assert Judgment.objects.count() == 4
    assert count_earnings(campaign, ada).hits == 2
    call_command("export_judgments", campaign.name, output=tmp_path / "export")
    excluded = {(c.worker, c.excluded) for c in read_comparisons(tmp_path / "export")}
    assert excluded == {(pseudonym(ada), "too fast"), (pseudonym(bea), "")}
    assert [(p.votes_a, p.votes_b) for p in read_preferences(tmp_path / "export")] == [(0, 1)] * 2
    exclusions = read_manifest(tmp_path / "export")["exclusions"]
    tokens = list(Assignment.objects.filter(worker=ada).order_by("hit__position").values_list("token", flat=True))
    assert [(row["assignment"], row["reason"], row["replaced"]) for row in exclusions] == [
        (token, "too fast", False) for token in tokens
    ]
    assert all(len(row["excluded_on"]) == len("2026-11-25") for row in exclusions)


def test_a_hit_is_not_handed_out_again_unless_it_is_asked_for(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    work = judge(campaign, ada)
    run(campaign.name, assignment=[work.token], reason="too fast")
    assert claim(campaign, bea) is None
    run(campaign.name, assignment=[work.token], reason="on second thoughts", reopen=True)
    assert claim(campaign, ada) is None, "a worker meets a HIT once, whatever became of it"
    judge(campaign, bea)
    work.refresh_from_db()
    assert (work.slot, work.excluded) == (None, "too fast")
    progress = measure_progress(campaign)
    assert (progress.percent, progress.assignments_submitted, progress.assignments_replaced) == (100.0, 2, 1)


def test_undo_makes_it_count_again(make_campaign: MakeCampaign, ada: Worker) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    before = judge(campaign, ada)
    run(campaign.name, worker=pseudonym(ada), reason="too fast", reopen=True)
    run(campaign.name, worker=pseudonym(ada), undo=True)
    after = Assignment.objects.get()
    assert (after.excluded, after.excluded_at, after.slot, after.kind) == ("", None, before.slot, "work")
    assert campaign.hits.get().free_slots == 0


def test_undo_after_another_took_the_place_leaves_surplus(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    work = judge(campaign, ada)
    run(campaign.name, assignment=[work.token], reason="too fast", reopen=True)
    judge(campaign, bea)
    run(campaign.name, assignment=[work.token], undo=True, json=True)
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "campaign": campaign.name, "readmitted": 1, "surplus": 1,
    }  # fmt: skip
    work.refresh_from_db()
    assert (work.kind, work.slot, work.excluded) == ("surplus", None, "")
    assert campaign.hits.get().free_slots == 0


def test_the_database_lets_no_work_that_counts_go_without_a_slot(make_campaign: MakeCampaign, ada: Worker) -> None:
    work = judge(make_campaign(hits=1), ada)
    with pytest.raises(IntegrityError), transaction.atomic():
        Assignment.objects.filter(pk=work.pk).update(slot=None)


def test_it_says_what_it_cannot_exclude(make_campaign: MakeCampaign, ada: Worker, bea: Worker) -> None:
    campaign = make_campaign(hits=2)
    work = judge(campaign, ada)
    held = claim(campaign, bea)
    assert held is not None
    name = campaign.name
    refuses("no campaign is called 'pilots'", "pilots", assignment=[work.token], reason="x")
    refuses(f"no submitted assignment '{held.token}'", name, assignment=[work.token, held.token], reason="x")
    refuses(f"no worker '{pseudonym(bea)}' has submitted work", name, worker=pseudonym(bea), reason="x")
    refuses("reason: expected 1 to 200 characters", name, assignment=[work.token], reason=" ")
    refuses("--reason is missing", name, assignment=[work.token])
    refuses("--undo takes neither", name, assignment=[work.token], undo=True, reason="x")
    assert not Assignment.objects.exclude(excluded="").exists()


def test_the_requester_sees_what_was_excluded_and_why(make_campaign: MakeCampaign, ada: Worker, bea: Worker) -> None:
    campaign = make_campaign(hits=2)
    for worker in (ada, ada, bea):
        judge(campaign, worker)
    browser = Client()
    browser.get(f"/requester/enter/{issue_ticket('rosa')}/")
    address = f"/requester/c/{campaign.name}/"
    assert "<h2>Excluded</h2>" not in browser.get(address).content.decode()
    run(campaign.name, worker=pseudonym(ada), reason="always <left>", reopen=True)
    page = browser.get(address).content.decode()
    row = page[page.index("<h2>Excluded</h2>") :].split("<tbody>")[1].split("</tbody>")[0]
    assert '<th scope="row">always &lt;left&gt;</th>' in row
    for label, number in (("Assignments", 2), ("Workers", 1), ("Opened again", 2)):
        assert f'<td data-label="{label}" class="number">{number}</td>' in row
