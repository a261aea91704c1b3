"""Every task's pages: texts in their layout, readable by programs, nothing inline, and bad items refused before."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from annotation import campaigns
from annotation.campaign_files import CampaignConfig, LikertRow, PairwiseRow
from annotation.crowd_client import Page, answer_page, read_page
from annotation.errors import InputError
from annotation.models import Campaign, Judgment
from annotation.presentation import MOST_PARTS
from annotation.simulated_workers import CrowdConfig, make_worker
from annotation.task_templates import TASKS_FOLDER, Example, Question, TaskTemplate, load_template, validate
from tests.annotation.test_presentation import BAD_TABLES, TOTTO
from tests.annotation.test_simulated_workers import Gold
from tests.annotation.test_worker_pages import accept, arrive

TASKS = sorted(path.parent.name for path in TASKS_FOLDER.glob("*/template.yaml"))
TASKS_HERE = [task for task in TASKS if load_template(task).kind in ("likert", "pairwise")]
PAPER_AXES = {
    "imdb-likert": ["coherence", "sentiment"],
    "commongen-paper": ["fluency", "commonsense"],
    "cnn-dm-likert": ["fluency", "quality"],
    "totto-likert": ["fluency", "correctness"],
    "dailydialog-likert": ["fluency", "quality"],
}


def row_of(template: TaskTemplate, number: int = 0) -> LikertRow | PairwiseRow:
    """An item made of one of the template's own examples."""
    example = template.examples[number]
    if template.kind == "likert":
        return LikertRow("item", example.prompt, example.completions[0], "system")
    return PairwiseRow("item", "pair", example.prompt, *example.completions, "system", "other")


def open_campaign(template: TaskTemplate, row: LikertRow | PairwiseRow) -> Campaign:
    campaign = campaigns.create_campaign(CampaignConfig(name="pilot", task="any"), template, [row])
    campaigns.publish(campaign)
    return campaign


def read_work_page(campaign: Campaign) -> tuple[Client, str, Page]:
    browser = arrive(campaign)
    body = browser.get(accept(browser, campaign)).content.decode()
    return browser, body, read_page(body)


@pytest.mark.parametrize("task", TASKS_HERE)
def test_a_program_reads_a_task_as_the_simulated_workers_do_and_answers_it(task: str, db: None) -> None:
    template = load_template(task)
    row = row_of(template)
    browser, _, page = read_work_page(open_campaign(template, row))
    shown = dict(page.texts)
    if template.prompt_layout == "plain":
        assert shown["prompt"] == row.prompt
    assert shown.pop("prompt").strip()
    if template.completion_layout == "plain":
        assert set(shown.values()) == set(row_texts(row))
    assert len(shown) == len(row_texts(row)) and all(shown.values())
    answers = {question: values[-1] for question, values in page.radios.items()}
    assert browser.post(page.actions[0], answers).status_code == 303
    assert Judgment.objects.count() == len(template.questions)


def test_a_simulated_worker_knows_the_axes_of_the_papers_commongen_study(db: None) -> None:
    template = load_template("commongen-paper")
    row = row_of(template)
    _, _, page = read_work_page(open_campaign(template, row))
    seen = []

    def judge(prompt: str, completion: str) -> Gold:
        seen.append((prompt, completion))
        return Gold(plausibility=0.0)

    calm = CrowdConfig(likert_noise_sd=0, severity_sd=0, lapse_rate=0, spammer_share=0)
    answers = answer_page(page, make_worker(calm, 1, "ada"), judge, calm)
    assert answers == {"fluency": "5", "commonsense": "1"}
    assert seen == [(row.prompt, *row_texts(row))]


def row_texts(row: LikertRow | PairwiseRow) -> list[str]:
    return [row.completion] if isinstance(row, LikertRow) else [row.completion_a, row.completion_b]


@pytest.mark.parametrize("task", TASKS_HERE)
def test_no_page_of_a_task_has_anything_inline(task: str, db: None) -> None:
    template = load_template(task)
    campaign = open_campaign(template, row_of(template))
    browser, body, _ = read_work_page(campaign)
    bodies = [body, browser.get(f"/c/{campaign.name}/instructions/").content.decode()]
    for page in bodies:
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\bsrc=)", page)
    assert template.completion_label in body or template.kind == "pairwise"
    assert body.count("data-text=") == (2 if template.kind == "likert" else 3), "examples are not what is judged"


def test_the_next_turn_stands_on_the_side_of_whoever_speaks_it(db: None) -> None:
    template = load_template("dailydialog-likert")
    row = LikertRow("item", "Any news? <EOU> None. <EOU> A pity. <EOU>", "Wait a day. <EOU>", "system")
    _, body, page = read_work_page(open_campaign(template, row))
    assert page.texts["prompt"] == "Speaker 1: Any news?\nSpeaker 2: None.\nSpeaker 1: A pity."
    assert page.texts["completion"] == "Speaker 2: Wait a day."
    assert body.count('class="turn voice-2"') == 2 + example_turns(template)


