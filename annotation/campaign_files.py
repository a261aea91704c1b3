"""What a campaign is made from: its YAML configuration and a file of items, both checked before a row is stored."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from annotation.configuration import load_config
from annotation.errors import InputError

MOST_PROBLEMS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class CampaignConfig:
    """A campaign as its requester writes it down. reward_per_hit is in US$, lease_minutes how long a HIT is held.

    access: `open` to all who have the address, or by signed `link` only (see invitations.py).
    """

    name: str
    task: str
    raters_per_hit: int = 3
    seed: int = 0
    allow_tie: bool = False
    allow_both_bad: bool = False
    reward_per_hit: float = 0.0
    lease_minutes: int = 30
    access: Literal["open", "link"] = "open"
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


REQUIRED_TEXTS = {
    "likert": ("item", "prompt", "completion", "system"),
    "pairwise": ("item", "pair", "prompt", "completion_a", "completion_b", "system_a", "system_b"),
}
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
        ("seed", -(2**63), 2**63 - 1),
    )
    for key, least, most in ranges:
        value = getattr(config, key)
        if not least <= value <= most:
            raise InputError(f"{path}: {key}: expected {least} to {most}, found {value}.")
    if config.reward != round(config.reward, 2):
        raise InputError(f"{path}: reward_per_hit: expected whole cents, found {config.reward_per_hit}.")
    return config


def read_item_rows(path: Path, kind: str) -> list[LikertRow] | list[PairwiseRow]:
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
            texts = {key: raw[key] for key in REQUIRED_TEXTS[kind]}
            make: Callable[..., Any] = LikertRow if kind == "likert" else PairwiseRow
            rows.append((where, make(**texts, references=tuple(raw.get("references") or ()))))
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
        elif key in ("item", "pair", "system", "system_a", "system_b") and len(value) > 200:
            problems.append(f"{key}: expected at most 200 characters, found {len(value)}")
    references = raw.get("references") or []
    if not isinstance(references, list) or not all(isinstance(reference, str) for reference in references):
        problems.append(f"references: expected a list of texts, found {references!r}")
    elif not all(map(_is_storable, references)):
        problems.append("references: holds a NUL or half a surrogate pair, which not every database stores")
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
            key = "pair" if isinstance(row, PairwiseRow) else "completion"
            problems.append(f"{where}: {key}: the same as on {seen[identity]}")
        seen.setdefault(identity, where)
        if isinstance(row, PairwiseRow) and (row.system_a, row.completion_a) == (row.system_b, row.completion_b):
            problems.append(f"{where}: completion_b: the same text by the same system as completion_a")
    return problems


def row_identity(row: LikertRow | PairwiseRow) -> tuple[str, ...]:
    """What makes a row the same HIT in every campaign with the same seed."""
    if isinstance(row, PairwiseRow):
        return (row.pair,)
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
            yield f"line {reader.line_num}", {**row, "references": parsed}


def _read_parquet(path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a Parquet file: {' '.join(str(error).split())}.") from None
    yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))
