"""What the columns of a results file mean: the mapping that `import_judgments` reads beside it.

Texts are templates: `{Input.story}` stands for that column's cell, anything else for itself. Everything else names a
column. The defaults are the columns of a Batch_*_results.csv of Mechanical Turk.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from annotation.configuration import build_config, read_yaml_mapping
from annotation.errors import InputError

PLACE = re.compile(r"\{([^{}]+)\}")
TASK_ANSWERS = "Answer.taskAnswers"  # one JSON object for the whole form, in newer batches


@dataclass(frozen=True, slots=True)
class Columns:
    """Where it stands who did what and when; null if nowhere. gold: not empty where the answer was known."""

    worker: str = "WorkerId"
    hit: str | None = "HITId"
    assignment: str | None = "AssignmentId"
    status: str | None = "AssignmentStatus"
    submitted: str | None = "SubmitTime"
    seconds: str | None = "WorkTimeInSeconds"
    gold: str | None = None


@dataclass(frozen=True, slots=True)
class RatingQuestion:
    """One Likert question. answers: what the cell says at each point, from the lowest; by default the number."""

    name: str
    column: str
    text: str = ""
    scale_min: int = 1
    scale_max: int = 5
    labels: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()

    def read(self, answer: str) -> int:
        """The value of an answer; ValueError says what was expected."""
        if self.answers:
            if answer not in self.answers:
                raise ValueError(f"expected one of {', '.join(map(repr, self.answers))}, found {answer!r}")
            return self.scale_min + self.answers.index(answer)
        try:
            value = int(answer)
        except ValueError:
            raise ValueError(f"expected a whole number, found {answer!r}") from None
        if not self.scale_min <= value <= self.scale_max:
            raise ValueError(f"expected {self.scale_min} to {self.scale_max}, found {value}")
        return value


@dataclass(frozen=True, slots=True)
class ChoiceQuestion:
    """The question of a pairwise task: what the cell says for each choice."""

    column: str
    a: tuple[str, ...]
    b: tuple[str, ...]
    tie: tuple[str, ...] = ()
    both_bad: tuple[str, ...] = ()
    name: str = "preference"
    text: str = ""

    def read(self, answer: str) -> str:
        """The choice of an answer; ValueError says what was expected."""
        for choice in ("a", "b", "tie", "both_bad"):
            if answer in getattr(self, choice):
                return choice
        known = (*self.a, *self.b, *self.tie, *self.both_bad)
        raise ValueError(f"expected one of {', '.join(map(repr, known))}, found {answer!r}")


@dataclass(frozen=True, slots=True)
class RatingMapping:
    """Lone completions, each with an answer to every question."""

    kind: str
    campaign: str
    prompt: str
    completion: str
    system: str
    questions: tuple[RatingQuestion, ...]
    item: str | None = None
    references: tuple[str, ...] = ()
    title: str = ""
    instructions: tuple[str, ...] = ()
    columns: Columns = field(default_factory=Columns)


@dataclass(frozen=True, slots=True)
class ComparisonMapping:
    """Pairs of completions of one prompt. left: the side that stood left in every task."""

    kind: str
    campaign: str
    prompt: str
    completion_a: str
    completion_b: str
    system_a: str
    system_b: str
    question: ChoiceQuestion
    item: str | None = None
    pair: str | None = None
    left: str = "a"
    title: str = ""
    instructions: tuple[str, ...] = ()
    columns: Columns = field(default_factory=Columns)

    @property
    def questions(self) -> tuple[ChoiceQuestion, ...]:
        return (self.question,)


Mapped = RatingMapping | ComparisonMapping
TEMPLATES = ("item", "pair", "prompt", "completion", "completion_a", "completion_b", "system", "system_a", "system_b")


def load_mapping(path: Path, header: Sequence[str]) -> Mapped:
    """The mapping at `path`; InputError if it does not fit itself or the file's `header`."""
    content = read_yaml_mapping(path)
    schemas: Mapping[str, type[Mapped]] = {"likert": RatingMapping, "pairwise": ComparisonMapping}
    kind = str(content.get("kind"))
    if kind not in schemas:
        raise InputError(f"{path}: kind: expected likert or pairwise, found {kind!r}.")
    mapping: Mapped = build_config(schemas[kind], content, source=str(path))
    _check_questions(path, mapping)
    for key, column in _named_columns(mapping):
        if column not in header and not _may_be_answered(key, column, header):
            raise InputError(f"{path}: {key}: the file has no column {column!r}; it has {', '.join(header)}.")
    return mapping


