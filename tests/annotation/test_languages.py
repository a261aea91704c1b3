"""Workers' pages in several languages: who reads which, and that every catalogue is whole."""

import re
from html.parser import HTMLParser
from pathlib import Path

import polib
import pytest
from django.test import Client
from django.urls import reverse

from annotation.management.translations import LOCALES, find_messages, update_catalogues
from annotation.requesters import issue_ticket
from annotation.task_templates import template_of
from tests.annotation.test_worker_pages import MakeCampaign, accept, arrive, open_page

CATALOGUES = sorted(LOCALES.glob("*/LC_MESSAGES/django.po"))
PLACEHOLDER = re.compile(r"%\(\w+\)s")
CONSENT = {"en": "I agree to take part", "ko": "참여에 동의합니다"}


def language_of(response: object) -> str:
    found = re.search(r'<html lang="(\w+)">', response.content.decode())  # type: ignore[attr-defined]
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("accepted", "expected"), [("ko-KR,ko;q=0.9,en;q=0.8", "ko"), ("fr", "en"), ("", "en"), ("en;q=0.1,ko;q=0.9", "ko")]
)
def test_a_page_speaks_the_browsers_language(make_campaign: MakeCampaign, accepted: str, expected: str) -> None:
    response = Client(HTTP_ACCEPT_LANGUAGE=accepted).get(f"/c/{make_campaign().name}/")
    assert language_of(response) == expected
    assert CONSENT[expected] in response.content.decode()


