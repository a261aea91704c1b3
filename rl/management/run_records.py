"""Reading what finished runs left behind, and what a training that still runs has left so far."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.configuration import read_yaml_mapping
from annotation.errors import InputError
from annotation.run_folders import is_run
from annotation.text_files import read_lines
from rl.logbook import EVALUATIONS, METRICS, SAMPLES

Row = Mapping[str, Any]
PARTIAL = ".partial"


def read_summary(run: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    return summary


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's `metrics.jsonl`."""
    return [json.loads(line) for line in read_lines(run / "metrics.jsonl")]


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """A run of train_policy, finished or not; `config` as it stands in the folder, `metrics` never empty."""

    folder: Path
    config: Mapping[str, Any]
    metrics: Sequence[Row]
    evaluations: Sequence[Row]
    samples: Sequence[Row]

    @property
    def name(self) -> str:
        return self.folder.name.removesuffix(PARTIAL)

    def setting(self, dotted: str) -> Any:
        """The setting `group.key`; None where the run has no such setting."""
        value: Any = self.config
        for key in dotted.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def has(self, measure: str) -> bool:
        """Whether any iteration has a number by that name: not every algorithm measures everything."""
        return any(is_number(row.get(measure)) for row in self.metrics)

    def column(self, measure: str) -> list[float]:
        """The measure by iteration, NaN where a row has none."""
        values = [row.get(measure) for row in self.metrics]
        return [float(value) if value is not None and is_number(value) else math.nan for value in values]

    @property
    def iterations(self) -> list[int]:
        return [int(row["iteration"]) for row in self.metrics]


def is_number(value: Any) -> bool:
    """A finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_policy_run(folder: Path) -> PolicyRun:
    """The run in `folder`, which may be the partial folder of one that still runs or was stopped.

    InputError if it is no run of train_policy, or has not finished an iteration.
    """
    if not (folder / METRICS).is_file() or not (folder / "config.yaml").is_file():
        raise InputError(f"{folder} is no run of train_policy: expected a folder with config.yaml and {METRICS}.")
    config = read_yaml_mapping(folder / "config.yaml")
    metrics, evaluations, samples = (_read_whole_rows(folder / name) for name in (METRICS, EVALUATIONS, SAMPLES))
    if "algorithm" not in config or (metrics and not {"iteration", "reward"} <= metrics[0].keys()):
        raise InputError(f"{folder} is no run of train_policy: expected rewards by iteration in {METRICS}.")
    if not metrics:
        raise InputError(f"{folder}: no iteration has finished yet; expected at least one row in {METRICS}.")
    return PolicyRun(folder, config, metrics, evaluations, samples)


def read_finished_policy_run(folder: Path) -> PolicyRun:
    """As `read_policy_run`; InputError also if the run has not finished, or was never evaluated."""
    run = read_policy_run(folder)
    if folder.name.endswith(PARTIAL) or not is_run(folder) or not (folder / "summary.json").is_file():
        raise InputError(f"{folder} has not finished; expected the folder of a finished run of train_policy.")
    if not run.evaluations:
        raise InputError(f"{folder}: expected evaluations in {EVALUATIONS}, found none.")
    return run


def _read_whole_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file that may still be written to: a last line that is cut off is not there yet."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number} is not valid JSON: {error}.") from None
    return rows
