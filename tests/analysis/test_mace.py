"""MACE: variational Bayes in plain loops, known crowds, restarts, and what must not change it."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma
from scipy.stats import beta, dirichlet

from analysis.dawid_skene import dawid_skene
from analysis.mace import mace
from annotation.errors import InputError
from tests.analysis.crowds import make_answers

COLUMNS = {"unit": "unit", "worker": "worker", "value": "answer"}


def climb_in_loops(table: pd.DataFrame, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Variational Bayes an answer at a time, from the shares of the answers: posterior, beliefs, log evidence terms."""
    units, workers, classes = (int(table[name].max()) + 1 for name in ("unit", "worker", "answer"))
    rows = list(table[["unit", "worker", "answer"]].itertuples(index=False, name=None))
    posterior = np.zeros((units, classes))
    for unit, _, answer in rows:
        posterior[unit, answer] += 1
    posterior /= posterior.sum(axis=1, keepdims=True)
    known_share = np.ones((workers, classes))
    for _ in range(steps):
        knowing, spamming = np.full(workers, 0.5), np.full(workers, 0.5)
        spam = np.full((workers, classes), 10.0)
        for unit, worker, answer in rows:
            known = posterior[unit, answer] * known_share[worker, answer]
            knowing[worker] += known
            spamming[worker] += 1 - known
            spam[worker, answer] += 1 - known
        know = np.exp(digamma(knowing) - digamma(knowing + spamming))
        guess = np.exp(digamma(spamming) - digamma(knowing + spamming))[:, None] * np.exp(
            digamma(spam) - digamma(spam.sum(axis=1, keepdims=True))
        )
        posterior = np.full((units, classes), 1 / classes)
        for unit, worker, answer in rows:
            for true in range(classes):
                posterior[unit, true] *= guess[worker, answer] + (know[worker] if true == answer else 0)
        evidence = float(np.log(posterior.sum(axis=1)).sum())
        posterior /= posterior.sum(axis=1, keepdims=True)
        known_share = know[:, None] / (know[:, None] + guess)
    return posterior, knowing, spamming, spam, evidence


def test_it_equals_variational_bayes_in_plain_loops() -> None:
    table, _ = make_answers(units=25, each=3, categories=3, seed=3)
    fit = mace(table, **COLUMNS, seed=0, restarts=1, steps=12, tolerance=0)
    posterior, knowing, spamming, spam, _ = climb_in_loops(table, 12)
    assert fit.posterior == pytest.approx(posterior, abs=1e-9)
    assert [worker.trust for worker in fit.workers] == pytest.approx(knowing / (knowing + spamming))
    assert [worker.spam for worker in fit.workers] == pytest.approx(spam / spam.sum(axis=1, keepdims=True))
    assert fit.workers[0].low == pytest.approx(beta.ppf(0.025, knowing[0], spamming[0]))


def test_the_bound_is_the_expected_log_evidence_less_the_divergences() -> None:
    """The Kullback-Leibler divergences of the beliefs from the priors, as means of log densities over draws."""
    table, _ = make_answers(units=25, each=3, categories=3, seed=3)
    fit = mace(table, **COLUMNS, seed=0, restarts=1, steps=12, tolerance=0)
    _, knowing, spamming, spam, evidence = climb_in_loops(table, 12)
    generator = np.random.default_rng(0)
    divergence = 0.0
    for worker in range(len(knowing)):
        trust = beta.rvs(knowing[worker], spamming[worker], size=50_000, random_state=generator)
        divergence += (beta.logpdf(trust, knowing[worker], spamming[worker]) - beta.logpdf(trust, 0.5, 0.5)).mean()
        shares = dirichlet.rvs(spam[worker], size=5_000, random_state=generator).T
        divergence += (dirichlet.logpdf(shares, spam[worker]) - dirichlet.logpdf(shares, [10, 10, 10])).mean()
    assert fit.bound == pytest.approx(evidence - divergence, abs=0.05)  # the draws' standard error is about .015


