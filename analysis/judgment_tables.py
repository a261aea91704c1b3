"""Anybody's table of judgments: a CSV, JSON lines or Parquet file whose columns the caller names.

Rows keep the number that they have in their file, so that a message can name them. What comes out has the columns of
an export, so that the same analyses take it.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.tables import numbers, quoted, require_columns
from annotation.errors import InputError

# How a file is read, by the end of its name.
READERS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
# What a vote may say, in lower case, beside the name of the system that it is for.
CHOICES = {
    "a": ("a", "model_a", "system_a", "first", "1"),
    "b": ("b", "model_b", "system_b", "second", "2"),
    "tie": ("tie", "equal", "both", "0"),
    "both_bad": ("both_bad", "both bad", "tie (bothbad)", "neither"),
}
SAID = {word: choice for choice, words in CHOICES.items() for word in words}
# What only an export says of a row: all of a table counts, and nobody took the time.
WITHOUT_A_CAMPAIGN = {"kind": "work", "excluded": "", "active_seconds": np.nan}
# What separates parts of a made-up name: no text of a table holds it.
SEPARATOR = "\x1f"


@dataclasses.dataclass(frozen=True, slots=True)
class RatingColumns:
    """value: one column for each question, or one of all with `question` naming another. unit: what was rated
    (default: item and system). order: the categories from low to high, where values are text. scale: its ends
    (default: the least and the greatest value of each question).
    """

    value: tuple[str, ...] = ("value",)
    item: str = "item"
    rater: str = "worker"
    system: str | None = "system"
    question: str | None = None
    unit: str | None = None
    order: tuple[str, ...] = ()
    scale: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class VoteColumns:
    """choice: who won, see `CHOICES`, or a system's name. left: which was shown left, "a" or "b", if known. pair: what
    the vote was on (default: item and systems). completion_a, completion_b: the texts, if they are there.
    """

    choice: str = "choice"
    item: str = "item"
    rater: str = "worker"
    system_a: str = "system_a"
    system_b: str = "system_b"
    left: str | None = None
    pair: str | None = None
    strength: str | None = None
    completion_a: str | None = None
    completion_b: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class JudgmentTable:
    """The rows that can be used, in the columns of an export, and a line (row, reason) for each that cannot."""

    rows: pd.DataFrame
    left_out: pd.DataFrame


def read_table(path: Path) -> pd.DataFrame:
    """The file as it is: text stays text ("nan" too), an empty cell is missing. The index is the row in the file."""
    kind = READERS[path.suffix]
    if not path.is_file():
        raise InputError(f"{path} does not exist; expected a table of judgments.")
    try:
        if kind == "parquet":
            table = pd.read_parquet(path)
        elif kind == "jsonl":
            table = pd.read_json(path, lines=True, dtype=False)
        else:
            separator = "\t" if path.suffix == ".tsv" else ","
            table = pd.read_csv(path, sep=separator, keep_default_na=False, na_values=[""], dtype=object)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    if table.empty:
        raise InputError(f"{path} has no rows; expected at least one judgment.")
    # A header stands in a CSV's first row.
    first = 2 if kind == "csv" else 1
    return table.set_axis(pd.RangeIndex(first, first + len(table)), axis=0)


def ratings_of_table(table: pd.DataFrame, columns: RatingColumns) -> JudgmentTable:
    """Long ratings with the columns of an export's; InputError names the row that is wrong."""
    named = (columns.item, columns.rater, columns.system, columns.question, columns.unit)
    require_columns(table, *columns.value, *filter(None, named))
    parts = [_ratings_of_column(table, name, columns) for name in columns.value]
    rows = pd.concat([part.rows for part in parts])
    _require_one_rating(rows, columns)
    return JudgmentTable(rows, pd.concat([part.left_out for part in parts]))


def _ratings_of_column(table: pd.DataFrame, name: str, columns: RatingColumns) -> JudgmentTable:
    identities = [column for column in (columns.item, columns.rater, columns.system, columns.question) if column]
    kept, left_out = _leave_out_gaps(table, [*identities, *filter(None, [columns.unit]), name])
    if kept.empty:
        raise InputError(f"no row has a value in every one of {', '.join(map(repr, [*identities, name]))}.")
    system = _text(kept[columns.system]) if columns.system else pd.Series("all", index=kept.index)
    item = _text(kept[columns.item])
    question = _text(kept[columns.question]) if columns.question else pd.Series(name, index=kept.index)
    values = _values(kept, name, columns.order)
    rows = pd.DataFrame(
        {
            "hit": _text(kept[columns.unit]) if columns.unit else item + SEPARATOR + system,
            "item": item,
            "system": system,
            "question": question,
            "value": values,
            "worker": _text(kept[columns.rater]),
        }
    )
    return JudgmentTable(_within_scale(rows, name, columns.scale).assign(**WITHOUT_A_CAMPAIGN), left_out)


def _values(table: pd.DataFrame, name: str, order: Sequence[str]) -> np.ndarray:
    """Numbers as they are; with an order, the place of each category, from 1."""
    if not order:
        try:
            return numbers(table, name)
        except InputError as error:
            raise InputError(f"{str(error).rstrip('.')}, or the categories from low to high (--order).") from None
    places = _text(table[name]).map({category: place for place, category in enumerate(order, start=1)})
    unknown = table.index[places.isna()]
    if len(unknown):
        found = quoted(table[name].loc[unknown[0]])
        raise InputError(f"row {unknown[0]}: {name!r} is {found}; expected one of {', '.join(order)}.")
    return places.to_numpy(dtype=np.float64)