def _check_questions(path: Path, mapping: Mapped) -> None:
    if not mapping.questions or len({question.name for question in mapping.questions}) < len(mapping.questions):
        raise InputError(f"{path}: questions: expected at least one, each with a name of its own.")
    if isinstance(mapping, ComparisonMapping):
        if mapping.left not in ("a", "b"):
            raise InputError(f"{path}: left: expected a or b, found {mapping.left!r}.")
        answers = [*mapping.question.a, *mapping.question.b, *mapping.question.tie, *mapping.question.both_bad]
        if len(set(answers)) < len(answers) or not mapping.question.a or not mapping.question.b:
            raise InputError(f"{path}: question: expected answers for a and for b, and none that means two choices.")
        return
    for question in mapping.questions:
        points = question.scale_max - question.scale_min + 1
        for key, given in (("labels", question.labels), ("answers", question.answers)):
            if given and len(given) != points:
                raise InputError(f"{path}: {question.name}: {key}: expected {points}, one a point, found {len(given)}.")
        if points < 2:
            raise InputError(f"{path}: {question.name}: expected scale_max above scale_min.")


def _named_columns(mapping: Mapped) -> Iterator[tuple[str, str]]:
    """(key, column) of every column that the mapping names."""
    for key in TEMPLATES:
        yield from ((key, column) for column in PLACE.findall(getattr(mapping, key, None) or ""))
    for template in getattr(mapping, "references", ()):
        yield from (("references", column) for column in PLACE.findall(template))
    for entry in fields(mapping.columns):
        column = getattr(mapping.columns, entry.name)
        if column is not None:
            yield f"columns.{entry.name}", column
    for question in mapping.questions:
        yield f"question {question.name}", question.column


def _may_be_answered(key: str, column: str, header: Sequence[str]) -> bool:
    """Whether a question without a column of its own may be answered elsewhere; see `find_answer`."""
    spread = any(name.startswith(f"{column}.") for name in header)
    return key.startswith("question ") and (spread or TASK_ANSWERS in header)


def fill(template: str, row: Mapping[str, Any]) -> str:
    """The text that a template makes of a row."""
    return PLACE.sub(lambda place: str(row.get(place[1]) or ""), template)


def find_answer(row: Mapping[str, Any], column: str) -> str:
    """The answer to the question of `column`, empty if there is none; ValueError if it cannot be read.

    A form's radio buttons come as a column `Answer.quality`, as columns `Answer.quality.4` that say true or false, or
    inside the JSON of `Answer.taskAnswers`.
    """
    if column in row:
        return str(row[column] or "").strip()
    ticked = [
        name.removeprefix(f"{column}.")
        for name, cell in row.items()
        if name.startswith(f"{column}.") and str(cell).lower() == "true"
    ]
    if TASK_ANSWERS in row:
        ticked += _answers_in_json(str(row[TASK_ANSWERS] or ""), column.removeprefix("Answer."))
    if len(ticked) > 1:
        raise ValueError(f"expected one answer, found {', '.join(map(repr, ticked))}")
    return ticked[0] if ticked else ""


def _answers_in_json(text: str, name: str) -> list[str]:
    try:
        forms = json.loads(text or "[]")
    except ValueError as error:
        raise ValueError(f"{TASK_ANSWERS} is not valid JSON ({error})") from None
    answers = []
    for form in forms if isinstance(forms, list) else [forms]:
        given = form.get(name) if isinstance(form, dict) else None
        if isinstance(given, dict):  # radio buttons: option -> whether it is ticked
            answers += [option for option, is_ticked in given.items() if is_ticked is True]
        elif given not in (None, ""):
            answers.append(str(given))
    return answers
