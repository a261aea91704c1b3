"""A worker's own history and pay: all of it, in words, and nobody else's."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from annotation import assignments
from annotation.assignments import Answer
from annotation.campaigns import close
from annotation.models import Assignment, Campaign, Worker
from tests.annotation.conftest import SYSTEMS
from tests.annotation.test_worker_pages import MakeCampaign, accept, arrive, open_page


def judge(browser: Client, campaign: Campaign, *answers: dict[str, str]) -> None:
    path = accept(browser, campaign)
    for answer in answers:
        path = browser.post(f"{path}submit/", {"active_seconds": "7", **answer}).headers["Location"]


def read(browser: Client, campaign: Campaign, query: str = "") -> str:
    response = browser.get(f"/c/{campaign.name}/history/{query}")
    assert response.status_code == 200
    return response.content.decode()


def test_a_worker_reads_what_they_chose_as_it_stood_on_their_page(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=8, allow_tie=True, allow_both_bad=True)
    browser = arrive(campaign)
    chosen = ["left"] * 4 + ["right"] * 2 + ["tie", "both_bad"]
    judge(browser, campaign, *({"preference": choice} for choice in chosen))
    assert set(Assignment.objects.values_list("left", flat=True)) == {"a", "b"}
    body = read(browser, campaign)
    words = ("A is better", "B is better", "Both are equally good", "Both are bad")
    assert [body.count(f"</small> {word}<") for word in words] == [4, 2, 1, 1]
    assert "$2.00" in body  # eight HITs at $0.25


def test_a_rating_is_told_by_its_label(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=1, kind="likert", reward_per_hit=0.0)
    browser = arrive(campaign)
    judge(browser, campaign, {"quality": "2", "fluency": "5"})
    body = read(browser, campaign)
    assert "2 · Bad" in body and "5 · Perfect" in body and "dog 0, run" in body
    assert "$" not in body  # voluntary work has no pay to show


def test_a_strength_follows_the_side(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=1, strength_points=2)
    browser = arrive(campaign)
    judge(browser, campaign, {"preference": "right", "preference-strength": "2"})
    assert "B is better · Clearly" in read(browser, campaign)


def test_a_ranking_is_told_by_the_names_that_the_page_gave(make_campaign: MakeCampaign) -> None:
    """Whatever the letters of the items file: A stood first on this worker's page."""
    campaign = make_campaign(hits=1, kind="ranking")
    browser = arrive(campaign)
    judge(browser, campaign, {"order-1": "2", "order-2": "3", "order-3": "4", "order-4": "1"})
    assert "D, A, B, C" in read(browser, campaign)


def test_of_a_best_worst_answer_both_ends_are_told(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=1, kind="best_worst")
    browser = arrive(campaign)
    judge(browser, campaign, {"extremes-best": "2", "extremes-worst": "1"})
    assert "Best: B. Worst: A." in read(browser, campaign)


def test_nobody_reads_what_others_did_nor_which_system_wrote_it(make_campaign: MakeCampaign) -> None:
    campaign, other = make_campaign(hits=2), make_campaign(hits=1, name="other")
    ada, bea = arrive(campaign, "ada"), arrive(campaign, "bea")
    judge(ada, campaign, {"preference": "left"}, {"preference": "left"})
    judge(bea, campaign, {"preference": "right"})
    assert (read(ada, campaign).count("A is better"), read(ada, campaign).count("B is better")) == (2, 0)
    assert (read(bea, campaign).count("A is better"), read(bea, campaign).count("B is better")) == (0, 1)
    for body in (read(ada, campaign), ada.get("/me/").content.decode()):
        assert not any(name in body for name in (*SYSTEMS, "pair-", "item-", "bea"))
    assert ada.get(f"/c/{other.name}/history/").headers["Location"] == f"/c/{other.name}/"
    assert Client().get(f"/c/{campaign.name}/history/").headers["Location"] == f"/c/{campaign.name}/"
    assert campaign.name not in Client().get("/me/").content.decode()


