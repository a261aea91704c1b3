"""Scores of metrics joined to judged completions: which rows belong together, and which belong to nothing.

A row of scores names what it scores by the columns it has: item and system, and the completion where it is there, so
that scores of another sample of the same system are not taken for those of the text that people saw; or the completion
alone, with its prompt.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.tables import numbers, quoted, require_columns, require_no_gaps
from annotation.errors import InputError
from annotation.records import Rating

NAMING = ("item", "system", "prompt", "completion")
NOT_SCORES = {field.name for field in dataclasses.fields(Rating)} | {"concepts", "pair", "set", "split"}


@dataclasses.dataclass(frozen=True, slots=True)
class Scores:
    """Rows of scores, each named once by the columns of `key`; the other columns are the metrics."""

    table: pd.DataFrame
    key: tuple[str, ...]
    metrics: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class JoinedScores:
    """completions: those that are judged and scored, with their metrics. without_judgment: rows of scores that name no
    judged completion. without_score: judged completions that no row names."""

    completions: pd.DataFrame
    without_judgment: pd.DataFrame
    without_score: pd.DataFrame


def read_scores(table: pd.DataFrame, metrics: Sequence[str] = ()) -> Scores:
    """Check a table of scores. metrics: its columns to use; by default all that are not known to be something else.

    InputError for a row that names what another row names, and for a score that is no number.
    """
    key = _find_key(table)
    chosen = tuple(metrics) or tuple(str(name) for name in table.columns if name not in NOT_SCORES)
    require_columns(table, *chosen)
    if not chosen:
        raise InputError(f"the scores have no column of a metric; their columns are {', '.join(table.columns)}.")
    require_no_gaps(table, *key)
    named = table[list(key)].astype(str)
    again = table.index[named.duplicated()]
    if len(again):
        name = ", ".join(f"{column} {quoted(named[column].loc[again[0]])[:80]}" for column in key)
        raise InputError(f"row {again[0]}: {name} has a row before; expected one row of scores for each.")
    scores = named.assign(**{name: numbers(table, name) for name in chosen})
    unscored = [name for name in chosen if scores[name].isna().all()]
    if unscored:
        raise InputError(f"the column {unscored[0]!r} holds no number; expected the scores of a metric.")
    return Scores(scores, key, chosen)


def _find_key(table: pd.DataFrame) -> tuple[str, ...]:
    if table.empty:
        raise InputError("the scores are empty; expected at least one row.")
    has = [name for name in NAMING if name in table.columns]
    if {"item", "system"} <= set(has):
        # The prompt follows from the item.
        return tuple(name for name in has if name != "prompt")
    if "completion" in has:
        return tuple(has)
    columns = ", ".join(map(str, table.columns))
    raise InputError(f"the scores have the columns {columns}; expected item and system, or completion, to join by.")


def join_scores(completions: pd.DataFrame, scores: Scores) -> JoinedScores:
    """completions: a row a judged completion, with the columns of the scores' key."""
    require_columns(completions, *scores.key)
    key = list(scores.key)
    place = pd.Series(np.arange(len(scores.table)), index=pd.MultiIndex.from_frame(scores.table[key]))
    names = pd.MultiIndex.from_frame(completions[key].astype(str))
    row = place.reindex(names).to_numpy(dtype=np.float64)
    is_scored = np.isfinite(row)
    used = row[is_scored].astype(np.int64)
    taken = scores.table[list(scores.metrics)].iloc[used].set_axis(completions.index[is_scored])
    joined = completions[is_scored].drop(columns=list(scores.metrics), errors="ignore").join(taken)
    is_used = np.zeros(len(scores.table), dtype=bool)
    is_used[used] = True
    if joined.empty:
        example = ", ".join(f"{name} {quoted(scores.table[name].iloc[0])[:80]}" for name in key)
        raise InputError(f"no row of scores names a judged completion; the first is {example}.")
    return JoinedScores(joined, scores.table[~is_used], completions[~is_scored])