def test_the_switch_in_the_footer_outranks_the_browser_and_comes_back_to_the_page(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    browser = arrive(campaign, HTTP_ACCEPT_LANGUAGE="en")  # type: ignore[arg-type]
    path = accept(browser, campaign)
    # Also where the page came by a POST, whose address cannot be opened.
    refused = browser.post(f"{path}submit/", {})
    assert refused.status_code == 422
    target = re.search(r'name="next" value="([^"]+)"', refused.content.decode())
    assert target and target[1] == path
    switched = browser.post("/language/", {"language": "ko", "next": target[1]})
    assert switched.headers["Location"] == path
    assert language_of(browser.get(path)) == "ko"
    browser.post("/language/", {"language": "en", "next": path})
    assert language_of(browser.get(path)) == "en"


def test_the_switch_leads_to_no_other_site(db: None) -> None:
    for elsewhere in ("https://example.org/", "//example.org/"):
        response = Client().post("/language/", {"language": "ko", "next": elsewhere})
        assert "example.org" not in response.headers["Location"]


def test_workers_of_two_languages_each_read_the_guide_in_their_own(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    for _ in range(2):  # the second time from the cache
        for language, words in (("en", "Worked examples"), ("ko", "풀이 예시")):
            browser = arrive(campaign, language, HTTP_ACCEPT_LANGUAGE=language)  # type: ignore[arg-type]
            assert words in browser.get(accept(browser, campaign)).content.decode()


def test_what_the_campaign_says_is_marked_with_its_own_language(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(language="ko", title="문장 고르기")
    body = Client(HTTP_ACCEPT_LANGUAGE="en").get(f"/c/{campaign.name}/").content.decode()
    assert '<html lang="en">' in body and '<h1 lang="ko">문장 고르기</h1>' in body
    browser = arrive(campaign, HTTP_ACCEPT_LANGUAGE="en")  # type: ignore[arg-type]
    body = browser.get(accept(browser, campaign)).content.decode()
    assert '<html lang="en">' in body and '<legend lang="ko">' in body and '<ol class="guide" lang="ko">' in body


class LanguageReader(HTMLParser):
    """Which language each text of a page is marked with. Void elements have no end and no language."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.languages: dict[str, str | None] = {}
        self._open: list[tuple[str, str | None]] = [("", None)]
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("img", "input", "link", "meta"):
            self._open.append((tag, dict(attrs).get("lang", self._open[-1][1])))

    def handle_endtag(self, tag: str) -> None:
        if self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self.languages[data.strip()] = self._open[-1][1]


@pytest.mark.parametrize(
    ("kind", "ours", "texts"),
    [
        ("likert", "Send and go on", ["dog 0, run", "A dog 0 runs."]),
        ("pairwise", "A is better", ["dog 0, park, run", "조금 더", "A park 0 runs & in the dog."]),
        ("ranking", "1st", ["dog 0, run", "A dog 0 runs in the park."]),
        ("best_worst", "Worst", ["dog 0, run", "A dog 0 runs in the park."]),
    ],
)
def test_every_text_of_the_campaign_on_a_hits_page_is_in_its_language_and_ours_in_the_pages(
    make_campaign: MakeCampaign, kind: str, ours: str, texts: list[str]
) -> None:
    settings = {"strength_points": 2} if kind == "pairwise" else {}
    campaign = make_campaign(hits=1, kind=kind, language="ko", **settings)
    browser = arrive(campaign, HTTP_ACCEPT_LANGUAGE="en")  # type: ignore[arg-type]
    languages = LanguageReader(browser.get(accept(browser, campaign)).content.decode()).languages
    template = template_of(campaign.template)
    asked = [text for question in template.questions for text in (question.text, question.help, *question.labels)]
    for text in (template.title, template.prompt_label, *asked, *texts):
        assert (text, languages[text]) == (text, "ko")
    for text in (ours, "Skip this one", "Instructions and examples"):
        assert languages[text] == "en"


def test_answers_are_the_same_whatever_language_the_page_spoke(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=1, kind="likert")
    browser = arrive(campaign, HTTP_ACCEPT_LANGUAGE="ko")  # type: ignore[arg-type]
    page = open_page(browser, accept(browser, campaign))
    assert page.radios == {"quality": list("12345"), "fluency": list("12345")}
    assert browser.post(page.actions[0], {"quality": "4", "fluency": "3"}).status_code == 303
    assert "4 · Good" in browser.get(f"/c/{campaign.name}/history/").content.decode()


def test_requesters_read_english(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    browser = Client(HTTP_ACCEPT_LANGUAGE="ko")
    assert language_of(browser.get("/requester/login/")) == "ko"
    browser.get(f"/requester/enter/{issue_ticket('rosa')}/")
    for page in (reverse("dashboard"), reverse("campaign", args=[campaign.name]), "/admin/"):
        body = browser.get(page).content.decode()
        assert '<html lang="en' in body
        assert not re.search("[가-힣]", body.partition("<main")[0])


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_a_catalogue_translates_every_marked_string(path: Path) -> None:
    entries = {entry.msgid: entry for entry in polib.pofile(str(path))}
    messages = find_messages()
    assert len(messages) > 100  # or the marks are no longer found
    assert [text for text in messages if text not in entries] == [], "manage.py update_translations adds them"
    for text, message in messages.items():
        entry = entries[text]
        forms = list(entry.msgstr_plural.values()) if message.plural else [entry.msgstr]
        assert not entry.fuzzy and all(forms), text
        offered = set(PLACEHOLDER.findall(message.text + message.plural))
        assert all(set(PLACEHOLDER.findall(form)) <= offered for form in forms), text
        assert message.plural or set(PLACEHOLDER.findall(forms[0])) == offered, text


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_a_compiled_catalogue_is_what_its_source_compiles_to(path: Path) -> None:
    assert path.with_suffix(".mo").read_bytes() == polib.pofile(str(path)).to_binary()


def test_every_language_that_is_offered_has_a_catalogue(settings: object) -> None:
    offered = {code for code, _ in settings.LANGUAGES}  # type: ignore[attr-defined]
    assert offered - {"en"} == {path.parts[-3] for path in CATALOGUES}


def test_marks_are_found_in_templates_and_modules(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        "{% load i18n %}{% if x %}<p title='{% translate \"One\" %}'>{% blocktranslate count n=n trimmed %}\n"
        "  {{ n }} cat\n{% plural %}\n  {{ n }} cats\n{% endblocktranslate %}</p>{% endif %}"
    )
    (tmp_path / "module.py").write_text("words = gettext('Two'), ngettext_lazy('a cow', 'cows', 3), other('Three')\n")
    found = find_messages(tmp_path)
    assert {text: message.plural for text, message in found.items()} == {
        "One": "",
        "%(n)s cat": "%(n)s cats",
        "Two": "",
        "a cow": "cows",
    }
    assert found["One"].files == ["page.html"]


def test_an_update_keeps_translations_adds_what_is_new_and_drops_what_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "ko" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    catalogue = polib.pofile(str(CATALOGUES[0]))
    kept = catalogue[0].msgid, catalogue[0].msgstr
    del catalogue[1]
    catalogue.append(polib.POEntry(msgid="gone since", msgstr="옛말"))
    catalogue.save(str(path))
    (change,) = update_catalogues(tmp_path)
    assert (change.added, change.removed >= 1, change.untranslated) == (1, True, 1)
    entries = {entry.msgid: entry.msgstr for entry in polib.pofile(str(path))}
    assert entries[kept[0]] == kept[1]
    assert "gone since" not in entries and entries.keys() == find_messages().keys()
    assert path.with_suffix(".mo").read_bytes() == polib.pofile(str(path)).to_binary()
