"""An export folder being read: its manifest, and its records from JSON lines, Parquet or CSV.

pyarrow is imported where a Parquet file is actually there. `annotation.record_files` writes the files.
"""

import csv
import itertools
import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from annotation.records import (
    FILE_STEMS,
    SCHEMA_VERSION,
    Comment,
    Comparison,
    Preference,
    Ranking,
    Rating,
    Record,
    from_dict,
    type_hints,
)


def read_ratings(folder: Path) -> list[Rating]:
    """All ratings of an export, excluded ones and every kind included."""
    return _read_records(Rating, folder)


def read_comparisons(folder: Path) -> list[Comparison]:
    """All comparisons of an export, excluded ones and every kind included."""
    return _read_records(Comparison, folder)


def read_rankings(folder: Path) -> list[Ranking]:
    """All rankings of an export, excluded ones and every kind included."""
    return _read_records(Ranking, folder)


def read_comments(folder: Path) -> list[Comment]:
    return _read_records(Comment, folder)


def read_preferences(folder: Path) -> list[Preference]:
    return _read_records(Preference, folder)


def holds_records(folder: Path, record_type: type) -> bool:
    """Whether the export at `folder` has a file for this type of record."""
    return _find_file(folder, record_type) is not None


def read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    _expect_export(folder)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid JSON: {error}.") from None
    if not isinstance(manifest, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(manifest).__name__}.")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        found = manifest.get("schema_version")
        raise InputError(f"{path}: schema_version: expected {SCHEMA_VERSION}, found {found!r}.")
    return manifest


def _expect_export(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected an export made by export_judgments.")
    if not (folder / "manifest.json").is_file():
        raise InputError(f"{folder} has no manifest.json; expected an export made by export_judgments.")


def _find_file(folder: Path, record_type: type) -> Path | None:
    paths = (folder / f"{FILE_STEMS[record_type]}{suffix}" for suffix in _READERS)
    return next((path for path in paths if path.is_file()), None)


def _read_records(record_type: type[Record], folder: Path) -> list[Record]:
    _expect_export(folder)
    path = _find_file(folder, record_type)
    if path is None:
        stem = FILE_STEMS[record_type]
        names = " or ".join(f"{stem}{suffix}" for suffix in _READERS)
        raise InputError(f"{folder} holds no {stem}: expected {names} in it.")
    rows = _READERS[path.suffix](path, record_type)
    records = [from_dict(record_type, row, where) for where, row in rows]
    if not records:
        raise InputError(f"{path} is empty; expected at least one row.")
    return records


def _read_jsonl(path: Path, record_type: type) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise InputError(f"{where} is not valid JSON: {error}.") from None
            if not isinstance(row, dict):
                raise InputError(f"{where}: expected a JSON object, found {type(row).__name__}.")
            yield where, row


def _read_parquet(path: Path, record_type: type) -> Iterator[tuple[str, Mapping[str, Any]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        rows = itertools.chain.from_iterable(batch.to_pylist() for batch in file.iter_batches())
        yield from ((f"{path}, row {number}", row) for number, row in enumerate(rows, start=1))
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a Parquet file: {' '.join(str(error).split())}.") from None


def _read_csv(path: Path, record_type: type) -> Iterator[tuple[str, Mapping[str, Any]]]:
    csv.field_size_limit(2**31 - 1)  # Python's own limit is shorter than an article with its references
    hints = type_hints(record_type)
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, restkey="", strict=True)
        try:
            for cells in reader:
                where = f"{path}, line {reader.line_num}"
                if "" in cells or None in cells.values():
                    raise InputError(f"{where}: expected {len(reader.fieldnames or ())} cells, as the header has.")
                yield where, {key: parse_cell(hints[key], text) for key, text in cells.items() if key in hints}
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not valid CSV after line {reader.line_num}: {error}.") from None


def parse_cell(hint: Any, text: str) -> Any:
    """The value that a CSV cell holds: JSON, but text as it is and nothing as None. What is no such value stays text,
    which `from_dict` refuses."""
    if hint is str:
        return text
    if typing.get_origin(hint) is types.UnionType and text == "":
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


_READERS: dict[str, Callable[[Path, type], Iterator[tuple[str, Mapping[str, Any]]]]] = {
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".csv": _read_csv,
}
