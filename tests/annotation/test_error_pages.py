"""Pages for what went wrong: in the look of the others, in the reader's language, with a way back."""

import pytest
from django.test import Client

from annotation.models import Campaign
from tests.annotation.test_worker_pages import MakeCampaign, accept, arrive

WORDS = {
    400: ("Not understood", "요청을 이해하지 못했습니다"),
    403: ("Not sent", "전송되지 않았습니다"),
    404: ("Not here", "찾을 수 없습니다"),
    500: ("That is our fault", "저희 쪽 문제입니다"),
}


def go_wrong(campaign: Campaign, status: int, language: str) -> str:
    """The page for `status`, met as a worker would meet it."""
    browser = Client(raise_request_exception=False, enforce_csrf_checks=status == 403, HTTP_ACCEPT_LANGUAGE=language)
    if status == 400:
        response = browser.post(f"/c/{campaign.name}/join/", {f"field{n}": "" for n in range(2000)})
    elif status == 403:
        response = browser.post(f"/c/{campaign.name}/join/", {"consent": "on"})
    elif status == 404:
        response = browser.get("/c/nothing/")
    else:
        Campaign.objects.update(template={"kind": "unheard of"})  # as after a broken restore
        response = browser.get(f"/c/{campaign.name}/")
    assert response.status_code == status
    assert "Content-Security-Policy" in response.headers
    return response.content.decode()


@pytest.mark.parametrize("status", WORDS)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_went_wrong_is_said_with_a_way_back(make_campaign: MakeCampaign, status: int, language: str) -> None:
    body = go_wrong(make_campaign(), status, language)
    assert f"<h1>{WORDS[status][language == 'ko']}</h1>" in body
    assert f'<html lang="{language}">' in body
    assert "annotation/prefloop.css" in body
    main = body.partition("<main")[2]
    assert 'href="/"' in main and 'href="/me/"' in main


def test_a_failure_tells_nothing_of_the_inside(make_campaign: MakeCampaign) -> None:
    body = go_wrong(make_campaign(), 500, "en")
    assert not any(word in body for word in ("Traceback", "template", "InputError", "unheard of"))


def test_a_form_that_was_refused_can_be_sent_again(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    path = accept(arrive(campaign), campaign)
    browser = Client(enforce_csrf_checks=True)
    body = browser.post(f"{path}submit/", {"preference": "left"}).content.decode()
    assert "nothing was stored" in body and "send again" in body
