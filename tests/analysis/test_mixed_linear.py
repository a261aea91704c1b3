"""Linear mixed models against lme4, exact tests of balanced designs, dense likelihoods, and simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.drawing import figure_style
from analysis.mixed_design import read_design
from analysis.mixed_linear import LinearMixed, fit_linear_mixed
from analysis.reml import STARTS, Criterion, minimise_deviance, satterthwaite
from annotation.errors import InputError
from tests.analysis.mixed_tables import COLUMNS, REFERENCES, make_table, read_reference


def variances(result: LinearMixed) -> dict[str, float]:
    return {component.name: component.variance for component in result.components}


@pytest.mark.parametrize(("name", "completions"), [("linear", False), ("linear_completions", True)])
def test_it_equals_lme4(name: str, completions: bool) -> None:
    """R prints eight digits; its own search stops within about 1e-6 of the maximum."""
    table, expected = read_reference(name)
    result = fit_linear_mixed(table, **COLUMNS, completion_effect=completions)
    assert result.deviance == pytest.approx(expected["deviance"], abs=1e-6)
    assert variances(result) == pytest.approx(
        {key.lower(): value for key, value in expected["variances"].items()}, rel=1e-4
    )
    from_a = result.contrasts[:2]
    assert [contrast.difference for contrast in from_a] == pytest.approx(expected["differences"], abs=1e-5)
    assert [contrast.standard_error for contrast in from_a] == pytest.approx(expected["errors"], rel=1e-4)
    assert [contrast.degrees_of_freedom for contrast in from_a] == pytest.approx(expected["freedom"], rel=1e-3)
    assert result.omnibus.statistic == pytest.approx(expected["chi_square"], abs=1e-5)
    workers = sorted(result.workers, key=lambda worker: worker.worker)
    assert [-worker.severity for worker in workers] == pytest.approx(expected["workers"], abs=1e-4)
    assert [worker.standard_error for worker in workers] == pytest.approx(expected["worker_errors"], rel=1e-4)
    assert result.warnings == ()


def test_it_gives_the_published_values_of_penicillin() -> None:
    wide = pd.read_csv(REFERENCES / "penicillin.csv", index_col="plate")
    table = wide.stack().rename_axis(["item", "worker"]).rename("value").reset_index().assign(system="penicillin")
    result = fit_linear_mixed(table, **COLUMNS)
    deviations = {name: math.sqrt(variance) for name, variance in variances(result).items()}
    assert deviations == pytest.approx({"item": 0.8467, "worker": 1.9316, "residual": 0.5499}, abs=5e-5)
    assert result.deviance == pytest.approx(330.8606, abs=5e-5)
    assert result.systems[0].estimate == pytest.approx(22.97, abs=0.005)


def test_in_a_balanced_design_pairs_are_those_of_the_blocked_anova() -> None:
    """One rating a completion: the exact test has the mean square of item by system on (S - 1)(I - 1)."""
    table = make_table(items=15, systems=4, raters=1, seed=3).assign(worker="same")
    result = fit_linear_mixed(table, **COLUMNS)
    cells = table.pivot(index="item", columns="system", values="value").to_numpy()
    rest = cells - cells.mean(axis=1, keepdims=True) - cells.mean(axis=0) + cells.mean()
    freedom = 3 * 14
    error = math.sqrt(2 * (rest**2).sum() / freedom / 15)
    for contrast in result.contrasts:
        difference = (cells[:, contrast.second] - cells[:, contrast.first]).mean()
        assert contrast.difference == pytest.approx(difference)
        assert contrast.standard_error == pytest.approx(error, rel=1e-5)
        assert contrast.degrees_of_freedom == pytest.approx(freedom, rel=1e-4)
        half = stats.t.ppf(0.975, freedom) * error
        assert (contrast.low, contrast.high) == pytest.approx((difference - half, difference + half), abs=1e-4)
        assert contrast.p_value == pytest.approx(2 * stats.t.sf(abs(difference) / error, freedom), rel=1e-3)


def test_the_level_of_a_system_has_the_interval_of_its_mean() -> None:
    """One system, one rating an item: the mean, with Student's t."""
    values = make_table(items=12, systems=1, raters=1).assign(worker="same")
    (system,) = fit_linear_mixed(values, **COLUMNS).systems
    mean, error = values["value"].mean(), values["value"].std() / math.sqrt(12)
    low, high = stats.t.interval(0.95, 11, mean, error)
    assert (system.estimate, system.standard_error) == pytest.approx((mean, error))
    assert (system.low, system.high) == pytest.approx((low, high))


