"""Who is asked to wait, for how long, and what becomes of what they sent."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from annotation.crowd_client import read_page
from annotation.errors import InputError
from annotation.invitations import link_path
from annotation.models import Campaign, Judgment
from annotation.rate_limits import DEFAULTS, client_address, read_limits
from annotation.requesters import issue_ticket
from annotation.shared_counters import COUNTERS, SharedCounters

MakeCampaign = Callable[..., Campaign]
LimitTo = Callable[[str], None]


@pytest.fixture
def limit_to(settings: Any, monkeypatch: pytest.MonkeyPatch) -> LimitTo:
    """Limits as PREFLOOP_RATE_LIMITS would set them, on counters that nobody has used."""
    fresh = SharedCounters()
    monkeypatch.setattr(COUNTERS, "_memory", fresh._memory)

    def set_limits(text: str) -> None:
        settings.RATE_LIMITS = read_limits(text)

    return set_limits


def arrive(campaign: Campaign, handle: str, address: str = "198.51.100.1") -> Client:
    browser = Client(REMOTE_ADDR=address)
    browser.get(f"/c/{campaign.name}/", {"worker": handle})
    assert browser.post(f"/c/{campaign.name}/join/", {"consent": "on"}).status_code == 303
    return browser


def accept(browser: Client, campaign: Campaign) -> Any:
    return browser.post(f"/c/{campaign.name}/accept/")


def test_a_worker_who_sends_too_fast_is_asked_to_wait_and_the_others_are_not(
    make_campaign: MakeCampaign, limit_to: LimitTo
) -> None:
    limit_to("send=3/100")
    campaign = make_campaign()
    ada, bea = arrive(campaign, "ada"), arrive(campaign, "bea")
    assert [accept(ada, campaign).status_code for _ in range(5)] == [303, 303, 303, 429, 429]
    assert accept(bea, campaign).status_code == 303


def test_what_was_sent_too_fast_stands_in_the_page_and_is_stored_when_sent_again(
    make_campaign: MakeCampaign, limit_to: LimitTo, settings: Any
) -> None:
    campaign = make_campaign(kind="likert")
    ada = arrive(campaign, "ada")
    lease = accept(ada, campaign).headers["Location"]
    limit_to("send=1/100")
    accept(ada, campaign)
    refused = ada.post(f"{lease}submit/", {"quality": "4", "fluency": "2", "active_seconds": "3.5"})
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert re.search(r"wait (\d+ seconds|about 2 minutes)", refused.content.decode())
    assert not Judgment.objects.exists()
    kept = read_page(refused.content.decode()).hidden
    assert {"quality": "4", "fluency": "2", "active_seconds": "3.5"}.items() <= kept.items()
    settings.RATE_LIMITS = {}  # the minute is over
    assert ada.post(f"{lease}submit/", kept).status_code == 303
    assert dict(Judgment.objects.values_list("question", "value")) == {"quality": 4, "fluency": 2}


def test_one_address_is_limited_however_many_workers_it_claims_to_be(
    make_campaign: MakeCampaign, limit_to: LimitTo
) -> None:
    limit_to("join=9/2")
    campaign = make_campaign()
    for handle in ("one", "two"):
        arrive(campaign, handle)
    third = Client(REMOTE_ADDR="198.51.100.1")
    assert third.post(f"/c/{campaign.name}/join/", {"consent": "on"}).status_code == 429
    arrive(campaign, "four", address="198.51.100.2")


@pytest.mark.parametrize("address", ["/requester/login/", "/admin/login/"])
def test_passwords_cannot_be_guessed_for_one_name_from_many_addresses(
    db: None, limit_to: LimitTo, settings: Any, address: str
) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    limit_to("login=2/30")

    def guess(name: str, number: int) -> Any:
        return Client(REMOTE_ADDR=f"198.51.100.{number}").post(address, {"username": name, "password": "guessed"})

    statuses = [guess(name, number).status_code for number, name in enumerate(("rosa", "Rosa ", "rosa"))]
    assert statuses == [200, 200, 429]
    refused = guess("rosa", 9).content.decode()
    assert "guessed" not in refused, "a password is not put into a page"
    assert guess("other", 10).status_code == 200


def test_a_new_password_is_not_put_into_the_page_that_asks_to_wait(db: None, limit_to: LimitTo) -> None:
    browser = Client()
    browser.get(f"/requester/enter/{issue_ticket('rosa')}/")
    limit_to("send=1/100")
    sent = [browser.post("/admin/password_change/", {"new_password1": "a-new-one"}) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [200, 429]
    assert "a-new-one" not in sent[1].content.decode()


def test_only_refused_links_are_counted_so_that_a_classroom_can_come_in(
    make_campaign: MakeCampaign, limit_to: LimitTo
) -> None:
    limit_to("enter=3/3")
    campaign = make_campaign(access="link")
    for number in range(6):
        assert Client().get(link_path(campaign.name, f"pupil-{number}", days=1)).status_code == 303
    guesses = [f"/c/{campaign.name}/enter/guess-{number}/" for number in range(2)] + ["/requester/enter/guess/"]
    assert [Client().get(guess).status_code for guess in guesses] == [403, 403, 404]
    assert Client().get("/requester/enter/another/").status_code == 429
    assert Client().get(link_path(campaign.name, "pupil-7", days=1)).status_code == 429


def test_simulated_workers_are_not_held_up(make_campaign: MakeCampaign, limit_to: LimitTo) -> None:
    limit_to("send=1/1,join=1/1")
    campaign = make_campaign()
    for number in range(3):
        browser = Client()
        browser.get(link_path(campaign.name, f"simulated-{number}", days=1, source="simulation"))
        assert browser.post(f"/c/{campaign.name}/join/", {"consent": "on"}).status_code == 303
        assert accept(browser, campaign).status_code == 303


def test_behind_a_proxy_the_address_is_the_one_that_the_proxy_wrote(
    make_campaign: MakeCampaign, limit_to: LimitTo, settings: Any
) -> None:
    campaign = make_campaign()

    def knock(forwarded_for: str) -> int:
        browser = Client(REMOTE_ADDR="127.0.0.1", headers={"X-Forwarded-For": forwarded_for})
        return browser.post(f"/c/{campaign.name}/join/", {"consent": "on"}).status_code

    limit_to("join=9/1")
    settings.TRUSTED_PROXIES = 1
    assert [knock("198.51.100.1"), knock("198.51.100.2")] == [303, 303]
    assert knock("203.0.113.9, 198.51.100.2") == 429, "what stands further left anybody can write"
    settings.TRUSTED_PROXIES = 0
    assert [knock("203.0.113.1"), knock("203.0.113.2")] == [303, 429], "without a proxy the header counts for nothing"


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "proxies", "expected"),
    [
        ("192.0.2.1", "", 0, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", 0, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", 1, "198.51.100.1"),
        ("192.0.2.1", "203.0.113.5, 198.51.100.1, 192.0.2.7", 2, "198.51.100.1"),
        ("192.0.2.1", "198.51.100.1", 2, "192.0.2.1"),
        ("192.0.2.1", "unknown", 1, "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "", 0, "2001:db8:1:2::/64"),
        ("", "", 0, ""),
    ],
)
def test_the_address_that_is_counted(peer: str, forwarded_for: str, proxies: int, expected: str) -> None:
    assert client_address(peer, forwarded_for, proxies) == expected


def test_limits_are_read_from_one_variable() -> None:
    assert read_limits("") == DEFAULTS
    assert read_limits(" off ") == {}
    changed = read_limits("send=240/4800, join=5/6")
    assert (changed["send"].per_person, changed["send"].per_address) == (240, 4800)
    assert changed["login"] == DEFAULTS["login"]
    for text, message in (
        ("post=1/2", "no door 'post'"),
        ("send=1", "found 'send=1'"),
        ("send=0/9", "found 'send=0/9'"),
    ):
        with pytest.raises(InputError, match=message):
            read_limits(text)


def test_a_person_who_judges_as_fast_as_a_hand_can_is_never_held_up() -> None:
    assert DEFAULTS["send"].per_person >= 60 * 1.5
    assert DEFAULTS["login"].per_person < DEFAULTS["join"].per_person < DEFAULTS["send"].per_person


def test_a_window_ends_and_the_count_begins_again() -> None:
    counters = SharedCounters()
    assert [counters.count("ada", 60, now=1000.0 + second).count for second in range(3)] == [1, 2, 3]
    assert counters.count("ada", 60, add=0, now=1003.0).seconds_left == 58
    assert counters.count("bea", 60, now=1003.0).count == 1
    assert counters.count("ada", 60, add=0, now=1060.0).count == 0


def test_a_count_is_never_too_low_and_seldom_too_high_among_many_keys() -> None:
    counters = SharedCounters()
    keys = [f"worker-{number}" for number in range(3000)]
    for key in keys:
        counters.count(key, 60, now=1000.0)
    counts = [counters.count(key, 60, add=0, now=1001.0).count for key in keys]
    assert min(counts) == 1
    assert sum(count > 1 for count in counts) < 90  # (3000 / 32768)² of them are expected: 25


def test_processes_that_are_forked_count_in_the_same_place() -> None:
    import os

    counters = SharedCounters()
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            for _ in range(500):
                counters.count("ada", 600, now=1000.0)
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    assert counters.count("ada", 600, add=0, now=1001.0).count == 1500
