"""Holm, and Benjamini and Hochberg, against R, their definitions and the latter's own example."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.multiple_testing import benjamini_hochberg, holm
from annotation.errors import InputError
from tests.analysis.group_tables import by_r

# Benjamini & Hochberg 1995, section 4: fifteen comparisons of two treatments after a heart attack.
PUBLISHED = (
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
    *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
)


def test_the_published_example_rejects_four_by_false_discoveries_and_three_by_the_family() -> None:
    p_values = dict(enumerate(PUBLISHED))
    assert sum(p <= 0.05 for p in benjamini_hochberg(p_values).values()) == 4
    assert sum(p <= 0.05 for p in holm(p_values).values()) == 3


def test_both_equal_r_where_one_is_missing() -> None:
    expected = by_r("adjusted")
    p_values = {index: math.nan if p is None else p for index, p in enumerate(expected["p"])}
    for adjust, name in ((holm, "holm"), (benjamini_hochberg, "bh")):
        found = [None if math.isnan(p) else p for p in adjust(p_values).values()]
        assert found == [None if p is None else pytest.approx(p) for p in expected[name]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1), st.just(0.04)), min_size=1, max_size=6), st.integers(0, 99))
def test_both_equal_their_definitions_in_any_order_with_nan_anywhere(values: list[float], seed: int) -> None:
    named = {f"q{index}": value for index, value in enumerate(values)} | {"none": math.nan}
    names = np.random.default_rng(seed).permutation(list(named)).tolist()
    shuffled = {name: named[name] for name in names}
    shares, family = benjamini_hochberg(shuffled), holm(shuffled)
    expected = stats.false_discovery_control(values, method="bh")
    for index in range(len(values)):
        assert shares[f"q{index}"] == pytest.approx(expected[index])
        assert family[f"q{index}"] == pytest.approx(closed_bonferroni(values, index))
    assert math.isnan(shares["none"])
    assert math.isnan(family["none"])
    assert list(family) == list(shares) == names


def closed_bonferroni(values: list[float], one: int) -> float:
    """Holm as a closed test (Marcus, Peritz & Gabriel 1976): the largest Bonferroni p of all sets that hold `one`."""
    others = [index for index in range(len(values)) if index != one]
    sets = [(one, *more) for size in range(len(values)) for more in itertools.combinations(others, size)]
    return max(min(1.0, len(each) * min(values[index] for index in each)) for each in sets)


def test_one_p_value_stays_as_it_is_and_none_is_none() -> None:
    assert holm({"only": 0.03}) == benjamini_hochberg({"only": 0.03}) == {"only": 0.03}
    assert holm({}) == {}


def test_what_is_no_probability_is_named() -> None:
    with pytest.raises(InputError, match=r"'quality': p is 1.2; expected a number from 0 to 1"):
        holm({"fluency": 0.5, "quality": 1.2})


def test_holm_keeps_the_family_error_where_bonferroni_would() -> None:
    """Eight true nulls: the chance of any rejection is at most .05."""
    generator = np.random.default_rng(3)
    studies = 2000
    rejected = sum(min(holm(dict(enumerate(row))).values()) <= 0.05 for row in generator.random((studies, 8)).tolist())
    # 3 binomial standard errors: 3 sqrt(.05 .95 / 2000) = .015; 1 - (1 - .05/8)^8 = .049.
    assert rejected / studies == pytest.approx(0.049, abs=0.015)
