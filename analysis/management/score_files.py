"""Files beside an export: metrics' scores, as score_texts and others write them, and expected answers (gold)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.metric_scores import Scores, read_scores
from annotation.errors import InputError
from annotation.table_files import RowProblem, read_rows, refuse


def load_scores(path: Path, metrics: Sequence[str] = ()) -> Scores:
    """Scores from CSV, JSON lines or Parquet; a nested object `scores` counts as so many columns.

    InputError names the file and the line of what cannot be read.
    """
    table = load_table(path)
    try:
        return read_scores(table, metrics)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def load_table(path: Path) -> pd.DataFrame:
    """The rows of CSV, JSON lines or Parquet, by their line; InputError names the file and the lines that are none."""
    rows: dict[int, dict[str, Any]] = {}
    problems: list[RowProblem] = []
    for place, row in read_rows(path):
        if isinstance(row, RowProblem):
            problems.append(row)
        else:
            rows[int(place.split()[-1])] = _flatten(row)
    if problems:
        raise refuse(path, problems, "mend these first")
    return pd.DataFrame.from_dict(rows, orient="index")


def _flatten(row: dict[str, Any]) -> dict[str, Any]:
    """Empty cells of CSV are missing values."""
    nested = row.get("scores")
    if isinstance(nested, dict):
        row = {name: value for name, value in row.items() if name != "scores"} | nested
    return {name: None if value == "" else value for name, value in row.items()}
