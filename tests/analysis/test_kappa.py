"""Percent agreement and kappas against published values, statsmodels, scikit-learn and their definitions."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa as fleiss_kappa_of_statsmodels

from analysis.kappa import WEIGHTINGS, Weighting, cohen_kappa, fleiss_kappa, percent_agreement
from annotation.errors import InputError
from tests.analysis.test_agreement import long_table, random_matrix

COLUMNS = {"unit": "unit", "rater": "rater", "value": "value", "seed": 0, "draws": 50}
# Both sides add the same numbers in another order.
ROUNDING = 1e-9
SKLEARN_WEIGHTS = {"none": None, "linear": "linear", "quadratic": "quadratic"}

matrices = st.integers(0, 10**6).map(random_matrix)
complete = st.integers(0, 10**6).map(lambda seed: random_matrix(seed, missing=0))


def shares_by_hand(matrix: np.ndarray) -> list[float]:
    """The share of equal pairs of each unit, one pair at a time."""
    units = [row[~np.isnan(row)] for row in matrix]
    return [float(np.mean([c == v for c, v in itertools.combinations(unit, 2)])) for unit in units if len(unit) >= 2]


def test_fleiss_kappa_gives_the_worked_example() -> None:
    """Fourteen raters, ten subjects, five categories; printed as .210, with P = .378 and P_e = .213."""
    counts = [
        *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
        *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
    ]
    table = long_table(np.array([np.repeat(np.arange(5.0), row) for row in counts]))
    assert fleiss_kappa(table, **COLUMNS).estimate == pytest.approx(0.210, abs=0.0005)
    assert percent_agreement(table, **COLUMNS).estimate == pytest.approx(0.378, abs=0.0005)


@settings(max_examples=25, deadline=None)
@given(complete)
def test_fleiss_kappa_equals_statsmodels(matrix: np.ndarray) -> None:
    counts = np.array([[(row == value).sum() for value in range(1, 6)] for row in matrix])
    ours = fleiss_kappa(long_table(matrix), **COLUMNS)
    assert ours.estimate == pytest.approx(fleiss_kappa_of_statsmodels(counts, method="fleiss"), abs=ROUNDING)
    assert not any("different numbers" in warning for warning in ours.warnings)


@settings(max_examples=25, deadline=None)
@given(matrices)
def test_with_missing_ratings_both_follow_their_definitions(matrix: np.ndarray) -> None:
    observed = float(np.mean(shares_by_hand(matrix)))
    pairable = np.concatenate([row[~np.isnan(row)] for row in matrix if (~np.isnan(row)).sum() >= 2])
    chance = sum((pairable == value).mean() ** 2 for value in np.unique(pairable))
    assert percent_agreement(long_table(matrix), **COLUMNS).estimate == pytest.approx(observed, abs=ROUNDING)
    kappa = fleiss_kappa(long_table(matrix), **COLUMNS)
    assert kappa.estimate == pytest.approx((observed - chance) / (1 - chance), abs=ROUNDING)
    sizes = {int((~np.isnan(row)).sum()) for row in matrix} - {0, 1}
    assert any("different numbers" in warning for warning in kappa.warnings) == (len(sizes) > 1)


@settings(max_examples=25, deadline=None)
@given(matrices, st.sampled_from(WEIGHTINGS))
def test_cohen_kappa_equals_scikit_learn(matrix: np.ndarray, weighting: Weighting) -> None:
    ours = cohen_kappa(long_table(matrix), **COLUMNS, raters=(0, 1), weighting=weighting)
    both = matrix[~np.isnan(matrix[:, :2]).any(axis=1), :2]
    other = cohen_kappa_score(both[:, 0], both[:, 1], weights=SKLEARN_WEIGHTS[weighting], labels=[1, 2, 3, 4, 5])
    assert ours.estimate == pytest.approx(other, abs=ROUNDING)
    assert ours.units_used == len(both)


def test_weights_follow_the_given_order_of_text() -> None:
    matrix = random_matrix(8, values=3, missing=0)
    words = {1.0: "poor", 2.0: "fair", 3.0: "good"}
    table = long_table(matrix)
    worded = table.assign(value=table["value"].map(words))
    options = {**COLUMNS, "raters": (0, 1), "weighting": "linear"}
    expected = cohen_kappa(table, **options).estimate
    assert cohen_kappa(worded, **options, order=list(words.values())).estimate == pytest.approx(expected, abs=ROUNDING)
    assert cohen_kappa(worded, **options, order=sorted(words.values())).estimate != pytest.approx(expected, abs=1e-3)


def test_who_is_named_first_does_not_matter_and_labels_do_not_either() -> None:
    table = long_table(random_matrix(5, missing=0.1))
    expected = cohen_kappa(table, **COLUMNS, raters=(0, 1)).estimate
    relabelled = table.assign(value=-table["value"], unit=-table["unit"]).sample(frac=1, random_state=1)
    assert cohen_kappa(relabelled, **COLUMNS, raters=(1, 0)).estimate == pytest.approx(expected, abs=ROUNDING)
    two = table[table["rater"] < 2]
    assert cohen_kappa(two, **COLUMNS).estimate == pytest.approx(expected, abs=ROUNDING)


@pytest.mark.parametrize("statistic", [fleiss_kappa, cohen_kappa])
def test_one_category_is_undefined_and_never_one(statistic) -> None:
    result = statistic(long_table(np.full((5, 2), 3.0)), **COLUMNS)
    assert math.isnan(result.estimate)
    assert "same value" in result.reason
    assert "is not defined" in result.reading
    assert percent_agreement(long_table(np.full((5, 2), 3.0)), **COLUMNS).estimate == 1


@pytest.mark.parametrize("statistic", [percent_agreement, fleiss_kappa, cohen_kappa])
def test_units_with_one_rating_leave_it_undefined(statistic) -> None:
    table = pd.DataFrame({"unit": [1, 2], "rater": ["x", "y"], "value": [1, 2]})
    result = statistic(table, **COLUMNS)
    assert math.isnan(result.estimate)
    assert (result.reason, result.units_used, result.units_dropped) == ("no unit has two ratings", 0, 2)


@pytest.mark.parametrize("statistic", [percent_agreement, fleiss_kappa, cohen_kappa])
def test_the_interval_comes_from_items_with_all_their_units(statistic) -> None:
    """Eight copies of each unit: resampled one by one they promise a precision that fifteen items do not have."""
    generator = np.random.default_rng(1)
    matrix = np.repeat(generator.integers(1, 4, size=(30, 2)).astype(float), 8, axis=0)
    table = long_table(matrix).assign(item=lambda rows: rows["unit"] // 8)
    options = COLUMNS | {"draws": 400}
    by_item, by_unit = statistic(table, **options, cluster="item"), statistic(table, **options)
    assert by_item.high - by_item.low > 2 * (by_unit.high - by_unit.low)
    assert by_item.low < by_item.estimate < by_item.high
    assert by_item.estimate == pytest.approx(by_unit.estimate, abs=ROUNDING)
    assert (by_item.clusters, by_unit.clusters) == (30, 240)
    assert by_item == statistic(table, **options, cluster="item")


def test_the_bootstrap_equals_resampling_rows_of_the_table() -> None:
    generator = np.random.default_rng(2)
    truth = generator.integers(1, 4, size=(60, 1))
    matrix = np.where(generator.random((60, 2)) < 0.6, truth, generator.integers(1, 4, size=(60, 2))).astype(float)
    ours = cohen_kappa(long_table(matrix), **COLUMNS | {"draws": 4000})
    drawn = [matrix[generator.integers(60, size=60)] for _ in range(300)]
    plain = [cohen_kappa_score(rows[:, 0], rows[:, 1]) for rows in drawn]
    # A 2.5% quantile of 300 draws has a standard error of about sd/10 * 2.7; three of them.
    tolerance = 0.8 * np.std(plain)
    assert ours.low == pytest.approx(np.quantile(plain, 0.025), abs=tolerance)
    assert ours.high == pytest.approx(np.quantile(plain, 0.975), abs=tolerance)


def test_a_slider_needs_no_table_of_values_by_values() -> None:
    values = np.random.default_rng(0).permutation(40_000).reshape(20_000, 2).astype(float)
    result = cohen_kappa(long_table(values), **COLUMNS | {"draws": 1}, weighting="linear")
    assert abs(result.estimate) < 0.05


def test_bad_input_is_named() -> None:
    table = long_table(random_matrix(1, missing=0))
    with pytest.raises(InputError, match="raters; name two with `raters`, or use Fleiss' kappa"):
        cohen_kappa(long_table(np.ones((2, 3))), **COLUMNS)
    with pytest.raises(InputError, match="weighting is 'cubic'; expected one of none, linear, quadratic"):
        cohen_kappa(table, **COLUMNS, raters=(0, 1), weighting="cubic")
    with pytest.raises(InputError, match="rater 'x' has no row"):
        cohen_kappa(table, **COLUMNS, raters=(0, "x"))
    with pytest.raises(InputError, match="`order` with the categories from low to high"):
        cohen_kappa(table.assign(value="good"), **COLUMNS, raters=(0, 1), weighting="linear")