def test_late_work_is_shown_as_paid_and_rejected_work_with_its_reason(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=3, raters_per_hit=1)
    browser = arrive(campaign)
    ada, late = Worker.objects.get(), timezone.now() - timedelta(days=1)
    overdue = assignments.claim(campaign, ada, now=late)
    bea = Worker.objects.create(handle="bea")
    replaced = assignments.claim(campaign, bea)
    assert overdue and replaced and overdue.hit_id == replaced.hit_id
    assignments.submit(replaced, [Answer("preference", choice="a")])
    assignments.submit(overdue, [Answer("preference", choice="a")])
    judge(browser, campaign, {"preference": "left"}, {"preference": "right"})
    rejected = Assignment.objects.filter(worker=ada).exclude(kind="surplus").first()
    assert rejected is not None
    Assignment.objects.filter(pk=rejected.pk).update(state="rejected", slot=None, excluded="the same answer throughout")
    body = read(browser, campaign)
    assert body.count("came late, paid") == 1 and body.count(">counted<") == 1
    assert body.count("rejected<small> the same answer throughout</small>") == 1
    assert body.count('class="number">$0.25<') == 2 and body.count('class="number">$0.00<') == 1
    assert '<dd class="strong">$0.50</dd>' in body


def test_a_reason_for_leaving_counted_work_out_stays_with_the_requester(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    browser = arrive(campaign)
    judge(browser, campaign, {"preference": "left"})
    Assignment.objects.filter(state="submitted").update(excluded="failed an attention check")
    assert "attention check" not in read(browser, campaign)


def test_a_long_history_comes_in_pages_of_fifty(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=51)
    browser = arrive(campaign)
    judge(browser, campaign, *[{"preference": "left"}] * 51)
    first, second = read(browser, campaign), read(browser, campaign, "?page=2")
    assert first.count("</time>") == 50 and "Page 1 of 2" in first and 'rel="next"' in first
    assert second.count("</time>") == 1 and 'rel="prev"' in second and 'rel="next"' not in second
    assert read(browser, campaign, "?page=99").count("</time>") == 1
    assert read(browser, campaign, "?page=x").count("</time>") == 50


def test_the_number_of_statements_does_not_grow_with_the_history(
    make_campaign: MakeCampaign, django_assert_max_num_queries: object
) -> None:
    campaign = make_campaign(hits=12)
    browser = arrive(campaign)
    judge(browser, campaign, *[{"preference": "left"}] * 12)
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        read(browser, campaign)


def test_all_campaigns_of_a_worker_are_on_one_page(make_campaign: MakeCampaign) -> None:
    first, second = make_campaign(hits=2), make_campaign(hits=3, kind="likert", reward_per_hit=0.1)
    arrive(first, "bea")
    browser = arrive(first)
    judge(browser, first, {"preference": "left"}, {"preference": "left"})
    browser.post(f"/c/{second.name}/join/", {"consent": "on"})
    judge(browser, second, *[{"quality": "3", "fluency": "3"}] * 3)
    close(first)
    body = browser.get("/me/").content.decode()
    assert "$0.50" in body and "$0.30" in body and "$0.80" in body
    assert f"/c/{first.name}/history/" in body and f"/c/{second.name}/history/" in body
    assert body.count("· closed") == 1


@pytest.mark.parametrize("page", ["", "finish/"])
def test_ones_own_work_is_linked_from_where_one_comes_by(make_campaign: MakeCampaign, page: str) -> None:
    campaign = make_campaign()
    browser = arrive(campaign)
    link = f'href="/c/{campaign.name}/history/"'
    assert link in browser.get(f"/c/{campaign.name}/{page}").content.decode()
    assert link in browser.get(accept(browser, campaign)).content.decode()
    assert open_page(browser, f"/c/{campaign.name}/history/")
