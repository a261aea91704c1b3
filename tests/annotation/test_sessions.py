"""Cookies: what a browser may do with them, and when they end."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from annotation.models import Campaign
from annotation.requesters import create_requester, issue_ticket

MakeCampaign = Callable[..., Campaign]
WORKER_SECONDS, REQUESTER_SECONDS = 14 * 24 * 3600, 12 * 3600


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let so many seconds pass for signatures and sessions."""

    def pass_time(seconds: float) -> None:
        import time

        real_time, real_now = time.time, timezone.now
        monkeypatch.setattr(time, "time", lambda: real_time() + seconds)
        monkeypatch.setattr(timezone, "now", lambda: real_now() + timedelta(seconds=seconds))

    return pass_time


def sign_in(way: str) -> Client:
    browser = Client()
    if way == "link":
        browser.get(f"/requester/enter/{issue_ticket('rosa')}/")
    else:
        address = {"password": "/requester/login/", "admin": "/admin/login/"}[way]
        sent = browser.post(address, {"username": "rosa", "password": create_requester("rosa")})
        assert sent.status_code == 302
    return browser


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(make_campaign: MakeCampaign) -> None:
    browser = Client()
    browser.get(f"/c/{make_campaign().name}/?worker=ada")
    for name in ("sessionid", "csrftoken"):
        cookie = browser.cookies[name]
        assert cookie["httponly"] and cookie["samesite"] == "Lax"


@pytest.mark.parametrize("way", ["password", "admin", "link"])
def test_a_requester_is_signed_in_for_a_working_day_even_with_a_copied_cookie(
    db: None, way: str, later: Callable[[float], None], settings: Any
) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    browser = sign_in(way)
    assert 0 < int(browser.cookies["sessionid"]["max-age"]) <= REQUESTER_SECONDS
    copy = Client()
    copy.cookies["sessionid"] = browser.cookies["sessionid"].value
    assert copy.get("/requester/").status_code == 200
    later(REQUESTER_SECONDS + 1)
    assert copy.get("/requester/").status_code == 302


def test_a_workers_cookie_lasts_for_two_weeks(make_campaign: MakeCampaign, later: Callable[[float], None]) -> None:
    campaign, browser = make_campaign(), Client()
    browser.post(f"/c/{campaign.name}/join/", {"consent": "on"})
    copy: Any = Client()
    copy.cookies["sessionid"] = browser.cookies["sessionid"].value
    later(WORKER_SECONDS - 60)
    assert copy.get(f"/c/{campaign.name}/finish/").status_code == 200
    later(120)
    assert copy.get(f"/c/{campaign.name}/finish/").status_code == 303


def test_a_cookie_that_was_changed_is_nobodys(make_campaign: MakeCampaign) -> None:
    campaign, browser = make_campaign(), Client()
    browser.post(f"/c/{campaign.name}/join/", {"consent": "on"})
    browser.cookies["sessionid"] = "A" + browser.cookies["sessionid"].value
    assert browser.get(f"/c/{campaign.name}/finish/").status_code == 303


def test_who_loses_the_staff_flag_is_out_at_once(db: None) -> None:
    browser = sign_in("link")
    User.objects.update(is_staff=False)
    assert browser.get("/requester/").status_code == 302
