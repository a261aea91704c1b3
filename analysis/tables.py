"""Long tables in: columns checked, numbers read, rows that cannot be used counted. Errors name column and row.

Row numbers in messages are the labels of the table's index.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from annotation.errors import InputError


def require_columns(table: pd.DataFrame, *columns: str) -> None:
    """InputError if the table is empty or lacks one of `columns`."""
    for column in columns:
        if column not in table.columns:
            present = ", ".join(map(str, table.columns)) or "none"
            raise InputError(f"the table has no column {column!r}; its columns are {present}.")
    if table.empty:
        raise InputError("the table is empty; expected at least one row of judgments.")


def require_no_gaps(table: pd.DataFrame, *columns: str) -> None:
    """InputError if an identifying column has an empty cell."""
    for column in columns:
        missing = table.index[table[column].isna()]
        if len(missing):
            raise InputError(f"row {missing[0]}: the column {column!r} is empty; expected who or what was judged.")


def quoted(value: Any) -> str:
    """A cell for a message: 1 and 'a', never np.int64(1)."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def numbers(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """The column as floats (N,), NaN where empty; InputError names the first cell that is not a number."""
    values = table[column]
    if values.dtype == bool:
        values = values.astype(float)
    converted = pd.to_numeric(values, errors="coerce")
    wrong = table.index[converted.isna() & values.notna()]
    if len(wrong):
        raise InputError(f"row {wrong[0]}: {column!r} is {quoted(values.loc[wrong[0]])}; expected a number.")
    result = converted.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = table.index[np.isinf(result)]
    if len(infinite):
        raise InputError(f"row {infinite[0]}: {column!r} is infinite; expected a finite number.")
    return result


def codes(values: pd.Series) -> tuple[NDArray[np.int64], list[Any]]:
    """Whole-number codes (N,) in the sorted order of the distinct values, and those values.

    Sorted, so that the order of rows changes nothing; values of mixed types are sorted by type and text.
    """
    appearance, distinct = pd.factorize(values, sort=False)
    labels = list(distinct)
    order = sorted_positions(labels)
    position = np.empty(len(labels), dtype=np.int64)
    position[order] = np.arange(len(labels))
    return position[appearance], [labels[index] for index in order]


def sorted_positions(labels: list[Any]) -> list[int]:
    try:
        return sorted(range(len(labels)), key=lambda index: labels[index])
    except TypeError:
        return sorted(range(len(labels)), key=lambda index: (type(labels[index]).__name__, str(labels[index])))


def cluster_codes(table: pd.DataFrame, cluster: str | None) -> tuple[NDArray[np.int64], int]:
    """Cluster of each row (N,) and the number of clusters; without a column each row is its own cluster."""
    if cluster is None:
        return np.arange(len(table)), len(table)
    row_codes, labels = codes(table[cluster])
    return row_codes, len(labels)
