"""Degrees of preference: signs, means over items, and what is refused."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis.preference_strength import mean_strength, signed_strengths
from analysis.preferences import sign_flip_test
from annotation.errors import InputError

COLUMNS = {"vote": "vote", "strength": "strength"}


def test_ties_are_zero_and_decided_votes_need_a_degree() -> None:
    table = pd.DataFrame({"vote": [1, -1, 0, 1, np.nan], "strength": [3, 2, np.nan, np.nan, 1]})
    assert signed_strengths(table, **COLUMNS) == pytest.approx([3, -2, 0, np.nan, np.nan], nan_ok=True)


def test_the_mean_is_over_items_and_its_p_by_sign_flips() -> None:
    table = pd.DataFrame({"item": ["i", "i", "j", "k"], "vote": [1, 1, -1, 1], "strength": [1, 3, 1, 2]})
    result = mean_strength(table, unit="item", **COLUMNS, seed=0, name_a="old", name_b="new")
    assert result.estimate == pytest.approx((2 - 1 + 2) / 3)
    # Of the 8 sums of ±2, ±1 and ±2 four are as far from 0 as 3: 3, 5, and their negatives.
    assert result.p_value == pytest.approx(4 / 8)
    assert (result.degree_a, result.degree_b, result.largest, result.units_used) == (1, 2, 3, 3)
    assert "(3 = always new by the highest degree): no significant preference" in result.reading


def test_one_degree_is_the_plain_vote() -> None:
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"item": np.repeat(np.arange(40), 3), "vote": generator.choice([-1, 0, 1, 1], 120)})
    ours = mean_strength(table.assign(strength=1), unit="item", **COLUMNS, seed=0)
    plain = sign_flip_test(table, unit="item", vote="vote", seed=0)
    assert (ours.estimate, ours.low, ours.high, ours.p_value) == (plain.estimate, plain.low, plain.high, plain.p_value)


def test_twice_the_degrees_are_twice_the_mean() -> None:
    generator = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "item": np.repeat(np.arange(30), 3),
            "vote": generator.choice([-1, 0, 1], 90),
            "strength": 1 + generator.integers(3, size=90),
        }
    )
    once, twice = (
        mean_strength(rows, unit="item", **COLUMNS, seed=0)
        for rows in (table, table.assign(strength=2 * table["strength"]))
    )
    assert (twice.estimate, twice.low, twice.p_value) == pytest.approx((2 * once.estimate, 2 * once.low, once.p_value))


def test_no_degree_at_all_is_undefined() -> None:
    result = mean_strength(
        pd.DataFrame({"item": [1, 2], "vote": [1, -1], "strength": np.nan}), unit="item", **COLUMNS, seed=0
    )
    assert math.isnan(result.estimate)
    assert result.reading == "The strength of preference is not defined: no vote has a degree."
    assert result.dropped == 2


def test_a_degree_below_one_step_is_named() -> None:
    table = pd.DataFrame({"item": [1, 2], "vote": [1, -1], "strength": [1, -2]})
    with pytest.raises(InputError, match="row 1: 'strength' is -2; expected a degree above 0"):
        mean_strength(table, unit="item", **COLUMNS, seed=0)
