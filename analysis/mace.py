"""Which workers answer, and which only fill in? MACE: Hovy, Berg-Kirkpatrick, Vaswani & Hovy (NAACL 2013).

A worker either knows the true category and gives it, with probability `trust`, or spams: draws from a distribution of
their own, whatever is true. Every category is as likely to be true. Variational Bayes with Beta(1/2, 1/2) on the trust
and Dirichlet(10, ..., 10) on the spam, as the paper has it; all restarts climb at once. Shapes: U units, W workers,
C categories, R restarts.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse, stats
from scipy.special import digamma, gammaln

from analysis.labels import Labels, normalize, read_labels, why_no_model
from analysis.resampling import CONFIDENCE, Floats
from analysis.results import NAN, Result
from annotation.errors import InputError

TRUST_PRIOR = 0.5
SPAM_PRIOR = 10.0
RESTARTS = 10
STEPS = 500
TOLERANCE = 1e-8  # what a step may still gain, in nats an answer


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerTrust:
    """trust: posterior mean probability of knowing, with its interval; spam: what the worker answers otherwise.

    The interval takes the true categories as independent of the trust, and is somewhat too narrow.
    """

    worker: Any
    labels: int
    trust: float
    low: float
    high: float
    spam: tuple[float, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Mace(Result):
    """The best of the restarts; without answers that differ, `posterior` is empty and there is a `reason`.

    posterior (U, C): probability of each category for each unit. bound: the evidence lower bound in nats; trace: before
    each step of the best restart; restart_bounds: what each restart has reached.
    """

    categories: tuple[Any, ...]
    workers: tuple[WorkerTrust, ...]
    units: tuple[Any, ...]
    posterior: Floats
    bound: float
    trace: tuple[float, ...]
    restart_bounds: tuple[float, ...]
    is_converged: bool
    labels_used: int
    labels_dropped: int
    method: str
    seed: int
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def reading(self) -> str:
        if self.reason:
            return f"Workers' trust is not defined: {self.reason}."
        trusts = [worker.trust for worker in self.workers]
        return (
            f"By MACE the {len(self.workers)} workers know the answer in {min(trusts):.0%} to {max(trusts):.0%} of "
            f"the cases (median {np.median(trusts):.0%})."
        )

    def to_dict(self) -> dict[str, Any]:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        workers = [dataclasses.asdict(worker) for worker in self.workers]
        return fields | {"posterior": self.posterior.tolist(), "workers": workers, "reading": self.reading}

    def to_frame(self) -> pd.DataFrame:
        """A row a worker, the most trusted first."""
        columns = ["worker", "labels", "trust", "low", "high"]
        table = pd.DataFrame([dataclasses.asdict(worker) for worker in self.workers], columns=columns)
        return table.sort_values("trust", ascending=False, kind="stable", ignore_index=True)


@dataclasses.dataclass(frozen=True, slots=True)
class _Counts:
    """agrees (U * C, W * C): an answer links a unit's category with the worker's; shown (U, W * C): with the unit."""

    agrees: sparse.csr_array
    agrees_back: sparse.csr_array
    shown: sparse.csr_array
    given: Floats  # (W, C, 1): how often a worker gave a category

    @property
    def shape(self) -> tuple[int, int, int]:
        """U, W, C."""
        return (self.shown.shape[0], self.given.shape[0], self.given.shape[1])


@dataclasses.dataclass(frozen=True, slots=True)
class _Beliefs:
    """Parameters of the posteriors of trust, (W, R) each for knowing and spamming, and of spam (W, C, R)."""

    knowing: Floats
    spamming: Floats
    spam: Floats


def mace(
    table: pd.DataFrame,
    *,
    unit: str,
    worker: str,
    value: str,
    seed: int,
    categories: Sequence[Any] | None = None,
    restarts: int = RESTARTS,
    steps: int = STEPS,
    tolerance: float = TOLERANCE,
    confidence: float = CONFIDENCE,
) -> Mace:
    """Fit from `restarts` starting points, the first of which takes the shares of the answers; the best bound wins."""
    if restarts < 1:
        raise InputError(f"restarts is {restarts}; expected at least 1.")
    labels = read_labels(table, unit=unit, worker=worker, value=value, categories=categories)
    method = f"MACE, variational Bayes, best of {restarts} restarts"
    reason = why_no_model(labels)
    if reason:
        return _undefined(labels, method, seed, reason)
    counts = _count(labels)
    beliefs = _start(counts, labels.shares(), restarts, np.random.default_rng(seed))
    least_gain = tolerance * len(labels.unit)
    posterior, beliefs, traces = _climb(counts, beliefs, steps, least_gain)
    best = int(traces[-1].argmax())
    is_converged = len(traces) > 1 and bool(traces[-1][best] - traces[-2][best] <= least_gain)
    return Mace(
        categories=tuple(labels.categories),
        workers=_describe_workers(labels, beliefs, best, confidence),
        units=tuple(labels.units),
        posterior=np.ascontiguousarray(posterior[:, :, best]),
        bound=float(traces[-1][best]),
        trace=tuple(float(bounds[best]) for bounds in traces),
        restart_bounds=tuple(traces[-1].tolist()),
        is_converged=is_converged,
        labels_used=len(labels.unit),
        labels_dropped=labels.dropped,
        method=method,
        seed=seed,
        confidence=confidence,
        warnings=() if is_converged else (f"the bound still rises after {len(traces)} steps",),
    )


def _count(labels: Labels) -> _Counts:
    width = len(labels.categories)
    of_worker = labels.worker * width + labels.category
    of_unit = labels.unit * width + labels.category
    units, workers = len(labels.units), len(labels.workers)
    ones = np.ones(len(of_unit))
    agrees = sparse.csr_array((ones, (of_unit, of_worker)), shape=(units * width, workers * width))
    shown = sparse.csr_array((ones, (labels.unit, of_worker)), shape=(units, workers * width))
    given = np.bincount(of_worker, minlength=workers * width).reshape(workers, width, 1).astype(np.float64)
    return _Counts(agrees, agrees.T.tocsr(), shown, given)


def _start(counts: _Counts, shares: Floats, restarts: int, generator: np.random.Generator) -> _Beliefs:
    """Beliefs after a share of each worker's answers was known: the share that agrees, then shares at random."""
    _, workers, width = counts.shape
    agreement = (counts.agrees_back @ shares.reshape(-1)).reshape(workers, width, 1)
    at_random = generator.uniform(size=(workers, 1, restarts - 1)) * counts.given
    return _believe(counts, np.concatenate([agreement, at_random], axis=2))


