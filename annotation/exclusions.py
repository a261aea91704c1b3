"""Exclusions: work that is kept, paid and exported, and does not count.

The judgments stay as they are; their assignment says why it is excluded, and since when. It goes on holding its slot
unless its HIT is opened again: then another worker may take its place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from annotation.assignments import retake_slot
from annotation.errors import InputError
from annotation.models import HIT, Assignment, Campaign, Worker
from annotation.pseudonyms import pseudonym

State, Kind = Assignment.State, Assignment.Kind
MOST_CHARACTERS = 200  # that the database keeps of a reason


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What became of the assignments that were named. reopened: HITs that wait for one more worker."""

    excluded: int
    excluded_before: int
    reopened: int


@dataclass(frozen=True, slots=True)
class Readmission:
    """What became of the assignments that were named. surplus: those whose place another worker has by now."""

    readmitted: int
    surplus: int


def work_of(campaign: Campaign, name: str) -> QuerySet[Assignment]:
    """All submitted work of the worker whose pseudonym is `name`."""
    workers = Worker.objects.filter(assignments__campaign=campaign, assignments__submitted_at__isnull=False).distinct()
    worker = next((worker for worker in workers.iterator() if pseudonym(worker) == name), None)
    if worker is None:
        raise InputError(
            f"no worker {name!r} has submitted work in campaign {campaign.name!r}; expected a pseudonym of its export."
        )
    return _submitted(campaign).filter(worker=worker)


def assignments_named(campaign: Campaign, tokens: Sequence[str]) -> QuerySet[Assignment]:
    """The submitted assignments with these tokens, all of them."""
    found = _submitted(campaign).filter(token__in=tokens)
    missing = sorted(set(tokens) - set(found.values_list("token", flat=True)))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"campaign {campaign.name!r} has no submitted assignment {missing[0]!r}{more}.")
    return found


def _submitted(campaign: Campaign) -> QuerySet[Assignment]:
    return Assignment.objects.filter(campaign=campaign, submitted_at__isnull=False)


@transaction.atomic
def exclude(
    assignments: QuerySet[Assignment], reason: str, *, reopen: bool = False, now: datetime | None = None
) -> Exclusion:
    """Exclude submitted work for `reason`; what was excluded before keeps its first reason.

    With `reopen`, those of them that hold a slot give it up, the ones excluded before too.
    """
    if not reason.strip() or len(reason) > MOST_CHARACTERS:
        raise InputError(f"reason: expected 1 to {MOST_CHARACTERS} characters, found {reason!r}.")
    excluded = _each(assignments.filter(excluded=""), lambda work: _exclude(work, reason, now or timezone.now()))
    reopened = _each(assignments.exclude(slot=None), _free_slot) if reopen else 0
    return Exclusion(excluded, assignments.count() - excluded, reopened)


@transaction.atomic
def readmit(assignments: QuerySet[Assignment]) -> Readmission:
    """Let excluded work count again. Where another worker has its place by now, it is kept as surplus."""
    excluded = assignments.exclude(excluded="")
    surplus_before = excluded.filter(kind=Kind.SURPLUS).count()
    kinds = [_readmit(assignment) for assignment in _in_order(excluded)]
    return Readmission(len(kinds), kinds.count(Kind.SURPLUS) - surplus_before)


def _each(assignments: QuerySet[Assignment], change: Callable[[Assignment], bool]) -> int:
    return sum(change(assignment) for assignment in _in_order(assignments))


def _in_order(assignments: QuerySet[Assignment]) -> list[Assignment]:
    """Locked, and always in one order, so that two exclusions at once do not wait for each other in a circle."""
    return list(assignments.order_by("pk").select_for_update(no_key=True))


def _exclude(assignment: Assignment, reason: str, now: datetime) -> bool:
    unexcluded = Assignment.objects.filter(pk=assignment.pk, excluded="")
    return unexcluded.update(excluded=reason, excluded_at=now) == 1


def _free_slot(assignment: Assignment) -> bool:
    holding = Assignment.objects.filter(pk=assignment.pk, slot__isnull=False).exclude(excluded="")
    if holding.update(slot=None) != 1:
        return False
    HIT.objects.filter(pk=assignment.hit_id).update(free_slots=F("free_slots") + 1)
    return True


def _readmit(assignment: Assignment) -> str:
    """Returns the assignment's kind from now on."""
    if assignment.gave_up_its_slot:
        assignment.slot = retake_slot(assignment)
        assignment.kind = assignment.kind if assignment.slot else Kind.SURPLUS
    assignment.excluded, assignment.excluded_at = "", None
    assignment.save(update_fields=["excluded", "excluded_at", "slot", "kind"])
    return assignment.kind
