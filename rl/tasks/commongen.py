"""CommonGen (Lin et al. 2020): from the original files in a folder, or from the hub's `GEM/common_gen`.

The original release has `commongen.train.src_alpha.txt` beside `commongen.train.tgt.txt` (one reference a line)
and JSON lines with `concept_set` ("field_N#look_V") and `scene` for dev and test.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from annotation.errors import InputError
from annotation.text_files import read_lines
from rl.tasks.items import Item, Task

HUB_NAME = "GEM/common_gen"


def format_prompt(concepts: Iterable[str]) -> str:
    """The paper's prompt for CommonGen (RL4LMs, appendix on CommonGen)."""
    return f"generate a sentence with: {' '.join(concepts)}."


def load_commongen(folder: Path | None) -> Task:
    if folder is None:
        return _load_from_hub()
    train = _read_aligned(folder / "commongen.train.src_alpha.txt", folder / "commongen.train.tgt.txt")
    return _disjoint_task(
        train, _read_scenes(folder / "commongen.dev.jsonl"), _read_scenes(folder / "commongen.test.jsonl")
    )


def _load_from_hub() -> Task:
    import datasets  # slow to import, and needed only here

    try:
        hub = datasets.load_dataset(HUB_NAME)
    except (OSError, ConnectionError, datasets.exceptions.DatasetNotFoundError) as error:
        message = f"commongen: {HUB_NAME} could not be loaded from the hub ({error}); pass --data FOLDER instead."
        raise InputError(message) from None
    splits = []
    for name in ("train", "validation", "test"):
        rows: dict[tuple[str, ...], list[str]] = {}
        for row in hub[name]:
            rows.setdefault(tuple(row["concepts"]), []).extend(row["references"] or [row["target"]])
        splits.append(rows)
    return _disjoint_task(*splits)


def _read_aligned(source: Path, target: Path) -> dict[tuple[str, ...], list[str]]:
    concepts, sentences = _read_lines(source), _read_lines(target)
    if len(concepts) != len(sentences):
        raise InputError(f"{source} has {len(concepts)} lines and {target} {len(sentences)}; expected as many.")
    rows: dict[tuple[str, ...], list[str]] = {}
    for line, sentence in zip(concepts, sentences, strict=True):
        rows.setdefault(tuple(line.split()), []).append(sentence.strip())
    return rows


def _read_scenes(path: Path) -> dict[tuple[str, ...], list[str]]:
    rows: dict[tuple[str, ...], list[str]] = {}
    for number, line in enumerate(_read_lines(path), start=1):
        try:
            row = json.loads(line)
            concepts = tuple(concept.rsplit("_", 1)[0] for concept in row["concept_set"].split("#"))
            # Two sets may differ in parts of speech alone ("style" the noun and the verb): one prompt, one item.
            rows.setdefault(concepts, []).extend(scene.strip() for scene in row["scene"])
        except (json.JSONDecodeError, KeyError, TypeError):
            raise InputError(f"{path}, line {number}: expected JSON with concept_set and scene.") from None
    return rows


def _read_lines(path: Path) -> list[str]:
    try:
        return read_lines(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected CommonGen's original files in this folder.") from None


def _disjoint_task(*splits: dict[tuple[str, ...], list[str]]) -> Task:
    """A task whose later splits win: a concept set in test is dropped from train, whatever its order."""
    train, validation, test = splits
    held_out = {frozenset(concepts) for concepts in (*validation, *test)}
    tested = {frozenset(concepts) for concepts in test}
    return Task(
        "commongen",
        _to_items("train", {key: value for key, value in train.items() if frozenset(key) not in held_out}),
        _to_items("validation", {key: value for key, value in validation.items() if frozenset(key) not in tested}),
        _to_items("test", test),
    )


def _to_items(split: str, rows: dict[tuple[str, ...], list[str]]) -> tuple[Item, ...]:
    return tuple(
        Item(f"{split}-{number:05d}", format_prompt(concepts), tuple(references), concepts)
        for number, (concepts, references) in enumerate(rows.items())
    )
