"""Rankings and best-worst: items files, pages that work without JavaScript, and what is stored."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from annotation.models import HIT, Assignment, Campaign, Judgment, SetMember
from tests.annotation.test_commands import Create, create, fails_with, nothing_is_stored
from tests.annotation.test_worker_pages import accept, arrive, open_page

__all__ = ["create"]  # a fixture
MakeCampaign = Callable[..., Campaign]
CONFIG = "name: pilot\ntask: generic-ranking\n"
BEST_WORST = "name: pilot\ntask: generic-best-worst\n"
ROW = {
    "item": "i1", "set": "s1", "prompt": "Say hello.", "completions": ["Hello.", "Hi", ""], "systems": ["s", "t", "u"],
}  # fmt: skip


def begin(campaign: Campaign) -> tuple[Client, str, Assignment]:
    """A browser, where its form goes, and the assignment behind it."""
    browser = arrive(campaign)
    page = open_page(browser, accept(browser, campaign))
    return browser, page.actions[0], Assignment.objects.get()


def test_a_row_becomes_a_hit_with_its_completions_under_letters(create: Create) -> None:
    create([ROW, ROW | {"set": "s2", "completions": ["Hello.", "Hello.", "Bye."]}], CONFIG)
    hits = HIT.objects.order_by("set")
    assert [hit.set for hit in hits] == ["s1", "s2"]
    members = SetMember.objects.filter(hit=hits[0]).values_list(
        "letter", "completion__text", "completion__system__name"
    )
    assert list(members) == [("a", "Hello.", "s"), ("b", "Hi", "t"), ("c", "", "u")]
    assert hits[0].members.first().completion_id == hits[1].members.first().completion_id, "stored once"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rows", "config", "message"),
    [
        ([{**ROW, "completions": "Hello."}], CONFIG, "line 1: completions: expected a list of texts, found 'Hello.'"),
        ([{**ROW, "systems": None}], CONFIG, "line 1: systems: expected a list of texts, found nothing"),
        ([{**ROW, "completions": ["x"], "systems": ["s"]}], CONFIG, "line 1: completions: expected 2 to 6, found 1"),
        ([{**ROW, "completions": list("abcdefg")}], CONFIG, "line 1: completions: expected 2 to 6, found 7"),
        ([{**ROW, "completions": ["x", "y"]}], BEST_WORST, "line 1: completions: expected 3 to 6, found 2"),
        ([{**ROW, "systems": ["s", "t"]}], CONFIG, "systems: expected one for each of the 3 completions, found 2"),
        ([{**ROW, "systems": ["s", " ", "u"]}], CONFIG, "line 1: systems: expected text, found only blanks"),
        ([{**ROW, "systems": ["s", "t", "u" * 201]}], CONFIG, "systems: expected at most 200 characters, found 201"),
        ([{**ROW, "completions": ["x", "a\0b", "y"]}], CONFIG, "line 1: completions: holds a NUL"),
        (
            [{**ROW, "completions": ["x", "x", "y"], "systems": ["s", "s", "t"]}],
            CONFIG,
            "line 1: completions: the same text by the same system twice",
        ),
        ([ROW, ROW], CONFIG, "line 2: set: the same as on line 1"),
        ([{**ROW, "set": "s" * 201}], CONFIG, "line 1: set: expected at most 200 characters, found 201"),
        ([{**ROW, "set": " "}], CONFIG, "line 1: set: expected text, found only blanks"),
    ],
)
def test_it_names_line_field_and_reason_of_a_bad_set(
    create: Create, rows: list[Any], config: str, message: str
) -> None:
    fails_with(lambda: create(rows, config), message)
    assert nothing_is_stored()


def test_csv_holds_the_lists_as_json(create: Create) -> None:
    cells = [json.dumps(ROW[key]).replace('"', '""') for key in ("completions", "systems")]
    header, line = "item,set,prompt,completions,systems", f'i1,s1,Say hello.,"{cells[0]}","{cells[1]}"'
    create([header, line], CONFIG, suffix=".csv")
    assert list(SetMember.objects.values_list("completion__text", flat=True)) == ROW["completions"]
    Campaign.objects.all().delete()
    broken = "i1,s1,Say hello.,Hello. Hi,[1]"
    fails_with(
        lambda: create([header, broken], CONFIG, suffix=".csv"),
        r"line 2: completions: expected a list of texts, found 'Hello. Hi'; .*line 2: systems: .* found \[1\]",
    )


def test_the_page_shows_all_texts_in_the_recorded_order_and_stores_letters(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=1, kind="ranking")
    browser = arrive(campaign)
    page = open_page(browser, accept(browser, campaign))
    assignment = Assignment.objects.get()
    by_letter = {member.letter: member.completion.text for member in assignment.hit.members.all()}
    texts = [page.texts[f"completion-{number}"] for number in range(1, 5)]
    assert texts == [by_letter[letter] for letter in assignment.shown]
    places = {f"order-{assignment.shown.index(letter) + 1}": place for place, letter in enumerate("cabd", start=1)}
    assert browser.post(page.actions[0], places).status_code == 303
    assert [(j.question, j.ranking, j.choice, j.value) for j in Judgment.objects.all()] == [
        ("order", "c>a>b>d", "", None)
    ]


@pytest.mark.parametrize(("allowed", "status"), [(True, 303), (False, 422)])
def test_a_place_is_shared_only_where_the_campaign_allows_it(
    make_campaign: MakeCampaign, allowed: bool, status: int
) -> None:
    campaign = make_campaign(hits=1, kind="ranking", allow_tie=allowed)
    browser, action, assignment = begin(campaign)
    response = browser.post(action, {"order-1": "2", "order-2": "1", "order-3": "2", "order-4": "4"})
    assert response.status_code == status
    if allowed:
        first, second, third, fourth = assignment.shown
        tied = "=".join(sorted((first, third)))
        assert Judgment.objects.get().ranking == f"{second}>{tied}>{fourth}"
    else:
        body = response.content.decode()
        assert body.count("Another text has this place too. Each place can be given once.") == 2
        assert 'id="error-1"' in body and 'id="error-3"' in body and 'id="error-2"' not in body
        assert 'name="order-4" value="4" required checked' in body
        assert not Judgment.objects.exists()


@pytest.mark.parametrize("places", [{}, {"order-1": "1", "order-2": "2", "order-3": "3"}, {"order-1": "5"}])
def test_every_text_of_a_ranking_needs_a_place(make_campaign: MakeCampaign, places: dict[str, str]) -> None:
    browser, action, _ = begin(make_campaign(hits=1, kind="ranking"))
    response = browser.post(action, places)
    assert response.status_code == 422
    assert 'id="error-4">Please choose its place.' in response.content.decode()
    assert not Judgment.objects.exists()


def test_the_best_and_the_worst_are_stored_with_the_rest_between(make_campaign: MakeCampaign) -> None:
    browser, action, assignment = begin(make_campaign(hits=1, kind="best_worst"))
    assert browser.post(action, {"extremes-best": "2", "extremes-worst": "4"}).status_code == 303
    best, worst = assignment.shown[1], assignment.shown[3]
    between = "=".join(sorted(set("abcd") - {best, worst}))
    assert Judgment.objects.get().ranking == f"{best}>{between}>{worst}"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"extremes-best": "2"}, "Please choose the worst one."),
        ({"extremes-worst": "2"}, "Please choose the best one."),
        ({"extremes-best": "2", "extremes-worst": "2"}, "The same text cannot be both the best and the worst."),
        ({"extremes-best": "5", "extremes-worst": "1"}, "5 is not one of the available choices"),
    ],
)
def test_best_and_worst_are_two_texts_of_the_set(
    make_campaign: MakeCampaign, answers: dict[str, str], message: str
) -> None:
    browser, action, _ = begin(make_campaign(hits=1, kind="best_worst"))
    response = browser.post(action, answers)
    assert response.status_code == 422
    assert message in response.content.decode()
    assert not Judgment.objects.exists()


def test_each_example_begins_with_a(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=1, kind="ranking")
    body = arrive(campaign).get(f"/c/{campaign.name}/instructions/").content.decode()
    sides = [part[0] for part in body.split('<b class="side">')[1:]]
    assert sides == ["A", "B", "C", "A", "B"]


def test_the_database_keeps_each_kind_to_its_own_columns(make_campaign: MakeCampaign) -> None:
    begin(make_campaign(hits=1, kind="ranking"))
    assignment, pair = Assignment.objects.get(), make_campaign(hits=1).hits.get()
    ranked, letters = assignment.hit, SetMember.objects.filter(hit=assignment.hit)
    completion = letters[0].completion

    def refused(action: Callable[[], object]) -> bool:
        try:
            with transaction.atomic():
                action()
        except IntegrityError:
            return True
        return False

    def judge(**answer: object) -> Callable[[], object]:
        return lambda: Judgment.objects.create(assignment=assignment, question="order", **answer)

    assert refused(lambda: HIT.objects.filter(pk=ranked.pk).update(completion_a=completion)), "a set has no sides"
    assert refused(lambda: HIT.objects.filter(pk=pair.pk).update(set="s")), "a pair is no set"
    assert refused(lambda: HIT.objects.filter(pk=pair.pk).update(pair="")), "a pair has a name"
    assert refused(lambda: letters.filter(letter="a").update(letter="b")), "a letter names one completion"
    assert refused(lambda: letters.filter(letter="a").update(letter="g")), "letters are a to f"
    assert refused(lambda: letters.filter(letter="b").update(completion=completion)), "a completion has one letter"
    assert refused(lambda: Assignment.objects.update(left="a")), "a set is shown in an order, not left and right"
    answers: list[dict[str, object]] = [
        {}, {"ranking": "a>b", "choice": "a"}, {"ranking": "a>b", "value": 1}, {"ranking": "a>b", "strength": 1},
        {"choice": "tie", "strength": 1}, {"choice": "a", "strength": 0}, {"value": 1, "strength": 1},
    ]  # fmt: skip
    assert [answer for answer in answers if not refused(judge(**answer))] == []
    judge(ranking="a>b>c>d")()
