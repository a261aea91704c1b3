"""Bradley-Terry and Davidson against R, published strengths, a general optimiser and closed forms."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import optimize, stats
from statsmodels.tools import numdiff

from analysis.bradley_terry import ELO_PER_LOGIT, BradleyTerry, fit_bradley_terry
from annotation.errors import InputError
from tests.analysis.references import made_up_votes, r_says

COLUMNS = {"system_a": "system_a", "system_b": "system_b", "vote": "vote"}


def make_votes(seed: int = 0, *, ties: bool = True, votes: int = 900) -> pd.DataFrame:
    """Four systems of strengths -1, 0, .3, .7; the left side gains .4."""
    generator = np.random.default_rng(seed)
    theta = np.array([-1.0, 0.0, 0.3, 0.7])
    first, step = generator.integers(4, size=votes), generator.integers(1, 4, size=votes)
    second = (first + step) % 4
    left = generator.choice(["a", "b"], size=votes)
    eta = theta[second] - theta[first] + 0.4 * np.where(left == "b", 1, -1)
    weights = np.stack([np.exp(-eta / 2), np.full(votes, 0.5 * ties), np.exp(eta / 2)])
    shares = np.cumsum(weights / weights.sum(axis=0), axis=0)
    vote = (generator.random(votes) > shares[:2]).sum(axis=0) - 1
    columns = {"system_a": first, "system_b": second, "vote": vote, "left": left, "item": np.arange(votes) // 6}
    return pd.DataFrame(columns)


def scores(result: BradleyTerry) -> list[float]:
    return [strength.estimate for strength in sorted(result.strengths, key=lambda strength: strength.system)]


def half_widths(result: BradleyTerry) -> list[float]:
    ordered = sorted(result.strengths, key=lambda strength: strength.system)
    return [(strength.high - strength.low) / 2 for strength in ordered]


def test_two_systems_give_the_log_odds() -> None:
    """30 wins to 10: the scores differ by log 3, with variance 1/30 + 1/10."""
    table = pd.DataFrame({"system_a": "x", "system_b": "y", "vote": [1] * 30 + [-1] * 10})
    result = fit_bradley_terry(table, **COLUMNS, variance="model")
    assert result.strengths[0].system == "y"
    assert result.strengths[0].estimate == pytest.approx(math.log(3) / 2)
    half = 1.959964 * math.sqrt(1 / 30 + 1 / 10) / 2
    assert result.strengths[0].high - result.strengths[0].estimate == pytest.approx(half, rel=1e-5)
    assert result.strengths[0].elo == pytest.approx(1000 + ELO_PER_LOGIT * math.log(3) / 2)


def test_it_gives_the_published_strengths() -> None:
    """Seven baseball teams, A. Agresti, Categorical Data Analysis (1990), table 10.10: strengths less Baltimore's."""
    wins = [
        [0, 7, 9, 7, 7, 9, 11],
        [6, 0, 7, 5, 11, 9, 9],
        [4, 6, 0, 7, 7, 8, 12],
        [6, 8, 6, 0, 6, 7, 10],
        [6, 2, 6, 7, 0, 7, 12],
        [4, 4, 5, 6, 6, 0, 6],
        [2, 4, 1, 3, 1, 7, 0],
    ]
    games = [
        (loser, winner) for winner, row in enumerate(wins) for loser, count in enumerate(row) for _ in range(count)
    ]
    table = pd.DataFrame(games, columns=["system_a", "system_b"]).assign(vote=1)
    strengths = scores(fit_bradley_terry(table, **COLUMNS, variance="model"))
    published = [1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0]
    assert [strength - strengths[6] for strength in strengths] == pytest.approx(published, abs=5.1e-3)


def test_side_length_and_clusters_are_those_of_r() -> None:
    """glm with contrasts of systems, side and log length ratio; variance over items by sandwich::vcovCL."""
    votes, r = made_up_votes(), r_says()
    votes["ratio"] = np.log(votes["words_b"] / votes["words_a"])
    fit = fit_bradley_terry(votes, **COLUMNS, cluster="item", left="left", covariates=["ratio"])
    by_system = {strength.system: strength for strength in fit.strengths}
    large, tuned, side, ratio = r["bradley_terry"]
    errors = r["bradley_terry_errors"]
    assert by_system["large"].estimate - by_system["base"].estimate == pytest.approx(large)
    assert by_system["tuned"].estimate - by_system["base"].estimate == pytest.approx(tuned)
    # The base's centred strength is -(large + tuned) / 3.
    covariance = r["bradley_terry_large_tuned_covariance"]
    error = math.sqrt(errors[0] ** 2 + errors[1] ** 2 + 2 * covariance) / 3
    assert by_system["base"].high - by_system["base"].estimate == pytest.approx(1.959964 * error, rel=1e-5)
    assert (fit.side_effect, fit.side_high - side) == pytest.approx((side, 1.959964 * errors[2]), rel=1e-5)
    (effect,) = fit.effects
    assert (effect.name, effect.estimate) == ("ratio", pytest.approx(ratio))
    assert effect.high - ratio == pytest.approx(1.959964 * errors[3], rel=1e-5)
    assert effect.p_value == pytest.approx(2 * stats.norm.sf(ratio / errors[3]), rel=1e-5)


