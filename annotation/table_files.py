"""Files of rows that others hand in: CSV, JSON lines or Parquet, read row by row, with bounds on what is taken."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from annotation.errors import InputError
from annotation.text_files import write_whole

MOST_TEXT = 200_000  # characters of one text, about 100 printed pages
MOST_ROW = 10_000_000  # characters of a line of JSON, or of a cell
MOST_PROBLEMS_SHOWN = 5
ROWS_AT_ONCE = 1000
UNSTORABLE = re.compile("[\0\ud800-\udfff]")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a row cannot be used. `place` is "line 3", or "row 3" of a Parquet file; field is empty for a whole row."""

    place: str
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.field}: {self.reason}" if self.field else f"{self.place}: {self.reason}"


def read_rows(path: Path) -> Iterator[tuple[str, Row | RowProblem]]:
    """(place, row) of each row, or (place, problem) of a line that is none. InputError for what is no such file."""
    readers = {".jsonl": _read_jsonl, ".csv": _read_csv, ".parquet": _read_parquet}
    if path.suffix not in readers:
        raise InputError(f"{path}: expected a file whose name ends in .jsonl, .csv or .parquet.")
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected rows as CSV, JSON lines or Parquet.")
    size, most = path.stat().st_size, settings.MAX_INPUT_BYTES
    if size > most:
        raise InputError(
            f"{path} has {size:,} bytes; expected at most {most:,} (PREFLOOP_MAX_INPUT_MB), or several files."
        )
    try:
        yield from readers[path.suffix](path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}.") from None


def problems_of_text(value: Any, *, most: int = MOST_TEXT, may_be_empty: bool = False) -> list[str]:
    """Why `value` is no text that can be stored and shown; one reason is enough."""
    if not isinstance(value, str):
        return [f"expected text, found {'nothing' if value is None else repr(value)[:100]}"]
    if not value.strip() and not may_be_empty:
        return ["expected text, found only blanks"]
    if UNSTORABLE.search(value):
        return ["holds a NUL or half a surrogate pair, which not every database stores"]
    if len(value) > most:
        return [f"expected at most {most:,} characters, found {len(value):,}"]
    return []


def refuse(path: Path, problems: Sequence[RowProblem], advice: str) -> InputError:
    """The sentence that names the first few bad rows, and says how to see all."""
    shown = "; ".join(map(str, problems[:MOST_PROBLEMS_SHOWN]))
    more = len(problems) - MOST_PROBLEMS_SHOWN
    return InputError(f"{path}: {shown}{f'; and {more} more ({advice})' if more > 0 else ''}.")


def write_report(problems: Iterable[RowProblem], path: Path) -> None:
    """A CSV of every problem: line, field, reason. It appears whole or not at all."""
    if path.exists():
        raise InputError(f"{path} exists already; name another --report or remove it first.")
    with write_whole(path, newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("line", "field", "reason"))
        writer.writerows((row.place.split()[-1], row.field, row.reason) for row in problems)


def _read_jsonl(path: Path) -> Iterator[tuple[str, Row | RowProblem]]:
    with path.open(encoding="utf-8-sig") as stream:
        number = 0
        while line := stream.readline(MOST_ROW + 1):
            number += 1
            place = f"line {number}"
            if len(line) > MOST_ROW:
                yield place, RowProblem(place, "", f"expected at most {MOST_ROW:,} characters on a line")
                while line and not line.endswith("\n"):
                    line = stream.readline(MOST_ROW)
                continue
            yield place, _parse_json_line(place, line)


def _parse_json_line(place: str, line: str) -> Row | RowProblem:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return RowProblem(place, "", f"not valid JSON ({error})")
    return row if isinstance(row, dict) else RowProblem(place, "", f"expected a JSON object, found {repr(row)[:100]}")


def _read_csv(path: Path) -> Iterator[tuple[str, Row | RowProblem]]:
    csv.field_size_limit(MOST_ROW)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader: csv.DictReader[str] = csv.DictReader(stream, restkey="")
        try:
            _check_header(path, reader.fieldnames or ())
            for row in reader:
                place = f"line {reader.line_num}"
                yield place, _check_cells(place, row)
        except csv.Error as error:
            raise InputError(f"{path} is not valid CSV after line {reader.line_num}: {error}.") from None


def _check_header(path: Path, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: the header has the column {twice[0]!r} twice; expected every name once.")


def _check_cells(place: str, row: Mapping[str, Any]) -> Row | RowProblem:
    if "" in row and isinstance(row[""], list):
        return RowProblem(place, "", f"has {len(row) - 1 + len(row[''])} cells where the header has {len(row) - 1}")
    return dict(row)


def _read_parquet(path: Path) -> Iterator[tuple[str, Row | RowProblem]]:
    import pyarrow
    from pyarrow import parquet

    try:
        number = 0
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=ROWS_AT_ONCE):
            for row in batch.to_pylist():
                number += 1
                yield f"row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a Parquet file: {' '.join(str(error).split())}.") from None
