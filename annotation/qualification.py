"""The qualification test of a campaign: what it asks, whether it fits the campaign's questions, how it is marked."""

import math
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from django.utils.translation import gettext

from annotation.errors import InputError
from annotation.task_templates import Qualification, QualifyingItem, QualifyingQuestion, TaskTemplate

LETTERS = "ABCDEF"
SIDES = ("a", "b")
MOST_ATTEMPTS = 10
LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question as the page asks it: `field` names it in the form, `options` are (value, label).

    `form` says what the options are: a scale of the campaign, its two sides, or those of a multiple choice.
    """

    field: str
    text: str
    help: str
    options: tuple[tuple[str, str], ...]
    accepted: frozenset[str]
    form: Literal["scale", "sides", "choice"]

    def in_words(self, values: Container[str]) -> list[str]:
        """The options among `values`, as a worker reads them."""
        chosen = [(value, label) for value, label in self.options if value in values]
        return [f"{value} · {label}" if self.form == "scale" else label for value, label in chosen]


@dataclass(frozen=True, slots=True)
class AskedItem:
    """What is shown together, with its questions in order; `number` counts from 1, completions are (letter, text)."""

    number: int
    prompt: str
    completions: tuple[tuple[str, str], ...]
    questions: tuple[AskedQuestion, ...]
    explanation: str


def lay_out(template: TaskTemplate) -> tuple[AskedItem, ...]:
    """The items of the template's test, with the options of each question; none if it has no test."""
    items = template.qualification.items if template.qualification else ()
    return tuple(
        AskedItem(
            number=number,
            prompt=item.prompt,
            completions=tuple(zip(LETTERS, item.completions, strict=False)),
            questions=tuple(_lay_out_question(template, number, question) for question in item.questions),
            explanation=item.explanation,
        )
        for number, item in enumerate(items, start=1)
    )


def _lay_out_question(template: TaskTemplate, number: int, question: QualifyingQuestion) -> AskedQuestion:
    field, accepted = f"{number}.{question.name}", frozenset(map(str, question.accepted))
    if question.text:
        options = tuple((str(index), option) for index, option in enumerate(question.options, start=1))
        accepted = frozenset(value for value, option in options if option in accepted)
        return AskedQuestion(field, question.text, "", options, accepted, "choice")
    own = next(asked for asked in template.questions if asked.name == question.name)
    if template.kind == "pairwise":
        sides = (("a", gettext("A is better")), ("b", gettext("B is better")))
        return AskedQuestion(field, own.text, own.help, sides, accepted, "sides")
    points = tuple((str(value), label) for value, label in own.points)
    return AskedQuestion(field, own.text, own.help, points, accepted, "scale")


def read_answers(items: tuple[AskedItem, ...], data: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The answers in `data` by field, and the fields without one: every question wants an answer."""
    questions = [question for item in items for question in item.questions]
    offered = {question.field: {value for value, _ in question.options} for question in questions}
    answers = {field: data[field] for field, values in offered.items() if data.get(field) in values}
    return answers, [field for field in offered if field not in answers]


def count_needed(test: Qualification) -> int:
    """How many answers must be right to pass; exact, so that .8 of 5 questions are 4."""
    return math.ceil(Decimal(str(test.pass_mark)) * sum(len(item.questions) for item in test.items))


def count_right(items: tuple[AskedItem, ...], answers: Mapping[str, str]) -> int:
    return sum(answers[question.field] in question.accepted for item in items for question in item.questions)


def check_template(template: TaskTemplate, source: str) -> None:
    """InputError names what is wrong with the test or the language of `template`, which came from `source`."""
    if not LANGUAGE_TAG.fullmatch(template.language):
        raise InputError(f"{source}: language: expected a tag such as en or ko, found {template.language!r}.")
    if template.qualification is not None:
        _check_qualification(template, template.qualification, f"{source}: qualification")


def _check_qualification(template: TaskTemplate, test: Qualification, where: str) -> None:
    if not test.items:
        raise InputError(f"{where}: items: expected at least one.")
    if not 0 < test.pass_mark <= 1:
        raise InputError(f"{where}: pass_mark: expected more than 0 and at most 1, found {test.pass_mark}.")
    if not 1 <= test.attempts <= MOST_ATTEMPTS:
        raise InputError(f"{where}: attempts: expected 1 to {MOST_ATTEMPTS}, found {test.attempts}.")
    for index, item in enumerate(test.items):
        for problem in _problems_of_item(template, item):
            raise InputError(f"{where}: items[{index}]: {problem}.")


def _problems_of_item(template: TaskTemplate, item: QualifyingItem) -> Iterator[str]:
    names = [question.name for question in item.questions]
    if not names or len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        yield f"questions: expected distinct names of letters, digits and _, found {names}"
    if len(item.completions) > len(LETTERS):
        yield f"completions: expected at most {len(LETTERS)}, found {len(item.completions)}"
    for question in item.questions:
        is_choice = bool(question.text)
        problems = (
            _problems_of_choice(template, question) if is_choice else _problems_of_named(template, item, question)
        )
        yield from (f"{question.name}: {problem}" for problem in problems)


def _problems_of_choice(template: TaskTemplate, question: QualifyingQuestion) -> Iterator[str]:
    """What is wrong with a question that has a text and options of its own."""
    if question.name in [asked.name for asked in template.questions]:
        yield "a question of the campaign has this name; choose another one for a text of its own"
    if len(set(question.options)) < max(2, len(question.options)):
        yield f"options: expected two or more different ones, found {list(question.options)}"
    yield from _problems_of_accepted(question, question.options)


def _problems_of_named(template: TaskTemplate, item: QualifyingItem, question: QualifyingQuestion) -> Iterator[str]:
    """What is wrong with a question that is meant to be one of the campaign's."""
    own = {asked.name: asked for asked in template.questions}.get(question.name)
    shown = {"likert": 1, "pairwise": 2}.get(template.kind)
    if own is None or shown is None:
        offered = ", ".join(asked.name for asked in template.questions) if shown else "none for a task of this kind"
        yield f"expected a question of the campaign ({offered}), or a text and options"
    elif question.options:
        yield "options: they come with the campaign's question; give a text to ask another one"
    elif len(item.completions) != shown or not item.prompt:
        yield f"expected a prompt and {shown} completion{'s' if shown > 1 else ''}, as in the campaign"
    else:
        yield from _problems_of_accepted(question, [value for value, _ in own.points] or SIDES)


def _problems_of_accepted(question: QualifyingQuestion, values: tuple[str, ...] | list[int]) -> Iterator[str]:
    if not question.accepted or not set(question.accepted) < set(values):
        found = list(question.accepted)
        yield f"accepted: expected some of {list(values)} but not all, found {found}"