def test_votes_that_only_follow_the_side_bound_no_effect() -> None:
    """Either system wins whenever it stands left: gamma has no maximum, and none is made up."""
    table = pd.DataFrame({"system_a": "x", "system_b": "y", "vote": [1, -1] * 20, "left": ["b", "a"] * 20})
    result = fit_bradley_terry(table, **COLUMNS, left="left")
    assert result.reason == "the likelihood has no maximum that the votes determine"
    assert math.isnan(result.side_effect)
    assert result.votes_used == 0


def test_a_covariate_that_repeats_the_systems_is_refused_by_the_votes() -> None:
    table = make_votes(votes=100).query("system_a in (0, 1) and system_b in (0, 1)")
    same = table.assign(twin=np.where(table["system_b"] == 1, 2.0, -2.0))
    assert fit_bradley_terry(same, **COLUMNS, covariates=["twin"]).reason


def test_rows_without_a_covariate_are_dropped_and_counted() -> None:
    table = make_votes(votes=100).assign(length=np.random.default_rng(0).normal(size=100))
    table.loc[[3, 4, 5], "length"] = np.nan
    result = fit_bradley_terry(table, **COLUMNS, covariates=["length"])
    assert (result.votes_used, result.votes_dropped) == (97, 3)


def test_ties_that_are_left_out_are_counted() -> None:
    table = make_votes()
    result = fit_bradley_terry(table, **COLUMNS, ties="drop")
    assert result.votes_dropped == (table["vote"] == 0).sum()
    assert result.votes_used + result.votes_dropped == 900
    assert all(strength.ties == 0 for strength in result.strengths)


def test_few_items_are_warned_of_and_as_few_as_parameters_have_no_interval() -> None:
    table = make_votes(votes=120)
    few = fit_bradley_terry(table, **COLUMNS, cluster="item")
    assert few.clusters == 20
    assert not few.warnings
    fewer = fit_bradley_terry(table[table["item"] < 12], **COLUMNS, cluster="item")
    assert "rests on 12 clusters" in fewer.warnings[0]
    assert math.isfinite(fewer.strengths[0].low)
    three = fit_bradley_terry(table.assign(item=table["item"] % 3), **COLUMNS, cluster="item")
    assert math.isfinite(three.strengths[0].estimate)
    assert math.isnan(three.strengths[0].low)


def test_all_votes_missing_is_no_crash() -> None:
    result = fit_bradley_terry(make_votes(votes=12).assign(vote=np.nan), **COLUMNS)
    assert (result.votes_used, result.votes_dropped) == (0, 12)
    assert result.reason


def test_without_ties_it_is_a_logistic_regression() -> None:
    table = make_votes(ties=False)
    design = np.zeros((len(table), 5))
    rows = np.arange(len(table))
    design[rows, table["system_b"]] += 1
    design[rows, table["system_a"]] -= 1
    design[:, 4] = np.where(table["left"] == "b", 1, -1)
    other = sm.Logit((table["vote"] == 1).astype(float), design[:, 1:]).fit(disp=False)
    robust = sm.Logit((table["vote"] == 1).astype(float), design[:, 1:]).fit(
        disp=False, cov_type="cluster", cov_kwds={"groups": table["item"], "use_correction": False}
    )
    centre = np.column_stack([np.zeros((4, 0)), np.eye(4) - 0.25])[:, 1:]
    ours = fit_bradley_terry(table, **COLUMNS, left="left", variance="model")
    assert scores(ours) == pytest.approx(centre @ np.asarray(other.params)[:3])
    assert ours.side_effect == pytest.approx(np.asarray(other.params)[3])
    spread = np.sqrt(np.diag(centre @ np.asarray(other.cov_params())[:3, :3] @ centre.T))
    assert half_widths(ours) == pytest.approx(1.959964 * spread, rel=1e-5)
    clustered = fit_bradley_terry(table, **COLUMNS, left="left", variance="cluster", cluster="item")
    items = table["item"].nunique()
    spread = np.sqrt(np.diag(centre @ np.asarray(robust.cov_params())[:3, :3] @ centre.T) * items / (items - 1))
    assert half_widths(clustered) == pytest.approx(1.959964 * spread, rel=1e-5)


