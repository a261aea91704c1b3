"""All measures of workers side by side: what the report's chapter and the requester's live page both show."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from analysis.matchups import are_sides_known
from analysis.worker_flags import WorkerFlags, flag_workers
from analysis.worker_habits import measure_left_share, measure_monotony, measure_speed
from analysis.worker_measures import WorkerMeasure
from analysis.workers import correlate_with_others, match_majority, measure_severity

Measures = dict[str, WorkerMeasure]


@dataclasses.dataclass(frozen=True, slots=True)
class RatingsOfWorkers:
    """Ratings ready to be compared: `unit` is a HIT's question, `value` about the question's mean, `answer` as given.

    scale: "points", or "of the scale" where questions have scales of their own, so that values are shares of them.
    """

    table: pd.DataFrame
    scale: str
    repeated: int

    @property
    def has_one_scale(self) -> bool:
        return self.scale == "points"


def prepare_ratings(ratings: pd.DataFrame) -> RatingsOfWorkers:
    """ratings: columns hit, item, question, value, scale_min, scale_max, worker, active_seconds.

    Of a worker's repeated ratings the first counts. Values are taken about the mean of their question, so that one that
    is easy does not pass for agreement.
    """
    again = ratings.duplicated(["hit", "question", "worker"])
    table = ratings[~again]
    has_one_scale = len(table[["scale_min", "scale_max"]].drop_duplicates()) == 1
    value = table["value"].astype(float)
    if not has_one_scale:
        value = (value - table["scale_min"]) / (table["scale_max"] - table["scale_min"])
    question = table.groupby("question").ngroup() if len(table) else np.zeros(0, dtype=np.int64)
    hit = table.groupby("hit").ngroup()
    prepared = pd.DataFrame(
        {
            "unit": hit * (int(question.max()) + 1) + question,
            "hit": hit,
            "item": table["item"],
            "worker": table["worker"],
            "value": value - value.groupby(question).transform("mean"),
            "answer": table["value"],
            "active_seconds": table["active_seconds"],
        }
    )
    return RatingsOfWorkers(prepared, "points" if has_one_scale else "of the scale", int(again.sum()))


def measure_raters(prepared: RatingsOfWorkers) -> Measures:
    """Severity, agreement, monotony and speed."""
    table = prepared.table
    columns: dict[str, Any] = {"unit": "unit", "worker": "worker"}
    return {
        "severity": measure_severity(table, **columns, value="value", cluster="item"),
        "agreement": correlate_with_others(table, **columns, value="value", cluster="item"),
        "monotony": measure_monotony(table, **columns, value="answer"),
        "speed": measure_speed(table, hit="hit", worker="worker", seconds="active_seconds"),
    }


def measure_voters(votes: pd.DataFrame) -> Measures:
    """Agreement, side (where it is known) and speed. votes: columns hit, pair, worker, left, choice, active_seconds."""
    first = votes[~votes.duplicated(["pair", "worker"])]
    measures = {"agreement": match_majority(first, unit="pair", worker="worker", value="choice")}
    if are_sides_known(votes):
        measures["left_share"] = measure_left_share(votes, worker="worker", left="left", choice="choice")
    return measures | {"speed": measure_speed(votes, hit="hit", worker="worker", seconds="active_seconds")}


def tabulate_workers(measures: Measures) -> tuple[pd.DataFrame, WorkerFlags]:
    """A row a worker with every measure and the names of the flags, flagged workers first; and the flags."""
    flags = flag_workers(list(measures.values()))
    names = sorted({value.worker for measure in measures.values() for value in measure.values}, key=str)
    table = pd.DataFrame({"worker": names}).set_index("worker")
    for name, measure in measures.items():
        frame = measure.to_frame().set_index("worker")
        if name in ("agreement", "left_share", "gold"):
            table[f"{name}_count"] = frame["count"]
        table[name] = frame["estimate"]
        if name == "severity" and len(frame):
            table["severity_shrunken"] = frame["shrunken"]
    of_worker: dict[object, list[str]] = {}
    for flag in flags.flags:
        of_worker.setdefault(flag.worker, []).append(flag.flag)
    table["flags"] = [", ".join(of_worker.get(name, [])) for name in names]
    table = table.sort_values("flags", key=lambda column: column == "", kind="stable")
    return table.reset_index(), flags