def test_with_several_ratings_of_a_completion_pairs_are_those_of_its_mean() -> None:
    """Balanced, one worker pool of no effect: the completions' means carry all there is to know of systems."""
    table = make_table(items=15, raters=4, deviations=(0.7, 0.6, 0, 0.8), seed=5).assign(worker="same")
    means = table.groupby(["item", "system"], as_index=False)["value"].mean().assign(worker="same")
    of_ratings, of_means = fit_linear_mixed(table, **COLUMNS), fit_linear_mixed(means, **COLUMNS)
    for first, second in zip(of_ratings.contrasts, of_means.contrasts, strict=True):
        assert first.standard_error == pytest.approx(second.standard_error, rel=1e-5)
        assert first.degrees_of_freedom == pytest.approx(second.degrees_of_freedom, rel=1e-3) == pytest.approx(28)


def test_no_variances_near_by_have_a_lower_deviance() -> None:
    """The REML criterion from the whole covariance matrix of the ratings, in a plain formula."""
    table = make_table(items=8, seed=1)
    result = fit_linear_mixed(table, **COLUMNS)
    blocks = [table["item"] * 3 + table["system"], table["item"], table["worker"]]
    alike = [np.equal.outer(codes.to_numpy(), codes.to_numpy()).astype(float) for codes in blocks]
    design = np.eye(3)[table["system"]]

    def deviance(parts: np.ndarray) -> float:
        covariance = sum(part * block for part, block in zip(parts, [*alike, np.eye(len(table))], strict=True))
        inverse = np.linalg.inv(covariance)
        information = design.T @ inverse @ design
        rest = table["value"] - design @ np.linalg.solve(information, design.T @ inverse @ table["value"])
        determinants = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
        return float(determinants + (len(table) - 3) * math.log(2 * math.pi) + rest @ inverse @ rest)

    best = np.array(list(variances(result).values()))
    assert deviance(best) == pytest.approx(result.deviance, abs=1e-8)
    for place in range(4):
        for factor in (0.98, 1.02):
            assert deviance(best * np.where(np.arange(4) == place, factor, 1)) > result.deviance


def p_of_difference(table: pd.DataFrame, *, completion_effect: bool) -> float:
    """As `fit_linear_mixed` has it, without the tests and tables beside it."""
    names = {"system": "system", "item": "item", "worker": "worker"}
    design = read_design(table, is_used=np.ones(len(table), dtype=bool), completion_effect=completion_effect, **names)
    values = table["value"].to_numpy()
    criterion = Criterion(design.effects, design.is_fitted, design.indicators, values, is_reml=True)
    fit = minimise_deviance(criterion, STARTS[:1])
    contrast = np.array([[-1.0, 1.0]])
    covariance = fit.point.sum_of_squares / criterion.freedom * np.linalg.inv(fit.point.information)
    statistic = (contrast @ fit.point.fixed) / np.sqrt(contrast @ covariance @ contrast.T)[0]
    return float(2 * stats.t.sf(abs(statistic[0]), satterthwaite(fit, contrast)[0]))


def test_a_model_without_completions_takes_their_variance_for_evidence() -> None:
    """Under the null, with an unbalanced design; the test that knows of completions keeps its level of .05."""
    generator = np.random.default_rng(11)
    knowing, naive = [], []
    for seed in range(80):
        table = make_table(items=12, systems=2, gain=0, deviations=(0.8, 0.5, 0.3, 0.6), seed=seed)
        table = table[generator.random(len(table)) > 0.1]
        knowing.append(p_of_difference(table, completion_effect=True))
        if seed < 30:
            naive.append(p_of_difference(table, completion_effect=False))
    whole = fit_linear_mixed(table, **COLUMNS).contrasts[0].p_value
    assert knowing[-1] == pytest.approx(whole, rel=1e-3)
    # 3 binomial standard errors: 3 sqrt(.05 .95 / 80) = .073.
    assert np.mean(np.array(knowing) <= 0.05) == pytest.approx(0.05, abs=0.073)
    assert np.mean(np.array(naive) <= 0.05) > 0.2


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000), st.floats(-5, 5), st.sampled_from([0.01, 3.0, 1000.0]))
def test_names_order_and_scale_of_ratings_change_nothing_else(seed: int, shift: float, scale: float) -> None:
    table = make_table(items=8, seed=seed)
    other = table.assign(
        value=shift + scale * table["value"],
        system=table["system"].map({0: "z", 1: "y", 2: "x"}),
        worker="w" + table["worker"].astype(str),
    ).sample(frac=1, random_state=seed)
    straight, turned = fit_linear_mixed(table, **COLUMNS), fit_linear_mixed(other, **COLUMNS)
    shares = [component.share for component in straight.components]
    assert [component.share for component in turned.components] == pytest.approx(shares, abs=1e-4)
    # x, y, z are 2, 1, 0: the pair (x, z) is (0, 2) turned.
    assert turned.contrasts[1].difference == pytest.approx(-scale * straight.contrasts[1].difference, rel=1e-4)
    assert turned.contrasts[1].p_value == pytest.approx(straight.contrasts[1].p_value, rel=1e-3)
    assert turned.omnibus.statistic == pytest.approx(straight.omnibus.statistic, abs=1e-4)


