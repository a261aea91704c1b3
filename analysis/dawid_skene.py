"""What is the true answer, and how does each worker err? The model of A. P. Dawid & A. M. Skene (1979).

A unit has a true category t with probability prior[t]; worker w gives category g to it with probability
confusion[w, t, g], whatever the others say. EM (Dempster, Laird & Rubin 1977) climbs the likelihood, so that no step
lowers it. Shapes: U units, W workers, C categories.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import sparse

from analysis.labels import Labels, normalize, read_labels, why_no_model
from analysis.resampling import Floats
from analysis.results import NAN, Result
from annotation.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Model = Literal["confusion", "one-coin"]
STEPS = 1000
TOLERANCE = 1e-8  # what a step may still gain, in nats an answer


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerErrors:
    """confusion[t][g]: probability that the worker answers g where t is true; accuracy: that of a right answer.

    expected[t][g]: how many of the worker's answers are g to a unit that is probably t. With one coin, where the
    confusion has a single number, it still shows which categories the worker mixes up.
    """

    worker: Any
    labels: int
    accuracy: float
    confusion: tuple[tuple[float, ...], ...]
    expected: tuple[tuple[float, ...], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class DawidSkene(Result):
    """The fitted model; without one `posterior` is empty and there is a `reason`.

    posterior (U, C): probability of each category for each unit. trace: the objective of each step in nats, the log
    likelihood, with `smoothing` plus its penalty.
    """

    categories: tuple[Any, ...]
    prior: tuple[float, ...]
    workers: tuple[WorkerErrors, ...]
    units: tuple[Any, ...]
    posterior: Floats
    log_likelihood: float
    trace: tuple[float, ...]
    is_converged: bool
    labels_used: int
    labels_dropped: int
    method: str
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def reading(self) -> str:
        if self.reason:
            return f"Workers' errors are not defined: {self.reason}."
        accuracies = [worker.accuracy for worker in self.workers]
        return (
            f"By Dawid and Skene's model the {len(self.workers)} workers are right in {min(accuracies):.0%} to "
            f"{max(accuracies):.0%} of their answers (median {np.median(accuracies):.0%})."
        )

    def to_dict(self) -> dict[str, Any]:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        workers = [dataclasses.asdict(worker) for worker in self.workers]
        return fields | {"posterior": self.posterior.tolist(), "workers": workers, "reading": self.reading}

    def to_frame(self) -> pd.DataFrame:
        """A row a worker, the most accurate first."""
        rows = [(worker.worker, worker.labels, worker.accuracy) for worker in self.workers]
        table = pd.DataFrame(rows, columns=["worker", "labels", "accuracy"])
        return table.sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)

    def labels_frame(self) -> pd.DataFrame:
        """A row a unit: its most probable category, and that probability."""
        best = self.posterior.argmax(axis=1) if len(self.posterior) else np.zeros(0, dtype=np.int64)
        chosen = [self.categories[code] for code in best]
        probability = self.posterior.max(axis=1, initial=0.0) if len(self.posterior) else []
        return pd.DataFrame({"unit": list(self.units), "label": chosen, "probability": probability})

    def plot(self) -> "Figure":
        from analysis.worker_plots import plot_confusions  # takes a second to import

        return plot_confusions(self)


@dataclasses.dataclass(frozen=True, slots=True)
class _Parameters:
    prior: Floats  # (C,)
    confusion: Floats  # (W, given C, true C)
    penalty: float  # log prior density of the confusions, without its constant


Maximiser = Callable[[Floats, float], tuple[Floats, float]]  # counts (W, given C, true C), smoothing


def dawid_skene(
    table: pd.DataFrame,
    *,
    unit: str,
    worker: str,
    value: str,
    categories: Sequence[Any] | None = None,
    model: Model = "confusion",
    smoothing: float = 0.0,
    steps: int = STEPS,
    tolerance: float = TOLERANCE,
) -> DawidSkene:
    """Fit by EM, from the shares of the answers to each unit.

    model: `confusion` gives each worker a whole matrix; `one-coin` one accuracy, with all wrong categories alike: the
    one to use where a worker has fewer answers than a matrix has cells. smoothing: answers that each worker is taken
    to have given beforehand, to each pair of true and given category (right and wrong, with one coin); 0 is maximum
    likelihood, as published.
    """
    if model not in get_args(Model):
        raise InputError(f"model is {model!r}; expected one of {', '.join(get_args(Model))}.")
    if smoothing < 0:
        raise InputError(f"smoothing is {smoothing}; expected 0 or more answers.")
    labels = read_labels(table, unit=unit, worker=worker, value=value, categories=categories)
    method = f"Dawid-Skene, {model}, by EM" + (f", {smoothing:g} answers of smoothing" if smoothing else "")
    reason = why_no_model(labels)
    if reason:
        return _undefined(labels, method, reason)
    counts = labels.counts_by_worker()
    least_gain = tolerance * len(labels.unit)
    posterior, parameters, trace = _climb(counts, labels.shares(), MAXIMISERS[model], smoothing, steps, least_gain)
    is_converged = len(trace) > 1 and trace[-1] - trace[-2] <= least_gain
    return DawidSkene(
        categories=tuple(labels.categories),
        prior=tuple(parameters.prior.tolist()),
        workers=_describe_workers(labels, parameters, _expected_counts(counts, posterior)),
        units=tuple(labels.units),
        posterior=posterior,
        log_likelihood=trace[-1] - parameters.penalty,
        trace=tuple(trace),
        is_converged=is_converged,
        labels_used=len(labels.unit),
        labels_dropped=labels.dropped,
        method=method,
        warnings=() if is_converged else (f"EM has not converged after {len(trace)} steps",),
    )


def _climb(
    counts: sparse.csr_array, posterior: Floats, maximise: Maximiser, smoothing: float, steps: int, tolerance: float
) -> tuple[Floats, _Parameters, list[float]]:
    """M and E steps in turn, until a step gains no more than `tolerance` nats."""
    by_unit = counts.T.tocsr()
    parameters = _maximise(counts, posterior, maximise, smoothing)
    posterior, log_likelihood = _expect(by_unit, parameters)
    trace = [log_likelihood + parameters.penalty]
    while len(trace) < steps:
        parameters = _maximise(counts, posterior, maximise, smoothing)
        posterior, log_likelihood = _expect(by_unit, parameters)
        trace.append(log_likelihood + parameters.penalty)
        if trace[-1] - trace[-2] <= tolerance:
            break
    return posterior, parameters, trace


def _maximise(counts: sparse.csr_array, posterior: Floats, maximise: Maximiser, smoothing: float) -> _Parameters:
    """The parameters under which the answers, with these true categories, are most likely."""
    confusion, penalty = maximise(_expected_counts(counts, posterior), smoothing)
    return _Parameters(posterior.mean(axis=0), confusion, penalty)


def _expected_counts(counts: sparse.csr_array, posterior: Floats) -> Floats:
    """How many answers of each category a worker gave to units of each true one: (W, given C, true C)."""
    width = posterior.shape[1]
    return np.asarray(counts @ posterior).reshape(-1, width, width)


def _expect(by_unit: sparse.csr_array, parameters: _Parameters) -> tuple[Floats, float]:
    """Posterior (U, C) of the true categories, and the log likelihood in nats."""
    width = len(parameters.prior)
    with np.errstate(divide="ignore"):  # what never happened has a log probability of minus infinity
        joint = by_unit @ np.log(parameters.confusion).reshape(-1, width) + np.log(parameters.prior)
    posterior, evidence = normalize(joint)
    return posterior, float(evidence.sum())


def _confusion_of(expected: Floats, smoothing: float) -> tuple[Floats, float]:
    """Shares of the given categories for each true one; even where the worker met none of that category."""
    width = expected.shape[1]
    smoothed = expected + smoothing
    met = smoothed.sum(axis=1, keepdims=True)
    confusion = np.where(met > 0, smoothed / np.where(met > 0, met, 1), 1 / width)
    return confusion, smoothing * float(np.log(confusion).sum()) if smoothing else 0.0


def _one_coin_of(expected: Floats, smoothing: float) -> tuple[Floats, float]:
    """The share of right answers on the diagonal; the rest is spread evenly."""
    width = expected.shape[1]
    right = np.trace(expected, axis1=1, axis2=2) + smoothing
    accuracy = right / (expected.sum(axis=(1, 2)) + 2 * smoothing)
    wrong = ((1 - accuracy) / (width - 1))[:, None, None]
    confusion = np.where(np.eye(width, dtype=bool), accuracy[:, None, None], np.broadcast_to(wrong, expected.shape))
    penalty = smoothing * float((np.log(accuracy) + np.log1p(-accuracy)).sum()) if smoothing else 0.0
    return confusion, penalty


MAXIMISERS: dict[str, Maximiser] = {"confusion": _confusion_of, "one-coin": _one_coin_of}


def _describe_workers(labels: Labels, parameters: _Parameters, expected: Floats) -> tuple[WorkerErrors, ...]:
    confusions = parameters.confusion.transpose(0, 2, 1)  # true, given
    accuracies = np.einsum("wtt,t->w", confusions, parameters.prior)
    rows = zip(
        labels.workers, labels.labels_of_worker, accuracies, confusions, expected.transpose(0, 2, 1), strict=True
    )
    return tuple(
        WorkerErrors(
            worker=worker,
            labels=int(given),
            accuracy=float(accuracy),
            confusion=tuple(map(tuple, confusion.tolist())),
            expected=tuple(map(tuple, counts.tolist())),
        )
        for worker, given, accuracy, confusion, counts in rows
    )


def _undefined(labels: Labels, method: str, reason: str) -> DawidSkene:
    return DawidSkene(
        categories=tuple(labels.categories),
        prior=(),
        workers=(),
        units=(),
        posterior=np.zeros((0, len(labels.categories))),
        log_likelihood=NAN,
        trace=(),
        is_converged=False,
        labels_used=len(labels.unit),
        labels_dropped=labels.dropped,
        method=method,
        reason=reason,
    )
