"""Over every address that there is: nobody sees or changes what is not theirs, a GET changes nothing, a form from
elsewhere is refused, and every answer carries the headers that keep foreign scripts out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.core import signing
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.urls import path

from annotation import campaigns
from annotation.campaign_files import CampaignConfig, LikertRow
from annotation.invitations import SALT, link_path
from annotation.models import Campaign
from annotation.requesters import create_requester, issue_ticket
from annotation.task_templates import load_template
from annotation.urls import urlpatterns as real_urlpatterns
from tests.annotation.addresses import Address, every_address

# Whatever a form could be sent with.
FIELDS = {"consent": "on", "quality": "1", "fluency": "1", "preference": "left", "skip": "1", "username": "rosa"}
FIELDS |= {"password": "guessed", "next": "/admin/", "comment": "from a stranger"}
# What only Ada and her requester may see: her campaign's texts, title and pay; who wrote a text nobody else may.
SYSTEMS = ("system-of-pilot", "system-of-other")
SECRETS = (*SYSTEMS, "prompt-of-pilot", "completion-of-pilot", "reference-of-pilot", "title-of-pilot", "7.77", "ada-l")


@dataclass(frozen=True, slots=True)
class Study:
    """Two campaigns by link: Ada has judged one HIT of `pilot` and holds another, Bea holds one of `other`."""

    ada: Client
    bea: Client
    rosa: Client
    ada_submitted: str
    ada_held: str
    bea_held: str


def store_campaign(name: str) -> Campaign:
    config = CampaignConfig(
        name=name, task="commongen-likert", access="link", reward_per_hit=7.77, title=f"title-of-{name}"
    )
    rows = [
        LikertRow(
            f"{number}", f"prompt-of-{name}", f"completion-of-{name}", f"system-of-{name}", (f"reference-of-{name}",)
        )
        for number in range(3)
    ]
    campaign = campaigns.create_campaign(config, load_template(config.task), rows)
    campaigns.publish(campaign)
    return campaign


def arrive_by_link(campaign: str, handle: str, **options: bool) -> Client:
    browser = Client(**options)  # type: ignore[arg-type]
    browser.get(link_path(campaign, handle, days=1))
    browser.post(f"/c/{campaign}/join/", {"consent": "on"})
    return browser


def accept(browser: Client, campaign: str) -> str:
    """The token of the assignment."""
    return str(browser.post(f"/c/{campaign}/accept/").headers["Location"]).split("/")[4]


@pytest.fixture
def study(db: None, settings: Any) -> Study:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # every guess costs a hash
    for name in ("pilot", "other"):
        store_campaign(name)
    ada, bea = arrive_by_link("pilot", "ada-l"), arrive_by_link("other", "bea-l")
    submitted = accept(ada, "pilot")
    ada.post(f"/c/pilot/work/{submitted}/submit/", {"quality": "5", "fluency": "2"})
    rosa = Client()
    rosa.login(username="rosa", password=create_requester("rosa"))
    return Study(ada, bea, rosa, submitted, accept(ada, "pilot"), accept(bea, "other"))


def snapshot() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with connection.cursor() as cursor:
        tables = {}
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            tables[table] = sorted(cursor.fetchall(), key=repr)
    return tables


def nobody(study: Study) -> Client:
    return Client()


def bea(study: Study) -> Client:
    return study.bea


def someone_who_writes_adas_handle_into_the_address(study: Study) -> Client:
    browser = Client()
    browser.get("/c/pilot/", {"worker": "ada-l"})
    return browser


def a_user_who_is_no_requester(study: Study) -> Client:
    from django.contrib.auth.models import User

    User.objects.create_user("someone", password="no staff at all")
    browser = Client()
    assert browser.login(username="someone", password="no staff at all")
    return browser


def the_requester_who_is_no_worker(study: Study) -> Client:
    return study.rosa


def foreign_addresses(study: Study) -> list[Address]:
    """Addresses in which something is Ada's, or does not belong together; each once."""
    until = 2**40
    forged = signing.dumps(["pilot", "ada-l", "signed", until], key="a guess", salt=SALT)
    expired = signing.dumps(["pilot", "ada-l", "signed", 1], salt=SALT)
    beas = link_path("other", "bea-l", days=1).split("/")[4]
    found: dict[str, Address] = {}
    for campaign, token, ticket in (
        ("pilot", study.ada_held, forged),
        ("pilot", study.ada_submitted, expired),
        ("pilot", study.bea_held, beas),
        ("other", study.ada_held, forged),
        ("other", study.ada_submitted, forged),
    ):
        for address in every_address({"campaign_name": campaign, "token": token, "ticket": ticket}):
            # What a stranger may do in the other campaign without Ada's token is Bea's own affair.
            if campaign == "pilot" or token in address.path:
                found.setdefault(address.path, address)
    return list(found.values())


