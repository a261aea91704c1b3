"""Means over runs and their intervals, beside what one run has and beside distributions known in closed form."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from analysis.learning_curves import average_runs, resample_runs
from analysis.pair_scores import SCORES, compare_scorers, evaluate_scorer
from annotation.errors import InputError


def make_table(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """Prompts of three rows each; two scorers, the second nearer to the label."""
    generator = np.random.default_rng(seed)
    label = generator.integers(2, size=rows).astype(float)
    noise = generator.normal(size=(2, rows))
    return pd.DataFrame(
        {
            "prompt": [f"p{number // 3}" for number in range(rows)],
            "label": label,
            "first": 0.3 * (2 * label - 1) + noise[0],
            "second": 1.2 * (2 * label - 1) + noise[1],
        }
    )


def resample(table: pd.DataFrame, score: str, *logits: str, draws: int = 300) -> np.ndarray:
    return resample_runs(table, score=score, label="label", logits=logits, cluster="prompt", seed=3, draws=draws)


@pytest.mark.parametrize("score", list(SCORES))
def test_a_single_run_has_the_interval_of_a_single_scorer(score: str) -> None:
    table = make_table()
    found = average_runs(resample(table, score, "first"), seed=3, name=score)
    expected = evaluate_scorer(table, label="label", logit="first", cluster="prompt", seed=3, draws=300)[score]
    assert (found.estimate, found.low, found.high) == pytest.approx((expected.estimate, expected.low, expected.high))


@pytest.mark.parametrize("score", ["pair_accuracy", "roc_auc", "log_loss"])
def test_a_difference_between_sizes_is_paired(score: str) -> None:
    table = make_table()
    difference = resample(table, score, "second") - resample(table, score, "first")
    found = average_runs(difference, seed=3, name=score)
    expected = compare_scorers(
        table, label="label", first="first", second="second", cluster="prompt", seed=3, draws=300
    )[score]
    assert (found.estimate, found.low, found.high) == pytest.approx((expected.estimate, expected.low, expected.high))


def test_the_mean_is_that_of_each_run_by_itself_and_not_of_pooled_scores() -> None:
    """Scores of different runs have different units: ten times as large, a run's AUC is the same."""
    table = make_table().assign(larger=lambda table: 10 * table["first"] + 5)
    values = resample(table, "roc_auc", "larger", "second")
    expected = [roc_auc_score(table["label"], table[name]) for name in ("first", "second")]
    assert values[:, 0] == pytest.approx(expected)
    assert average_runs(values, seed=0, name="AUC").estimate == pytest.approx(np.mean(expected))


def test_equal_runs_add_no_spread() -> None:
    values = resample(make_table(), "log_loss", "first", "first", "first")
    one, three = average_runs(values[:1], seed=0, name="x"), average_runs(values, seed=0, name="x")
    assert (three.low, three.high) == pytest.approx((one.low, one.high))


def test_runs_are_drawn_with_replacement() -> None:
    """Five of ten runs are always right, five always wrong: the mean of ten drawn ones is binomial, whatever prompts
    are drawn."""
    label = np.tile([0.0, 1.0], 10)
    columns = {f"run {number}": (2 * label - 1) * (1 if number % 2 else -1) for number in range(10)}
    table = pd.DataFrame({"label": label, "prompt": [f"p{row}" for row in range(20)], **columns})
    found = average_runs(resample(table, "pair_accuracy", *columns, draws=4000), seed=1, name="accuracy")
    assert stats.binom.ppf([0.025, 0.975], 10, 0.5).tolist() == [2, 8]
    assert (found.estimate, found.low, found.high) == pytest.approx((0.5, 0.2, 0.8))
    assert found.used == 10 and "10 runs" in found.method


def test_run_by_run_differences_are_drawn_together() -> None:
    """Every run gains exactly a tenth, though runs differ by far more: nothing is uncertain about the gain."""
    before = np.repeat([[0.1], [0.5], [0.9]], 501, axis=1)
    found = average_runs(before + 0.1 - before, seed=0, name="gain")
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))


def test_a_gap_is_named() -> None:
    with pytest.raises(InputError, match="'first' is empty"):
        resample(make_table().assign(first=np.nan), "log_loss", "first")
