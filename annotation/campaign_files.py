"""What a campaign is made from: its YAML configuration and a file of items, both checked before a row is stored."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from annotation.configuration import load_config
from annotation.errors import InputError
from annotation.table_files import MOST_TEXT, Row, RowProblem, problems_of_text, read_rows, refuse
from annotation.task_templates import COMPLETIONS_OF_KIND, Qualification, TaskTemplate


@dataclass(frozen=True, slots=True)
class CampaignConfig:
    """A campaign as its requester writes it down. reward_per_hit is in US$, lease_minutes how long a HIT is held.

    strength_points: how many degrees a pairwise answer has beside its side, 2 to 4; 0 does not ask.
    access: `open` to all who have the address, or by signed `link` only (see invitations.py).
    """

    name: str
    task: str
    raters_per_hit: int = 3
    seed: int = 0
    allow_tie: bool = False
    allow_both_bad: bool = False
    strength_points: int = 0
    ask_comment: bool = False
    reward_per_hit: float = 0.0
    lease_minutes: int = 30
    access: Literal["open", "link"] = "open"
    title: str | None = None
    instructions: tuple[str, ...] = ()
    language: str | None = None
    qualification: Qualification | None = None

    @property
    def reward(self) -> Decimal:
        return Decimal(str(self.reward_per_hit))


@dataclass(frozen=True, slots=True)
class LikertRow:
    """A line of a Likert items file: one completion to rate."""

    item: str
    prompt: str
    completion: str
    system: str
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PairwiseRow:
    """A line of a pairwise items file: two completions of one prompt."""

    item: str
    pair: str
    prompt: str
    completion_a: str
    completion_b: str
    system_a: str
    system_b: str
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetRow:
    """A line of an items file of rankings or of best-worst: a named set of completions of one prompt."""

    item: str
    set: str
    prompt: str
    completions: tuple[str, ...]
    systems: tuple[str, ...]
    references: tuple[str, ...] = ()


ItemRow = LikertRow | PairwiseRow | SetRow
ROW_TYPES: dict[str, Callable[..., ItemRow]] = {
    "likert": LikertRow, "pairwise": PairwiseRow, "ranking": SetRow, "best_worst": SetRow,
}  # fmt: skip
SET_SIZES = {kind: COMPLETIONS_OF_KIND[kind] for kind in ("ranking", "best_worst")}
REQUIRED_TEXTS = {
    "likert": ("item", "prompt", "completion", "system"),
    "pairwise": ("item", "pair", "prompt", "completion_a", "completion_b", "system_a", "system_b"),
    "ranking": ("item", "set", "prompt"),
    "best_worst": ("item", "set", "prompt"),
}
SET_LISTS = ("completions", "systems")
NAMES = {"item", "pair", "set", "system", "system_a", "system_b"}
MOST_NAME = 200  # characters, as the database has it
MAY_BE_EMPTY = {"completion", "completion_a", "completion_b"}  # a policy may well have said nothing


def load_campaign_config(path: Path) -> CampaignConfig:
    config = load_config(CampaignConfig, path)
    if not config.name or not all(c.isascii() and (c.isalnum() or c in "-_") for c in config.name):
        raise InputError(f"{path}: name: expected letters, digits, - and _, found {config.name!r}.")
    if len(config.name) > 80:
        raise InputError(f"{path}: name: expected at most 80 characters, found {len(config.name)}.")
    ranges = (
        ("raters_per_hit", 1, 1000),
        ("lease_minutes", 1, 525_600),
        ("reward_per_hit", 0, 99_999),
        ("strength_points", 0, 4),
        ("seed", -(2**63), 2**63 - 1),
    )
    for key, least, most in ranges:
        value = getattr(config, key)
        if not least <= value <= most:
            raise InputError(f"{path}: {key}: expected {least} to {most}, found {value}.")
    if config.reward != round(config.reward, 2):
        raise InputError(f"{path}: reward_per_hit: expected whole cents, found {config.reward_per_hit}.")
    if config.strength_points == 1:
        raise InputError(f"{path}: strength_points: expected 0 or 2 to 4, found 1.")
    return config


@dataclass(slots=True)
class ItemsCheck:
    """What has been seen of an items file: enough to tell a row that does not go with one above, and no texts."""

    template: TaskTemplate
    good: int = 0
    _prompt_of_item: dict[bytes, bytes] = field(default_factory=dict)
    _place_of_row: dict[bytes, str] = field(default_factory=dict)

    @property
    def items(self) -> int:
        return len(self._prompt_of_item)

    def check(self, place: str, raw: Row) -> tuple[ItemRow | None, list[RowProblem]]:
        """The row, if it can be used; and why not."""
        kind = self.template.kind
        problems = _problems_of_row(place, raw, kind) or _problems_of_layout(place, raw, self.template)
        if problems:
            return None, problems
        values = {key: raw[key] for key in REQUIRED_TEXTS[kind]}
        if kind in SET_SIZES:
            values |= {key: tuple(raw[key]) for key in SET_LISTS}
        row = ROW_TYPES[kind](**values, references=_references(raw))
        problems = self._problems_beside_others(place, row)
        self.good += not problems
        return (None if problems else row), problems

    def _problems_beside_others(self, place: str, row: ItemRow) -> list[RowProblem]:
        """A row that is fine alone but not here: an item with two prompts, a thing to judge that comes twice."""
        problems = []
        prompt = _digest(row.prompt)
        if self._prompt_of_item.setdefault(_digest(row.item), prompt) != prompt:
            problems.append(RowProblem(place, "prompt", f"item {row.item!r} has another prompt above"))
        first = self._place_of_row.setdefault(_digest(*row_identity(row)), place)
        if first != place:
            thing = {PairwiseRow: "pair", SetRow: "set"}.get(type(row), "completion")
            problems.append(RowProblem(place, thing, f"the same as on {first}"))
        if isinstance(row, PairwiseRow) and (row.system_a, row.completion_a) == (row.system_b, row.completion_b):
            problems.append(RowProblem(place, "completion_b", "the same text by the same system as completion_a"))
        return problems


def check_items(path: Path, check: ItemsCheck) -> Iterator[ItemRow | RowProblem]:
    """Every usable row of a CSV, JSONL or Parquet file, and every problem of the others, as the file is read."""
    for place, raw in read_rows(path):
        if isinstance(raw, RowProblem):
            yield raw
            continue
        if path.suffix == ".csv":
            lists = {key: _read_list_cell(raw[key]) for key in SET_LISTS if key in raw}
            raw = raw | lists | {"references": _read_reference_cell(raw.get("references"))}
        row, problems = check.check(place, raw)
        if row is not None:
            yield row
        yield from problems


def read_item_rows(path: Path, template: TaskTemplate) -> Sequence[ItemRow]:
    """All rows of a CSV, JSONL or Parquet file; InputError lists line, field and reason of what does not fit."""
    problems: list[RowProblem] = []
    rows: list[ItemRow] = []
    for found in check_items(path, ItemsCheck(template)):
        if isinstance(found, RowProblem):
            problems.append(found)
        else:
            rows.append(found)
    if problems:
        raise refuse(path, problems, "--dry-run lists all")
    if not rows:
        raise InputError(f"{path} holds no items; expected at least one row.")
    return rows


def _problems_of_row(place: str, raw: Row, kind: str) -> list[RowProblem]:
    problems = []
    for key in REQUIRED_TEXTS[kind]:
        most = MOST_NAME if key in NAMES else MOST_TEXT
        reasons = problems_of_text(raw.get(key), most=most, may_be_empty=key in MAY_BE_EMPTY)
        problems += [RowProblem(place, key, reason) for reason in reasons]
    if kind in SET_SIZES:
        problems += [RowProblem(place, key, reason) for key, reason in _problems_of_set(raw, *SET_SIZES[kind])]
    references = _references(raw)
    if not isinstance(references, tuple):
        problems.append(RowProblem(place, "references", f"expected a list of texts, found {repr(references)[:100]}"))
        return problems
    for reference in references:
        reasons = problems_of_text(reference, may_be_empty=True)
        problems += [RowProblem(place, "references", reason) for reason in reasons]
    return problems


def _problems_of_layout(place: str, raw: Row, template: TaskTemplate) -> list[RowProblem]:
    """Texts that a page of the task could not show as its layout wants."""
    texts = [(key, raw[key]) for key in REQUIRED_TEXTS[template.kind]]
    if template.kind in SET_SIZES:
        texts += [("completions", text) for text in raw["completions"]]
    found = ((key, template.find_text_problem(key, text)) for key, text in texts)
    return [RowProblem(place, key, reason) for key, reason in found if reason]


def _problems_of_set(raw: Row, least: int, most: int) -> Iterator[tuple[str, str]]:
    """(field, reason) of what is wrong with the two lists of a set: each alone, and then together."""
    found = [(key, reason) for key in SET_LISTS if (reason := _problem_of_list(raw.get(key), key, least, most))]
    yield from found
    if found:
        return
    completions, systems = (raw[key] for key in SET_LISTS)
    if len(completions) != len(systems):
        yield "systems", f"expected one for each of the {len(completions)} completions, found {len(systems)}"
    elif len(set(zip(systems, completions, strict=True))) < len(completions):
        yield "completions", "the same text by the same system twice"


def _problem_of_list(values: Any, key: str, least: int, most: int) -> str | None:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return f"expected a list of texts, found {'nothing' if values is None else repr(values)[:100]}"
    if not least <= len(values) <= most:
        return f"expected {least} to {most}, found {len(values)}"
    is_name = key == "systems"
    reasons = (problems_of_text(v, most=MOST_NAME if is_name else MOST_TEXT, may_be_empty=not is_name) for v in values)
    return next((found[0] for found in reasons if found), None)


def _references(raw: Row) -> Any:
    """A tuple, if they are a list, or none."""
    references = raw.get("references") or []
    return tuple(references) if isinstance(references, list) else references


def _read_reference_cell(text: str | None) -> list[Any]:
    """A CSV cell holds a JSON list, or one reference as it is."""
    try:
        references = json.loads(text or "[]")
    except ValueError:
        return [text]
    return references if isinstance(references, list) else [text]


def _read_list_cell(text: str | None) -> Any:
    """A CSV cell that holds a list as JSON; the cell itself, to be named as what is wrong, if it does not."""
    try:
        return json.loads(text or "null")
    except ValueError:
        return text


def _digest(*texts: str) -> bytes:
    return hashlib.blake2b("\x1f".join(texts).encode(), digest_size=16).digest()


def row_identity(row: ItemRow) -> tuple[str, ...]:
    """What makes a row the same HIT in every campaign with the same seed."""
    if isinstance(row, PairwiseRow):
        return (row.pair,)
    if isinstance(row, SetRow):
        return (row.set,)
    return (row.item, row.system, row.completion)