@pytest.mark.parametrize(
    "person",
    [
        nobody,
        bea,
        someone_who_writes_adas_handle_into_the_address,
        a_user_who_is_no_requester,
        the_requester_who_is_no_worker,
    ],
)
def test_nobody_sees_or_changes_what_is_not_theirs(study: Study, person: Callable[[Study], Client]) -> None:
    browser = person(study)
    before = snapshot()
    addresses = foreign_addresses(study)
    if browser is study.rosa:
        addresses = [address for address in addresses if address.path.startswith("/c/")]
    for address in addresses:
        for response in (browser.get(address.path), browser.post(address.path, FIELDS)):
            seen = response.content.decode() + str(response.headers)
            assert [secret for secret in SECRETS if secret in seen] == [], address
            assert response.status_code in (200, 302, 303, 400, 403, 404, 405, 422), address
            assert snapshot() == before, address
    assert len(addresses) > 10


def test_those_who_may_do_see_it(study: Study) -> None:
    """Or the test above would see nothing whatever the pages showed."""
    page = study.ada.get(f"/c/pilot/work/{study.ada_held}/").content.decode()
    assert all(text in page for text in ("prompt-of-pilot", "completion-of-pilot", "title-of-pilot"))
    assert "7.77" in study.ada.get("/c/pilot/finish/").content.decode()
    assert "7.77" in study.rosa.get("/requester/c/pilot/").content.decode()
    assert not any(system in page for system in SYSTEMS)


def addresses_of_ada(study: Study) -> list[Address]:
    ticket = link_path("pilot", "ada-l", days=1).split("/")[4]
    return every_address({"campaign_name": "pilot", "token": study.ada_held, "ticket": ticket})


def addresses_of_rosa(study: Study) -> list[Address]:
    arguments = {"campaign_name": "pilot", "token": study.ada_held, "ticket": issue_ticket("rosa")}
    return every_address(arguments)


def test_a_get_changes_nothing_in_the_database(study: Study) -> None:
    for browser, addresses in ((study.ada, addresses_of_ada(study)), (study.rosa, addresses_of_rosa(study))):
        before = snapshot()
        for address in addresses:
            browser.get(address.path)
            browser.head(address.path)
            assert snapshot() == before, address


def test_a_form_without_our_token_is_refused_at_every_address_with_a_page(study: Study) -> None:
    ada = arrive_by_link("pilot", "ada-l", enforce_csrf_checks=True)
    rosa = Client(enforce_csrf_checks=True)
    rosa.cookies = study.rosa.cookies
    before = snapshot()
    for browser, addresses in ((ada, addresses_of_ada(study)), (rosa, addresses_of_rosa(study))):
        for address in addresses:
            response = browser.post(address.path, FIELDS)
            assert response.status_code == 403, address
            assert "annotation/base.html" in [template.name for template in response.templates], address
    assert snapshot() == before


REQUIRED_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def assert_is_shielded(response: Any, where: object) -> None:
    policy = response.headers["Content-Security-Policy"]
    directives = dict(directive.split(maxsplit=1) for directive in policy.split("; "))
    assert directives["default-src"] == "'self'", where
    assert (directives["base-uri"], directives["frame-ancestors"]) == ("'none'", "'none'"), where
    assert directives["form-action"] == "'self'", where
    assert "unsafe" not in policy and "*" not in policy, where
    assert REQUIRED_HEADERS.items() <= dict(response.headers).items(), where
    assert "camera=()" in response.headers["Permissions-Policy"], where


def test_every_answer_carries_the_headers(study: Study) -> None:
    for browser, addresses in (
        (Client(), foreign_addresses(study)),
        (study.ada, addresses_of_ada(study)),
        (study.rosa, addresses_of_rosa(study)),
    ):
        for address in addresses:
            assert_is_shielded(browser.get(address.path), address)
            if not address.name.endswith("logout"):
                assert_is_shielded(browser.post(address.path, {"consent": ""}), address)


def break_down(request: HttpRequest) -> None:
    raise RuntimeError("a fault of ours")


urlpatterns = [*real_urlpatterns, path("broken/", break_down)]
handler400 = "annotation.views.refusals.bad_request"


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/static/annotation/prefloop.css", 200),
        ("/static/admin/css/base.css", 200),
        ("/static/nothing.css", 404),
        ("/nowhere/", 404),
        ("/broken/", 500),
    ],
)
def test_files_and_errors_carry_the_headers_too(address: str, status: int, settings: Any, db: None) -> None:
    settings.ROOT_URLCONF = __name__
    response = Client(raise_request_exception=False).get(address)
    assert response.status_code == status
    assert_is_shielded(response, address)


def test_a_request_for_another_host_is_refused_with_a_page(db: None) -> None:
    response = Client(headers={"host": "evil.example"}).get("/")
    assert response.status_code == 400
    assert "Not understood" in response.content.decode()
    assert_is_shielded(response, "/")


def test_a_page_holds_no_script_or_style_of_its_own(study: Study) -> None:
    ours = [address for address in (*addresses_of_ada(study), *addresses_of_rosa(study)) if not address.is_admin]
    for browser in (Client(), study.ada, study.rosa):
        for address in ours:
            if "logout" not in address.name and address.name != "enter":
                page = browser.get(address.path).content.decode().lower()
                assert " style=" not in page and "<style" not in page and " onclick=" not in page, address
                assert page.count("<script") == page.count("<script src="), address