def example_turns(template: TaskTemplate) -> int:
    """Turns of the second voice in the examples, which the page repeats below."""
    turns = [example.prompt.count("<EOU>") + 1 for example in template.examples]
    return sum(count // 2 for count in turns)


def test_a_pairwise_campaign_shows_dialogues_inside_its_labels(db: None) -> None:
    template = dataclasses.replace(
        load_template("generic-pairwise"), prompt_layout="dialogue", completion_layout="dialogue"
    )
    row = PairwiseRow("item", "pair", "Any news? <EOU>", "None. <EOU>", "Ask Bo. <EOU> Why?", "s", "t")
    _, body, page = read_work_page(open_campaign(template, row))
    assert {page.texts["left"], page.texts["right"]} == {"Speaker 2: None.", "Speaker 2: Ask Bo.\nSpeaker 1: Why?"}
    assert set(page.radios["preference"]) == {"left", "right"}
    for label in re.findall(r'<label class="side-card">.*?</label>', body, re.DOTALL):
        assert not re.search(r"<(div|p|table)\b", label), "a label holds phrasing content"


def test_a_table_and_an_article_can_be_scrolled_by_keyboard(db: None) -> None:
    for task, prompt in (("totto-likert", TOTTO), ("cnn-dm-likert", "A headline\n\nA paragraph.")):
        Campaign.objects.all().delete()
        _, body, _ = read_work_page(open_campaign(load_template(task), LikertRow("i", prompt, "x", "s")))
        opening = re.search(r'<div[^>]*data-text="prompt"[^>]*>', body)
        assert opening is not None
        assert 'role="region" tabindex="0" aria-label=' in opening[0]


def test_a_prompt_that_is_no_table_comes_to_the_page_as_it_is(db: None) -> None:
    row = LikertRow("item", "<table> broken", "x", "system")
    _, _, page = read_work_page(open_campaign(load_template("totto-likert"), row))
    assert page.texts["prompt"] == "<table> broken"


def test_the_papers_studies_have_the_papers_axes() -> None:
    for task, axes in PAPER_AXES.items():
        template = load_template(task)
        assert [question.name for question in template.questions] == axes
        assert all(len(question.labels) == 5 for question in template.questions)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_examples_and_says_something_at_every_point(task: str) -> None:
    template = load_template(task)
    assert len(template.examples) >= 2
    assert len({example.answer for example in template.examples}) >= 2, "examples that differ"
    for question in template.questions:
        assert all(label.strip() for label in question.labels)
        assert len(set(question.labels)) == len(question.labels)


# A template that cannot be shown is refused when it is loaded.

BASE = TaskTemplate(
    "likert", "title", "summary", "label", (), (Question("q", "q?", labels=("no", "yes")),), prompt_layout="table"
)


@pytest.mark.parametrize(
    ("completions", "prompt", "message"),
    [
        (("a", "b"), TOTTO, "example 1: completions: expected 1, found 2"),
        (("a",), "no table", "example 1: prompt: expected a table"),
    ],
)
def test_an_example_that_its_own_page_could_not_show_is_refused(
    completions: tuple[str, ...], prompt: str, message: str
) -> None:
    template = dataclasses.replace(BASE, examples=(Example(prompt, completions, "answer", "reason"),))
    with pytest.raises(InputError, match=re.escape(message)):
        validate(template, "template.yaml")


def test_every_text_of_an_item_is_held_to_its_own_layout() -> None:
    template = dataclasses.replace(BASE, completion_layout="dialogue")
    turns = "x <EOU> " * (MOST_PARTS + 1)
    for field in ("completion", "completion_a", "completion_b"):
        assert template.find_text_problem(field, turns) == "expected at most 2,000 turns, found 2,001"
    assert template.find_text_problem("prompt", turns) is not None
    assert template.find_text_problem("prompt", TOTTO) is None
    assert template.find_text_problem("system", turns) is None, "never shown"


# Items that cannot be shown are refused before anything is stored.

Create = Callable[[list[dict[str, Any]]], None]


@pytest.fixture
def create_totto(db: None, tmp_path: Path) -> Create:
    def create(rows: list[dict[str, Any]]) -> None:
        (tmp_path / "campaign.yaml").write_text("name: pilot\ntask: totto-likert\n")
        items = tmp_path / "items.jsonl"
        items.write_text("".join(json.dumps(row) + "\n" for row in rows))
        call_command("create_campaign", str(tmp_path / "campaign.yaml"), items=items)

    return create


ROW = {"item": "i1", "prompt": TOTTO, "completion": "Ann Lee scored.", "system": "s"}


def test_items_with_tables_become_a_campaign(create_totto: Create) -> None:
    create_totto([ROW, ROW | {"item": "i2", "prompt": "<table> <cell> 7 </cell> </table>"}])
    assert Campaign.objects.get().hits.count() == 2


@pytest.mark.parametrize(("text", "reason"), BAD_TABLES[:6])
def test_an_item_that_no_page_could_show_is_refused_by_line_and_field(
    create_totto: Create, text: str, reason: str
) -> None:
    with pytest.raises(CommandError, match=r"items\.jsonl: line 2: prompt: ") as caught:
        create_totto([ROW, ROW | {"item": "i2", "prompt": text}])
    assert reason in str(caught.value)
    assert caught.value.returncode == 2
    assert not Campaign.objects.exists()
