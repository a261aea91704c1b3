"""Task templates: a folder under `tasks/` with a `template.yaml`; a new task is a new folder, no code."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from annotation.configuration import build_config, load_config
from annotation.errors import InputError
from annotation.presentation import CompletionLayout, PromptLayout, find_problem

# Fields of a worker's page that are no questions.
RESERVED_NAMES = {"active_seconds", "comment", "csrfmiddlewaretoken"}
TASKS_FOLDER = Path(__file__).parent / "tasks"
# How many completions a page of each kind shows: least, most. Of two, the best and the worst are one answer.
COMPLETIONS_OF_KIND = {"likert": (1, 1), "pairwise": (2, 2), "ranking": (2, 6), "best_worst": (3, 6)}


@dataclass(frozen=True, slots=True)
class Question:
    """One criterion. A Likert question labels every point of its scale; a pairwise one has no labels."""

    name: str
    text: str
    help: str = ""
    labels: tuple[str, ...] = ()
    scale_min: int = 1

    @property
    def scale_max(self) -> int:
        return self.scale_min + len(self.labels) - 1

    @property
    def points(self) -> list[tuple[int, str]]:
        return list(enumerate(self.labels, start=self.scale_min))


@dataclass(frozen=True, slots=True)
class Example:
    """A worked example: what is judged, the answer, and why."""

    prompt: str
    completions: tuple[str, ...]
    answer: str
    reason: str


@dataclass(frozen=True, slots=True)
class QualifyingQuestion:
    """One question of a qualification test: by name one of the campaign's own, or a multiple choice with a text.

    `accepted` are the right answers: points of the scale, "a" or "b" of a pairwise question, or some of `options`.
    """

    name: str
    accepted: tuple[int | str, ...]
    text: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QualifyingItem:
    """What a qualification test shows, what it asks about it, and why the answer is what it is."""

    questions: tuple[QualifyingQuestion, ...]
    explanation: str
    prompt: str = ""
    completions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Qualification:
    """The test that workers pass before their first HIT. `pass_mark` is the share of right answers, in (0, 1]."""

    items: tuple[QualifyingItem, ...]
    pass_mark: float = 0.8
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class TaskTemplate:
    """What workers of a campaign read and answer.

    language: of its texts, a tag such as en, ko or pt-BR.

    strength_labels: for a pairwise task, how much better the better one is, from least to most; none asks nothing.
    """

    kind: Literal["likert", "pairwise", "ranking", "best_worst"]
    title: str
    summary: str
    prompt_label: str
    instructions: tuple[str, ...]
    questions: tuple[Question, ...]
    examples: tuple[Example, ...] = ()
    estimated_seconds: int = 30
    strength_labels: tuple[str, ...] = ()
    completion_label: str = "Text"
    prompt_layout: PromptLayout = "plain"
    completion_layout: CompletionLayout = "plain"
    language: str = "en"
    qualification: Qualification | None = None

    @property
    def strength_points(self) -> list[tuple[int, str]]:
        return list(enumerate(self.strength_labels, start=1))

    def find_text_problem(self, field: str, text: str) -> str | None:
        """Why a page of this task cannot show `text`, the `field` of an items file; None if it can, or need not."""
        if field == "prompt":
            return find_problem(self.prompt_layout, text)
        return find_problem(self.completion_layout, text) if field.startswith("completion") else None


def load_template(task: str) -> TaskTemplate:
    """The template of `tasks/<task>/`; InputError lists the tasks there are if it is none of them."""
    known = sorted(path.parent.name for path in TASKS_FOLDER.glob("*/template.yaml"))
    if task not in known:
        raise InputError(f"task: no template {task!r}; expected one of {', '.join(known)}.")
    path = TASKS_FOLDER / task / "template.yaml"
    return validate(load_config(TaskTemplate, path), source=str(path))


def template_of(content: Mapping[str, Any]) -> TaskTemplate:
    """The template that a campaign keeps as JSON."""
    return parse_template(json.dumps(content))


@lru_cache(maxsize=64)
def parse_template(text: str) -> TaskTemplate:
    """The template that `text`, its JSON, describes; the same object as long as the text is the same."""
    return build_config(TaskTemplate, json.loads(text), source="campaign template")


def validate(template: TaskTemplate, source: str) -> TaskTemplate:
    if not template.questions:
        raise InputError(f"{source}: questions: expected at least one.")
    if template.kind != "likert" and len(template.questions) != 1:
        kind, found = template.kind, len(template.questions)
        raise InputError(f"{source}: questions: a {kind} task asks one question, found {found}.")
    if template.strength_labels and (template.kind != "pairwise" or not 2 <= len(template.strength_labels) <= 4):
        found = len(template.strength_labels)
        raise InputError(
            f"{source}: strength_labels: expected 2 to 4 of a pairwise task, found {found} of {template.kind}."
        )
    names = [question.name for question in template.questions]
    if taken := RESERVED_NAMES & set(names):
        raise InputError(f"{source}: questions: {min(taken)!r} is a field of every page; choose another name.")
    if len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise InputError(f"{source}: questions: expected distinct names of letters, digits and _, found {names}.")
    _check_examples(template, source)
    for question in template.questions:
        if len(question.name) > 80:
            raise InputError(f"{source}: {question.name[:20]}…: expected a name of at most 80 characters.")
        if abs(question.scale_min) > 1000:
            raise InputError(f"{source}: {question.name}: scale_min: expected -1000 to 1000.")
        if template.kind == "likert" and not 2 <= len(question.labels) <= 11:
            found = len(question.labels)
            raise InputError(f"{source}: {question.name}: labels: expected 2 to 11 labelled points, found {found}.")
    return template


def _check_examples(template: TaskTemplate, source: str) -> None:
    for number, example in enumerate(template.examples, start=1):
        (least, most), found = COMPLETIONS_OF_KIND[template.kind], len(example.completions)
        if not least <= found <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise InputError(f"{source}: example {number}: completions: expected {wanted}, found {found}.")
        texts = [("prompt", example.prompt), *(("completions", text) for text in example.completions)]
        for field, text in texts:
            problem = template.find_text_problem(field, text)
            if problem:
                raise InputError(f"{source}: example {number}: {field}: {problem}.")
