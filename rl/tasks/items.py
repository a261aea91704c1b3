"""Items: one prompt each, with its references and concepts, as JSON lines."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from annotation.errors import InputError
from annotation.text_files import read_lines

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt of a task.

    item: its id. references: what people (or a corpus) wrote for it. concepts: the words that a completion
    must use. Both are empty for tasks without any.
    """

    item: str
    prompt: str
    references: tuple[str, ...]
    concepts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """A task's items by split; no concept set or prompt is in two of them."""

    name: str
    train: tuple[Item, ...]
    validation: tuple[Item, ...]
    test: tuple[Item, ...]

    def split(self, name: str) -> tuple[Item, ...]:
        if name not in SPLITS:
            raise InputError(f"split {name!r}: expected one of {', '.join(SPLITS)}.")
        items: tuple[Item, ...] = getattr(self, name)
        if not items:
            raise InputError(f"task {self.name}: its {name} split is empty; expected another split or more prompts.")
        return items


def write_items(items: Iterable[Item], path: Path) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in items)


def read_items(path: Path) -> tuple[Item, ...]:
    """The items in the JSON lines file at `path`; InputError names the file and line at fault."""
    try:
        lines = read_lines(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected one item a line as JSON.") from None
    if not lines:
        raise InputError(f"{path} is empty; expected one item a line as JSON.")
    return tuple(_parse_item(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1))


def _parse_item(line: str, where: str) -> Item:
    try:
        row = json.loads(line)
        return Item(str(row["item"]), str(row["prompt"]), tuple(row["references"]), tuple(row["concepts"]))
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not valid JSON ({error.msg}).") from None
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{where}: expected the keys item, prompt, references and concepts; missing {error}."
        ) from None