def _believe(counts: _Counts, known: Floats) -> _Beliefs:
    """known (W, C, R): how many of a worker's answers in each category were given knowingly."""
    spammed = counts.given - known
    return _Beliefs(TRUST_PRIOR + known.sum(axis=1), TRUST_PRIOR + spammed.sum(axis=1), SPAM_PRIOR + spammed)


def _climb(counts: _Counts, beliefs: _Beliefs, steps: int, tolerance: float) -> tuple[Floats, _Beliefs, list[Floats]]:
    """Steps of all restarts together, until none gains more than `tolerance` nats; bounds (R,) of each step."""
    posterior, known, bounds = _expect(counts, beliefs)
    traces = [bounds]
    while len(traces) < steps:
        beliefs = _believe(counts, known)
        posterior, known, bounds = _expect(counts, beliefs)
        traces.append(bounds)
        if (traces[-1] - traces[-2] <= tolerance).all():
            break
    return posterior, beliefs, traces


def _expect(counts: _Counts, beliefs: _Beliefs) -> tuple[Floats, Floats, Floats]:
    """Posterior of the true categories (U, C, R), answers given knowingly (W, C, R), and the bounds (R,) in nats."""
    units, workers, width = counts.shape
    total = digamma(beliefs.knowing + beliefs.spamming)
    log_knowing = (digamma(beliefs.knowing) - total)[:, None, :]
    log_spam = (digamma(beliefs.spamming) - total)[:, None, :] + (
        digamma(beliefs.spam) - digamma(beliefs.spam.sum(axis=1, keepdims=True))
    )
    either = np.logaddexp(log_knowing, log_spam)
    # An answer counts for its category by how much likelier a known answer makes it than spam alone.
    gain = (either - log_spam).reshape(workers * width, -1)
    joint = np.asarray(counts.agrees @ gain).reshape(units, width, -1)
    posterior, evidence = normalize(joint)
    right = (counts.agrees_back @ posterior.reshape(units * width, -1)).reshape(workers, width, -1)
    bounds = evidence.sum(axis=0) - units * np.log(width) + (counts.given * log_spam).sum(axis=(0, 1))
    return posterior, right * np.exp(log_knowing - either), bounds - _divergence(beliefs)


def _divergence(beliefs: _Beliefs) -> Floats:
    """Kullback-Leibler divergence of the beliefs from their priors, (R,), in nats."""
    trust = np.stack([beliefs.knowing, beliefs.spamming], axis=1)
    return _dirichlet_divergence(trust, TRUST_PRIOR) + _dirichlet_divergence(beliefs.spam, SPAM_PRIOR)


def _dirichlet_divergence(counts: Floats, prior: float) -> Floats:
    """Of Dirichlet(counts) from the symmetric Dirichlet(prior), summed over workers: (W, C, R) to (R,)."""
    width, total = counts.shape[1], counts.sum(axis=1)
    divergence = gammaln(total) - gammaln(counts).sum(axis=1) - gammaln(width * prior) + width * gammaln(prior)
    divergence += ((counts - prior) * (digamma(counts) - digamma(total)[:, None, :])).sum(axis=1)
    return np.asarray(divergence.sum(axis=0))


def _describe_workers(labels: Labels, beliefs: _Beliefs, best: int, confidence: float) -> tuple[WorkerTrust, ...]:
    knowing, spamming, spam = beliefs.knowing[:, best], beliefs.spamming[:, best], beliefs.spam[:, :, best]
    tail = (1 - confidence) / 2
    lows, highs = stats.beta.ppf([[tail], [1 - tail]], knowing, spamming)
    rows = zip(
        labels.workers,
        labels.labels_of_worker,
        knowing / (knowing + spamming),
        lows,
        highs,
        spam / spam.sum(axis=1, keepdims=True),
        strict=True,
    )
    return tuple(
        WorkerTrust(worker, int(given), float(trust), float(low), float(high), tuple(shares.tolist()))
        for worker, given, trust, low, high, shares in rows
    )


def _undefined(labels: Labels, method: str, seed: int, reason: str) -> Mace:
    return Mace(
        categories=tuple(labels.categories),
        workers=(),
        units=(),
        posterior=np.zeros((0, len(labels.categories))),
        bound=NAN,
        trace=(),
        restart_bounds=(),
        is_converged=False,
        labels_used=len(labels.unit),
        labels_dropped=labels.dropped,
        method=method,
        seed=seed,
        reason=reason,
    )
