"""Scores of a scorer on pairs, against scikit-learn and by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics

from analysis.pair_scores import (
    SCORES,
    compare_scorers,
    compare_with_raters,
    evaluate_scorer,
    fit_temperature,
    tabulate_calibration,
)
from annotation.errors import InputError


def pairs(seed: int, rows: int = 60) -> pd.DataFrame:
    """Labels with both values, logits with ties and zeros, four pairs a prompt."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 2, size=rows)
    label[:2] = [0, 1]
    logit = (label + generator.normal(size=rows)).round(1)
    return pd.DataFrame({"label": label, "logit": logit, "prompt": np.arange(rows) // 4})


def by_hand(label: np.ndarray, logit: np.ndarray) -> dict[str, float]:
    probability = expit(logit)
    share_right = np.mean([0.5 if z == 0 else float((z > 0) == (y == 1)) for y, z in zip(label, logit, strict=True)])
    calibration = 0.0
    for low in np.arange(10) / 10:
        rows = (probability >= low) & (probability < low + 0.1 if low < 0.89 else probability <= 1)
        if rows.any():
            calibration += rows.mean() * abs(label[rows].mean() - probability[rows].mean())
    return {
        "pair_accuracy": float(share_right),
        "roc_auc": float(metrics.roc_auc_score(label, logit)),
        "log_loss": float(metrics.log_loss(label, probability)),
        "brier_score": float(metrics.brier_score_loss(label, probability)),
        "calibration_error": calibration,
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_the_scores_equal_scikit_learn(seed: int) -> None:
    table = pairs(seed)
    scores = evaluate_scorer(table, label="label", logit="logit", cluster="prompt", seed=0, draws=5)
    expected = by_hand(table["label"].to_numpy(), table["logit"].to_numpy())
    assert {name: score.estimate for name, score in scores.items()} == pytest.approx(expected, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_weights_stand_for_repeated_rows(seed: int) -> None:
    table = pairs(seed, rows=30)
    weights = np.random.default_rng(seed).integers(0, 4, size=30)
    weights[:2] = 1
    label, logit = table["label"].to_numpy(), table["logit"].to_numpy()
    expected = by_hand(np.repeat(label, weights), np.repeat(logit, weights))
    weighted = {name: score(weights[None, :].astype(float), label, logit)[0] for name, score in SCORES.items()}
    assert weighted == pytest.approx(expected, abs=1e-9)


def test_a_tie_is_half_right() -> None:
    table = pd.DataFrame({"label": [1, 1, 0, 0], "logit": [2.0, 0.0, 0.0, 1.0]})
    scores = evaluate_scorer(table, label="label", logit="logit", seed=0, draws=5)
    assert scores["pair_accuracy"].estimate == pytest.approx((1 + 0.5 + 0.5 + 0) / 4)
    # Of the four (1, 0) pairs: 2 > 0, 2 > 1, 0 = 0, 0 < 1.
    assert scores["roc_auc"].estimate == pytest.approx((1 + 1 + 0.5 + 0) / 4)


def test_a_confident_mistake_has_a_finite_loss() -> None:
    table = pd.DataFrame({"label": [1, 0], "logit": [-2000.0, -2000.0]})
    assert evaluate_scorer(table, label="label", logit="logit", seed=0, draws=5)["log_loss"].estimate == 1000


def test_a_perfect_and_a_reversed_scorer() -> None:
    table = pairs(0).assign(logit=lambda rows: rows["label"] * 2 - 1.0)
    scores = evaluate_scorer(table, label="label", logit="logit", cluster="prompt", seed=0)
    assert scores["pair_accuracy"].estimate == scores["roc_auc"].estimate == 1
    assert (scores["roc_auc"].low, scores["roc_auc"].high) == (1, 1)
    reversed_scores = evaluate_scorer(table.assign(logit=-table["logit"]), label="label", logit="logit", seed=0)
    assert reversed_scores["pair_accuracy"].estimate == reversed_scores["roc_auc"].estimate == 0


def test_auc_of_one_class_is_undefined_and_the_others_are_not() -> None:
    scores = evaluate_scorer(pairs(0).assign(label=1), label="label", logit="logit", seed=0)
    assert math.isnan(scores["roc_auc"].estimate)
    assert scores["roc_auc"].reason == "all labels are the same"
    assert math.isfinite(scores["brier_score"].estimate)


def test_two_scorers_are_compared_on_the_same_draws() -> None:
    table = pairs(0, rows=400)
    table["better"] = table["logit"] + 1.0 * (2 * table["label"] - 1)
    differences = compare_scorers(table, label="label", first="logit", second="better", cluster="prompt", seed=0)
    first = evaluate_scorer(table, label="label", logit="logit", cluster="prompt", seed=0)
    second = evaluate_scorer(table, label="label", logit="better", cluster="prompt", seed=0)
    for name, difference in differences.items():
        assert difference.estimate == pytest.approx(second[name].estimate - first[name].estimate)
    assert differences["roc_auc"].low > 0
    assert differences["log_loss"].high < 0
    same = compare_scorers(table, label="label", first="logit", second="logit", cluster="prompt", seed=0)
    assert all((score.estimate, score.low, score.high) == (0, 0, 0) for score in same.values())


def test_copies_within_a_prompt_do_not_narrow_the_interval() -> None:
    table = pairs(2, rows=120)
    copied = pd.concat([table] * 5, ignore_index=True)
    once = evaluate_scorer(table, label="label", logit="logit", cluster="prompt", seed=0)
    five_times = evaluate_scorer(copied, label="label", logit="logit", cluster="prompt", seed=0)
    for name in SCORES:
        assert five_times[name].low == pytest.approx(once[name].low)
        assert five_times[name].clusters == 30


def test_a_label_that_is_neither_is_named() -> None:
    table = pairs(0)
    table.loc[5, "label"] = 2
    with pytest.raises(InputError, match="row 5: 'label' is 2; expected 0 or 1"):
        evaluate_scorer(table, label="label", logit="logit", seed=0)


def test_raters_and_scorer_are_held_against_the_other_raters_as_in_a_plain_loop() -> None:
    generator = np.random.default_rng(3)
    rows = []
    for unit in range(40):
        score = generator.choice([-1.5, 0.0, 2.0])
        rows += [(unit, unit // 2, float(vote), score) for vote in generator.choice([-1, 0, 1], size=1 + unit % 4)]
    table = pd.DataFrame(rows, columns=["unit", "prompt", "vote", "score"])
    table.loc[5, "vote"] = np.nan
    expected: dict[str, list[float]] = {"rater": [], "scorer": []}
    for index, row in table.iterrows():
        others = table[(table["unit"] == row["unit"]) & (table.index != index)]["vote"].dropna()
        if np.isnan(row["vote"]) or others.empty:
            continue
        for name, own in (("rater", row["vote"]), ("scorer", row["score"])):
            product = own * others.sum()
            expected[name].append(0.5 if product == 0 else float(product > 0))
    found = compare_with_raters(table, unit="unit", vote="vote", score="score", cluster="prompt", seed=0, draws=200)
    for name, agreement in expected.items():
        assert found[name].estimate == pytest.approx(np.mean(agreement))
        assert found[name].low < found[name].estimate < found[name].high
        assert (found[name].used, found[name].dropped) == (len(agreement), len(table) - len(agreement))
    assert found["difference"].estimate == pytest.approx(found["scorer"].estimate - found["rater"].estimate)


@pytest.mark.parametrize("scale", [0.25, 1.0, 4.0])
def test_the_temperature_is_the_one_that_the_labels_were_made_with(scale: float) -> None:
    """Labels that are the very probabilities have the least loss at their own temperature."""
    logits = np.random.default_rng(0).normal(0, 2, 500)
    table = pd.DataFrame({"label": 1 / (1 + np.exp(-logits)), "logit": scale * logits})
    assert fit_temperature(table, label="label", logit="logit") == pytest.approx(scale, rel=1e-4)  # of a search
    assert fit_temperature(pd.DataFrame({"label": [1, 0], "logit": [0.0, 0.0]}), label="label", logit="logit") == 1


def test_a_calibration_table_counts_each_pair_once() -> None:
    logits = np.random.default_rng(1).normal(0, 2, 300)
    labels = (np.random.default_rng(2).random(300) < 1 / (1 + np.exp(-logits))).astype(float)
    table = tabulate_calibration(pd.DataFrame({"label": labels, "logit": logits}), label="label", logit="logit")
    assert table["pairs"].sum() == 300 and len(table) <= 10
    assert (table["observed"] * table["pairs"]).sum() == pytest.approx(labels.sum())
    assert (table["predicted"] * table["pairs"]).sum() == pytest.approx((1 / (1 + np.exp(-logits))).sum())
    assert (table["low"] <= table["observed"]).all() and (table["observed"] <= table["high"]).all()
    gap = (table["observed"] - table["predicted"]).abs() * table["pairs"] / 300
    error = evaluate_scorer(
        pd.DataFrame({"label": labels, "logit": logits}), label="label", logit="logit", seed=0, draws=2
    )
    assert gap.sum() == pytest.approx(error["calibration_error"].estimate)


def test_one_prompt_gives_estimates_and_no_interval() -> None:
    """Every draw would be the same: an interval without width, which looks like certainty."""
    table = pairs(0, rows=4)
    for score in evaluate_scorer(table, label="label", logit="logit", cluster="prompt", seed=0).values():
        assert math.isfinite(score.estimate) and math.isnan(score.low) and math.isnan(score.high)
        assert score.clusters == 1 and "bootstrap" not in score.method and score.reason == ""