def test_davidson_equals_a_general_optimiser() -> None:
    table = make_votes()
    side = np.where(table["left"] == "b", 1, -1)
    first, second, vote = (table[name].to_numpy() for name in ("system_a", "system_b", "vote"))

    def log_likelihoods(parameters: np.ndarray) -> np.ndarray:
        theta = np.append(parameters[:3], -parameters[:3].sum())
        eta = theta[second] - theta[first] + parameters[3] * side
        terms = np.stack([-eta / 2, np.full(len(eta), parameters[4]), eta / 2])
        return terms[vote + 1, np.arange(len(eta))] - np.logaddexp.reduce(terms)

    def cost(parameters: np.ndarray) -> float:
        return float(-log_likelihoods(parameters).sum())

    other = optimize.minimize(cost, np.zeros(5), method="BFGS", options={"gtol": 1e-8}).x
    ours = fit_bradley_terry(table, **COLUMNS, left="left")
    # A general optimiser with numerical gradients stops about 1e-5 away.
    assert scores(ours)[:3] == pytest.approx(other[:3], abs=1e-4)
    assert (ours.side_effect, ours.tie_weight) == pytest.approx((other[3], math.exp(other[4])), abs=1e-4)
    inverse = np.linalg.inv(numdiff.approx_hess(other, cost))
    gradients = numdiff.approx_fprime(other, log_likelihoods, centered=True)
    covariances = {"model": inverse, "sandwich": inverse @ gradients.T @ gradients @ inverse}
    for variance, covariance in covariances.items():
        ours = fit_bradley_terry(table, **COLUMNS, left="left", variance=variance)
        half = 1.959964 * np.sqrt(np.diag(covariance))
        # Numerical second derivatives are good to about four digits.
        assert half_widths(ours)[:3] == pytest.approx(half[:3], rel=1e-3)
        assert (ours.side_high - ours.side_low) / 2 == pytest.approx(half[3], rel=1e-3)


@pytest.mark.parametrize("ties", ["davidson", "half", "drop"])
def test_names_sides_of_the_table_and_the_order_of_rows_change_nothing(ties) -> None:
    table = make_votes()
    turned = table.rename(columns={"system_a": "system_b", "system_b": "system_a"})
    turned = turned.assign(vote=-turned["vote"], left=turned["left"].map({"a": "b", "b": "a"}))
    options = {**COLUMNS, "left": "left", "ties": ties, "cluster": "item"}
    ours = fit_bradley_terry(table, **options)
    other = fit_bradley_terry(turned.sample(frac=1, random_state=0), **options)
    assert scores(other) == pytest.approx(scores(ours))
    assert half_widths(other) == pytest.approx(half_widths(ours))
    assert other.side_effect == pytest.approx(ours.side_effect)
    assert sum(scores(ours)) == pytest.approx(0, abs=1e-9)


def test_copies_of_votes_widen_only_the_interval_by_clusters() -> None:
    """Each vote four times: the model believes four times the votes, the clusters do not."""
    once = make_votes(votes=300).assign(item=np.arange(300))
    fourfold = pd.concat([once] * 4, ignore_index=True)
    wide = fit_bradley_terry(fourfold, **COLUMNS, cluster="item")
    assert half_widths(wide) == pytest.approx(half_widths(fit_bradley_terry(once, **COLUMNS, cluster="item")))
    for variance in ("model", "sandwich"):
        narrow = fit_bradley_terry(fourfold, **COLUMNS, variance=variance)
        single = fit_bradley_terry(once, **COLUMNS, variance=variance)
        assert half_widths(narrow) == pytest.approx([width / 2 for width in half_widths(single)])


def test_a_winless_and_an_unbeaten_system_are_named_and_the_others_fitted() -> None:
    table = make_votes()
    losing = pd.DataFrame({"system_a": 8, "system_b": [0, 1, 2], "vote": 1, "left": "a", "item": 9000})
    winning = pd.DataFrame({"system_a": 9, "system_b": [0, 1, 2], "vote": -1, "left": "a", "item": 9001})
    result = fit_bradley_terry(pd.concat([table, losing, winning], ignore_index=True), **COLUMNS)
    by_system = {strength.system: strength for strength in result.strengths}
    assert scores(result)[:4] == pytest.approx(scores(fit_bradley_terry(table, **COLUMNS)))
    assert "won no vote" in by_system[8].reason
    assert "lost no vote" in by_system[9].reason
    assert math.isnan(by_system[8].estimate)
    assert len(result.warnings) == 2
    assert (result.votes_used, result.votes_dropped) == (900, 6)


def test_disconnected_comparisons_are_reported() -> None:
    apart = pd.DataFrame({"system_a": 8, "system_b": 9, "vote": [1, -1]})
    result = fit_bradley_terry(pd.concat([make_votes()[["system_a", "system_b", "vote"]], apart]), **COLUMNS)
    assert [strength.system for strength in result.strengths if strength.reason] == [8, 9]
    assert "not compared, in both directions" in result.warnings[0]
    nothing = fit_bradley_terry(pd.DataFrame({"system_a": ["x"], "system_b": ["y"], "vote": [1]}), **COLUMNS)
    assert "no two systems" in nothing.reason
    assert nothing.reading.startswith("Strengths are not defined")


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        ({"system_b": 0, "system_a": 0}, {}, "row 0: 0 is compared with itself"),
        ({"left": "c"}, {"left": "left"}, "row 0: 'left' is 'c'; expected 'a' or 'b'"),
        ({"vote": 2}, {}, "expected -1 for a, 1 for b or 0 for a tie"),
        ({}, {"ties": "keep"}, "ties is 'keep'; expected one of davidson, half, drop"),
        ({}, {"variance": "none"}, "variance is 'none'; expected one of model, sandwich, cluster"),
    ],
)
def test_bad_input_is_named(change: dict, options: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        fit_bradley_terry(make_votes(votes=20).assign(**change), **COLUMNS, **options)
