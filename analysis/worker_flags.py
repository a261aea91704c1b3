"""Which workers should somebody look at? Flags: hints with a number and a rule, never a verdict.

A rule is a test that a worker in order fails with a known probability. Holm's correction over the workers keeps the
probability that a rule flags *anybody* wrongly in a study at 5 %. Nobody is excluded by a flag.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.multiple_testing import holm
from analysis.results import Result, format_number, format_p
from analysis.worker_measures import WorkerMeasure, WorkerValue

FAMILY_ERROR = 0.05


@dataclasses.dataclass(frozen=True, slots=True)
class Flag:
    """Why to look at a worker. p_holm: that a rule gives any worker in order such a number; `sentence` says it."""

    worker: Any
    flag: str
    estimate: float
    count: int
    p_value: float
    p_holm: float
    sentence: str


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerFlags(Result):
    """The flags, by worker; rules: what each measure's flag says. `tested` counts workers with any p-value."""

    flags: tuple[Flag, ...]
    rules: dict[str, str]
    workers: int
    tested: int
    method: str
    family_error: float = FAMILY_ERROR
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def flagged(self) -> tuple[Any, ...]:
        """The workers with a flag, each once."""
        return tuple(dict.fromkeys(flag.worker for flag in self.flags))

    @property
    def reading(self) -> str:
        if not self.tested:
            return "No worker has answers enough for a flag."
        if not self.flags:
            return f"None of the {self.workers} workers is flagged."
        shown = "; ".join(flag.sentence for flag in self.flags[:5])
        more = f"; and {len(self.flags) - 5} more" if len(self.flags) > 5 else ""
        number = f"{len(self.flagged)} of {self.workers} workers {'is' if len(self.flagged) == 1 else 'are'} flagged"
        return f"{number}, which is a hint to look and no verdict: {shown}{more}."

    def to_frame(self) -> pd.DataFrame:
        """A row a flag."""
        names = [field.name for field in dataclasses.fields(Flag)]
        return pd.DataFrame([dataclasses.asdict(flag) for flag in self.flags], columns=names)


def flag_workers(measures: Sequence[WorkerMeasure], *, family_error: float = FAMILY_ERROR) -> WorkerFlags:
    """Flag the workers whose p in a measure is at most `family_error` after Holm's correction over its workers."""
    flags, workers, tested = [], set(), set()
    for measure in measures:
        workers |= {value.worker for value in measure.values}
        adjusted = holm({place: value.p_value for place, value in enumerate(measure.values)})
        tested |= {value.worker for value in measure.values if not math.isnan(value.p_value)}
        flags += [
            _flag(measure, value, adjusted[place])
            for place, value in enumerate(measure.values)
            if adjusted[place] <= family_error
        ]
    flags.sort(key=lambda flag: (str(flag.worker), flag.flag))
    return WorkerFlags(
        flags=tuple(flags),
        rules={measure.name: measure.rule for measure in measures if measure.rule},
        workers=len(workers),
        tested=len(tested),
        method=f"a test a rule, Holm over workers at {family_error:g}",
        family_error=family_error,
    )


def _flag(measure: WorkerMeasure, value: WorkerValue, p_holm: float) -> Flag:
    number = f"{measure.label[:1].lower()}{measure.label[1:]} {format_number(value.estimate, 2)}"
    sentence = f"{value.worker} {measure.rule} ({number} over {value.count} {measure.counted}, {format_p(p_holm)})"
    return Flag(value.worker, measure.name, value.estimate, value.count, value.p_value, p_holm, sentence)
