"""Which tables a path or a hub name means, by split."""

import contextlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from reward_models.pair_files import READERS, read_table
from reward_models.table_rows import TableRow

Tables = dict[str, list[Iterable[TableRow]]]
SPLIT_NAMES = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}


def find_tables(source: str) -> Tables:
    """Tables by split: a file is the train split, of a folder or a hub's data set the `datasets` library knows more."""
    path = Path(source)
    if path.is_file() and path.suffix not in READERS:
        raise InputError(f"{source}: expected an export's folder, or one of {', '.join(READERS)}.")
    if path.is_file():
        return {"train": [read_table(path)]}
    try:
        with _without_error_logs():
            found = _find_data_set(source)
    except Exception as error:  # a library of many loaders raises errors of all of them
        missing = "" if path.exists() else "is no folder or file here, and "
        raise InputError(f"{source} {missing}cannot be read as a data set: {_find_cause(error)}.") from None
    tables: Tables = {}
    for name, parts in found.items():
        if name not in SPLIT_NAMES:
            raise InputError(f"{source}: unknown split {name!r}; expected {', '.join(SPLIT_NAMES)}.")
        tables.setdefault(SPLIT_NAMES[name], []).extend(parts)
    return tables


def _find_data_set(source: str) -> Tables:
    """By the splits' names in the data set. What is compressed or on a hub is read by `datasets`."""
    from datasets import load_dataset, load_dataset_builder  # take seconds to import
    from datasets.packaged_modules.csv.csv import CsvConfig

    config = load_dataset_builder(source).config
    files = {str(split): [Path(name) for name in names] for split, names in (config.data_files or {}).items()}
    paths = [path for some in files.values() for path in some]
    if paths and all(path.is_file() and path.suffix in READERS for path in paths):
        return {split: [read_table(path) for path in some] for split, some in files.items()}
    as_they_are = {"keep_default_na": False} if isinstance(config, CsvConfig) else {}  # a cell "None" is a text
    loaded = load_dataset(source, **as_they_are)
    return {str(split): [_number_rows(rows, f"{source}, {split}")] for split, rows in loaded.items()}


def _number_rows(rows: Iterable[dict[str, Any]], where: str) -> Iterator[TableRow]:
    return (TableRow(cells, f"{where}, row {number}") for number, cells in enumerate(rows, start=1))


@contextlib.contextmanager
def _without_error_logs() -> Iterator[None]:
    """Inside, `datasets` logs no errors: they are raised as well, and become one sentence."""

    def is_no_error(record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR

    handlers = list(logging.getLogger("datasets").handlers)
    for handler in handlers:
        handler.addFilter(is_no_error)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(is_no_error)


def _find_cause(error: BaseException) -> str:
    """The first line of what began a chain of errors: those raised after it only say that something failed."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = str(error).strip()
    return said.splitlines()[0].rstrip(".") if said else type(error).__name__
