"""Cumulative logit mixed models against ordinal::clmm, quadrature, other packages, and awkward tables."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special
from statsmodels.miscmodels.ordinal_model import OrderedModel

from analysis.cumulative_logit import LaplaceLikelihood
from analysis.mixed_design import read_design
from analysis.mixed_ordinal import OrdinalMixed, fit_ordinal_mixed
from annotation.errors import InputError
from tests.analysis.mixed_tables import COLUMNS, make_likert, read_reference


def deviations(result: OrdinalMixed) -> dict[str, float]:
    return {part.name: math.sqrt(part.variance) for part in result.components if part.name != "residual"}


@pytest.mark.parametrize(("name", "completions"), [("ordinal", False), ("ordinal_completions", True)])
def test_it_equals_clmm(name: str, completions: bool) -> None:
    """clmm has numerical gradients and stops within about 1e-4 of each estimate; its Hessian has about three digits."""
    table, expected = read_reference(name)
    result = fit_ordinal_mixed(table, **COLUMNS, completion_effect=completions)
    assert result.log_likelihood == pytest.approx(expected["log_likelihood"], abs=1e-5)
    assert deviations(result) == pytest.approx(
        {key: math.sqrt(value) for key, value in expected["variances"].items()}, rel=1e-3
    )
    assert [pair.difference for pair in result.contrasts[:2]] == pytest.approx(expected["differences"], abs=1e-3)
    assert [pair.standard_error for pair in result.contrasts[:2]] == pytest.approx(expected["errors"], rel=2e-3)
    centre = np.mean([0, *expected["differences"]])
    assert result.thresholds == pytest.approx(np.array(expected["thresholds"]) - centre, abs=1e-3)
    assert result.omnibus.statistic == pytest.approx(expected["chi_square"], abs=1e-3)
    half = 1.959964 * result.contrasts[0].standard_error
    assert result.contrasts[0].high == pytest.approx(result.contrasts[0].difference + half, abs=1e-6)
    assert result.systems[0].high - result.systems[0].low == pytest.approx(
        2 * 1.959964 * result.systems[0].standard_error, abs=1e-6
    )
    residual = result.components[-1]
    assert (residual.name, residual.variance) == ("residual", pytest.approx(math.pi**2 / 3))
    workers = sorted(result.workers, key=lambda worker: worker.worker)
    assert [-worker.severity for worker in workers] == pytest.approx(expected["workers"], abs=2e-3)
    assert [worker.standard_error for worker in workers] == pytest.approx(expected["worker_errors"], rel=2e-3)


def likelihood_of(table: pd.DataFrame) -> LaplaceLikelihood:
    names = {name: COLUMNS[name] for name in ("system", "item", "worker")}
    design = read_design(table, is_used=np.ones(len(table), dtype=bool), completion_effect=True, **names)
    return LaplaceLikelihood(
        design.effects, design.is_fitted, design.indicators[:, 1:], table["value"].to_numpy() - table["value"].min()
    )


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_the_gradient_is_that_of_the_likelihood(seed: int) -> None:
    likelihood = likelihood_of(make_likert(items=6, seed=seed))
    free = likelihood.start(0.7)
    free = free + np.random.default_rng(seed).normal(0, 0.3, len(free))
    _, slope = likelihood.evaluate(free)
    for place in range(len(free)):
        step = 1e-5 * np.eye(len(free))[place]
        rise = (likelihood.evaluate(free + step)[0] - likelihood.evaluate(free - step)[0]) / 2e-5
        assert slope[place] == pytest.approx(rise, abs=1e-4)


def probabilities(table: pd.DataFrame, thresholds: np.ndarray, levels: np.ndarray, effect: np.ndarray) -> np.ndarray:
    """Of each rating of one item (N,), for each size of its effect (G,): (N, G)."""
    padded = np.concatenate([[-np.inf], thresholds, [np.inf]])
    category, eta = table["value"].to_numpy() - 1, levels[table["system"]][:, None] + effect
    return special.expit(padded[category + 1][:, None] - eta) - special.expit(padded[category][:, None] - eta)


def one_factor(raters: int) -> tuple[pd.DataFrame, OrdinalMixed]:
    table = make_likert(items=30, raters=raters, deviations=(0, 0.8, 0, 0.9)).assign(worker="same")
    return table, fit_ordinal_mixed(table, **COLUMNS, completion_effect=False)


def test_with_one_random_effect_it_is_laplace_by_brute_force() -> None:
    """Item by item: the mode by a general minimiser, the curvature by differences."""
    table, result = one_factor(raters=1)
    (scale,) = deviations(result).values()
    thresholds, levels = np.array(result.thresholds), np.array([system.estimate for system in result.systems])
    total = 0.0
    for _, rows in table.groupby("item"):

        def minus_height(u: float, rows: pd.DataFrame = rows) -> float:
            shares = probabilities(rows, thresholds, levels, np.array([scale * u]))
            return float(u**2 / 2 - np.log(shares).sum())

        mode = optimize.minimize_scalar(minus_height, bounds=(-6, 6), options={"xatol": 1e-8}).x
        bend = (minus_height(mode + 1e-3) - 2 * minus_height(mode) + minus_height(mode - 1e-3)) / 1e-6
        total -= minus_height(mode) + math.log(bend) / 2
    assert result.log_likelihood == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize(("raters", "error"), [(1, 0.25), (6, 0.11)])
def test_laplace_comes_close_to_the_integral_and_closer_with_more_ratings(raters: int, error: float) -> None:
    """Gauss-Hermite quadrature with 60 points. The error of the log likelihood falls with the ratings of an item."""
    table, result = one_factor(raters)
    (scale,) = deviations(result).values()
    thresholds, levels = np.array(result.thresholds), np.array([system.estimate for system in result.systems])
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    exact = sum(
        math.log(probabilities(rows, thresholds, levels, scale * points).prod(axis=0) @ weights / weights.sum())
        for _, rows in table.groupby("item")
    )
    assert result.log_likelihood == pytest.approx(exact, abs=error)
    assert result.log_likelihood != pytest.approx(exact, abs=error / 20)  # or the tolerance says nothing


def test_without_random_effects_it_is_the_model_of_statsmodels() -> None:
    table = make_likert(items=60).assign(worker="same", item=range(540))
    result = fit_ordinal_mixed(table, **COLUMNS)
    design = np.eye(3)[table["system"]][:, 1:]
    other = OrderedModel(table["value"], design, distr="logit").fit(method="bfgs", disp=False, gtol=1e-8)
    assert result.log_likelihood == pytest.approx(other.llf, abs=1e-6)
    assert [pair.difference for pair in result.contrasts[:2]] == pytest.approx(other.params[:2].tolist(), abs=1e-4)
    assert [pair.standard_error for pair in result.contrasts[:2]] == pytest.approx(other.bse[:2].tolist(), rel=1e-3)


def test_turning_the_scale_turns_every_difference() -> None:
    table = make_likert(items=12)
    straight = fit_ordinal_mixed(table, **COLUMNS)
    turned = fit_ordinal_mixed(table.assign(value=6 - table["value"]).sample(frac=1, random_state=0), **COLUMNS)
    assert turned.log_likelihood == pytest.approx(straight.log_likelihood, abs=1e-5)
    for first, second in zip(straight.contrasts, turned.contrasts, strict=True):
        assert second.difference == pytest.approx(-first.difference, abs=1e-3)
        assert second.p_value == pytest.approx(first.p_value, abs=1e-3)


def test_text_with_an_order_and_numbers_give_the_same() -> None:
    table = make_likert(items=12)
    order = ["awful", "nan", "so-so", "good", "great"]
    words = table.assign(value=table["value"].map(dict(enumerate(order, start=1))))
    result = fit_ordinal_mixed(words, **COLUMNS, order=order)
    assert result.categories == tuple(order)
    assert result.log_likelihood == fit_ordinal_mixed(table, **COLUMNS).log_likelihood
    with pytest.raises(InputError, match="row 7: 'value' is 'fine'; expected one of awful, nan, so-so, good, great"):
        fit_ordinal_mixed(words.assign(value=words["value"].where(words.index != 7, "fine")), **COLUMNS, order=order)


def test_a_category_that_nobody_used_has_no_threshold() -> None:
    table = make_likert(items=12)
    result = fit_ordinal_mixed(table.assign(value=table["value"].replace(3, 2)), **COLUMNS)
    assert result.categories == (1, 2, 4, 5)
    assert list(result.thresholds) == sorted(result.thresholds)
    assert len(result.thresholds) == 3


def test_yes_and_no_are_two_categories() -> None:
    table = make_likert(items=12)
    result = fit_ordinal_mixed(table.assign(value=table["value"] > 3), **COLUMNS)
    assert len(result.thresholds) == 1
    assert result.reason == ""


def at_top(table: pd.DataFrame) -> dict[str, Any]:
    return {"value": table["value"].where(table["system"] != 1, 5)}


def in_halves(table: pd.DataFrame) -> dict[str, Any]:
    return {"value": np.where(table["system"] == 0, table["value"].clip(upper=3), table["value"].clip(lower=3))}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: {"value": 4}, "every rating is the same"),
        (lambda _: {"value": np.nan}, "no row has a value"),
        (
            lambda table: {"value": np.linspace(0, 1, len(table))},
            "108 distinct ratings, and the model is for at most 20",
        ),
        (at_top, "all ratings of 1 are 5 or higher and all others 5 or lower, so nothing bounds the difference"),
        (in_halves, "all ratings of 1 and 2 are 3 or higher and all others 3 or lower"),
        (lambda table: {"value": table["item"] % 5}, "an effect grows without bound"),
    ],
)
def test_ratings_that_bound_nothing_have_a_reason(change: Any, reason: str) -> None:
    table = make_likert(items=12)
    result = fit_ordinal_mixed(table.assign(**change(table)), **COLUMNS)
    assert reason in result.reason
    assert reason in result.reading
    assert math.isnan(result.log_likelihood)
    assert result.contrasts == ()


def test_factors_without_a_variance_are_left_out_with_a_warning() -> None:
    noise = make_likert(items=12).assign(value=np.random.default_rng(1).integers(1, 6, 108))
    result = fit_ordinal_mixed(noise.assign(worker=range(108)), **COLUMNS)
    assert result.warnings[0].startswith("no effect of workers: each worker has one rating")
    assert "the variance of completions is estimated as 0" in result.warnings
    assert "completion" not in deviations(result)
    assert result.workers == ()


def test_with_one_system_there_are_variances_and_no_comparison() -> None:
    result = fit_ordinal_mixed(make_likert(systems=1, items=40), **COLUMNS)
    assert math.isnan(result.omnibus.p_value)
    assert "there is one system" in result.reading
    assert set(deviations(result)) <= {"item", "worker"}


def test_severe_workers_and_better_systems_are_found() -> None:
    table = make_likert(items=40, gain=0.6)
    table.loc[table["worker"] == 3, "value"] = (table["value"] - 1).clip(lower=1)
    result = fit_ordinal_mixed(table, **COLUMNS)
    assert result.workers[0].worker == 3
    assert [system.estimate for system in result.systems] == sorted(system.estimate for system in result.systems)
    assert sum(system.estimate for system in result.systems) == pytest.approx(0, abs=1e-9)
    assert result.contrasts[1].p_holm < 0.001
