"""What a campaign is made from: its YAML configuration and a file of items, both checked before a row is stored."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from annotation.configuration import load_config
from annotation.errors import InputError

MOST_PROBLEMS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class CampaignConfig:
    """A campaign as its requester writes it down. reward_per_hit is in US$, lease_minutes how long a HIT is held.

    strength_points: how many degrees a pairwise answer has beside its side, 2 to 4; 0 does not ask.
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
    title: str | None = None
    instructions: tuple[str, ...] = ()

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
# With two completions, the best and the worst are one answer.
SET_SIZES = {"ranking": (2, 6), "best_worst": (3, 6)}
REQUIRED_TEXTS = {
    "likert": ("item", "prompt", "completion", "system"),
    "pairwise": ("item", "pair", "prompt", "completion_a", "completion_b", "system_a", "system_b"),
    "ranking": ("item", "set", "prompt"),
    "best_worst": ("item", "set", "prompt"),
}
SET_LISTS = ("completions", "systems")
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


def read_item_rows(path: Path, kind: str) -> Sequence[ItemRow]:
    """All rows of a CSV, JSONL or Parquet file; InputError lists line, field and reason of what does not fit."""
    problems: list[str] = []
    rows: list[Any] = []
    for where, raw in _read_raw_rows(path):
        if isinstance(raw, str):
            problems.append(f"{where}: {raw}")
            continue
        found = _problems_of_row(raw, kind)
        problems += [f"{where}: {problem}" for problem in found]
        if not found:
            values = {key: raw[key] for key in REQUIRED_TEXTS[kind]}
            lists = SET_LISTS if kind in SET_SIZES else ()
            values |= {key: tuple(raw.get(key) or ()) for key in (*lists, "references")}
            rows.append((where, ROW_TYPES[kind](**values)))
    problems += _problems_between_rows(rows)
    if problems:
        shown = "; ".join(problems[:MOST_PROBLEMS_SHOWN])
        more = len(problems) - MOST_PROBLEMS_SHOWN
        raise InputError(f"{path}: {shown}{f'; and {more} more' if more > 0 else ''}.")
    if not rows:
        raise InputError(f"{path} holds no items; expected at least one row.")
    return [row for _, row in rows]


def _problems_of_row(raw: dict[str, Any], kind: str) -> list[str]:
    problems = []
    for key in REQUIRED_TEXTS[kind]:
        value = raw.get(key)
        if not isinstance(value, str):
            problems.append(f"{key}: expected text, found {'nothing' if value is None else repr(value)}")
        elif not value.strip() and key not in MAY_BE_EMPTY:
            problems.append(f"{key}: expected text, found only blanks")
        elif not _is_storable(value):
            problems.append(f"{key}: holds a NUL or half a surrogate pair, which not every database stores")
        elif key in ("item", "pair", "set", "system", "system_a", "system_b") and len(value) > 200:
            problems.append(f"{key}: expected at most 200 characters, found {len(value)}")
    if kind in SET_SIZES:
        problems += _problems_of_set(raw, *SET_SIZES[kind])
    references = raw.get("references") or []
    if not isinstance(references, list) or not all(isinstance(reference, str) for reference in references):
        problems.append(f"references: expected a list of texts, found {references!r}")
    elif not all(map(_is_storable, references)):
        problems.append("references: holds a NUL or half a surrogate pair, which not every database stores")
    return problems


def _problems_of_set(raw: dict[str, Any], least: int, most: int) -> list[str]:
    """What is wrong with the two lists of a set: each alone, and then together."""
    problems = []
    for key in SET_LISTS:
        values = raw.get(key)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            problems.append(f"{key}: expected a list of texts, found {'nothing' if values is None else repr(values)}")
        elif not least <= len(values) <= most:
            problems.append(f"{key}: expected {least} to {most}, found {len(values)}")
        elif not all(map(_is_storable, values)):
            problems.append(f"{key}: holds a NUL or half a surrogate pair, which not every database stores")
        elif key == "systems" and not all(value.strip() and len(value) <= 200 for value in values):
            problems.append("systems: expected names of 1 to 200 characters")
    if problems:
        return problems
    completions, systems = (raw[key] for key in SET_LISTS)
    if len(completions) != len(systems):
        problems.append(f"systems: expected one for each of the {len(completions)} completions, found {len(systems)}")
    elif len(set(zip(systems, completions, strict=True))) < len(completions):
        problems.append("completions: the same text by the same system twice")
    return problems


def _is_storable(text: str) -> bool:
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


def _problems_between_rows(rows: list[tuple[str, Any]]) -> list[str]:
    """Rows that are fine alone but not together: an item with two prompts, a thing to judge that comes twice."""
    problems = []
    prompts: dict[str, str] = {}
    seen: dict[tuple[str, ...], str] = {}
    for where, row in rows:
        if prompts.setdefault(row.item, row.prompt) != row.prompt:
            problems.append(f"{where}: prompt: item {row.item!r} has another prompt above")
        identity = row_identity(row)
        if identity in seen:
            key = {PairwiseRow: "pair", SetRow: "set"}.get(type(row), "completion")
            problems.append(f"{where}: {key}: the same as on {seen[identity]}")
        seen.setdefault(identity, where)
        if isinstance(row, PairwiseRow) and (row.system_a, row.completion_a) == (row.system_b, row.completion_b):
            problems.append(f"{where}: completion_b: the same text by the same system as completion_a")
    return problems


def row_identity(row: ItemRow) -> tuple[str, ...]:
    """What makes a row the same HIT in every campaign with the same seed."""
    if isinstance(row, PairwiseRow):
        return (row.pair,)
    if isinstance(row, SetRow):
        return (row.set,)
    return (row.item, row.system, row.completion)


def _read_raw_rows(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """(place, row) for each row; (place, problem) for a line that is no row."""
    readers = {".jsonl": _read_jsonl, ".csv": _read_csv, ".parquet": _read_parquet}
    if path.suffix not in readers:
        raise InputError(f"{path}: expected a file whose name ends in .jsonl, .csv or .parquet.")
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the items of the campaign.")
    try:
        yield from readers[path.suffix](path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}.") from None


def _read_jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                yield f"line {number}", f"not valid JSON ({error})"
                continue
            yield f"line {number}", row if isinstance(row, dict) else f"expected a JSON object, found {row!r}"


def _read_csv(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        for row in reader:
            references = row.get("references")
            try:
                parsed = json.loads(references) if references else []
            except json.JSONDecodeError:
                parsed = [references]  # one reference, written as it is
            lists = {key: _parse_list(row[key]) for key in SET_LISTS if key in row}
            yield f"line {reader.line_num}", {**row, **lists, "references": parsed}


def _parse_list(cell: str | None) -> Any:
    """A CSV cell that holds a list as JSON; the cell itself, to be named as what is wrong, if it does not."""
    try:
        return json.loads(cell or "null")
    except json.JSONDecodeError:
        return cell


def _read_parquet(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a Parquet file: {' '.join(str(error).split())}.") from None
    yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))
