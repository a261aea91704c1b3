"""Tables of pairs in files of this machine, row by row: JSON, CSV and Parquet, their texts as they stand there.

`datasets` is not asked to read them: it makes times of texts that look like dates and nothing of a CSV cell "None", and
says neither row nor column of what it cannot read.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from reward_models.table_rows import TableRow

Cells = Mapping[str, Any]
JSON_SPACE = re.compile(r"[ \t\r\n]*")  # what may stand between its values


def read_table(path: Path) -> Iterator[TableRow]:
    """The rows of a file with one of the endings in READERS; InputError names the place of what cannot be read."""
    try:
        for number, cells in enumerate(READERS[path.suffix](path), start=1):
            yield TableRow(cells, f"{path}, row {number}")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None


# JSON


def _read_json(path: Path) -> Iterator[Cells]:
    """A file of JSON lines, of one list, or of objects that take several lines each."""
    with path.open("rb") as stream:
        first = next((line for line in stream if line.strip()), b"")
    values = _read_json_lines(path) if _is_object(first) else _read_json_values(path)
    for number, value in enumerate(values, start=1):
        if not isinstance(value, dict):
            raise InputError(f"{path}, row {number}: expected a JSON object, found {json.dumps(value)[:60]}.")
        yield value


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line.decode("utf-8-sig")), dict)
    except (ValueError, RecursionError):
        return False


def _read_json_lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as stream:  # not as text, in which more than line breaks would end a line
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield _parse(line, f"{path}, line {number}")


def _parse(line: bytes, where: str) -> Any:
    try:
        return json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _not_utf_8(where, error) from None
    except (ValueError, RecursionError) as error:
        raise _not_json(where, error) from None


def _read_json_values(path: Path) -> Iterator[Any]:
    """Values one after another; those of a list, for a list."""
    text, decoder = _decode(path), json.JSONDecoder()
    place = _skip_space(text, 0)
    while place < len(text):
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            line = text.count("\n", 0, place) + 1
            raise _not_json(f"{path}: what begins in line {line}", error) from None
        yield from value if isinstance(value, list) else [value]
        place = _skip_space(text, end)


def _skip_space(text: str, start: int) -> int:
    found = JSON_SPACE.match(text, start)
    return found.end() if found else start


def _decode(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _not_utf_8(f"{path}, line {line}", error) from None


def _not_utf_8(where: str, error: UnicodeDecodeError) -> InputError:
    found = f"the byte 0x{error.object[error.start]:02x}"
    return InputError(f"{where} is not UTF-8: expected that encoding, found {found}.")


def _not_json(where: str, error: ValueError | RecursionError) -> InputError:
    found = str(error)
    if isinstance(error, json.JSONDecodeError):
        of_line = f" of line {error.lineno}" if "\n" in error.doc.rstrip() else ""
        ends = error.pos >= len(error.doc.rstrip())
        found = "it ends too early" if ends else f"{error.msg}, at character {error.colno}{of_line}"
    return InputError(f"{where} is not valid JSON: {found}.")


# CSV


def _read_csv(path: Path) -> Iterator[Cells]:
    """Every cell is a text; an empty one, an empty text."""
    csv.field_size_limit(2**31 - 1)  # Python's own limit is shorter than an article
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        try:
            header = next(reader, [])
            _expect_distinct(header, path)
            for cells in filter(None, reader):
                if len(cells) != len(header):
                    expected = f"{len(header)} cells, as the header has, found {len(cells)}"
                    raise InputError(f"{path}, line {reader.line_num}: expected {expected}.")
                yield dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num} is not valid CSV: {error}.") from None
        except UnicodeDecodeError:
            _decode(path)  # knows the line
            raise


def _expect_distinct(header: list[str], path: Path) -> None:
    twice = next((column for number, column in enumerate(header) if column in header[:number]), None)
    if twice is not None:
        raise InputError(f"{path}: the column {twice!r} stands there twice; expected each once.")


# Parquet


def _read_parquet(path: Path) -> Iterator[Cells]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise InputError(f"{path} is not a Parquet file: {' '.join(str(error).split()).rstrip('.')}.") from None


READERS: dict[str, Callable[[Path], Iterator[Cells]]] = {
    ".jsonl": _read_json,
    ".json": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
