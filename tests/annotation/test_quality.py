"""Agreement and workers on the requester's page: the report's numbers, who sees them, how fresh they are."""

import io
import json
import random
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from analysis.agreement import krippendorff_alpha
from analysis.management.commands.analyze_judgments import to_table
from analysis.worker_tables import measure_raters, measure_voters, prepare_ratings
from annotation import quality
from annotation.assignments import Answer, claim, submit
from annotation.models import Assignment, Campaign, Judgment, Worker
from annotation.pseudonyms import pseudonym
from annotation.quality import measure_quality, recent_quality
from annotation.record_readers import read_comparisons, read_ratings
from annotation.requesters import issue_ticket
from tests.annotation.conftest import run_python

MakeCampaign = Callable[..., Campaign]
HANDLES = ("ada", "bea", "cleo", "dora")


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


def answer_of(campaign: Campaign, generator: random.Random) -> list[Answer]:
    if campaign.kind == "likert":
        return [Answer(question, value=generator.randint(1, 5)) for question in ("quality", "fluency")]
    if campaign.kind == "pairwise":
        return [Answer("preference", choice=generator.choice(["a", "b"]))]
    letters = generator.sample("abcd", 4)
    groups = [
        letters[0],
        *(["=".join(sorted(letters[1:3]))] if campaign.kind == "best_worst" else letters[1:3]),
        letters[3],
    ]
    return [Answer(campaign.template["questions"][0]["name"], ranking=">".join(groups))]


def judge_all(campaign: Campaign, handles: tuple[str, ...] = HANDLES, seed: int = 0) -> None:
    """Every worker takes HITs until there is none, at random answers, in 20 seconds each."""
    generator = random.Random(seed)
    for handle in handles:
        worker, _ = Worker.objects.get_or_create(handle=handle)
        while (assignment := claim(campaign, worker)) is not None:
            submit(assignment, answer_of(campaign, generator))
    Assignment.objects.filter(campaign=campaign).update(active_seconds=20.0)


def read_export(campaign: Campaign, folder: Path) -> pd.DataFrame:
    call_command("export_judgments", campaign.name, output=folder)
    read = read_ratings if campaign.kind == "likert" else read_comparisons
    table = to_table(read(folder))  # type: ignore[arg-type]
    return table[(table["kind"] == "work") & (table["excluded"] == "")]


def test_ratings_give_the_numbers_of_the_report(make_campaign: MakeCampaign, tmp_path: Path) -> None:
    campaign = make_campaign(hits=8, kind="likert", raters_per_hit=3)
    judge_all(campaign)
    found = measure_quality(campaign)
    table = read_export(campaign, tmp_path / "export")
    for agreement in found.agreements:
        rated = table[table["question"] == agreement.question]
        alpha = krippendorff_alpha(rated, unit="hit", rater="worker", value="value", level="ordinal")
        assert (agreement.alpha, agreement.units) == (pytest.approx(alpha.estimate), alpha.units_used)
    assert {agreement.question for agreement in found.agreements} == {"quality", "fluency"}
    output = io.StringIO()
    call_command("campaign_status", campaign.name, json=True, stdout=output)
    status = json.loads(output.getvalue())["agreement"]
    assert status == {entry.question: {"level": "ordinal", "alpha": entry.alpha} for entry in found.agreements}
    measures = measure_raters(prepare_ratings(table))
    expected = {
        name: {value.worker: value.estimate for value in measures[name].values} for name in ("severity", "agreement")
    }
    assert {row.worker: row.severity for row in found.workers} == pytest.approx(expected["severity"])
    assert {row.worker: row.agreement for row in found.workers} == pytest.approx(expected["agreement"])
    assert {row.seconds for row in found.workers} == {20.0}
    assert found.judgments == len(table)


