"""Means of item and system: what every comparison within items starts from."""

import numpy as np
import pandas as pd
import pytest

from analysis.item_means import comparable, item_means
from annotation.errors import InputError
from tests.analysis.group_tables import WITHIN


def test_cells_have_their_means_and_counts_and_empty_ones_are_nan() -> None:
    rows = [("q", True, 1), ("q", True, 4), ("p", False, 2), ("q", False, 3), ("p", True, np.nan)]
    cells = item_means(pd.DataFrame(rows, columns=["item", "system", "value"]), **WITHIN)
    assert cells.blocks == ("p", "q")
    assert cells.groups == (False, True)
    assert cells.means.tolist() == [[2, pytest.approx(np.nan, nan_ok=True)], [3, 2.5]]
    assert cells.counts.tolist() == [[1, 0], [1, 2]]
    assert cells.is_complete.tolist() == [False, True]
    assert cells.dropped == 1
    assert cells.to_long().to_dict("list") == {
        "item": ["p", "q", "q"],
        "system": [False, False, True],
        "value": [2, 3, 2.5],
    }


def test_only_rounding_is_forgiven_whatever_the_scale() -> None:
    for scale in (1e-12, 1.0, 1e12):
        values = scale * np.array([0.1 + 0.2, 0.3, 0.3001, np.nan])
        one, two, three, empty = comparable(values)
        assert one == two < three
        assert np.isnan(empty)
    assert comparable(np.zeros(2)).tolist() == [0, 0]


def test_who_or_what_was_judged_must_be_said() -> None:
    table = pd.DataFrame({"item": ["a", None], "system": ["s", "s"], "value": [1, 2]})
    with pytest.raises(InputError, match="row 1: the column 'item' is empty"):
        item_means(table, **WITHIN)
    with pytest.raises(InputError, match="the table has no column 'system'"):
        item_means(table[["item", "value"]], **WITHIN)
