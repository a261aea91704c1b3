"""How well workers agree so far, and how each of them judges: what a requester sees while a campaign runs.

The numbers are those of the report, by the same functions of `analysis`. Only the requester's page may import this
module, and late: pandas and scipy take a second to load, and workers' pages have no use for them.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from django.core.cache import cache
from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone

from analysis.agreement import Agreement, read_alpha, resample
from analysis.rating_counts import Level, count_ratings
from analysis.worker_flags import WorkerFlags
from analysis.worker_tables import Measures, measure_raters, measure_voters, prepare_ratings, tabulate_workers
from annotation.models import Assignment, Campaign, Judgment, Worker
from annotation.pseudonyms import pseudonym
from annotation.rankings import order_pairs
from annotation.task_templates import template_of

MOST_WORKERS_SHOWN = 100
SEED = 0
DRAWS = 1000
FRESH_SECONDS = 30.0
SHARE_OF_TIME = 20  # measuring takes at most a twentieth of one process's time
COLUMNS = ("assignment__hit_id", "assignment__hit__item_id", "assignment__worker_id", "assignment__active_seconds")


@dataclass(frozen=True, slots=True)
class QuestionAgreement:
    """Krippendorff's alpha of one question, or of all choices; None where it is not defined, with the reason."""

    question: str
    level: str
    alpha: float | None
    low: float | None
    high: float | None
    units: int
    reading: str


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One worker, as a pseudonym: the numbers of `analysis.worker_tables`, None where not defined; `hints` are flags.

    severity in points (or as a share of the scale), seconds the median of a HIT.
    """

    worker: str
    judgments: int
    severity: float | None
    agreement: float | None
    left_share: float | None
    seconds: float | None
    hints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quality:
    """What the counted judgments of a campaign say so far; workers with hints first, then the busiest."""

    agreements: tuple[QuestionAgreement, ...]
    workers: tuple[WorkerRow, ...]
    worker_count: int
    judgments: int
    is_pairs: bool
    measured_at: datetime

    @property
    def flagged(self) -> int:
        return sum(bool(row.hints) for row in self.workers)


def measure_quality(campaign: Campaign) -> Quality:
    """Over unexcluded work, as the report does; measured now."""
    counted = Judgment.objects.filter(
        assignment__campaign=campaign, assignment__kind=Assignment.Kind.WORK, assignment__excluded=""
    )
    is_pairs = campaign.kind != Campaign.Kind.LIKERT
    table = _read_votes(campaign, counted) if is_pairs else _read_ratings(campaign, counted)
    if table.empty:
        return Quality((), (), 0, 0, is_pairs, timezone.now())
    agreements = _agreements_of_votes(table) if is_pairs else _agreements_of_ratings(campaign, table)
    measures = measure_voters(table) if is_pairs else measure_raters(prepare_ratings(table))
    return Quality(
        agreements=tuple(agreements),
        workers=tuple(_describe_workers(table, measures)),
        worker_count=table["worker"].nunique(),
        judgments=len(table),
        is_pairs=is_pairs,
        measured_at=timezone.now(),
    )


def recent_quality(campaign: Campaign) -> Quality:
    """Measured anew only if something has come, and then not so often that measuring takes a share of the time."""
    state = _state_of(campaign)
    key = f"quality:{campaign.pk}"
    found = cache.get(key)
    if found is not None:
        known_state, quality, cost = found
        age = (timezone.now() - quality.measured_at).total_seconds()
        if known_state == state or age < max(FRESH_SECONDS, SHARE_OF_TIME * cost):
            return quality
    started = time.perf_counter()
    quality = measure_quality(campaign)
    cache.set(key, (state, quality, time.perf_counter() - started), timeout=None)
    return quality


def _state_of(campaign: Campaign) -> tuple[Any, ...]:
    """What changes whenever a judgment arrives, or an assignment is excluded or taken back in."""
    numbers = Assignment.objects.filter(campaign=campaign, submitted_at__isnull=False).aggregate(
        Count("pk"), Max("submitted_at"), excluded=Count("pk", filter=~Q(excluded="")), changed=Max("excluded_at")
    )
    return tuple(numbers.values())


def _read_ratings(campaign: Campaign, counted: QuerySet[Judgment]) -> pd.DataFrame:
    rows = counted.values_list(*COLUMNS, "question", "value")
    table = pd.DataFrame.from_records(
        list(rows), columns=["hit", "item", "worker", "active_seconds", "question", "value"]
    )
    scales = {question.name: question for question in template_of(campaign.template).questions}
    return table.assign(
        active_seconds=table["active_seconds"].fillna(0.0),
        scale_min=table["question"].map({name: question.scale_min for name, question in scales.items()}),
        scale_max=table["question"].map({name: question.scale_max for name, question in scales.items()}),
    )


def _read_votes(campaign: Campaign, counted: QuerySet[Judgment]) -> pd.DataFrame:
    if campaign.shows_sets:
        rows: Any = _votes_of_rankings(campaign, counted)
    else:
        found = counted.values_list(*COLUMNS, "assignment__hit_id", "assignment__left", "choice")
        rows = list(found)
    columns = ["hit", "item", "worker", "active_seconds", "pair", "left", "choice"]
    table = pd.DataFrame.from_records(list(rows), columns=columns)
    return table.assign(active_seconds=table["active_seconds"].fillna(0.0))


def _votes_of_rankings(campaign: Campaign, counted: QuerySet[Judgment]) -> Iterator[tuple[Any, ...]]:
    """What each ranking says about the pairs of its set, as the export has it."""
    for hit, item, worker, seconds, shown, ranking in counted.values_list(*COLUMNS, "assignment__shown", "ranking"):
        for (one, other), choice in order_pairs(ranking, campaign.kind).items():
            left = "a" if shown.index(one) < shown.index(other) else "b"
            yield hit, item, worker, seconds, f"{hit}:{one}-{other}", left, choice


def _agreements_of_ratings(campaign: Campaign, table: pd.DataFrame) -> Iterator[QuestionAgreement]:
    for question in template_of(campaign.template).questions:
        rated = table[table["question"] == question.name]
        if len(rated):
            yield _agreement_of(rated, question.name, unit="hit", value="value", level="ordinal")


def _agreements_of_votes(table: pd.DataFrame) -> Iterator[QuestionAgreement]:
    yield _agreement_of(table, "choices", unit="pair", value="choice", level="nominal")


def _agreement_of(table: pd.DataFrame, question: str, *, unit: str, value: str, level: Level) -> QuestionAgreement:
    counts = count_ratings(table, unit=unit, rater="worker", value=value, level=level, cluster="item")
    alpha: Agreement = resample(counts, seed=SEED, draws=DRAWS)
    return QuestionAgreement(
        question=question,
        level=level,
        alpha=_known(alpha.estimate),
        low=_known(alpha.low),
        high=_known(alpha.high),
        units=alpha.units_used,
        reading=read_alpha(alpha, question),
    )


def _describe_workers(table: pd.DataFrame, measures: Measures) -> list[WorkerRow]:
    numbers, flags = tabulate_workers(measures)
    judgments = table["worker"].value_counts()
    numbers["judgments"] = numbers["worker"].map(judgments)
    numbers["is_plain"] = numbers["flags"] == ""
    shown = numbers.sort_values(["is_plain", "judgments"], ascending=[True, False], kind="stable")
    shown = shown.head(MOST_WORKERS_SHOWN)
    names = {
        worker.pk: pseudonym(worker) for worker in Worker.objects.filter(pk__in=[int(pk) for pk in shown["worker"]])
    }
    return [_describe_worker(row, names[row["worker"]], _hints(flags, row["worker"])) for _, row in shown.iterrows()]


def _describe_worker(row: "pd.Series[Any]", name: str, hints: tuple[str, ...]) -> WorkerRow:
    return WorkerRow(
        worker=name,
        judgments=int(row["judgments"]),
        severity=_known(row.get("severity")),
        agreement=_known(row.get("agreement")),
        left_share=_known(row.get("left_share")),
        seconds=_known(row.get("speed")),
        hints=hints,
    )


def _hints(flags: WorkerFlags, worker: Any) -> tuple[str, ...]:
    return tuple(flags.rules[flag.flag] for flag in flags.flags if flag.worker == worker)


def _known(number: float | None) -> float | None:
    return None if number is None or math.isnan(number) else float(number)
