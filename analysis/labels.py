"""Answers of many workers as sparse counts: what the models of workers (Dawid-Skene, MACE) add up, counted once."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from analysis.resampling import Floats
from analysis.tables import codes, quoted, require_columns, require_no_gaps
from annotation.errors import InputError

Integers = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Labels:
    """Codes of the answers, all (N,), and what the codes stand for; `dropped` answers were empty."""

    unit: Integers
    worker: Integers
    category: Integers
    units: list[Any]
    workers: list[Any]
    categories: list[Any]
    dropped: int

    @property
    def labels_of_worker(self) -> Floats:
        return np.bincount(self.worker, minlength=len(self.workers)).astype(np.float64)

    def counts_by_worker(self) -> sparse.csr_array:
        """How often a worker gave a category to a unit: (W * C, U), the categories of one worker in a row."""
        rows = self.worker * len(self.categories) + self.category
        shape = (len(self.workers) * len(self.categories), len(self.units))
        return sparse.csr_array((np.ones(len(rows)), (rows, self.unit)), shape=shape)

    def shares(self) -> Floats:
        """Share of a unit's answers that each category has, (U, C)."""
        width = len(self.categories)
        counts = np.bincount(self.unit * width + self.category, minlength=len(self.units) * width)
        counts = counts.reshape(len(self.units), width).astype(np.float64)
        return counts / counts.sum(axis=1, keepdims=True)


def read_labels(
    table: pd.DataFrame, *, unit: str, worker: str, value: str, categories: Sequence[Any] | None = None
) -> Labels:
    """Code a long table, one row an answer. categories: all that could be answered; by default those that were.

    A worker may answer a unit more than once. InputError names the row of an answer that is no category.
    """
    require_columns(table, unit, worker, value)
    require_no_gaps(table, unit, worker)
    answered = table[table[value].notna()]
    category, found = codes(answered[value])
    if categories is not None:
        category, found = _code_by(answered, value, categories), list(categories)
    unit_codes, units = codes(answered[unit])
    worker_codes, workers = codes(answered[worker])
    return Labels(unit_codes, worker_codes, category, units, workers, found, len(table) - len(answered))


def _code_by(answered: pd.DataFrame, value: str, categories: Sequence[Any]) -> Integers:
    if len(set(categories)) != len(categories):
        raise InputError(f"categories names one twice: {', '.join(map(str, categories))}.")
    place = answered[value].map({category: code for code, category in enumerate(categories)})
    unknown = answered.index[place.isna()]
    if len(unknown):
        found, known = quoted(answered[value].loc[unknown[0]]), ", ".join(map(str, categories))
        raise InputError(f"row {unknown[0]}: {value!r} is {found}; expected one of {known}.")
    return place.to_numpy(dtype=np.int64)


def why_no_model(labels: Labels) -> str:
    """Why workers cannot be told apart from these answers; empty if they can be."""
    if not len(labels.unit):
        return "there is no answer"
    if len(labels.categories) < 2:
        return "all answers are the same"
    return ""


def normalize(joint: Floats) -> tuple[Floats, Floats]:
    """Log probabilities (U, C, ...), up to a factor a unit, to probabilities, and the log of their sums (U, ...)."""
    largest = joint.max(axis=1, keepdims=True)
    shares = np.exp(joint - largest)
    total = shares.sum(axis=1, keepdims=True)
    return shares / total, (largest + np.log(total)).squeeze(axis=1)
