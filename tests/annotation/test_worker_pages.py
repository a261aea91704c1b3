"""A worker's way through the pages, and what the pages must never show or allow."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from annotation.campaigns import close
from annotation.crowd_client import Page, read_page
from annotation.models import Assignment, Campaign, Judgment, Participation, Worker
from tests.annotation.conftest import SYSTEMS

MakeCampaign = Callable[..., Campaign]


def arrive(campaign: Campaign, handle: str = "ada", **options: bool) -> Client:
    """A browser whose worker has agreed to take part."""
    browser = Client(**options)  # type: ignore[arg-type]
    browser.get(f"/c/{campaign.name}/", {"worker": handle})
    browser.post(f"/c/{campaign.name}/join/", {"consent": "on"})
    return browser


def accept(browser: Client, campaign: Campaign) -> str:
    response = browser.post(f"/c/{campaign.name}/accept/")
    assert response.status_code == 303
    return response.headers["Location"]


def open_page(browser: Client, path: str) -> Page:
    response = browser.get(path)
    assert response.status_code == 200
    return read_page(response.content.decode())


def test_a_worker_walks_from_landing_to_finish(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=2)
    browser = Client()
    assert "I agree to take part" in browser.get(f"/c/{campaign.name}/?worker=ada").content.decode()
    joined = browser.post(f"/c/{campaign.name}/join/", {"consent": "on"})
    assert (joined.status_code, joined.headers["Location"]) == (303, f"/c/{campaign.name}/instructions/")
    assert "Worked examples" in browser.get(joined.headers["Location"]).content.decode()
    path = accept(browser, campaign)
    for done in range(2):
        page = open_page(browser, path)
        assert page.data["done"] == str(done)
        sent = browser.post(page.actions[0], {"preference": "left", "active_seconds": "0"})
        assert sent.status_code == 303
        path = sent.headers["Location"]
    assert path == f"/c/{campaign.name}/finish/"
    assert "$0.50" in browser.get(path).content.decode()  # two HITs at $0.25
    assert Judgment.objects.count() == 2
    assert Worker.objects.get().handle == "ada"


def test_nothing_begins_without_consent(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    browser = Client()
    refused = browser.post(f"/c/{campaign.name}/join/", {})
    assert refused.status_code == 422
    assert "tick the box" in refused.content.decode()
    assert browser.post(f"/c/{campaign.name}/accept/").headers["Location"] == f"/c/{campaign.name}/"
    assert not Worker.objects.exists()
    assert not Participation.objects.exists()
    assert not Assignment.objects.exists()


def test_a_choice_is_stored_as_a_or_b_whichever_side_it_was_on(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=12, raters_per_hit=1)
    browser = arrive(campaign)
    path = accept(browser, campaign)
    lefts = set()
    while "finish" not in path:
        page = open_page(browser, path)
        assignment = Assignment.objects.get(state="accepted")
        first, second = assignment.hit.completion_a.text, assignment.hit.completion_b.text  # type: ignore[union-attr]
        shown = (page.texts["left"], page.texts["right"])
        assert shown == ((first, second) if assignment.left == "a" else (second, first))
        side = "left" if page.texts["left"] == first else "right"  # always vote for a
        path = browser.post(page.actions[0], {"preference": side}).headers["Location"]
        lefts.add(assignment.left)
    assert set(Judgment.objects.values_list("choice", flat=True)) == {"a"}
    assert lefts == {"a", "b"}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("pairwise", {"allow_tie": True, "allow_both_bad": True, "strength_points": 3}),
        ("likert", {}),
        ("ranking", {"allow_tie": True}),
        ("best_worst", {}),
    ],
)
def test_no_page_of_a_worker_names_a_system(make_campaign: MakeCampaign, kind: str, options: dict[str, object]) -> None:
    campaign = make_campaign(kind=kind, ask_comment=True, **options)
    browser = arrive(campaign)
    path = accept(browser, campaign)
    pages = [path, *(f"/c/{campaign.name}/{page}" for page in ("", "instructions/", "finish/")), "/"]
    for address in pages:
        response = browser.get(address)
        seen = response.content.decode() + str(response.headers) + address + str(browser.cookies)
        names = (*SYSTEMS, "nlpo", "secret", "pair-", "bundle-", "item-", "completion_a", "system")
        assert not any(name in seen for name in names)


def test_texts_are_escaped_and_arrive_unchanged(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=1)
    browser = arrive(campaign)
    path = accept(browser, campaign)
    assert "<b>in</b>" not in browser.get(path).content.decode()
    page = open_page(browser, path)
    assert {page.texts["left"], page.texts["right"]} == {
        "A dog 0 runs <b>in</b> the park.",
        "A park 0 runs & in the dog.",
    }


def test_an_unanswered_question_is_pointed_out_and_the_rest_is_kept(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(kind="likert")
    browser = arrive(campaign)
    page = open_page(browser, accept(browser, campaign))
    response = browser.post(page.actions[0], {"quality": "4"})
    body = response.content.decode()
    assert response.status_code == 422
    assert 'name="quality" value="4" required checked' in body
    assert 'id="error-fluency"' in body and 'id="error-quality"' not in body
    assert not Judgment.objects.exists()


@pytest.mark.parametrize("answer", ["6", "0", "good", ""])
def test_a_value_outside_the_scale_is_not_stored(make_campaign: MakeCampaign, answer: str) -> None:
    campaign = make_campaign(kind="likert")
    browser = arrive(campaign)
    page = open_page(browser, accept(browser, campaign))
    assert browser.post(page.actions[0], {"quality": answer, "fluency": "3"}).status_code == 422
    assert not Judgment.objects.exists()


@pytest.mark.parametrize(("allowed", "status"), [(True, 303), (False, 422)])
def test_a_tie_is_taken_only_where_the_campaign_allows_it(
    make_campaign: MakeCampaign, allowed: bool, status: int
) -> None:
    campaign = make_campaign(allow_tie=allowed)
    browser = arrive(campaign)
    page = open_page(browser, accept(browser, campaign))
    assert ("tie" in page.radios["preference"]) is allowed
    assert browser.post(page.actions[0], {"preference": "tie"}).status_code == status


def test_no_radio_is_chosen_for_the_worker(make_campaign: MakeCampaign) -> None:
    for kind in ("pairwise", "likert", "ranking", "best_worst"):
        campaign = make_campaign(kind=kind)
        browser = arrive(campaign)
        assert " checked" not in browser.get(accept(browser, campaign)).content.decode()


def test_a_double_click_stores_one_judgment_and_leads_to_the_same_page(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    browser = arrive(campaign)
    page = open_page(browser, accept(browser, campaign))
    first, second = (browser.post(page.actions[0], {"preference": choice}) for choice in ("left", "right"))
    assert first.headers["Location"] == second.headers["Location"]
    assert Judgment.objects.count() == 1


def test_a_closed_tab_resumes_with_the_same_hit(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    assert accept(arrive(campaign), campaign) == accept(arrive(campaign), campaign)
    assert Worker.objects.count() == 1


def test_skip_leads_on_and_stop_leads_to_the_finish_page(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    browser = arrive(campaign)
    first = accept(browser, campaign)
    second = browser.post(f"{first}skip/", {"skip": "1"}).headers["Location"]
    assert second not in (first, f"/c/{campaign.name}/finish/")
    assert browser.post(f"{second}skip/", {"stop": "1"}).headers["Location"] == f"/c/{campaign.name}/finish/"
    assert set(Assignment.objects.values_list("state", flat=True)) == {"returned"}


def test_another_workers_assignment_is_out_of_reach(make_campaign: MakeCampaign) -> None:
    campaign, other = make_campaign(), make_campaign(name="other")
    path = accept(arrive(campaign, "ada"), campaign)
    bea = arrive(campaign, "bea")
    elsewhere = path.replace(campaign.name, other.name)
    for address in (path, elsewhere):
        assert bea.get(address).status_code == 404
        assert bea.post(f"{address}submit/", {"preference": "left"}).status_code == 404
        assert bea.post(f"{address}skip/").status_code == 404
    assert arrive(other, "ada").get(elsewhere).status_code == 404
    assert Assignment.objects.get().state == "accepted"


@pytest.mark.parametrize("token", ["no-such-token", "%00", "a%00b", "é", "%FF", "x" * 3000])
def test_an_address_that_nobody_was_given_is_not_found(make_campaign: MakeCampaign, token: str) -> None:
    campaign = make_campaign()
    browser = arrive(campaign)
    assert browser.get(f"/c/{campaign.name}/work/{token}/").status_code == 404
    assert browser.post(f"/c/{campaign.name}/work/{token}/submit/").status_code == 404


def test_a_form_from_another_site_is_refused(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    path = accept(arrive(campaign), campaign)
    strict = Client(enforce_csrf_checks=True)
    strict.get(f"/c/{campaign.name}/?worker=ada")
    posts = [f"/c/{campaign.name}/join/", f"/c/{campaign.name}/accept/", f"{path}submit/", f"{path}skip/"]
    for address in (*posts, "/requester/login/", "/requester/logout/"):
        assert strict.post(address, {"consent": "on", "preference": "left"}).status_code == 403
    assert not Judgment.objects.exists()


def test_a_get_changes_nothing(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    browser = arrive(campaign)
    path = accept(browser, campaign)
    for address in (f"/c/{campaign.name}/join/", f"/c/{campaign.name}/accept/", f"{path}submit/", f"{path}skip/"):
        assert browser.get(address).status_code == 405
    assert Assignment.objects.get().state == "accepted"


def test_drafts_are_hidden_and_closed_studies_say_so(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    close(campaign)
    assert "This study is closed" in Client().get(f"/c/{campaign.name}/").content.decode()
    Campaign.objects.update(state="draft")
    assert Client().get(f"/c/{campaign.name}/").status_code == 404
    assert campaign.name not in Client().get("/").content.decode()


@pytest.mark.parametrize("handle", ["x" * 101, "a\x00b", "a\nb"])
def test_a_handle_that_is_none_is_refused(make_campaign: MakeCampaign, handle: str) -> None:
    assert Client().get(f"/c/{make_campaign().name}/", {"worker": handle}).status_code == 404


@pytest.mark.parametrize("seconds", ["", "nan", "inf", "-3", "soon", "9" * 400])
def test_a_strange_duration_never_costs_a_judgment(make_campaign: MakeCampaign, seconds: str) -> None:
    campaign = make_campaign()
    browser = arrive(campaign)
    page = open_page(browser, accept(browser, campaign))
    assert browser.post(page.actions[0], {"preference": "left", "active_seconds": seconds}).status_code == 303
    stored = Assignment.objects.get(state="submitted").active_seconds
    assert stored is not None and 0 <= stored < 60


@pytest.fixture
def counted_queries(django_assert_max_num_queries: Callable[..., object]) -> Iterator[Callable[..., object]]:
    yield django_assert_max_num_queries


def test_a_cycle_takes_few_statements(make_campaign: MakeCampaign, counted_queries: Callable[..., object]) -> None:
    campaign = make_campaign(hits=5)
    browser = arrive(campaign)
    path = accept(browser, campaign)
    with counted_queries(3):  # type: ignore[attr-defined]
        page = open_page(browser, path)
    with counted_queries(9):  # type: ignore[attr-defined]  # two of them are a savepoint of the test's transaction
        browser.post(page.actions[0], {"preference": "left"})
