"""Gold: judgments whose right answer somebody knows, joined to the answers that workers gave.

An export does not hold the expected answers, so that nobody who sees it can prepare for them; a file of their own does.
"""

import pandas as pd

from analysis.tables import quoted, require_columns, require_no_gaps
from annotation.errors import InputError

NAMING = ("hit", "item", "system", "pair", "question")


def join_expected(judgments: pd.DataFrame, gold: pd.DataFrame, *, answer: str) -> pd.DataFrame:
    """The unexcluded judgments that the rows of gold name, with the column `expected`.

    gold: `expected`, and any of hit, item, system, pair and question, which together name what was judged, once each.
    answer: the column of the judgments that is compared; where it is a number, `expected` must be one.
    """
    require_columns(gold, "expected")
    key = [name for name in NAMING if name in gold.columns and name in judgments.columns]
    if not {"hit", "item", "pair"} & set(key):
        columns = ", ".join(map(str, gold.columns))
        raise InputError(f"the gold has the columns {columns}; expected hit, item or pair, which were judged.")
    if "question" in judgments.columns and "question" not in key and judgments["question"].nunique() > 1:
        raise InputError(
            "the gold has no column 'question', and the export has several; expected the question of each."
        )
    require_no_gaps(gold, *key, "expected")
    named = gold[key].astype(str)
    again = gold.index[named.duplicated()]
    if len(again):
        name = ", ".join(f"{column} {quoted(named[column].loc[again[0]])}" for column in key)
        raise InputError(f"row {again[0]}: {name} has a row before; expected one right answer for each.")
    known = named.assign(expected=_read_expected(gold, judgments[answer]))
    counted = judgments[judgments["excluded"] == ""]
    joined = counted.assign(**{name: counted[name].astype(str) for name in key}).merge(known, on=key, how="inner")
    if joined.empty:
        raise InputError(f"no row of the gold names a judgment, by {', '.join(key)}; expected at least one that does.")
    return joined


def _read_expected(gold: pd.DataFrame, answers: pd.Series) -> pd.Series:
    """In the type of the answers; InputError for one that nobody could give."""
    if pd.api.types.is_numeric_dtype(answers):
        expected = pd.to_numeric(gold["expected"], errors="coerce")
        wrong = gold.index[expected.isna()]
        wanted = "a number"
    else:
        expected = gold["expected"].astype(str)
        wrong = gold.index[~expected.isin(["a", "b", "tie", "both_bad"])]
        wanted = "a, b, tie or both_bad"
    if len(wrong):
        found = quoted(gold["expected"].loc[wrong[0]])
        raise InputError(f"row {wrong[0]}: 'expected' is {found}; expected {wanted}.")
    return expected