def test_the_bound_lies_below_the_evidence() -> None:
    """Two workers, two units: the evidence is an integral that draws from the priors come close to."""
    table = pd.DataFrame({"unit": [0, 0, 1, 1], "worker": [0, 1, 0, 1], "answer": [0, 0, 1, 0]})
    fit = mace(table, **COLUMNS, seed=0)
    generator = np.random.default_rng(0)
    trust = beta.rvs(0.5, 0.5, size=(50_000, 2), random_state=generator)
    spam = dirichlet.rvs([10, 10], size=100_000, random_state=generator).reshape(50_000, 2, 2)
    evidence = np.ones(len(trust))
    for answers in ([0, 0], [1, 0]):
        likelihood = np.zeros(len(trust))
        for true in (0, 1):
            terms = [
                trust[:, worker] * (answer == true) + (1 - trust[:, worker]) * spam[:, worker, answer]
                for worker, answer in enumerate(answers)
            ]
            likelihood += terms[0] * terms[1] / 2
        evidence *= likelihood
    assert fit.bound < math.log(evidence.mean())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_no_step_lowers_the_bound_and_the_best_restart_is_kept(seed: int) -> None:
    table, _ = make_answers(units=30, each=3, categories=3, seed=seed)
    fit = mace(table, **COLUMNS, seed=seed, restarts=4)
    assert np.diff(fit.trace).min() > -1e-9
    assert fit.bound == max(fit.restart_bounds) == fit.trace[-1]
    assert len(fit.restart_bounds) == 4


def test_restarts_in_one_batch_are_those_of_single_runs() -> None:
    """The first start is the same however many follow, and no restart touches another."""
    table, _ = make_answers(units=40, each=3, categories=3)
    alone, among = (mace(table, **COLUMNS, seed=1, restarts=restarts, steps=9, tolerance=0) for restarts in (1, 5))
    assert among.restart_bounds[0] == pytest.approx(alone.bound)
    assert len(set(np.round(among.restart_bounds, 6))) > 1


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_names_and_the_order_of_rows_change_nothing(seed: int) -> None:
    table, _ = make_answers(units=60, each=5, categories=3, seed=seed)
    generator = np.random.default_rng(seed)
    names = {column: generator.permutation(int(table[column].max()) + 1) for column in table}
    renamed = table.assign(**{column: names[column][table[column]] for column in table})
    renamed = renamed.sample(frac=1, random_state=seed)
    fit, other = (mace(rows, **COLUMNS, seed=0, restarts=1, tolerance=1e-12) for rows in (table, renamed))
    assert other.bound == pytest.approx(fit.bound)
    trust = {worker.worker: worker.trust for worker in other.workers}
    for worker in fit.workers:
        assert trust[names["worker"][worker.worker]] == pytest.approx(worker.trust, abs=1e-5)
    moved = other.posterior[names["unit"][list(fit.units)]][:, names["answer"][list(fit.categories)]]
    assert moved == pytest.approx(fit.posterior, abs=1e-4)


def test_it_recovers_the_trust_of_simulated_workers() -> None:
    trust = (0.95, 0.9, 0.8, 0.7, 0.6, 0.4, 0.2, 0.0, 0.0)
    table, truth = make_answers(units=1500, categories=4, trust=trust)
    fit = mace(table, **COLUMNS, seed=0)
    assert [worker.trust for worker in fit.workers] == pytest.approx(trust, abs=0.06)
    assert (np.array(fit.categories)[fit.posterior.argmax(axis=1)] == truth).mean() > 0.95


def test_a_spammer_of_one_category_is_seen_through() -> None:
    """A worker who always says 0 is right in a quarter of the cases, and has no trust."""
    table, truth = make_answers(units=400, categories=4, trust=(0.9,) * 5)
    always = pd.DataFrame({"unit": np.arange(400), "worker": 9, "answer": 0})
    fit = mace(pd.concat([table, always]), **COLUMNS, seed=0)
    spammer = fit.workers[-1]
    assert spammer.trust < 0.05
    assert spammer.spam[0] > 0.9
    assert (fit.posterior.argmax(axis=1) == truth).mean() > 0.97


def test_it_ranks_workers_as_one_coin_dawid_skene_does() -> None:
    table, _ = make_answers(units=800, trust=(0.95, 0.8, 0.65, 0.5, 0.3, 0.1))
    by_trust = mace(table, **COLUMNS, seed=0).to_frame()["worker"].tolist()
    assert by_trust == dawid_skene(table, **COLUMNS, model="one-coin").to_frame()["worker"].tolist()


def test_awkward_input_is_undefined_or_named() -> None:
    alike = pd.DataFrame({"unit": [0, 0], "worker": ["a", "b"], "answer": [True, True]})
    fit = mace(alike, **COLUMNS, seed=0)
    assert fit.reason == "all answers are the same"
    assert fit.to_frame().empty and math.isnan(fit.bound)
    with pytest.raises(InputError, match="restarts is 0; expected at least 1"):
        mace(alike, **COLUMNS, seed=0, restarts=0)
    one = pd.DataFrame({"unit": [0, 1, 1], "worker": ["a", "a", "b"], "answer": ["x", "y", None]})
    fit = mace(one, **COLUMNS, seed=0)
    assert (fit.labels_used, fit.labels_dropped, len(fit.workers)) == (2, 1, 1)
    assert 0 < fit.workers[0].trust < 1
