"""Checks of assumptions against R, and what they say where nothing can be checked."""

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.assumptions import check_assumptions
from tests.analysis.group_tables import ALONE, WITHIN, by_r, chicks, crossed


def test_both_tests_equal_r() -> None:
    checks = check_assumptions(chicks(), **ALONE)
    assert [checks.spread_statistic, checks.spread_p] == pytest.approx(by_r("one_way", "brown_forsythe"), rel=1e-8)
    # R's and scipy's W come from two translations of Royston's algorithm.
    assert [checks.normality_statistic, checks.normality_p] == pytest.approx(by_r("one_way", "shapiro"), rel=1e-5)
    deviations = chicks().groupby("system")["value"].std()
    assert checks.spread_ratio == pytest.approx(deviations.max() / deviations.min())


def test_with_blocks_the_residuals_are_those_beside_items_and_systems() -> None:
    table = crossed(np.random.default_rng(0), items=10, systems=3, item_spread=9)
    cells = table.groupby(["item", "system"])["value"].mean().unstack()
    expected = cells.sub(cells.mean(axis=1), axis=0).sub(cells.mean()) + cells.to_numpy().mean()
    checks = check_assumptions(table, **WITHIN)
    assert np.column_stack(checks.residuals) == pytest.approx(expected.to_numpy())
    assert checks.normality_statistic == pytest.approx(stats.shapiro(expected.to_numpy().T.ravel()).statistic)
    assert checks.used == 30


def test_readings_give_the_verdicts() -> None:
    generator = np.random.default_rng(1)
    uneven = pd.DataFrame({"system": np.repeat(["a", "b"], 60), "value": generator.exponential(size=120)})
    uneven.loc[uneven["system"] == "b", "value"] *= 20
    reading = check_assumptions(uneven, **ALONE).reading
    assert reading.startswith("The systems' spreads differ (Brown-Forsythe p < .0001")
    assert "Residuals depart from a normal distribution (Shapiro-Wilk W 0." in reading
    fine = check_assumptions(chicks(), **ALONE).reading
    assert "spreads do not differ significantly" in fine
    assert "do not depart significantly" in fine


@pytest.mark.parametrize(
    ("systems", "values", "spread", "normality"),
    [
        ("aabb", [1, 1, 2, 2], "in every group all values lie equally far", "all residuals are 0"),
        ("aabb", [0.1, 0.3, 5, 9], "in every group all values lie equally far", ""),
        ("ab", [1, 2], "no group has two values", "fewer than three residuals"),
        ("aaaa", [1, 2, 3, 5], "fewer than two groups", ""),
        ("aab", [np.nan] * 3, "fewer than two groups", "fewer than three residuals"),
    ],
)
def test_what_cannot_be_checked_says_why(systems: str, values: list[float], spread: str, normality: str) -> None:
    checks = check_assumptions(pd.DataFrame({"system": list(systems), "value": values}), **ALONE)
    assert spread in checks.spread_reason
    assert math.isnan(checks.spread_p)
    assert checks.spread_reason in checks.reading
    if normality:
        assert normality in checks.normality_reason
        assert math.isnan(checks.normality_p)
        assert checks.normality_reason in checks.reading
    else:
        assert checks.normality_p > 0


def test_shapiro_stops_where_its_p_does() -> None:
    values = np.random.default_rng(2).normal(size=5002)
    table = pd.DataFrame({"system": np.arange(5002) % 2, "value": values})
    assert "up to 5000 residuals, not for 5002" in check_assumptions(table, **ALONE).normality_reason
    assert check_assumptions(table[:5000], **ALONE).normality_p > 0


def test_the_figure_shows_quantiles_and_a_box_a_system_and_to_dict_leaves_the_residuals_out() -> None:
    table = pd.DataFrame({"system": np.arange(3000) % 3, "value": np.random.default_rng(3).normal(size=3000)})
    checks = check_assumptions(table, **ALONE)
    quantiles, spread = checks.plot().axes
    points = quantiles.lines[1]
    assert len(points.get_xdata()) == 400
    # The ends are kept, and normal values lie on the line.
    assert points.get_ydata()[[0, -1]] == pytest.approx([values_end(checks, np.min), values_end(checks, np.max)])
    assert np.corrcoef(points.get_xdata(), points.get_ydata())[0, 1] > 0.995
    assert [label.get_text() for label in spread.get_yticklabels()] == ["0", "1", "2"]
    assert any("sd 1.0" in text.get_text() or "sd 0.9" in text.get_text() for text in spread.findobj(mpl.text.Text))
    assert "residuals" not in checks.to_dict()
    assert checks.to_frame().loc[0, "used"] == 3000


def values_end(checks, end) -> float:
    return float(end(np.concatenate(checks.residuals)))
