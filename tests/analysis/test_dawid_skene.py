"""Dawid and Skene's model: their own table, EM in plain loops, known crowds, and what must not change it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.dawid_skene import MAXIMISERS, dawid_skene
from annotation.errors import InputError
from tests.analysis.crowds import make_answers

COLUMNS = {"unit": "unit", "worker": "worker", "value": "answer"}
REFERENCES = Path(__file__).parent.parent / "references"


def test_it_gives_the_published_values() -> None:
    """Dawid & Skene 1979: 45 patients, five observers, the first of whom rated each patient three times."""
    table = pd.read_csv(REFERENCES / "dawid_skene_1979.csv")
    fit = dawid_skene(table, unit="patient", worker="observer", value="rating")
    assert np.round(fit.prior, 2).tolist() == [0.40, 0.42, 0.11, 0.07]
    published = [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]
    assert np.round(fit.workers[0].confusion, 2).tolist() == published
    assert fit.is_converged
    assert (fit.labels_used, fit.workers[0].labels) == (315, 135)


def climb_in_loops(table: pd.DataFrame, steps: int, *, one_coin: bool) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """The published EM, an answer at a time: posterior, confusions [worker, true, given], log likelihoods."""
    units, workers, classes = (sorted(table[name].unique()) for name in ("unit", "worker", "answer"))
    rows = [(units.index(row.unit), workers.index(row.worker), classes.index(row.answer)) for row in table.itertuples()]
    width = len(classes)
    posterior = np.zeros((len(units), width))
    for unit, _, given_class in rows:
        posterior[unit, given_class] += 1
    posterior /= posterior.sum(axis=1, keepdims=True)
    likelihoods = []
    for _ in range(steps):
        prior = posterior.mean(axis=0)
        confusion = np.zeros((len(workers), width, width))
        for worker in range(len(workers)):
            own = [row for row in rows if row[1] == worker]
            for true in range(width):
                met = sum(posterior[unit, true] for unit, _, _ in own)
                for answer in range(width):
                    count = sum(posterior[unit, true] for unit, _, given_class in own if given_class == answer)
                    confusion[worker, true, answer] = count / met if met else 1 / width
            if one_coin:
                right = sum(posterior[unit, given_class] for unit, _, given_class in own) / len(own)
                confusion[worker] = (1 - right) / (width - 1)
                np.fill_diagonal(confusion[worker], right)
        joint = np.tile(prior, (len(units), 1))
        for unit, worker, given_class in rows:
            joint[unit] *= confusion[worker, :, given_class]
        likelihoods.append(float(np.log(joint.sum(axis=1)).sum()))
        posterior = joint / joint.sum(axis=1, keepdims=True)
    return posterior, confusion, likelihoods


@pytest.mark.parametrize("model", sorted(MAXIMISERS))
def test_it_equals_em_in_plain_loops(model: Any) -> None:
    table, _ = make_answers(units=25, each=3, categories=3, seed=3)
    fit = dawid_skene(table, **COLUMNS, model=model, steps=12, tolerance=0)
    posterior, confusion, likelihoods = climb_in_loops(table, 12, one_coin=model == "one-coin")
    assert fit.posterior == pytest.approx(posterior, abs=1e-9)
    assert np.array([worker.confusion for worker in fit.workers]) == pytest.approx(confusion, abs=1e-9)
    assert fit.trace == pytest.approx(likelihoods)
    assert fit.log_likelihood == pytest.approx(likelihoods[-1])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(MAXIMISERS)), st.sampled_from([0.0, 0.25, 2.0]))
def test_no_step_lowers_the_objective(seed: int, model: Any, smoothing: float) -> None:
    table, _ = make_answers(units=30, each=3, categories=3, seed=seed)
    fit = dawid_skene(table, **COLUMNS, model=model, smoothing=smoothing)
    assert np.diff(fit.trace).min() > -1e-9
    assert fit.posterior.sum(axis=1) == pytest.approx(1)
    for worker in fit.workers:
        assert np.sum(worker.confusion, axis=1) == pytest.approx(1)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(MAXIMISERS)))
def test_names_and_the_order_of_rows_change_nothing(seed: int, model: Any) -> None:
    table, _ = make_answers(units=30, each=4, categories=3, seed=seed)
    generator = np.random.default_rng(seed)
    names = {column: generator.permutation(int(table[column].max()) + 1) for column in table}
    renamed = table.assign(**{column: names[column][table[column]] for column in table})
    renamed = renamed.sample(frac=1, random_state=seed)
    fit, other = (dawid_skene(rows, **COLUMNS, model=model, steps=40, tolerance=0) for rows in (table, renamed))
    assert other.log_likelihood == pytest.approx(fit.log_likelihood)
    moved = other.posterior[names["unit"][list(fit.units)]][:, names["answer"][list(fit.categories)]]
    assert moved == pytest.approx(fit.posterior, abs=1e-6)
    accuracy = {worker.worker: worker.accuracy for worker in other.workers}
    for worker in fit.workers:
        assert accuracy[names["worker"][worker.worker]] == pytest.approx(worker.accuracy, abs=1e-6)


def test_it_finds_the_truth_and_the_spammers_where_the_majority_errs() -> None:
    table, truth = make_answers(units=600, trust=(0.95,) * 3 + (0.5,) * 3 + (0.0,) * 6)
    for model in ("one-coin", "confusion"):
        fit = dawid_skene(table, **COLUMNS, model=model)  # type: ignore[arg-type]
        majority = table.groupby("unit")["answer"].agg(lambda answers: answers.mode()[0]).to_numpy()
        right = (fit.labels_frame()["label"].to_numpy() == truth).mean()
        assert right > (majority == truth).mean() + 0.1
        accuracy = [worker.accuracy for worker in fit.workers]
        # Who knows in .95 or .5 of the cases is right by luck in a quarter of the others.
        assert accuracy == pytest.approx([0.9625] * 3 + [0.625] * 3 + [0.25] * 6, abs=0.09)


def test_confusions_show_who_mixes_up_what() -> None:
    table, truth = make_answers(units=500, categories=3, trust=(0.9,) * 6)
    swapped = {0: 1, 1: 0, 2: 2}
    table["answer"] = [
        swapped[answer] if worker == 0 else answer
        for worker, answer in zip(table["worker"], table["answer"], strict=True)
    ]
    fit = dawid_skene(table, **COLUMNS)
    assert fit.workers[0].confusion[0][1] > 0.85
    assert fit.workers[1].confusion[0][0] > 0.85
    assert (fit.labels_frame()["label"].to_numpy() == truth).mean() > 0.97


def test_expected_counts_are_the_answers_by_probable_truth() -> None:
    table, _ = make_answers(units=40, categories=3)
    fit = dawid_skene(table, **COLUMNS, model="one-coin")
    own = table[table["worker"] == 2]
    expected = np.zeros((3, 3))
    for row in own.itertuples():
        expected[:, row.answer] += fit.posterior[row.unit]
    assert np.array(fit.workers[2].expected) == pytest.approx(expected)


def test_smoothing_keeps_a_worker_of_one_answer_from_certainty() -> None:
    table, _ = make_answers(units=50, categories=3)
    table = pd.concat([table, pd.DataFrame({"unit": [0], "worker": [99], "answer": [0]})])
    published, smoothed = (dawid_skene(table, **COLUMNS, smoothing=smoothing).workers[-1] for smoothing in (0.0, 0.5))
    assert max(max(row) for row in published.confusion) == pytest.approx(1)
    assert max(max(row) for row in smoothed.confusion) <= 0.6 + 1e-9


def test_what_cannot_be_told_apart_is_undefined_with_the_reason() -> None:
    alike = pd.DataFrame({"unit": [0, 0, 1], "worker": ["a", "b", "a"], "answer": ["nan", "nan", "nan"]})
    fit = dawid_skene(alike, **COLUMNS)
    assert math.isnan(fit.log_likelihood)
    assert fit.reading == "Workers' errors are not defined: all answers are the same."
    assert fit.to_frame().empty
    empty = dawid_skene(alike.assign(answer=None), **COLUMNS)
    assert (empty.reason, empty.labels_dropped) == ("there is no answer", 3)


def test_booleans_and_the_text_nan_are_categories() -> None:
    table, truth = make_answers(units=60, categories=2)
    for names in ([False, True], ["nan", "None"]):
        fit = dawid_skene(table.assign(answer=[names[code] for code in table["answer"]]), **COLUMNS)
        assert set(fit.categories) == set(names)
        assert (fit.labels_frame()["label"] == [names[code] for code in truth]).mean() > 0.9


def test_a_result_gives_frames_and_plain_values() -> None:
    table, _ = make_answers(units=30)
    fit = dawid_skene(table, **COLUMNS)
    assert fit.to_frame()["accuracy"].is_monotonic_decreasing
    assert fit.to_dict()["posterior"][0] == pytest.approx(fit.posterior[0])
    assert "right in" in fit.reading and "tabular" in fit.to_latex()


def test_bad_input_is_named() -> None:
    table, _ = make_answers(units=5)
    with pytest.raises(InputError, match="model is 'two-coin'; expected one of confusion, one-coin"):
        dawid_skene(table, **COLUMNS, model="two-coin")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"smoothing is -1; expected 0 or more"):
        dawid_skene(table, **COLUMNS, smoothing=-1)
    with pytest.raises(InputError, match=r"row \d+: 'answer' is 3; expected one of 0, 1, 2"):
        dawid_skene(table, **COLUMNS, categories=[0, 1, 2])
    with pytest.raises(InputError, match="names one twice"):
        dawid_skene(table, **COLUMNS, categories=[0, 0])
