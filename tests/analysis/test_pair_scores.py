"""Scores of a scorer on pairs, against scikit-learn and by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics

from analysis.pair_scores import SCORES, compare_scorers, evaluate_scorer
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
