"""What a pairwise campaign may switch on: ties, "both bad", strength. From its YAML to the export."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from annotation.campaign_files import CampaignConfig
from annotation.campaigns import KOREAN_STRENGTH_LABELS, STRENGTH_LABELS, adapt_template
from annotation.errors import InputError
from annotation.exports import export_judgments
from annotation.models import Assignment, Campaign, Judgment
from annotation.record_readers import read_comparisons, read_manifest, read_preferences
from annotation.task_templates import load_template
from tests.annotation.test_commands import CONFIG, ROW, Create, create, fails_with
from tests.annotation.test_worker_pages import accept, arrive, open_page

__all__ = ["create"]  # a fixture
MakeCampaign = Callable[..., Campaign]
LIKERT = CONFIG.replace("commongen-pairwise", "commongen-likert")
LIKERT_ROW = {"item": "i", "prompt": "dog", "completion": "A dog.", "system": "s"}


@pytest.mark.parametrize(("tie", "both_bad"), list(itertools.product([False, True], repeat=2)))
def test_ties_and_both_bad_are_switched_one_by_one(create: Create, tmp_path: Path, tie: bool, both_bad: bool) -> None:
    options = f"allow_tie: {str(tie).lower()}\nallow_both_bad: {str(both_bad).lower()}\n"
    create([ROW | {"pair": f"p{number}"} for number in range(4)], CONFIG + options)
    campaign = Campaign.objects.get()
    allowed = ["left", "right"] + ["tie"] * tie + ["both_bad"] * both_bad
    browser = arrive(campaign)
    path = accept(browser, campaign)
    for choice in ("left", "right", "tie", "both_bad"):
        page = open_page(browser, path)
        body = browser.get(path).content.decode()
        assert page.radios == {"preference": allowed}
        assert ("<kbd>T</kbd>" in body, 'data-key="t"' in body) == (tie, tie)
        assert ("<kbd>N</kbd>" in body, 'data-key="n"' in body) == (both_bad, both_bad)
        response = browser.post(page.actions[0], {"preference": choice})
        assert response.status_code == (303 if choice in allowed else 422)
        path = response.headers.get("Location", path)
    manifest = export_judgments(campaign, tmp_path / "export")
    assert (manifest["allow_tie"], manifest["allow_both_bad"]) == (tie, both_bad)
    choices = [c.choice for c in read_comparisons(tmp_path / "export")]
    assert [choices.count(choice) for choice in ("tie", "both_bad")] == [tie, both_bad]
    preferences = read_preferences(tmp_path / "export")
    assert [sum(p.votes_tie for p in preferences), sum(p.votes_both_bad for p in preferences)] == [tie, both_bad]


def begin(campaign: Campaign) -> tuple[Client, str]:
    browser = arrive(campaign)
    return browser, open_page(browser, accept(browser, campaign)).actions[0]


@pytest.mark.parametrize("points", sorted(STRENGTH_LABELS))
def test_a_side_comes_with_how_much_better_it_is(make_campaign: MakeCampaign, tmp_path: Path, points: int) -> None:
    campaign = make_campaign(hits=1, strength_points=points)
    browser, action = begin(campaign)
    body = browser.get(action.removesuffix("submit/")).content.decode()
    assert all(f">{label}</span>" in body for label in STRENGTH_LABELS[points])
    assert 'name="preference-strength" value="1" required' not in body, "a tie could not be sent without JavaScript"
    answer = {"preference": "right", "preference-strength": str(points)}
    assert browser.post(action, answer | {"preference-strength": str(points + 1)}).status_code == 422
    assert browser.post(action, answer).status_code == 303
    export_judgments(campaign, tmp_path / "export")
    (comparison,) = read_comparisons(tmp_path / "export")
    right = "b" if Assignment.objects.get(state="submitted").left == "a" else "a"
    assert (comparison.choice, comparison.strength) == (right, points)
    assert read_manifest(tmp_path / "export")["strength_labels"] == list(STRENGTH_LABELS[points])


@pytest.mark.parametrize(("language", "expected"), [("ko", KOREAN_STRENGTH_LABELS), ("", STRENGTH_LABELS)])
def test_usual_labels_are_in_the_language_of_the_campaign(language: str, expected: dict[int, tuple[str, ...]]) -> None:
    template = load_template("commongen-pairwise")
    for points, labels in expected.items():
        config = CampaignConfig(name="c", task="commongen-pairwise", strength_points=points, language=language)
        assert adapt_template(template, config).strength_labels == labels and len(labels) == points


def test_a_side_without_its_strength_is_not_stored(make_campaign: MakeCampaign) -> None:
    browser, action = begin(make_campaign(hits=1, strength_points=2))
    response = browser.post(action, {"preference": "left"})
    body = response.content.decode()
    assert response.status_code == 422
    assert 'id="error-strength">Please say how much better it is.' in body
    assert 'name="preference" value="left" required checked' in body
    assert not Judgment.objects.exists()


@pytest.mark.parametrize("choice", ["tie", "both_bad"])
def test_strength_is_refused_without_a_side_and_can_be_sent_again_without_javascript(
    make_campaign: MakeCampaign, choice: str
) -> None:
    campaign = make_campaign(hits=1, strength_points=2, allow_tie=True, allow_both_bad=True)
    browser, action = begin(campaign)
    response = browser.post(action, {"preference": choice, "preference-strength": "1"})
    assert response.status_code == 422
    body = response.content.decode()
    assert "This is asked only if one of the two is better." in body
    assert f'value="{choice}" required checked' in body and body.count(" checked") == 1
    assert browser.post(action, {"preference": choice}).status_code == 303
    assert [(j.choice, j.strength) for j in Judgment.objects.all()] == [(choice, None)]


def test_strength_is_not_asked_and_not_taken_where_the_campaign_has_none(make_campaign: MakeCampaign) -> None:
    browser, action = begin(make_campaign(hits=1))
    assert browser.post(action, {"preference": "left", "preference-strength": "2"}).status_code == 303
    assert Judgment.objects.get().strength is None


def test_the_labels_of_the_template_come_before_the_usual_ones() -> None:
    own = dataclasses.replace(load_template("commongen-pairwise"), strength_labels=("A bit", "A lot"))
    config = CampaignConfig(name="pilot", task="commongen-pairwise")
    assert adapt_template(own, config).strength_labels == ()
    assert adapt_template(own, dataclasses.replace(config, strength_points=2)).strength_labels == ("A bit", "A lot")
    with pytest.raises(InputError, match="strength_points: task 'commongen-pairwise' labels 2 points"):
        adapt_template(own, dataclasses.replace(config, strength_points=3))


@pytest.mark.parametrize(
    ("rows", "config", "message"),
    [
        ([ROW], CONFIG + "strength_points: 1\n", "strength_points: expected 0 or 2 to 4, found 1"),
        ([ROW], CONFIG + "strength_points: 5\n", "strength_points: expected 0 to 4, found 5"),
        ([LIKERT_ROW], LIKERT + "strength_points: 2\n", "strength_points: expected 0 for task 'commongen-likert'"),
        ([LIKERT_ROW], LIKERT + "allow_tie: true\n", "allow_tie: expected false for task 'commongen-likert'"),
        ([LIKERT_ROW], LIKERT + "allow_both_bad: true\n", "allow_both_bad: expected false for task 'commongen-likert'"),
    ],
)
def test_a_campaign_cannot_ask_for_what_its_kind_has_not(
    create: Create, rows: list[dict[str, str]], config: str, message: str
) -> None:
    fails_with(lambda: create(rows, config), message)
    assert not Campaign.objects.exists()
