"""Intraclass correlations against Shrout & Fleiss's table, pingouin, and their definition."""

import math

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.icc import FORMS, Form, intraclass_correlation
from annotation.errors import InputError
from tests.analysis.test_agreement import REFERENCES, long_table

COLUMNS = {"unit": "unit", "rater": "rater", "value": "value"}
PINGOUIN_NAMES = {"ICC(k)": "ICC(1,k)", "ICC(1)": "ICC(1,1)"}


def random_ratings(seed: int) -> np.ndarray:
    """Units x raters, with effects of both and no missing value."""
    generator = np.random.default_rng(seed)
    units, raters = generator.integers((4, 2), (15, 6))
    effects = generator.normal(0, 1.5, (units, 1)) + generator.normal(0, 0.7, (1, raters))
    return np.round(5 + effects + generator.normal(size=(units, raters)), 1)


matrices = st.integers(0, 10**6).map(random_ratings)


@pytest.mark.parametrize(
    ("form", "published"),
    [
        *(("ICC(1)", 0.17), ("ICC(A,1)", 0.29), ("ICC(C,1)", 0.71)),
        *(("ICC(k)", 0.44), ("ICC(A,k)", 0.62), ("ICC(C,k)", 0.91)),
    ],
)
def test_it_gives_the_published_values(form: Form, published: float) -> None:
    matrix = pd.read_csv(REFERENCES / "shrout_fleiss_1979.csv", index_col="target").to_numpy(dtype=float)
    result = intraclass_correlation(long_table(matrix), **COLUMNS, form=form)
    # Published to two decimals.
    assert result.estimate == pytest.approx(published, abs=0.005)
    assert (result.units_used, result.ratings_used, result.ratings_per_unit) == (6, 24, pytest.approx(4))


@settings(max_examples=12, deadline=None)
@given(matrices)
def test_it_equals_pingouin(matrix: np.ndarray) -> None:
    table = long_table(matrix)
    other = pingouin.intraclass_corr(table, targets="unit", raters="rater", ratings="value").set_index("Type")
    interval_column = next(name for name in other.columns if name.startswith("CI95"))
    p_column = next(name for name in other.columns if name.startswith("p"))
    for form in FORMS:
        ours = intraclass_correlation(table, **COLUMNS, form=form)
        theirs = other.loc[PINGOUIN_NAMES.get(form, form)]
        assert ours.estimate == pytest.approx(theirs["ICC"], abs=1e-8)
        assert ours.statistic == pytest.approx(theirs["F"], rel=1e-6)
        assert ours.p_value == pytest.approx(theirs[p_column], abs=1e-8)
        # pingouin rounds its intervals to two decimals.
        assert (ours.low, ours.high) == pytest.approx(tuple(theirs[interval_column]), abs=0.0051)


@settings(max_examples=20, deadline=None)
@given(matrices, st.sampled_from(FORMS), st.floats(0.1, 10), st.floats(-100, 100))
def test_scale_shift_names_and_the_order_of_rows_change_nothing(matrix, form, scale, shift) -> None:
    moved = long_table(matrix * scale + shift).sample(frac=1, random_state=0)
    moved = moved.assign(unit=-moved["unit"], rater=moved["rater"].astype(str) + "!")
    expected = intraclass_correlation(long_table(matrix), **COLUMNS, form=form)
    assert intraclass_correlation(moved, **COLUMNS, form=form).estimate == pytest.approx(expected.estimate, abs=1e-6)


def test_a_severe_rater_lowers_absolute_agreement_alone() -> None:
    matrix = random_ratings(3)
    severe = matrix.copy()
    severe[:, 0] -= 3
    before, after = (
        {form: intraclass_correlation(long_table(each), **COLUMNS, form=form).estimate for form in FORMS}
        for each in (matrix, severe)
    )
    assert after["ICC(C,1)"] == pytest.approx(before["ICC(C,1)"])
    assert after["ICC(A,1)"] < before["ICC(A,1)"] - 0.1


def test_units_with_unequal_numbers_of_ratings_follow_the_variance_components() -> None:
    """Three units by hand: sizes 2, 3, 2; means 1.5, 5, 8.5; within squares .5, 2, .5 on 4 degrees of freedom."""
    ratings = {"a": [1, 2], "b": [4, 5, 6], "c": [8, 9], "d": [7]}
    rows = [(unit, f"{unit}{place}", value) for unit, values in ratings.items() for place, value in enumerate(values)]
    result = intraclass_correlation(
        pd.DataFrame(rows, columns=["unit", "rater", "value"]), unit="unit", rater="rater", value="value", form="ICC(1)"
    )
    between = (2 * 3.5**2 + 3 * 0**2 + 2 * 3.5**2) / 2  # the mean of the seven is 5
    error = 3 / 4
    typical = (7 - (4 + 9 + 4) / 7) / 2
    assert result.estimate == pytest.approx((between - error) / (between + (typical - 1) * error))
    assert (result.units_used, result.units_dropped) == (3, 1)
    assert result.warnings == ("units have different numbers of ratings, so the interval is approximate",)


def test_units_that_a_rater_missed_are_dropped_from_the_two_way_forms() -> None:
    matrix = random_ratings(4)
    gapped = np.concatenate([matrix, [[9.0] + [np.nan] + [2.0] * (matrix.shape[1] - 2)]])
    ours = intraclass_correlation(long_table(gapped), **COLUMNS, form="ICC(C,1)")
    whole = intraclass_correlation(long_table(matrix), **COLUMNS, form="ICC(C,1)")
    assert ours.estimate == pytest.approx(whole.estimate)
    assert (ours.units_used, ours.units_dropped) == (len(matrix), 1)


@pytest.mark.parametrize("form", FORMS)
def test_no_variation_is_undefined_and_never_one(form: Form) -> None:
    result = intraclass_correlation(long_table(np.full((5, 3), 0.1)), **COLUMNS, form=form)
    assert math.isnan(result.estimate)
    assert result.reason == "all ratings have the same value"
    assert result.reading == f"{form} is not defined: all ratings have the same value."


def test_full_agreement_is_one_without_an_interval() -> None:
    result = intraclass_correlation(long_table(np.array([[1, 1], [2, 2], [4, 4.0]])), **COLUMNS, form="ICC(1)")
    assert result.estimate == 1
    assert math.isnan(result.low)
    assert "no F and no interval" in result.warnings[0]


def test_raters_of_a_crowd_leave_the_two_way_forms_undefined() -> None:
    table = pd.DataFrame({"unit": [1, 1, 2, 2], "rater": [1, 2, 3, 4], "value": [1, 2, 4, 5]})
    assert "ICC(1) does without" in intraclass_correlation(table, **COLUMNS, form="ICC(A,1)").reason
    assert intraclass_correlation(table, **COLUMNS, form="ICC(1)").estimate > 0.8
    one = intraclass_correlation(table[:2], **COLUMNS, form="ICC(1)")
    assert one.reason == "fewer than two units have two ratings"


def test_bad_input_is_named() -> None:
    table = long_table(random_ratings(0))
    with pytest.raises(InputError, match=r"form is 'ICC\(2,1\)'; expected one of ICC\(1\), ICC\(A,1\)"):
        intraclass_correlation(table, **COLUMNS, form="ICC(2,1)")
    with pytest.raises(InputError, match="expected a number"):
        intraclass_correlation(table.assign(value="good"), **COLUMNS, form="ICC(1)")
