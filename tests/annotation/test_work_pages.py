"""Frames of workers' pages: filled in, they are the page as its template renders it, and hold nobody's data."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from django.utils.translation import get_language

from annotation.assignments import claim
from annotation.models import Campaign, Worker
from annotation.statements import find_page
from annotation.work_pages import MARKED, read_values, render_frame, render_page, render_work_page, study_of
from tests.annotation.conftest import TASKS
from tests.annotation.test_worker_pages import MakeCampaign, accept, arrive


def open_work(campaign: Campaign, worker: Worker, csrf_token: str = "csrf-of-this-browser") -> str:
    lease = claim(campaign, worker)
    assert lease is not None
    found = find_page(campaign.name, lease.token, worker.pk)
    assert found is not None
    return render_work_page(found, csrf_token, {}, {})


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("kind", TASKS)
def test_a_filled_frame_is_the_page_that_its_template_renders(
    make_campaign: MakeCampaign, ada: Worker, kind: str, language: str
) -> None:
    campaign = make_campaign(kind=kind, allow_tie=kind in ("pairwise", "ranking"), ask_comment=True)
    lease = claim(campaign, ada)
    assert lease is not None
    found = find_page(campaign.name, lease.token, ada.pk)
    assert found is not None
    study = study_of(campaign, found.template)
    values = read_values(found, study) | {"csrf_token": "csrf-of-this-browser"}
    assert values["prompt"] and lease.token == values["token"]
    with translation.override(language):
        whole = render_page(study, values, {}, {})
        frame = render_frame(study, sum(name.startswith("text_") for name in values), get_language())
        assert frame.fill(values) == whole
        assert all(value in whole for value in values.values())
    kept = "".join(frame.parts)
    assert set(frame.names) == set(values)
    assert not MARKED.search(whole)
    of_this_page = [value for name, value in values.items() if len(value) > 12 and name != "idle_seconds"]
    assert len(of_this_page) >= 4
    assert not any(value in kept for value in of_this_page)


def test_workers_who_fill_the_same_frame_get_their_own_values(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker
) -> None:
    campaign = make_campaign(hits=2, raters_per_hit=1)
    pages = {name: open_work(campaign, worker, f"csrf-of-{name}") for name, worker in (("ada", ada), ("bea", bea))}
    assert pages["ada"].count("csrf-of-ada") == pages["bea"].count("csrf-of-bea") == 3
    assert "csrf-of-ada" not in pages["bea"]
    prompts = {name: re.findall(r"dog \d, park, run", page) for name, page in pages.items()}
    assert len(prompts["ada"]) == len(prompts["bea"]) == 1 and prompts["ada"] != prompts["bea"]


def test_a_change_of_the_campaign_is_seen_on_the_next_page(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=2)
    browser = arrive(campaign)
    path = accept(browser, campaign)
    before = browser.get(path).content.decode()
    assert 'value="tie"' not in before and "earned" in before and 'name="comment"' not in before
    template = campaign.template | {"title": "Another title"}
    changed = {"allow_tie": True, "ask_comment": True, "reward_per_hit": 0, "template": template}
    Campaign.objects.filter(pk=campaign.pk).update(**changed)
    after = browser.get(path).content.decode()
    assert 'value="tie"' in after and "earned" not in after and 'name="comment"' in after and "Another title" in after


def test_a_text_that_looks_like_a_mark_stays_a_text(make_campaign: MakeCampaign, ada: Worker) -> None:
    campaign = make_campaign(hits=1)
    item = campaign.items.get()
    item.prompt = "mark-token-0123456789abcdef <b>"
    item.save()
    assert "mark-token-0123456789abcdef &lt;b&gt;" in open_work(campaign, ada)


def test_a_cycle_asks_the_database_six_times(make_campaign: MakeCampaign) -> None:
    """Each exchange costs about a tenth of a cycle, so one more should be worth it."""
    campaign = make_campaign(hits=3)
    browser = arrive(campaign)
    path = accept(browser, campaign)
    with CaptureQueriesContext(connection) as opened:
        browser.get(path)
    with CaptureQueriesContext(connection) as sent:
        assert browser.post(f"{path}submit/", {"preference": "left"}).status_code == 303
    asked = [query["sql"] for query in (*opened, *sent) if "SAVEPOINT" not in query["sql"]]
    assert len(asked) == 6, asked