@pytest.mark.parametrize("kind", ["pairwise", "ranking", "best_worst"])
def test_choices_and_rankings_give_the_numbers_of_the_report(
    make_campaign: MakeCampaign, tmp_path: Path, kind: str
) -> None:
    campaign = make_campaign(hits=8, kind=kind, raters_per_hit=3)
    judge_all(campaign)
    found = measure_quality(campaign)
    table = read_export(campaign, tmp_path / "export")
    alpha = krippendorff_alpha(table, unit="pair", rater="worker", value="choice", level="nominal")
    (agreement,) = found.agreements
    assert (agreement.alpha, agreement.units) == (pytest.approx(alpha.estimate), alpha.units_used)
    measures = measure_voters(table)
    lefts = {value.worker: value.estimate for value in measures["left_share"].values}
    assert {row.worker: row.left_share for row in found.workers} == pytest.approx(lefts)
    agreements = {value.worker: value.estimate for value in measures["agreement"].values}
    assert {row.worker: row.agreement for row in found.workers} == pytest.approx(agreements, nan_ok=True)


def test_excluded_work_does_not_count(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=6, kind="pairwise", raters_per_hit=3)
    judge_all(campaign)
    everybody = measure_quality(campaign)
    bad = Worker.objects.get(handle="bea")
    call_command("exclude_judgments", campaign.name, worker=pseudonym(bad), reason="too fast")
    rest = measure_quality(campaign)
    assert everybody.worker_count - 1 == rest.worker_count
    assert pseudonym(bad) not in {row.worker for row in rest.workers}


def requester() -> Client:
    browser = Client()
    browser.get(f"/requester/enter/{issue_ticket('rosa')}/")
    return browser


def test_the_page_shows_pseudonyms_and_hints_to_requesters_alone(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=40, kind="pairwise", raters_per_hit=3)
    judge_all(campaign)
    address = f"/requester/c/{campaign.name}/quality/"
    one_sided = Worker.objects.get(handle="cleo")
    others = Judgment.objects.filter(assignment__worker=one_sided).values_list("assignment_id", "choice")
    for pk, choice in others:  # what was shown left is what they chose
        Assignment.objects.filter(pk=pk).update(left=choice)
    page = requester().get(address).content.decode()
    assert pseudonym(one_sided) in page and "cleo" not in page
    assert page.count("Hint: favours a side.") == 1
    assert page.index(pseudonym(one_sided)) < page.index(pseudonym(Worker.objects.get(handle="ada")))
    assert "Krippendorff" in page and "no verdict" in page
    assert Client().get(address).status_code == 302
    campaign_page = requester().get(f"/requester/c/{campaign.name}/").content.decode()
    assert address in campaign_page


@pytest.mark.parametrize("kind", ["likert", "pairwise", "ranking"])
def test_a_campaign_without_judgments_or_agreement_has_a_page(make_campaign: MakeCampaign, kind: str) -> None:
    campaign = make_campaign(hits=2, kind=kind)
    browser, address = requester(), f"/requester/c/{campaign.name}/quality/"
    assert "No counted judgment yet" in browser.get(address).content.decode()
    judge_all(campaign, handles=("ada",))
    cache.clear()
    page = browser.get(address).content.decode()
    assert "is not defined: no unit has two ratings" in page


def test_numbers_are_measured_anew_when_something_has_come_and_some_time_has_gone(
    make_campaign: MakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = make_campaign(hits=4, kind="pairwise", raters_per_hit=4)
    judge_all(campaign, handles=("ada", "bea"))
    first = recent_quality(campaign)
    assert recent_quality(campaign).measured_at == first.measured_at
    judge_all(campaign, handles=("cleo",))
    assert recent_quality(campaign).judgments == first.judgments  # too soon
    now = first.measured_at + timedelta(seconds=quality.FRESH_SECONDS + 1)
    monkeypatch.setattr(quality.timezone, "now", lambda: now)
    second = recent_quality(campaign)
    assert second.judgments == first.judgments + 4
    now += timedelta(days=1)
    assert recent_quality(campaign).measured_at == second.measured_at  # nothing has come


def test_no_other_page_loads_what_only_this_one_needs(tmp_path: Path) -> None:
    script = (
        "import django, sys; django.setup(); import annotation.urls, annotation.wsgi;"
        "print({'pandas', 'scipy', 'matplotlib', 'torch'} & set(sys.modules))"
    )
    assert run_python(tmp_path / "none.sqlite3", "-c", script).strip() == "set()"
    assert "pandas" in sys.modules  # the page itself does
