"""McNemar's test against R, statsmodels and published intervals; of votes by the majority of an item."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from analysis.mcnemar import PairedTable, mcnemar_test, mcnemar_test_of_votes, paired_difference
from annotation.errors import InputError
from tests.analysis.references import r_says

COLUMNS = {"unit": "item", "system": "system", "success": "good", "first": "x", "second": "y"}


def successes(both: int, only_first: int, only_second: int, neither: int) -> pd.DataFrame:
    cells = [(1, 1)] * both + [(1, 0)] * only_first + [(0, 1)] * only_second + [(0, 0)] * neither
    rows = [(item, system, good) for item, pair in enumerate(cells) for system, good in zip("xy", pair, strict=True)]
    return pd.DataFrame(rows, columns=["item", "system", "good"])


def test_few_items_have_the_exact_p_of_r() -> None:
    result = mcnemar_test(successes(5, 7, 1, 9), **COLUMNS)
    assert result.p_value == pytest.approx(r_says()["mcnemar_few"])
    assert (result.both, result.only_first, result.only_second, result.neither, result.used) == (5, 7, 1, 9, 22)
    assert "exact" in result.method
    assert result.estimate == pytest.approx(-6 / 22)


def test_many_items_have_the_chi_square_of_r() -> None:
    """Approval of a prime minister, Agresti 1990 (R's ?mcnemar.test): 150 turned one way and 86 the other."""
    result = mcnemar_test(successes(794, 150, 86, 570), **COLUMNS)
    assert result.p_value == pytest.approx(r_says()["mcnemar_many"])


def test_from_25_items_on_it_is_the_chi_square() -> None:
    assert mcnemar_test(successes(1, 8, 16, 1), **COLUMNS).p_value == pytest.approx(stats.binomtest(8, 24).pvalue)
    assert mcnemar_test(successes(1, 8, 17, 1), **COLUMNS).p_value == pytest.approx(stats.chi2.sf(81 / 25, 1))


@pytest.mark.parametrize(("only_first", "only_second"), [*itertools.product((0, 3, 12, 30), (1, 9, 40))])
def test_it_equals_statsmodels(only_first: int, only_second: int) -> None:
    other = statsmodels_mcnemar(
        [[4, only_first], [only_second, 6]], exact=only_first + only_second < 25, correction=False
    )
    assert mcnemar_test(successes(4, only_first, only_second, 6), **COLUMNS).p_value == pytest.approx(other.pvalue)


def test_the_interval_is_the_published_one() -> None:
    """Fagerland, Lydersen & Laake (2014), Statistics in Medicine 33: airway hyper-responsiveness, 1, 1, 7, 12 of 21
    children: Newcombe's interval of the difference is .026 to .507."""
    low, high = paired_difference(PairedTable(1, 1, 7, 12))
    assert (low, high) == pytest.approx((0.026, 0.507), abs=5e-4)


def test_exchanging_the_systems_turns_the_difference_and_its_interval() -> None:
    table = successes(20, 12, 5, 13)
    straight = mcnemar_test(table, **COLUMNS)
    turned = mcnemar_test(table, **(COLUMNS | {"first": "y", "second": "x"}))
    assert (turned.estimate, turned.low, turned.high) == pytest.approx(
        (-straight.estimate, -straight.high, -straight.low)
    )
    assert turned.p_value == pytest.approx(straight.p_value)


def test_the_interval_covers_the_truth() -> None:
    """2,000 tables of 60 items: coverage is 95% within four standard errors and what method 10 errs by itself (1%)."""
    generator = np.random.default_rng(0)
    shares = np.array([0.35, 0.25, 0.1, 0.3])
    covered = [
        low <= shares[2] - shares[1] <= high
        for low, high in (
            paired_difference(PairedTable(*map(int, row))) for row in generator.multinomial(60, shares, 2000)
        )
    ]
    assert np.mean(covered) == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / 2000) + 0.01)


def test_votes_are_items_that_most_give_to_one() -> None:
    votes = {"i": [1, 1, -1], "j": [-1], "k": [1, -1], "l": [0, 0, 1], "m": [1, 1, 1, 1], "n": [np.nan]}
    table = pd.DataFrame([(item, vote) for item, given in votes.items() for vote in given], columns=["item", "vote"])
    result = mcnemar_test_of_votes(table, unit="item", vote="vote", name_a="old", name_b="new")
    assert (result.only_first, result.only_second, result.neither, result.used, result.dropped) == (1, 3, 1, 5, 1)
    assert result.p_value == pytest.approx(stats.binomtest(3, 4).pvalue)
    assert result.reading.startswith("new has most votes on 3 items and old on 1 of 5: no significant difference")


def test_items_without_both_systems_are_dropped_and_counted() -> None:
    table = successes(2, 3, 1, 2)
    table.loc[0, "good"] = np.nan
    table = table.drop(index=15)
    result = mcnemar_test(table.assign(good=table["good"].astype(object)), **COLUMNS)
    assert (result.used, result.dropped) == (6, 2)


def test_booleans_count_and_agreement_leaves_nothing_to_test() -> None:
    table = successes(4, 0, 0, 3)
    result = mcnemar_test(table.assign(good=table["good"] == 1), **COLUMNS)
    assert (result.estimate, result.both) == (0, 4)
    assert math.isnan(result.p_value)
    assert result.reading.endswith("both succeed on the same units.")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"good": 2}, "row 0: 'good' is 2; expected 0 or 1"),
        ({"item": 1}, "'x' on 1 occurs twice; expected one row a unit and system"),
        ({"system": "x"}, "no row has 'y' in the column 'system'; expected both systems"),
        ({"good": "nan"}, "row 0: 'good' is 'nan'; expected a number"),
    ],
)
def test_bad_input_is_named(change: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        mcnemar_test(successes(1, 1, 1, 1).assign(**change), **COLUMNS)
