"""The qualification test: who passes, who gets no HIT, what is stored, and what a page gives away."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import IntegrityError, connection, transaction
from django.test import Client

from annotation import assignments, campaigns
from annotation.campaign_files import CampaignConfig, load_campaign_config
from annotation.crowd_client import read_page
from annotation.errors import InputError
from annotation.models import Assignment, Campaign, QualificationAttempt, Worker
from annotation.qualification import check_template, count_needed, count_right, lay_out
from annotation.qualification_attempts import NotQualifiedError, count_workers
from annotation.requesters import issue_ticket
from annotation.task_templates import Qualification, QualifyingItem, QualifyingQuestion, load_template
from tests.annotation.conftest import likert_rows, pairwise_rows, run_python
from tests.annotation.test_worker_pages import MakeCampaign, accept, arrive

SENTENCES = ("A dog runs in the park.", "A park runs in the dog.")
PAIRWISE = Qualification(
    items=(
        QualifyingItem(
            questions=(QualifyingQuestion("preference", ("a",)),),
            explanation="Parks do not run.",
            prompt="dog, park, run",
            completions=SENTENCES,
        ),
        QualifyingItem(
            questions=(QualifyingQuestion("length", ("No",), "Is the longer one better?", ("Yes", "No")),),
            explanation="Length is no merit.",
        ),
    ),
    pass_mark=1.0,
    attempts=2,
)
LIKERT = Qualification(
    items=(
        QualifyingItem(
            questions=(QualifyingQuestion("quality", (1, 2)), QualifyingQuestion("fluency", (5,))),
            explanation="Good English, an impossible scene.",
            prompt="dog, park, run",
            completions=SENTENCES[1:],
        ),
    ),
    pass_mark=0.5,
)
RIGHT, WRONG = {"1.preference": "a", "2.length": "2"}, {"1.preference": "b", "2.length": "2"}


def take(browser: Client, campaign: Campaign, answers: Mapping[str, str], number: int = 1) -> Any:
    return browser.post(f"/c/{campaign.name}/qualification/submit/", {"number": str(number), **answers})


@pytest.fixture
def tested(make_campaign: MakeCampaign) -> Campaign:
    return make_campaign(qualification=PAIRWISE)


def test_a_worker_passes_and_begins(tested: Campaign) -> None:
    browser = arrive(tested)
    assert f"/c/{tested.name}/qualification/" in browser.get(f"/c/{tested.name}/instructions/").content.decode()
    assert accept(browser, tested) == f"/c/{tested.name}/qualification/"
    body = browser.get(f"/c/{tested.name}/qualification/").content.decode()
    assert read_page(body).radios == {"1.preference": ["a", "b"], "2.length": ["1", "2"]}
    assert " checked" not in body
    sent = take(browser, tested, RIGHT)
    assert (sent.status_code, sent.headers["Location"]) == (303, f"/c/{tested.name}/qualification/result/")
    result = browser.get(sent.headers["Location"]).content.decode()
    assert "Passed" in result and "Parks do not run." in result
    assert "/work/" in accept(browser, tested)


def test_who_has_not_passed_gets_no_hit_at_any_address(tested: Campaign, make_campaign: MakeCampaign) -> None:
    free = make_campaign(name="free")
    browser = arrive(tested)
    elsewhere = accept(arrive(free), free)  # the same worker holds a HIT of a campaign without a test
    answers = {"preference": "left"}
    for wrong in (None, 1, 2):
        if wrong:
            take(browser, tested, WRONG, number=wrong)
        for method in (browser.get, browser.post):
            method(f"/c/{tested.name}/accept/", answers)
            method(f"/c/{tested.name}/finish/", answers)
            for step in ("", "submit/", "skip/"):
                assert method(elsewhere.replace("/free/", f"/{tested.name}/") + step, answers).status_code in (404, 405)
        assert accept(browser, tested) == f"/c/{tested.name}/qualification/"
    with pytest.raises(NotQualifiedError):
        assignments.claim(tested, Worker.objects.get())
    assert not assignments.has_work(tested, Worker.objects.get())
    assert not Assignment.objects.filter(campaign=tested).exists()


def test_attempts_run_out_and_the_answers_are_explained_only_then(tested: Campaign) -> None:
    browser = arrive(tested)
    first = take(browser, tested, WRONG)
    body = browser.get(first.headers["Location"]).content.decode()
    assert "1 of 2 answers" in body and "1 attempt is left" in body
    assert "Parks do not run." not in body and "As the instructions say" not in body
    second = take(browser, tested, WRONG, number=2)
    body = browser.get(second.headers["Location"]).content.decode()
    assert "Thank you for trying" in body and "Parks do not run." in body
    assert "Start the first task" not in body
    take(browser, tested, RIGHT, number=3)
    assert QualificationAttempt.objects.count() == 2
    assert browser.get(f"/c/{tested.name}/qualification/").headers["Location"].endswith("/result/")


def test_an_attempt_that_is_sent_twice_is_stored_once_as_it_came_first(tested: Campaign) -> None:
    browser = arrive(tested)
    sent = [take(browser, tested, answers) for answers in (WRONG, RIGHT)]
    assert {response.headers["Location"] for response in sent} == {f"/c/{tested.name}/qualification/result/"}
    attempt = QualificationAttempt.objects.get()
    assert (attempt.number, attempt.answers, attempt.right, attempt.asked) == (1, WRONG, 1, 2)
    assert not attempt.is_passed


def test_an_attempt_is_never_changed(tested: Campaign) -> None:
    take(arrive(tested), tested, WRONG)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        QualificationAttempt.objects.update(is_passed=True)
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        cursor.execute("UPDATE annotation_qualificationattempt SET is_passed = %s", [True])


@pytest.mark.parametrize("left_out", RIGHT)
@pytest.mark.parametrize("answer", [None, "", "c", "3"])
def test_a_question_without_an_answer_costs_no_attempt(tested: Campaign, left_out: str, answer: str | None) -> None:
    browser = arrive(tested)
    sent = RIGHT | {left_out: answer} if answer is not None else {k: v for k, v in RIGHT.items() if k != left_out}
    response = take(browser, tested, sent)  # type: ignore[arg-type]
    assert response.status_code == 422
    kept = next(field for field in RIGHT if field != left_out)
    body = response.content.decode()
    assert f'name="{kept}" value="{RIGHT[kept]}" required checked' in body
    assert f'id="error-{left_out}"' in body and f'id="error-{kept}"' not in body
    assert not QualificationAttempt.objects.exists()


def test_without_consent_or_in_a_closed_study_nobody_is_tested(tested: Campaign) -> None:
    pages = [f"/c/{tested.name}/qualification/{step}" for step in ("", "result/")]
    assert {Client().get(page).headers["Location"] for page in pages} == {f"/c/{tested.name}/"}
    assert take(Client(), tested, RIGHT).headers["Location"] == f"/c/{tested.name}/"
    browser = arrive(tested)
    campaigns.close(tested)
    assert take(browser, tested, RIGHT).headers["Location"] == f"/c/{tested.name}/"
    assert not QualificationAttempt.objects.exists()


def test_a_campaign_without_a_test_has_no_such_pages(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign()
    browser = arrive(campaign)
    instructions = f"/c/{campaign.name}/instructions/"
    assert browser.get(f"/c/{campaign.name}/qualification/").headers["Location"] == instructions
    assert take(browser, campaign, {}).headers["Location"] == instructions


def test_a_likert_campaign_tests_with_its_own_scales(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(kind="likert", qualification=LIKERT)
    browser = arrive(campaign)
    page = read_page(browser.get(f"/c/{campaign.name}/qualification/").content.decode())
    assert page.radios == {"1.quality": list("12345"), "1.fluency": list("12345")}
    assert page.texts == {"1.prompt": "dog, park, run", "1.A": SENTENCES[1]}
    take(browser, campaign, {"1.quality": "5", "1.fluency": "5"})  # one of two right is the mark of .5
    assert "/work/" in accept(browser, campaign)


def test_the_requester_sees_how_many_tried_and_passed(tested: Campaign) -> None:
    for handle, answers in (("ada", RIGHT), ("bea", WRONG)):
        take(arrive(tested, handle), tested, answers)
    take(arrive(tested, "bea"), tested, RIGHT, number=2)
    take(arrive(tested, "cleo"), tested, WRONG)
    assert dataclasses.astuple(count_workers(tested)) == (3, 2)
    browser = Client()
    browser.get(f"/requester/enter/{issue_ticket('rosa')}/")
    body = browser.get(f"/requester/c/{tested.name}/").content.decode()
    assert 'Workers who tried</th><td class="number">3<' in body
    assert 'Workers who passed</th><td class="number">2<' in body


@pytest.mark.parametrize(
    ("pass_mark", "asked", "needed"), [(0.8, 5, 4), (0.7, 10, 7), (0.81, 5, 5), (1, 3, 3), (0.01, 3, 1)]
)
def test_the_pass_mark_is_met_exactly(pass_mark: float, asked: int, needed: int) -> None:
    item = QualifyingItem(tuple(QualifyingQuestion(f"q{n}", ("x",), "?", ("x", "y")) for n in range(asked)), "because")
    test = Qualification((item,), pass_mark)
    assert count_needed(test) == needed
    asked_items = lay_out(dataclasses.replace(load_template("commongen-likert"), qualification=test))
    answers = {f"1.q{n}": "1" if n < needed else "2" for n in range(asked)}
    assert count_right(asked_items, answers) == needed


def test_a_test_is_written_in_the_campaigns_yaml(tmp_path: Path, db: None) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(
        "name: study\ntask: commongen-likert\nlanguage: ko\nqualification:\n  pass_mark: 0.5\n  items:\n"
        "    - prompt: dog, run\n      completions: [A dog runs.]\n      explanation: All is well.\n"
        "      questions:\n        - {name: quality, accepted: [4, 5]}\n        - {name: fluency, accepted: [5]}\n"
    )
    config = load_campaign_config(path)
    campaign = campaigns.create_campaign(config, load_template(config.task), likert_rows(1))
    stored = Campaign.objects.get(pk=campaign.pk).template
    assert stored["language"] == "ko"
    assert stored["qualification"]["items"][0]["questions"][0]["accepted"] == [4, 5]


GOOD = {"prompt": "dog", "completions": ["x", "y"], "questions": [{"name": "preference", "accepted": ["a"]}]}
CHOICE = {"name": "length", "text": "Long?", "options": ["Yes!", "No!"], "accepted": ["No!"]}


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ({"items": []}, "items: expected at least one"),
        ({"items": [GOOD], "pass_mark": 0}, r"pass_mark: expected more than 0 and at most 1, found 0.0"),
        ({"items": [GOOD], "pass_mark": 80}, "pass_mark"),
        ({"items": [GOOD], "attempts": 0}, "attempts: expected 1 to 10, found 0"),
        ({"items": [GOOD | {"questions": []}]}, r"items\[0\]: questions: expected distinct names"),
        ({"items": [GOOD | {"completions": ["x"]}]}, "preference: expected a prompt and 2 completions"),
        ({"items": [GOOD | {"prompt": ""}]}, "preference: expected a prompt and 2 completions"),
        ({"items": [GOOD | {"questions": [{"name": "taste", "accepted": ["a"]}]}]}, r"taste: expected a question .*\("),
        ({"items": [GOOD | {"questions": [{"name": "preference", "accepted": ["left"]}]}]}, r"accepted: .*'a', 'b'"),
        ({"items": [GOOD | {"questions": [{"name": "preference", "accepted": ["a", "b"]}]}]}, "but not all"),
        ({"items": [GOOD | {"questions": [CHOICE | {"options": ["No!"]}]}]}, "options: expected two or more"),
        ({"items": [GOOD | {"questions": [CHOICE | {"accepted": ["Maybe"]}]}]}, "accepted: expected some of"),
        ({"items": [GOOD | {"questions": [CHOICE | {"name": "preference"}]}]}, "choose another one"),
        ({"items": [GOOD | {"questions": [CHOICE | {"accepted": [1.5]}]}]}, "expected a whole number or text"),
        ({"items": [GOOD | {"questions": [CHOICE, CHOICE]}]}, "expected distinct names"),
        ({"items": [GOOD | {"completions": list("abcdefg"), "questions": [CHOICE]}]}, "at most 6, found 7"),
    ],
)
def test_a_test_that_does_not_fit_is_refused_by_name(test: object, message: str, tmp_path: Path, db: None) -> None:
    items = [{"explanation": "because", **item} for item in test["items"]]  # type: ignore[index]
    path = tmp_path / "campaign.yaml"
    content = {"name": "study", "task": "commongen-pairwise", "qualification": {**test, "items": items}}  # type: ignore[dict-item]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=message):
        config = load_campaign_config(path)
        campaigns.create_campaign(config, load_template(config.task), pairwise_rows(1))
    assert not Campaign.objects.exists()


def test_a_language_that_is_no_tag_is_refused(db: None) -> None:
    config = CampaignConfig(name="study", task="commongen-pairwise", language="Korean (South)")
    with pytest.raises(InputError, match="language: expected a tag such as en or ko"):
        campaigns.create_campaign(config, load_template(config.task), pairwise_rows(1))


@pytest.mark.parametrize("task", sorted(path.name for path in Path("annotation/tasks").iterdir() if path.is_dir()))
def test_the_tests_of_built_in_tasks_fit(task: str) -> None:
    check_template(load_template(task), task)


RACE = """
import threading
import django
django.setup()
from django.db import IntegrityError, connection
from annotation import campaigns
from annotation.campaign_files import CampaignConfig
from annotation.models import QualificationAttempt, Worker
from annotation.qualification_attempts import find_standing, record_attempt
from annotation.task_templates import load_template
from tests.annotation.conftest import pairwise_rows
from tests.annotation.test_qualification import PAIRWISE, RIGHT, WRONG

config = CampaignConfig(name="study", task="commongen-pairwise", qualification=PAIRWISE)
campaign = campaigns.create_campaign(config, load_template(config.task), pairwise_rows(1))
ada = Worker.objects.create(handle="ada")
standing, start = find_standing(campaign, ada), threading.Barrier(4)

def send(answers):
    start.wait()
    record_attempt(campaign, ada, standing, answers)
    connection.close()

tabs = [threading.Thread(target=send, args=(answers,)) for answers in (RIGHT, WRONG) * 2]
for tab in tabs: tab.start()
for tab in tabs: tab.join()
try:
    QualificationAttempt.objects.update(is_passed=True)
except IntegrityError as error:
    print("append-only" in str(error), end=" ")
print(QualificationAttempt.objects.count())
"""


@pytest.mark.slow
def test_of_tabs_that_send_at_once_one_attempt_stands_on_either_database(database: Path | str) -> None:
    assert run_python(database, "-c", RACE).split() == ["True", "1"]
