"""Prompts of anyone, with or without references: one file that is split here, or a folder with a file for each split.

A .txt file has a prompt a line. A .jsonl file has an object a line: `prompt` and, where there are any, `item`,
`references` and `concepts`; other keys are ignored. Blank lines are skipped in both.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from annotation.near_duplicates import cluster_prompts, normalise_prompt
from annotation.records import split_of_prompt
from rl.tasks.items import SPLITS, Item, Task

NAME = "prompts"
SUFFIXES = (".jsonl", ".txt")
# A hash puts a prompt into a split of a fifth: 21 prompts leave such a split empty with a chance of 0.8^21 < 1 %.
ENOUGH_TO_SPLIT = 21


@dataclass(frozen=True, slots=True)
class PromptRow:
    """An item and where it was read, which is what an error calls it."""

    item: Item
    where: str


Splits = Mapping[str, tuple[PromptRow, ...]]


def load_prompts(source: Path) -> Task:
    """The prompts in `source`, each row checked; InputError names the file, the line and the field at fault."""
    if source.is_dir():
        splits: Splits = {split: read_prompt_file(_find_split(source, split)) for split in SPLITS}
        _expect_disjoint(splits)
    elif source.is_file():
        splits = _split_by_hash(read_prompt_file(source), source)
    else:
        raise InputError(f"{source}: no such file or folder; expected prompts as .jsonl or .txt.")
    _expect_distinct_items(row for rows in splits.values() for row in rows)
    train, validation, test = (tuple(row.item for row in splits[split]) for split in SPLITS)
    return Task(NAME, train, validation, test)


def read_prompt_file(path: Path) -> tuple[PromptRow, ...]:
    """The rows of one file, at least one; an item without an id is called after the file and its line."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: unknown extension {path.suffix!r}; expected {' or '.join(SUFFIXES)}.")
    parse = _parse_object if path.suffix == ".jsonl" else _parse_text
    rows = []
    for number, line in _read_lines(path):
        where = f"{path}, line {number}"
        rows.append(PromptRow(parse(line, f"{path.stem}-{number:05d}", where), where))
    if not rows:
        raise InputError(f"{path} is empty; expected a prompt a line.")
    return tuple(rows)


def _find_split(folder: Path, split: str) -> Path:
    present = [path for path in (folder / f"{split}{suffix}" for suffix in SUFFIXES) if path.is_file()]
    if len(present) != 1:
        found = "both" if present else "neither"
        raise InputError(f"{folder}: expected {split}.jsonl or {split}.txt in it, found {found}.")
    return present[0]


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers; a byte order mark, as some editors write it, is no text."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # splitlines would also cut at a form feed or U+2028
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}).") from None
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _parse_text(line: str, item: str, where: str) -> Item:
    """The line as it is: a space at its end may be meant."""
    return Item(item, line, (), ())


def _parse_object(line: str, item: str, where: str) -> Item:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not valid JSON ({error.msg}).") from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected an object with prompt, found {type(row).__name__}.")
    if "prompt" not in row:
        raise InputError(f"{where}: the key 'prompt' is missing; expected a prompt as text.")
    return Item(
        _read_text(row.get("item", item), f"{where}: item"),
        _read_text(row["prompt"], f"{where}: prompt"),
        _read_texts(row.get("references", []), f"{where}: references"),
        _read_texts(row.get("concepts", []), f"{where}: concepts"),
    )


def _read_text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where}: expected text, found {str(value)[:60]!r} ({type(value).__name__}).")
    if not value.strip():
        raise InputError(f"{where}: expected text, found a blank.")
    return value


def _read_texts(values: Any, where: str) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise InputError(f"{where}: expected a list of texts, found {str(values)[:60]!r} ({type(values).__name__}).")
    return tuple(_read_text(value, where) for value in values)


def _split_by_hash(rows: tuple[PromptRow, ...], path: Path) -> Splits:
    """60/20/20 by the prompt alone, so that a longer file moves none but near-duplicates, which stay together."""
    clusters = cluster_prompts(row.item.prompt for row in rows)
    places = [split_of_prompt(clusters.home_of(row.item.prompt)) for row in rows]
    splits = {split: tuple(row for row, place in zip(rows, places, strict=True) if place == split) for split in SPLITS}
    for split in ("train", "validation"):
        if not splits[split]:
            distinct = len({normalise_prompt(row.item.prompt) for row in rows})
            raise InputError(
                f"{path}: split by their hash, its prompts ({distinct} different ones) leave {split} empty; expected "
                f"{ENOUGH_TO_SPLIT} or more, which all but surely fill every split, or a folder with a file for each."
            )
    return splits


def _expect_disjoint(splits: Splits) -> None:
    first: dict[str, tuple[str, PromptRow]] = {}
    for split, rows in splits.items():
        for row in rows:
            home, earlier = first.setdefault(normalise_prompt(row.item.prompt), (split, row))
            if home != split:
                raise InputError(
                    f"{row.where}: prompt: {row.item.prompt[:60]!r} is in the {home} split too ({earlier.where}); "
                    "expected each prompt in one split."
                )


def _expect_distinct_items(rows: Iterable[PromptRow]) -> None:
    first: dict[str, PromptRow] = {}
    for row in rows:
        earlier = first.setdefault(row.item.item, row)
        if earlier is not row:
            raise InputError(
                f"{row.where}: item: {row.item.item!r} is also the id of {earlier.where}; expected an id of its own."
            )