def _within_scale(rows: pd.DataFrame, name: str, scale: tuple[float, float] | None) -> pd.DataFrame:
    if scale is None:
        of_question = rows.groupby("question")["value"]
        return rows.assign(scale_min=of_question.transform("min"), scale_max=of_question.transform("max"))
    low, high = scale
    outside = rows.index[(rows["value"] < low) | (rows["value"] > high)]
    if len(outside):
        value = rows["value"].loc[outside[0]]
        raise InputError(f"row {outside[0]}: {name!r} is {value:g}; expected {low:g} to {high:g} ({_more(outside)}).")
    return rows.assign(scale_min=low, scale_max=high)


def _require_one_rating(rows: pd.DataFrame, columns: RatingColumns) -> None:
    key = ["question", "hit", "worker"]
    again = rows.index[rows.duplicated(key)]
    if not len(again):
        return
    row = rows.loc[[again[0]]].iloc[-1]
    first = rows.index[(rows[key] == row[key]).all(axis=1)][0]
    unit = row["hit"].replace(SEPARATOR, " by ")
    raise InputError(
        f"rows {first} and {again[0]}: {columns.rater} {row['worker']!r} rates {unit!r} twice ({_more(again)}); "
        "expected one rating of a unit by a rater."
    )


def votes_of_table(table: pd.DataFrame, columns: VoteColumns) -> JudgmentTable:
    """Votes on pairs with the columns of an export's comparisons; InputError names the row that is wrong."""
    optional = (columns.left, columns.pair, columns.strength, columns.completion_a, columns.completion_b)
    needed = [columns.item, columns.rater, columns.system_a, columns.system_b, columns.choice]
    require_columns(table, *needed, *filter(None, optional))
    kept, left_out = _leave_out_gaps(table, [*needed, *filter(None, [columns.left, columns.pair])])
    if kept.empty:
        raise InputError(f"no row has a value in every one of {', '.join(map(repr, needed))}.")
    names = {"item": columns.item, "worker": columns.rater, "system_a": columns.system_a, "system_b": columns.system_b}
    rows = pd.DataFrame({name: _text(kept[column]) for name, column in names.items()})
    rows["choice"] = _choices(kept, rows, columns)
    rows["left"] = _sides(kept, columns.left) if columns.left else ""
    both = np.sort(rows[["system_a", "system_b"]].to_numpy(dtype=str), axis=1)
    pairs = rows["item"] + SEPARATOR + both[:, 0] + SEPARATOR + both[:, 1]
    rows["pair"] = rows["hit"] = _text(kept[columns.pair]) if columns.pair else pairs
    rows["strength"] = numbers(kept, columns.strength) if columns.strength else np.nan
    for name, text in (("completion_a", columns.completion_a), ("completion_b", columns.completion_b)):
        if text:
            rows[name] = kept[text].fillna("").astype(str)
    return JudgmentTable(rows.assign(**WITHOUT_A_CAMPAIGN), left_out)


def _choices(table: pd.DataFrame, rows: pd.DataFrame, columns: VoteColumns) -> pd.Series:
    said = _text(table[columns.choice])
    choice = said.str.lower().map(SAID)
    # A system may be called "a", or "tie": its own name goes first.
    choice = choice.mask(said == rows["system_b"], "b").mask(said == rows["system_a"], "a")
    unknown = table.index[choice.isna()]
    if len(unknown):
        found = quoted(table[columns.choice].loc[unknown[0]])
        expected = ", ".join(CHOICES)
        raise InputError(
            f"row {unknown[0]}: {columns.choice!r} is {found}; expected {expected} or a name of the two systems."
        )
    return choice


def _sides(table: pd.DataFrame, column: str) -> pd.Series:
    sides = _text(table[column]).str.lower()
    wrong = table.index[~sides.isin(["a", "b"])]
    if len(wrong):
        raise InputError(f"row {wrong[0]}: {column!r} is {quoted(table[column].loc[wrong[0]])}; expected 'a' or 'b'.")
    return sides


def _leave_out_gaps(table: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that have all of `columns`, and the others, each with the first column that is empty."""
    is_empty = table[list(columns)].isna()
    gaps = is_empty.any(axis=1)
    reasons = "no " + is_empty[gaps].idxmax(axis=1).astype(str)
    return table[~gaps], pd.DataFrame({"row": reasons.index, "reason": reasons.to_numpy()})


def _text(values: pd.Series) -> pd.Series:
    """Names as text; whole numbers without a point, as a file with gaps would give them one."""
    if pd.api.types.is_float_dtype(values.dtype) and (values % 1 == 0).all():
        values = values.astype(np.int64)
    return values.astype(str)


def _more(rows: pd.Index) -> str:
    """Which rows are wrong in this way."""
    shown = ", ".join(map(str, rows[:5]))
    return f"row {shown}" if len(rows) == 1 else f"{len(rows)} such rows: {shown}{', …' if len(rows) > 5 else ''}"
