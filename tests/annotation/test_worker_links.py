"""Signed links: who they let in, who they do not, and that nobody becomes a worker who came by one."""

import csv
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core import signing
from django.core.management import CommandError, call_command
from django.test import Client

from annotation.invitations import SALT, link_path
from annotation.models import Assignment, Campaign, Participation, Worker

MakeCampaign = Callable[..., Campaign]
REFUSED = "This link does not let you in"


@pytest.fixture
def campaign(make_campaign: MakeCampaign) -> Campaign:
    """By link."""
    return make_campaign(access="link")


def join(browser: Client, campaign: Campaign) -> Any:
    return browser.post(f"/c/{campaign.name}/join/", {"consent": "on"})


def arrive(campaign: Campaign, handle: str = "ada") -> Client:
    browser = Client()
    browser.get(link_path(campaign.name, handle, days=1))
    assert join(browser, campaign).status_code == 303
    return browser


def anonymous(response: Any) -> str:
    """The page without what differs by request alone: its token, and its own address in the choice of a language."""
    return re.sub(r'name="(csrfmiddlewaretoken|next)" value="[^"]*"', "", response.content.decode())


def is_refused(response: Any) -> bool:
    return response.status_code == 403 and REFUSED in response.content.decode()


def test_a_link_lets_its_worker_in_and_does_not_stay_in_the_address(campaign: Campaign) -> None:
    browser = Client()
    entered = browser.get(link_path(campaign.name, "ada", days=1))
    assert (entered.status_code, entered.headers["Location"]) == (303, f"/c/{campaign.name}/")
    assert "I agree to take part" in browser.get(entered.headers["Location"]).content.decode()
    assert not Worker.objects.exists(), "nobody is stored before they agree"
    assert join(browser, campaign).status_code == 303
    assert Worker.objects.values_list("handle", "source").get() == ("ada", "signed")


def test_without_a_link_nobody_comes_in_by_any_door(campaign: Campaign) -> None:
    browser = Client()
    assert is_refused(browser.get(f"/c/{campaign.name}/"))
    assert is_refused(browser.get(f"/c/{campaign.name}/?worker=ada"))
    assert is_refused(join(browser, campaign))
    assert browser.post(f"/c/{campaign.name}/accept/").headers["Location"] == f"/c/{campaign.name}/"
    assert not Worker.objects.exists()
    assert campaign.name not in Client().get("/").content.decode(), "the front page does not show it"


def ticket_of(*content: object, **options: Any) -> str:
    return signing.dumps(list(content), **{"salt": SALT, **options})


@pytest.mark.parametrize("kind", ["tampered", "for another", "expired", "other campaign", "other salt", "no ticket"])
def test_a_link_that_we_did_not_sign_for_this_campaign_and_day_is_refused(campaign: Campaign, kind: str) -> None:
    soon = int(time.time()) + 3600
    good = ticket_of(campaign.name, "ada", "signed", soon)
    body, signature = good.split(":", 1)
    other_body = ticket_of(campaign.name, "bea", "signed", soon).split(":", 1)[0]
    ticket = {
        "tampered": f"{body}x:{signature}",
        "for another": f"{other_body}:{signature}",
        "expired": ticket_of(campaign.name, "ada", "signed", soon - 3601),
        "other campaign": ticket_of("elsewhere", "ada", "signed", soon),
        "other salt": ticket_of(campaign.name, "ada", "signed", soon, salt="annotation.requester-ticket"),
        "no ticket": "anything",
    }[kind]
    browser = Client()
    response = browser.get(f"/c/{campaign.name}/enter/{ticket}/")
    assert is_refused(response)
    assert "ada" not in response.content.decode()
    assert is_refused(join(browser, campaign))
    nothing = Client().get("/c/no-such-study/enter/anything/")
    assert anonymous(nothing) == anonymous(response), "the page says no more than it would of nothing at all"


