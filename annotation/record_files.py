"""Record files being written: JSON lines, Parquet or CSV, a few records at a time, with their sha256 as they grow."""

import abc
import codecs
import contextlib
import csv
import dataclasses
import hashlib
import io
import json
import shutil
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from annotation.records import FILE_STEMS, Comment, Comparison, Preference, Ranking, Rating, to_dict
from annotation.text_files import expect_new_file, make_folder, partial_path

FORMATS = ("jsonl", "parquet", "csv")
ROW_GROUP = 10_000  # rows of a Parquet file that are held back before they are written

AnyRecord = Rating | Comparison | Ranking | Preference | Comment


class HashedFile(io.RawIOBase):
    """A new file that knows the sha256 of what was written to it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self._digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._digest.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class RecordFile(abc.ABC):
    """A file of records of one type. `close` writes what was held back; only then is `sha256` that of the file."""

    def __init__(self, path: Path, record_type: type[AnyRecord]) -> None:
        self.path = path
        self.rows = 0
        self._bytes = HashedFile(path)

    @property
    def sha256(self) -> str:
        return self._bytes.sha256

    def write(self, records: Iterable[AnyRecord]) -> None:
        for record in records:
            self._write_row(to_dict(record))
            self.rows += 1

    def close(self) -> None:
        self._bytes.close()

    @abc.abstractmethod
    def _write_row(self, row: Mapping[str, Any]) -> None: ...


class JsonLines(RecordFile):
    def _write_row(self, row: Mapping[str, Any]) -> None:
        self._bytes.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


class Csv(RecordFile):
    """Lists are JSON in their cell, nothing is an empty cell. Texts stand as they are, even where a spreadsheet would
    take them for a formula: an export reloads unchanged."""

    def __init__(self, path: Path, record_type: type[AnyRecord]) -> None:
        super().__init__(path, record_type)
        self._writer = csv.writer(codecs.getwriter("utf-8")(self._bytes))
        self._writer.writerow(field.name for field in dataclasses.fields(record_type))

    def _write_row(self, row: Mapping[str, Any]) -> None:
        self._writer.writerow(
            json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value for value in row.values()
        )


class Parquet(RecordFile):
    def __init__(self, path: Path, record_type: type[AnyRecord]) -> None:
        import pyarrow
        from pyarrow import parquet

        super().__init__(path, record_type)
        self._schema = pyarrow.schema(
            [(name, _arrow_type(hint)) for name, hint in typing.get_type_hints(record_type).items()]
        )
        self._writer = parquet.ParquetWriter(self._bytes, self._schema)
        self._held: list[Mapping[str, Any]] = []

    def _write_row(self, row: Mapping[str, Any]) -> None:
        self._held.append(row)
        if len(self._held) == ROW_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow

        self._writer.write_table(pyarrow.Table.from_pylist(self._held, self._schema))
        self._held = []

    def close(self) -> None:
        try:
            if self._held:
                self._write_group()
            self._writer.close()
        finally:
            super().close()


def _arrow_type(hint: Any) -> Any:
    import pyarrow

    if typing.get_origin(hint) is types.UnionType:  # `X | None`: in Parquet every column may hold nothing
        hint = typing.get_args(hint)[0]
    known = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    return pyarrow.list_(pyarrow.string()) if hint == tuple[str, ...] else known[hint]


_FILES: dict[str, type[RecordFile]] = {"jsonl": JsonLines, "parquet": Parquet, "csv": Csv}


@contextlib.contextmanager
def write_export(output: Path) -> Iterator[Path]:
    """The folder to write to; it becomes `output` when the block ends without an exception, and else is gone."""
    expect_new_file(output)
    partial = partial_path(output)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        make_folder(partial)
        yield partial
        partial.rename(output)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextlib.contextmanager
def open_record_files(
    folder: Path, record_types: Iterable[type[AnyRecord]], file_format: str
) -> Iterator[dict[str, RecordFile]]:
    """A new file in `folder` for each type of record, by stem; closed, and so whole, when the block ends."""
    with contextlib.ExitStack() as stack:
        files = {}
        for record_type in record_types:
            stem = FILE_STEMS[record_type]
            file = _FILES[file_format](folder / f"{stem}.{file_format}", record_type)
            files[stem] = stack.enter_context(contextlib.closing(file))
        yield files


def describe_files(files: Mapping[str, RecordFile]) -> dict[str, dict[str, Any]]:
    """What a manifest says of its files, by name; they are closed."""
    return {file.path.name: {"rows": file.rows, "sha256": file.sha256} for file in files.values()}
