"""Reads for pages and commands; nothing here writes."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from annotation.errors import InputError
from annotation.models import Assignment, Campaign, Judgment, Worker

State = Assignment.State
PAID_STATES = (State.SUBMITTED, State.APPROVED)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign has come. Times in seconds, money in US$."""

    campaign: str
    kind: str
    state: str
    hits: int
    hits_complete: int
    assignments_wanted: int
    assignments_submitted: int
    assignments_surplus: int
    assignments_replaced: int
    leases_running: int
    returned: int
    expired: int
    judgments: int
    workers: int
    workers_simulated: int
    median_active_seconds: float | None
    reward_per_hit: Decimal
    pay_due: Decimal
    pay_per_hour: Decimal | None

    @property
    def assignments_counted(self) -> int:
        """Those that hold a slot: neither surplus nor excluded with their HIT opened again."""
        return self.assignments_submitted - self.assignments_surplus - self.assignments_replaced

    @property
    def percent(self) -> float:
        return round(100 * self.assignments_counted / self.assignments_wanted, 1)

    @property
    def is_simulated(self) -> bool:
        return self.workers_simulated > 0


@dataclass(frozen=True, slots=True)
class Earnings:
    """What one worker has done in one campaign, and what it pays in US$."""

    hits: int
    reward_per_hit: Decimal

    @property
    def total(self) -> Decimal:
        return self.hits * self.reward_per_hit


@dataclass(frozen=True, slots=True)
class ExclusionSummary:
    """Assignments that were excluded for one reason on one day; `replaced` of them gave up their slot."""

    reason: str
    excluded_on: date | None
    assignments: int
    workers: int
    replaced: int


def find_campaign(name: str) -> Campaign:
    """The campaign called `name`; InputError names those that there are."""
    campaign = Campaign.objects.filter(name=name).first()
    if campaign is None:
        known = ", ".join(Campaign.objects.order_by("name").values_list("name", flat=True)) or "none yet"
        raise InputError(f"no campaign is called {name!r}; there are: {known}.")
    return campaign


def open_campaigns() -> QuerySet[Campaign]:
    """Those that anybody may join; a campaign by link shows itself only to those who have one."""
    is_public = {"state": Campaign.State.OPEN, "access": Campaign.Access.OPEN}
    return Campaign.objects.filter(**is_public).order_by("-created_at", "-pk")


def measure_progress(campaign: Campaign, now: datetime | None = None) -> Progress:
    now = now or timezone.now()
    assignments = Assignment.objects.filter(campaign=campaign)
    states = dict(assignments.order_by().values_list("state").annotate(Count("pk")))
    paid = assignments.filter(state__in=PAID_STATES)
    paid_count = sum(states.get(state, 0) for state in PAID_STATES)
    overdue = assignments.filter(state=State.ACCEPTED, leased_until__lt=now).count()
    workers = Worker.objects.filter(assignments__in=paid).distinct()
    median = _median_active_seconds(paid, paid_count)
    hits = campaign.hits.count()
    return Progress(
        campaign=campaign.name,
        kind=campaign.kind,
        state=campaign.state,
        hits=hits,
        hits_complete=campaign.hits.filter(free_slots=0).exclude(assignments__state=State.ACCEPTED).count(),
        assignments_wanted=hits * campaign.raters_per_hit,
        assignments_submitted=paid_count,
        assignments_surplus=paid.filter(kind=Assignment.Kind.SURPLUS).count(),
        assignments_replaced=paid.filter(slot=None).exclude(kind=Assignment.Kind.SURPLUS).count(),
        leases_running=states.get(State.ACCEPTED, 0) - overdue,
        returned=states.get(State.RETURNED, 0),
        expired=states.get(State.EXPIRED, 0) + overdue,
        judgments=Judgment.objects.filter(assignment__campaign=campaign).count(),
        workers=workers.count(),
        workers_simulated=workers.filter(source=Worker.Source.SIMULATION).count(),
        median_active_seconds=median,
        reward_per_hit=campaign.reward_per_hit,
        pay_due=campaign.reward_per_hit * paid_count,
        pay_per_hour=round(campaign.reward_per_hit * 3600 / Decimal(median), 2) if median else None,
    )


def _median_active_seconds(paid: QuerySet[Assignment], count: int) -> float | None:
    """The upper median, found by the database: the seconds of a million assignments stay where they are."""
    if count == 0:
        return None
    value: Any = paid.order_by("active_seconds").values_list("active_seconds", flat=True)[count // 2]
    return round(value, 2)


def summarize_exclusions(campaign: Campaign) -> list[ExclusionSummary]:
    """Newest first."""
    excluded = Assignment.objects.filter(campaign=campaign, submitted_at__isnull=False).exclude(excluded="")
    gave_up = Q(state__in=PAID_STATES, slot=None) & ~Q(kind=Assignment.Kind.SURPLUS)
    groups = excluded.values(reason=F("excluded"), excluded_on=TruncDate("excluded_at")).order_by("reason")
    rows = groups.annotate(
        assignments=Count("pk"), workers=Count("worker", distinct=True), replaced=Count("pk", filter=gave_up)
    )
    summaries = [ExclusionSummary(**row) for row in rows]
    return sorted(summaries, key=lambda summary: summary.excluded_on or date.min, reverse=True)


def count_earnings(campaign: Campaign, worker: Worker) -> Earnings:
    paid = Assignment.objects.filter(campaign=campaign, worker=worker, state__in=PAID_STATES)
    return Earnings(hits=paid.count(), reward_per_hit=campaign.reward_per_hit)
