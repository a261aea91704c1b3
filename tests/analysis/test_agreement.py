"""Krippendorff's alpha against published values, another package, and its definition by pairs."""

import dataclasses
import itertools
import math
import time
import tracemalloc
from pathlib import Path

import krippendorff
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.agreement import alpha_of_weights, bootstrap_alpha, describe, krippendorff_alpha, resample
from analysis.management.agreement_bench import BenchConfig, make_ratings, timed
from analysis.rating_counts import LEVELS, Level, count_ratings
from annotation.errors import InputError

REFERENCES = Path(__file__).parent.parent / "references"
# Both sides add the same few hundred numbers in another order: what differs is rounding.
ROUNDING = 1e-9


def long_table(matrix: np.ndarray) -> pd.DataFrame:
    """matrix (units, raters), NaN where nobody rated, as a long table."""
    frame = pd.DataFrame(matrix).rename_axis("unit").reset_index()
    return frame.melt("unit", var_name="rater", value_name="value")


def alpha(table: pd.DataFrame, level: Level, **options) -> float:
    return krippendorff_alpha(table, unit="unit", rater="rater", value="value", level=level, **options).estimate


def alpha_by_pairs(matrix: np.ndarray, level: Level) -> float:
    """The definition: mean difference within units over mean difference of all, one pair at a time."""
    units = [row[~np.isnan(row)] for row in matrix]
    units = [unit for unit in units if len(unit) >= 2]
    pooled = np.concatenate(units)
    n = len(pooled)

    def difference(c: float, v: float) -> float:
        if level == "nominal":
            return float(c != v)
        if level == "interval":
            return (c - v) ** 2
        if level == "ratio":
            return ((c - v) / (c + v)) ** 2 if c + v else 0.0
        low, high = min(c, v), max(c, v)
        between = ((pooled >= low) & (pooled <= high)).sum()
        return (between - ((pooled == c).sum() + (pooled == v).sum()) / 2) ** 2 if c != v else 0.0

    observed = sum(difference(c, v) / (len(unit) - 1) for unit in units for c, v in itertools.permutations(unit, 2)) / n
    expected = sum(difference(c, v) for c, v in itertools.permutations(pooled, 2)) / (n * (n - 1))
    return 1 - observed / expected if expected else math.nan


def random_matrix(seed: int, *, values: int = 5, missing: float = 0.3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    matrix = generator.integers(1, values + 1, size=generator.integers((4, 2), (15, 6))).astype(float)
    matrix[generator.random(matrix.shape) < missing] = np.nan
    matrix[0, :2] = [1, 2]  # two raters who differ, so that alpha is defined
    return matrix


matrices = st.integers(0, 10**6).map(random_matrix)
levels = st.sampled_from(LEVELS)


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_it_gives_the_published_values(level: Level, published: float) -> None:
    matrix = pd.read_csv(REFERENCES / "krippendorff_2011.csv", index_col="unit").to_numpy(dtype=float)
    agreement = krippendorff_alpha(long_table(matrix), unit="unit", rater="rater", value="value", level=level)
    # Published to three decimals.
    assert agreement.estimate == pytest.approx(published, abs=0.0005)
    assert (agreement.units_used, agreement.units_dropped, agreement.ratings_used) == (11, 1, 40)


def test_two_observers_give_the_published_values() -> None:
    """Sections A and B of the same paper: ten yes/no units, alpha = .095; twelve units with names, alpha = .692."""
    yes_no = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]], dtype=float)
    assert alpha(long_table(yes_no.T), "nominal") == pytest.approx(0.095, abs=0.0005)
    names = pd.DataFrame({"Ben": list("aabbdcccedda"), "Gerry": list("babbbccceddd")})
    table = names.rename_axis("unit").reset_index().melt("unit", var_name="rater", value_name="value")
    assert alpha(table, "nominal") == pytest.approx(0.692, abs=0.0005)


@settings(max_examples=40, deadline=None)
@given(matrices, levels)
def test_it_equals_the_definition_by_pairs(matrix: np.ndarray, level: Level) -> None:
    assert alpha(long_table(matrix), level) == pytest.approx(alpha_by_pairs(matrix, level), abs=ROUNDING)