def test_a_link_that_has_run_out_ends_what_it_let_in_only_before_joining(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined, waiting = arrive(campaign, "ada"), Client()
    waiting.get(link_path(campaign.name, "bea", days=1))
    later = time.time() + 2 * 86_400
    monkeypatch.setattr(time, "time", lambda: later)
    assert is_refused(join(waiting, campaign))
    assert joined.post(f"/c/{campaign.name}/accept/").headers["Location"].startswith(f"/c/{campaign.name}/work/")


def test_nobody_becomes_a_worker_by_writing_their_handle_into_an_address(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()  # open to all: there the handle in the address is believed
    ada = arrive(campaign, "ada")
    lease = ada.post(f"/c/{campaign.name}/accept/").headers["Location"]
    impostor = Client()
    impostor.get(f"/c/{campaign.name}/", {"worker": "ada"})
    assert join(impostor, campaign).status_code == 303
    assert impostor.get(lease).status_code == 404
    assert impostor.post(f"/c/{campaign.name}/accept/").headers["Location"] != lease
    assert set(Worker.objects.values_list("handle", "source")) == {("ada", "signed"), ("ada", "link")}
    assert Participation.objects.count() == 2


def test_a_link_leads_back_to_the_same_hit_in_another_browser(campaign: Campaign) -> None:
    first, second = (arrive(campaign).post(f"/c/{campaign.name}/accept/") for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert Assignment.objects.count() == Worker.objects.count() == 1


def test_a_link_to_one_campaign_does_not_open_another(campaign: Campaign, make_campaign: MakeCampaign) -> None:
    other = make_campaign(name="other", access="link")
    browser = arrive(campaign)
    assert is_refused(browser.get(f"/c/{other.name}/"))
    assert is_refused(join(browser, other))
    browser.get(link_path(other.name, "ada", days=1))
    assert join(browser, other).status_code == 303
    assert browser.get(f"/c/{campaign.name}/finish/").status_code == 200, "the same worker stays in the first"
    assert Worker.objects.count() == 1


def test_nobody_passes_for_a_simulated_worker(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    assert is_refused(Client().get(f"/c/{campaign.name}/?worker=simulated-0-0001&source=simulation"))


def make_links(*arguments: object, **options: object) -> None:
    call_command("worker_links", *arguments, **options)


def test_the_command_makes_a_link_for_each_handle_of_a_file(campaign: Campaign, tmp_path: Path) -> None:
    handles, output = tmp_path / "handles.txt", tmp_path / "links.csv"
    handles.write_text("ada\n\n  bea, with a comma \n", encoding="utf-8")
    make_links(campaign.name, handles=handles, url="https://study.example", output=output)
    with output.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["handle"] for row in rows] == ["ada", "bea, with a comma"]
    assert output.stat().st_mode & 0o077 == 0, "whoever can read a link can be its worker"
    for row in rows:
        browser = Client()
        origin, path = row["link"].split("/c/")
        assert origin == "https://study.example"
        browser.get(f"/c/{path}")
        assert join(browser, campaign).status_code == 303
    assert set(Worker.objects.values_list("handle", flat=True)) == {"ada", "bea, with a comma"}


def test_the_command_makes_new_handles_and_prints_them(campaign: Campaign, capsys: pytest.CaptureFixture[str]) -> None:
    make_links(campaign.name, count=3)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "handle,link,until"
    assert len({line.split(",")[0] for line in printed[1:4]}) == 3
    assert f"/c/{campaign.name}/enter/" in printed[1]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("ada\nbea\nada\n", {}, "line 3: handle 'ada' stands on line 1 already"),
        ("ada\n" + "x" * 101, {}, "line 2: expected at most 100 printable characters"),
        ("\n\n", {}, "expected 1 to 100000 handles, one a line, found 0"),
        (b"\xff\xfe", {}, "is not UTF-8 text"),
        (None, {}, "cannot be read"),
        ("ada", {"days": 0.0}, "--days: expected more than 0"),
        ("ada", {"days": 1e9}, "--days: expected more than 0"),
        ("ada", {"url": "study.example"}, "--url 'study.example': expected an address"),
    ],
)
def test_the_command_says_what_cannot_be_used_and_writes_nothing(
    campaign: Campaign, tmp_path: Path, content: str | bytes | None, options: dict[str, object], message: str
) -> None:
    handles, output = tmp_path / "handles.txt", tmp_path / "links.csv"
    if content is not None:
        handles.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CommandError, match=message) as caught:
        make_links(campaign.name, handles=handles, output=output, **options)
    assert caught.value.returncode == 2
    assert not output.exists()


def test_the_command_never_writes_over_a_file(campaign: Campaign, tmp_path: Path) -> None:
    output = tmp_path / "links.csv"
    output.write_text("links that were sent already")
    with pytest.raises(CommandError, match="exists; name another --output"):
        make_links(campaign.name, count=1, output=output)
    assert output.read_text() == "links that were sent already"
    with pytest.raises(CommandError, match="--count: expected 1 to 100000, found 0"):
        make_links(campaign.name, count=0)
    with pytest.raises(CommandError, match="no campaign is called 'pilots'"):
        make_links("pilots", count=1)