def test_pairs_are_corrected_by_holm() -> None:
    result = fit_linear_mixed(make_table(seed=2, gain=0.25), **COLUMNS)
    ordered = sorted(result.contrasts, key=lambda contrast: contrast.p_value)
    first, second, third = (contrast.p_value for contrast in ordered)
    expected = [3 * first, max(3 * first, 2 * second), max(3 * first, 2 * second, third)]
    assert [contrast.p_holm for contrast in ordered] == pytest.approx([min(1, p_value) for p_value in expected])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": 3.0}, "every rating is the same"),
        ({"value": np.nan}, "no row has a value"),
    ],
)
def test_ratings_that_say_nothing_have_a_reason(change: dict[str, float], reason: str) -> None:
    result = fit_linear_mixed(make_table().assign(**change), **COLUMNS)
    assert result.reason == reason
    assert math.isnan(result.deviance)
    assert result.contrasts == ()
    assert reason in result.reading


def test_ratings_that_effects_explain_whole_have_a_reason() -> None:
    table = make_table()
    result = fit_linear_mixed(table.assign(value=table["item"] + table["system"]), **COLUMNS)
    assert result.reason == "the effects leave no residual variance"
    few = fit_linear_mixed(table.drop_duplicates("system"), **COLUMNS)
    assert few.reason == "there are no more ratings than systems"


@pytest.mark.parametrize(
    ("change", "warning", "left"),
    [
        ({"worker": "w"}, "no effect of workers: there is one worker", ["completion", "item"]),
        ({"worker": range(180)}, "no effect of workers: each worker has one rating", ["completion", "item"]),
        ({"worker": "system"}, "no effect of workers: each system has one worker", ["completion", "item"]),
        ({"item": "i"}, "no effect of items: there is one item", ["worker"]),
        ({"item": range(180)}, "no effect of items: each item has one rating", ["worker"]),
        ({"system": "s"}, "no effect of completions: each completion is one item", ["item", "worker"]),
    ],
)
def test_a_factor_that_cannot_be_estimated_is_left_out_with_a_warning(
    change: dict[str, object], warning: str, left: list[str]
) -> None:
    table = make_table()
    change = {name: table["system"] if value == "system" else value for name, value in change.items()}
    result = fit_linear_mixed(table.assign(**change), **COLUMNS)
    assert result.reason == ""
    assert any(text.startswith(warning) for text in result.warnings)
    assert [component.name for component in result.components] == [*left, "residual"]


def test_with_one_system_there_are_variances_and_no_comparison() -> None:
    result = fit_linear_mixed(make_table(systems=1), **COLUMNS)
    assert math.isnan(result.omnibus.p_value)
    assert result.contrasts == ()
    assert sum(component.share for component in result.components) == pytest.approx(1)
    assert "differ" not in result.reading


def test_a_variance_of_nothing_is_said_to_be_0() -> None:
    result = fit_linear_mixed(make_table(deviations=(0.5, 0.6, 0, 0.8), seed=6), **COLUMNS)
    assert "the variance of workers is estimated as 0" in result.warnings
    assert variances(result)["worker"] == 0
    assert {worker.severity for worker in result.workers} == {0.0}


def test_workers_come_with_the_most_severe_first() -> None:
    table = make_table(items=40)
    table.loc[table["worker"] == 3, "value"] -= 2
    result = fit_linear_mixed(table, **COLUMNS)
    assert result.workers[0].worker == 3
    assert result.workers[0].severity > 1.5
    assert sum(worker.ratings for worker in result.workers) == len(table)


def test_it_draws_every_pair_and_prints_them() -> None:
    result = fit_linear_mixed(make_table(), **COLUMNS)
    with figure_style():
        (axes,) = result.plot().axes
    assert len(axes.get_yticks()) == 3
    assert result.to_latex().count("\\\\") == 1 + 3
    assert result.to_dict()["reading"] == result.reading


def test_empty_values_are_dropped_and_counted_and_wrong_ones_named() -> None:
    table = make_table()
    table.loc[[3, 5], "value"] = np.nan
    result = fit_linear_mixed(table, **COLUMNS)
    assert (result.used, result.dropped) == (178, 2)
    with pytest.raises(InputError, match="row 0: 'value' is 'good'; expected a number"):
        fit_linear_mixed(table.assign(value="good"), **COLUMNS)
    with pytest.raises(InputError, match="no column 'rater'"):
        fit_linear_mixed(table, value="value", system="system", item="item", worker="rater")
    with pytest.raises(InputError, match="row 4: the column 'worker' is empty"):
        fit_linear_mixed(table.assign(worker=table["worker"].where(table.index != 4)), **COLUMNS)
