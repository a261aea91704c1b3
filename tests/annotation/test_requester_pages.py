"""Requester pages: who gets in, and what they see."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from annotation.errors import InputError
from annotation.models import Campaign
from annotation.requesters import create_requester, issue_ticket

MakeCampaign = Callable[..., Campaign]


def test_strangers_and_workers_are_sent_to_the_login(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    User.objects.create_user("someone", password="no staff at all")
    nobody, someone = Client(), Client()
    someone.login(username="someone", password="no staff at all")
    for browser in (nobody, someone):
        for address in ("/requester/", f"/requester/c/{campaign.name}/"):
            assert browser.get(address).headers["Location"].startswith("/requester/login/")


def test_a_requester_signs_in_with_the_printed_password(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    password = create_requester("rosa")
    browser = Client()
    assert browser.post("/requester/login/", {"username": "rosa", "password": "wrong"}).status_code == 200
    assert browser.post("/requester/login/", {"username": "rosa", "password": password}).status_code == 302
    assert campaign.name in browser.get("/requester/").content.decode()
    assert "0 <small>of 3</small>" in browser.get(f"/requester/c/{campaign.name}/").content.decode()
    with pytest.raises(InputError, match="'rosa' exists already"):
        create_requester("rosa")


def test_the_link_that_serve_prints_signs_in_and_a_forged_one_does_not(db: None) -> None:
    browser = Client()
    assert browser.get("/requester/enter/forged:ticket/").status_code == 404
    assert browser.get(f"/requester/enter/{issue_ticket('rosa')}/").status_code == 302
    assert browser.get("/requester/").status_code == 200
    assert not User.objects.get().has_usable_password()


def test_the_admin_shows_and_changes_nothing(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    browser = Client()
    browser.get(f"/requester/enter/{issue_ticket('rosa')}/")
    assert browser.get("/admin/annotation/campaign/").status_code == 200
    assert browser.get(f"/admin/annotation/campaign/{campaign.pk}/change/").status_code == 200
    assert browser.post(f"/admin/annotation/campaign/{campaign.pk}/delete/", {"post": "yes"}).status_code == 403


def test_every_page_carries_a_content_security_policy(db: None) -> None:
    policy = Client().get("/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "unsafe-inline" not in policy