@settings(max_examples=40, deadline=None)
@given(matrices, levels)
def test_it_equals_the_krippendorff_package(matrix: np.ndarray, level: Level) -> None:
    other = krippendorff.alpha(matrix.T, level_of_measurement=level)
    assert alpha(long_table(matrix), level) == pytest.approx(other, abs=ROUNDING)


@settings(max_examples=20, deadline=None)
@given(matrices, levels, st.integers(0, 1000))
def test_names_of_raters_and_units_and_the_order_of_rows_change_nothing(matrix, level, seed) -> None:
    table = long_table(matrix)
    renamed = table.assign(
        rater=table["rater"].map(lambda rater: f"rater {-rater}"), unit=table["unit"].map(lambda unit: f"u{-unit}")
    )
    shuffled = renamed.sample(frac=1, random_state=seed)
    assert alpha(shuffled, level) == pytest.approx(alpha(table, level), abs=ROUNDING)


@settings(max_examples=20, deadline=None)
@given(matrices, st.floats(0.01, 100), st.floats(-1000, 1000))
def test_interval_alpha_ignores_shift_and_scale(matrix: np.ndarray, scale: float, shift: float) -> None:
    moved = alpha(long_table(matrix * scale + shift), "interval")
    # A shift of 1000 on a spread of .01 costs about ten digits.
    assert moved == pytest.approx(alpha(long_table(matrix), "interval"), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(matrices)
def test_ordinal_alpha_sees_only_the_order(matrix: np.ndarray) -> None:
    assert alpha(long_table(matrix**3), "ordinal") == pytest.approx(alpha(long_table(matrix), "ordinal"), abs=ROUNDING)


@settings(max_examples=20, deadline=None)
@given(matrices, st.floats(0.01, 100))
def test_ratio_alpha_ignores_scale(matrix: np.ndarray, scale: float) -> None:
    assert alpha(long_table(matrix * scale), "ratio") == pytest.approx(alpha(long_table(matrix), "ratio"), abs=ROUNDING)


@settings(max_examples=20, deadline=None)
@given(matrices, levels)
def test_twice_the_units_follow_the_small_sample_correction(matrix: np.ndarray, level: Level) -> None:
    """Doubling all units leaves the table's shares alone; only n - 1 of 2n pairs becomes 2n - 1."""
    once = krippendorff_alpha(long_table(matrix), unit="unit", rater="rater", value="value", level=level)
    twice = alpha(long_table(np.concatenate([matrix, matrix])), level)
    n = once.ratings_used
    assert 1 - twice == pytest.approx((1 - once.estimate) * (n - 0.5) / (n - 1), abs=ROUNDING)


def test_full_agreement_is_one_and_steady_disagreement_is_negative() -> None:
    assert alpha(long_table(np.array([[1, 1], [2, 2], [3, 3.0]])), "ordinal") == 1
    assert alpha(long_table(np.array([[1, 2], [2, 1], [1, 2], [2, 1.0]])), "nominal") == pytest.approx(-0.75)


@pytest.mark.parametrize("level", LEVELS)
def test_no_variation_is_undefined_and_never_one(level: Level) -> None:
    agreement = bootstrap_alpha(
        long_table(np.full((4, 3), 0.1)), unit="unit", rater="rater", value="value", level=level, seed=0
    )
    assert math.isnan(agreement.estimate)
    assert math.isnan(agreement.low)
    assert "same value" in agreement.reason


def test_a_lone_deviant_that_cannot_be_paired_leaves_alpha_undefined() -> None:
    matrix = np.array([[1, 1], [1, 1], [5, np.nan]])
    agreement = krippendorff_alpha(long_table(matrix), unit="unit", rater="rater", value="value", level="interval")
    assert math.isnan(agreement.estimate)
    assert agreement.units_dropped == 1


def test_a_far_value_that_cannot_be_paired_changes_nothing() -> None:
    matrix = random_matrix(3)
    beside = np.concatenate([matrix, np.full((1, matrix.shape[1]), np.nan)])
    beside[-1, 0] = 1e12
    for level in LEVELS:
        assert alpha(long_table(beside), level) == pytest.approx(alpha(long_table(matrix), level), abs=ROUNDING)


def test_units_with_one_rating_leave_it_undefined() -> None:
    agreement = krippendorff_alpha(
        long_table(np.array([[1.0], [2.0]])), unit="unit", rater="rater", value="value", level="nominal"
    )
    assert math.isnan(agreement.estimate)
    assert agreement.reason == "no unit has two ratings"


def test_text_is_ranked_by_the_given_order() -> None:
    matrix = random_matrix(11, values=3)
    words = {1.0: "poor", 2.0: "fair", 3.0: "good"}
    table = long_table(matrix)
    worded = table.assign(value=table["value"].map(words))
    order = ["poor", "fair", "good"]
    assert alpha(worded, "ordinal", order=order) == pytest.approx(alpha(table, "ordinal"), abs=ROUNDING)
    # Sorted by the alphabet it would be another scale.
    assert alpha(worded, "ordinal", order=sorted(order)) != pytest.approx(alpha(table, "ordinal"), abs=1e-3)


def test_the_text_nan_and_booleans_are_categories() -> None:
    table = pd.DataFrame({"unit": [1, 1, 2, 2], "rater": [1, 2, 1, 2], "value": ["nan", "nan", "yes", "nan"]})
    assert alpha(table, "nominal") == pytest.approx(alpha_by_pairs(np.array([[0, 0], [1, 0.0]]), "nominal"))
    table["value"] = [True, True, False, True]
    assert alpha(table, "nominal") == pytest.approx(alpha_by_pairs(np.array([[0, 0], [1, 0.0]]), "nominal"))
    table["value"] = pd.Series([1, "1", True, None], dtype=object)
    assert not math.isnan(alpha(table, "nominal"))


@pytest.mark.parametrize("level", LEVELS)
def test_the_bootstrap_equals_resampling_rows_of_the_table(level: Level) -> None:
    """Its percentiles against a plain loop that copies items with all their units."""
    generator = np.random.default_rng(5)
    matrix = np.clip(np.round(3 + generator.normal(size=(60, 1)) + generator.normal(size=(60, 3))), 1, 5)
    table = long_table(matrix).assign(item=lambda rows: rows["unit"] % 20)
    ours = bootstrap_alpha(
        table, unit="unit", rater="rater", value="value", level=level, cluster="item", seed=1, draws=4000
    )
    plain = []
    for _ in range(400):
        items = generator.integers(20, size=20)
        drawn = np.concatenate([matrix[np.arange(60) % 20 == item] for item in items])
        plain.append(krippendorff.alpha(drawn.T, level_of_measurement=level))
    # A 2.5% quantile of 400 draws has a standard error of about sd/10 * 2.7; three of them.
    tolerance = 0.8 * np.std(plain)
    assert ours.low == pytest.approx(np.quantile(plain, 0.025), abs=tolerance)
    assert ours.high == pytest.approx(np.quantile(plain, 0.975), abs=tolerance)
    assert ours.clusters == 20


def test_each_draw_of_items_is_weighted_as_the_table_that_it_stands_for() -> None:
    """Weights (2, 0, 1, ...) on items give the alpha of the table with the first item twice and the second left out."""
    matrix = random_matrix(21, missing=0.1)
    for level in LEVELS:
        counts = count_ratings(long_table(matrix), unit="unit", rater="rater", value="value", level=level)
        weights = np.random.default_rng(2).integers(0, 3, size=len(counts.repeats)).astype(float)
        weighted = alpha_of_weights(counts, weights[None, :])[0]
        # Rows of counts are in no known order, so the marginals find the units that a weight belongs to.
        rows = []
        for weight, marginal in zip(weights, counts.marginals.toarray(), strict=True):
            unit = np.repeat(counts.values, marginal.astype(int))
            rows += [np.pad(unit, (0, matrix.shape[1] - len(unit)), constant_values=np.nan)] * int(weight)
        assert weighted == pytest.approx(alpha_by_pairs(np.array(rows), level), abs=ROUNDING)


def test_resampling_units_of_one_item_together_widens_the_interval() -> None:
    generator = np.random.default_rng(0)
    item_effect = np.repeat(generator.normal(0, 2, 15), 8)
    matrix = np.round(item_effect[:, None] + generator.normal(size=(120, 3)))
    table = long_table(matrix).assign(item=lambda rows: rows["unit"] // 8)
    options = {"unit": "unit", "rater": "rater", "value": "value", "level": "interval", "seed": 0}
    by_item, by_unit = bootstrap_alpha(table, cluster="item", **options), bootstrap_alpha(table, **options)
    assert by_item.high - by_item.low > 1.5 * (by_unit.high - by_unit.low)
    assert by_item.estimate == by_unit.estimate


def test_undefined_draws_are_counted() -> None:
    """Four units of which one varies: a draw misses it with probability (3/4)^4 = .316."""
    matrix = np.array([[1, 1], [1, 1], [1, 1], [1, 2.0]])
    agreement = bootstrap_alpha(
        long_table(matrix), unit="unit", rater="rater", value="value", level="nominal", seed=0, draws=4000
    )
    # Four standard errors of a share of 4000.
    assert agreement.undefined_share == pytest.approx(0.316, abs=0.03)


def test_the_seed_fixes_the_interval() -> None:
    table = long_table(random_matrix(4))
    options = {"unit": "unit", "rater": "rater", "value": "value", "level": "ordinal"}
    assert bootstrap_alpha(table, seed=3, **options) == bootstrap_alpha(table, seed=3, **options)
    assert bootstrap_alpha(table, seed=3, **options).low != bootstrap_alpha(table, seed=4, **options).low


def slider_ratings(units: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    return (500 + 100 * generator.normal(size=(units, 1)) + 60 * generator.normal(size=(units, 3))).round().clip(0)


@pytest.mark.parametrize("level", LEVELS)
def test_a_slider_with_hundreds_of_values_equals_the_krippendorff_package(level: Level) -> None:
    matrix = slider_ratings(120)
    other = krippendorff.alpha(matrix.T, level_of_measurement=level)
    assert alpha(long_table(matrix), level) == pytest.approx(other, abs=ROUNDING)


@pytest.mark.parametrize("level", LEVELS)
def test_2000_units_on_a_slider_stay_in_little_memory(level: Level) -> None:
    """A table of values x values for each unit would need gigabytes."""
    table = long_table(slider_ratings(2000))
    tracemalloc.start()
    agreement = bootstrap_alpha(table, unit="unit", rater="rater", value="value", level=level, seed=0, draws=50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert agreement.low < agreement.estimate < agreement.high
    assert peak < 100e6


def test_a_thousand_draws_of_2000_units_take_well_under_a_second() -> None:
    generator = np.random.default_rng(0)
    matrix = generator.integers(1, 6, size=(2000, 3)).astype(float)
    table = long_table(matrix).assign(item=lambda rows: rows["unit"] % 400)
    counts = count_ratings(table, unit="unit", rater="rater", value="value", level="ordinal", cluster="item")
    started = time.perf_counter()
    resample(counts, seed=0)
    # It takes about .02 s; the rest is room for a busy machine.
    assert time.perf_counter() - started < 0.5


def test_a_thousand_draws_of_20000_different_items_take_less_than_a_second() -> None:
    """100,000 units with five ratings each, five units an item; CPU-seconds, the better of two tries."""
    table = make_ratings(BenchConfig(), 5)
    counts = count_ratings(table, unit="unit", rater="rater", value="value", level="ordinal", cluster="item")
    assert min(timed(lambda: describe(counts))[1]["cpu_seconds"] for _ in range(2)) < 0.05
    assert min(timed(lambda: resample(counts, seed=0))[1]["cpu_seconds"] for _ in range(2)) < 1
    assert counts.ratings_used == 500_000


@pytest.mark.parametrize("level", LEVELS)
def test_few_items_are_resampled_alike_whether_their_counts_are_merged_or_not(level: Level) -> None:
    """Three kinds of units, 60, 20 and 10 of them: merged rows are drawn by a multinomial, single ones one by one."""
    matrix = np.repeat(np.array([[1, 2, 2], [3, 3, 3], [4, 5, 1.0]]), [60, 20, 10], axis=0)
    counts = count_ratings(long_table(matrix), unit="unit", rater="rater", value="value", level=level)
    assert len(counts.repeats) == 3
    rows = np.repeat(np.arange(3), counts.repeats)
    ones = np.ones(90, dtype=np.int64)
    single = dataclasses.replace(
        counts, marginals=counts.marginals[rows], coincidences=counts.coincidences[rows], repeats=ones
    )
    merged, apart = (resample(each, seed=0, draws=4000) for each in (counts, single))
    assert merged.estimate == pytest.approx(apart.estimate, abs=ROUNDING)
    # Quantiles of 4000 draws have standard errors of about 4% of the interval's half width.
    assert (merged.low, merged.high) == pytest.approx((apart.low, apart.high), abs=0.15 * (apart.high - apart.low))


def test_it_says_what_it_found_in_a_sentence_with_its_warnings() -> None:
    table = long_table(random_matrix(4))
    agreement = bootstrap_alpha(table, unit="unit", rater="rater", value="value", level="ordinal", seed=0, draws=50)
    content = agreement.to_dict()
    assert content["reading"] == agreement.reading
    assert content["reading"].startswith("Workers agree on these ratings with ordinal alpha = ")
    assert content["warnings"] == (
        f"the interval of alpha rests on {agreement.clusters} clusters and is likely too narrow",
    )
    nothing = krippendorff_alpha(table.assign(value=3), unit="unit", rater="rater", value="value", level="ordinal")
    assert nothing.reading.startswith("Agreement on these ratings is not defined: all pairable ratings")


@pytest.mark.slow
def test_the_interval_covers_the_true_alpha() -> None:
    """Interval alpha of normal ratings tends to the intraclass correlation, here 1/2."""
    generator = np.random.default_rng(0)
    studies, covered = 300, 0
    for _ in range(studies):
        matrix = generator.normal(size=(80, 1)) + generator.normal(size=(80, 3))
        interval = bootstrap_alpha(
            long_table(matrix), unit="unit", rater="rater", value="value", level="interval", seed=0, draws=400
        )
        covered += interval.low <= 0.5 <= interval.high
    # Percentile intervals cover a little less than 95% at 80 units: 3 standard errors of 300 studies below .94.
    assert 0.90 <= covered / studies <= 0.985


@pytest.mark.parametrize(
    ("change", "level", "sentence"),
    [
        ({"value": ["good", "bad", "good", "bad"]}, "interval", "row 0: 'value' is 'good'; expected a number"),
        ({"value": ["good", "bad", "good", "bad"]}, "ordinal", "`order` with the categories from low to high"),
        ({"value": [1, -2, 1, 1]}, "ratio", "no negative values"),
        ({"rater": [1, 1, 1, 2]}, "nominal", "row 1: rater 1 has rated unit 1 before"),
        ({"unit": [1, 1, None, 2]}, "nominal", "row 2: the column 'unit' is empty"),
        ({"value": [1, np.inf, 1, 1]}, "interval", "row 1: 'value' is infinite"),
        ({}, "likert", "level is 'likert'; expected one of nominal, ordinal, interval, ratio"),
    ],
)
def test_bad_input_is_named(change: dict, level: Level, sentence: str) -> None:
    table = pd.DataFrame({"unit": [1, 1, 2, 2], "rater": [1, 2, 1, 2], "value": [1, 2, 1, 1]} | change)
    with pytest.raises(InputError, match=sentence):
        alpha(table, level)


def test_a_unit_in_two_clusters_an_unknown_column_and_an_empty_table_are_named() -> None:
    table = pd.DataFrame({"unit": [1, 1], "rater": [1, 2], "value": [1, 2], "item": ["x", "y"]})
    options = {"unit": "unit", "rater": "rater", "value": "value", "level": "nominal", "seed": 0}
    with pytest.raises(InputError, match="row 1: unit 1 is in two items"):
        bootstrap_alpha(table, cluster="item", **options)
    with pytest.raises(InputError, match="no column 'prompt'; its columns are unit, rater, value, item"):
        bootstrap_alpha(table, cluster="prompt", **options)
    with pytest.raises(InputError, match="the table is empty"):
        bootstrap_alpha(table[:0], **options)
    with pytest.raises(InputError, match="row 1: 'value' is 2; expected one of 0, 1"):
        bootstrap_alpha(table, order=[0, 1], **options)
