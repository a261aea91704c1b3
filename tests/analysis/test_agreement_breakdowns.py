"""Alpha by system and without each rater against tables that were cut by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.agreement import bootstrap_alpha, krippendorff_alpha
from analysis.agreement_breakdowns import alpha_by_group, alpha_without_each_rater
from analysis.rating_counts import LEVELS, Level
from annotation.errors import InputError
from tests.analysis.test_agreement import long_table, random_matrix

COLUMNS = {"unit": "unit", "rater": "rater", "value": "value"}
# Sums that are taken apart and put together again differ by rounding.
ROUNDING = 1e-9

matrices = st.integers(0, 10**6).map(random_matrix)
levels = st.sampled_from(LEVELS)


@settings(max_examples=25, deadline=None)
@given(matrices, levels)
def test_without_a_rater_is_alpha_of_the_table_without_the_rater(matrix: np.ndarray, level: Level) -> None:
    table = long_table(matrix)
    without = alpha_without_each_rater(table, **COLUMNS, level=level)
    assert set(without) <= set(range(matrix.shape[1]))
    for rater, ours in without.items():
        plain = krippendorff_alpha(table[table["rater"] != rater], **COLUMNS, level=level)
        assert ours.estimate == pytest.approx(plain.estimate, abs=ROUNDING, nan_ok=True)
        assert (ours.units_used, ours.ratings_used) == (plain.units_used, plain.ratings_used)
        assert ours.reason == plain.reason


def test_who_answers_at_random_stands_out() -> None:
    generator = np.random.default_rng(0)
    matrix = np.repeat(generator.integers(1, 6, size=(40, 1)), 4, axis=1).astype(float)
    matrix[:, 2] = generator.integers(1, 6, size=40)
    without = alpha_without_each_rater(long_table(matrix), **COLUMNS, level="ordinal")
    assert max(without, key=lambda rater: without[rater].estimate) == 2
    assert without[2].estimate == pytest.approx(1)
    assert without[0].estimate < 0.7


def test_two_raters_leave_nothing_without_one_of_them() -> None:
    without = alpha_without_each_rater(long_table(np.array([[1, 2], [2, 2], [3, 3.0]])), **COLUMNS, level="nominal")
    assert [math.isnan(agreement.estimate) for agreement in without.values()] == [True, True]
    assert without[0].reason == "no unit has two ratings"
    assert (without[0].units_used, without[0].units_dropped) == (0, 3)


def test_text_keeps_its_order_without_a_rater() -> None:
    matrix = np.random.default_rng(11).integers(1, 4, size=(12, 4)).astype(float)
    words = {1.0: "poor", 2.0: "fair", 3.0: "good"}
    table = long_table(matrix)
    worded = table.assign(value=table["value"].map(words))
    numbered = alpha_without_each_rater(table, **COLUMNS, level="ordinal")
    for rater, ours in alpha_without_each_rater(worded, **COLUMNS, level="ordinal", order=list(words.values())).items():
        assert ours.estimate == pytest.approx(numbered[rater].estimate, abs=ROUNDING)


@pytest.mark.parametrize("by", ["system", "question"])
def test_by_group_is_the_bootstrap_of_each_group_alone(by: str) -> None:
    table = long_table(random_matrix(2, missing=0)).assign(item=lambda rows: rows["unit"] // 2)
    table[by] = np.where(table["unit"] % 2, "first", "second")
    options = {**COLUMNS, "level": "ordinal", "seed": 3, "draws": 40, "cluster": "item"}
    found = alpha_by_group(table, by=by, **options)
    assert list(found) == ["first", "second"]
    for name, agreement in found.items():
        assert agreement == bootstrap_alpha(table[table[by] == name], **options)


def test_a_group_without_agreement_to_measure_says_why_and_leaves_the_others() -> None:
    table = long_table(random_matrix(2, missing=0)).assign(system="good")
    constant = long_table(np.full((3, 2), 4.0)).assign(system="constant")
    constant["unit"] += 1000
    found = alpha_by_group(pd.concat([table, constant]), by="system", **COLUMNS, level="interval", seed=0, draws=20)
    assert "same value" in found["constant"].reason
    assert found["good"].reason == ""


def test_a_column_that_is_missing_or_empty_is_named() -> None:
    table = long_table(random_matrix(1))
    with pytest.raises(InputError, match="no column 'system'"):
        alpha_by_group(table, by="system", **COLUMNS, level="nominal", seed=0)
    with pytest.raises(InputError, match="the column 'system' is empty"):
        alpha_by_group(table.assign(system=None), by="system", **COLUMNS, level="nominal", seed=0)
