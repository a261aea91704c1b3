"""The queue: claim, submit, give back, expire.

Each of these is one short transaction. SQLite runs them one after another (BEGIN IMMEDIATE); PostgreSQL side by side,
with locks on the rows that decide. Who has a HIT locked waits for nobody but the same worker's other tab: claims and
expiry pass over what others hold. A circle of waiting would take late work in two tabs of two workers at one moment;
the database then undoes one, which is done again. What may never happen is forbidden by the constraints in
`models.py`, whatever happens here.
"""

import hashlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from annotation import statements
from annotation.models import HIT, Assignment, Campaign, Comment, Worker
from annotation.qualification_attempts import NotQualifiedError, may_work
from annotation.rankings import LETTERS

T = TypeVar("T")
State, Kind = Assignment.State, Assignment.Kind
# How often a claim waits for HITs that others had locked before it says that there is nothing.
MOST_WAITS = 3
# How often it gives way to the same worker's other tabs before it takes a conflict for a fault, and the longest that it
# then stands aside, in seconds: by chance, or tabs in step would meet again and again.
MOST_CONFLICTS = 20
LONGEST_STEP_ASIDE = 0.02


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a form: a value on a scale, a choice with an optional strength, or a ranking of letters."""

    question: str
    value: int | None = None
    choice: str = ""
    strength: int | None = None
    ranking: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a worker has in hand after a submission; the same however often it was sent."""

    assignment: str
    kind: str
    submitted_at: datetime


def claim(campaign: Campaign, worker: Worker, now: datetime | None = None) -> Assignment | None:
    """A lease on the first HIT, in publication order, with a free slot that the worker has not met; or None.

    A worker who holds a lease already gets that one back, renewed. Whether another's lease still runs is judged
    here, by the clock, so no scheduler is needed. Which HIT comes depends only on what was claimed before.
    Who has not passed the campaign's test gets NotQualifiedError. Here alone it is asked for: a worker who submits
    has been here before.
    """
    if not may_work(campaign, worker):
        raise NotQualifiedError
    now = now or timezone.now()
    claimed = _in_turn(lambda: _claim_unlocked(campaign, worker, now))
    return claimed or _claim_passed_over(campaign, worker, now)


def _in_turn(action: Callable[[], T]) -> T:
    """A transaction that others may undo. Of one worker's claims that run at once, the constraints let one lease stand;
    another is undone and done again: it finds that lease, or that the other tab is already done with it.
    """
    for conflicts in range(MOST_CONFLICTS):
        try:
            with transaction.atomic():
                return action()
        except DatabaseError as error:
            if not (isinstance(error, IntegrityError) or statements.is_deadlock(error)):
                raise
        time.sleep(random.uniform(0, LONGEST_STEP_ASIDE) * conflicts / MOST_CONFLICTS)
    with transaction.atomic():
        return action()


def _claim_passed_over(campaign: Campaign, worker: Worker, now: datetime) -> Assignment | None:
    """A HIT that was passed over because someone else had it locked: they may take one of its places and leave
    another, or end a lease and go elsewhere. So nobody is sent away from the last HITs for bad luck.
    """
    if campaign.state != Campaign.State.OPEN or not statements.passes_over_locked_rows():
        return None
    for _ in range(MOST_WAITS):
        hit_id = statements.find_work(campaign, worker, now)
        if hit_id is None:
            return None
        statements.wait_for_hit(hit_id)
        claimed = _in_turn(lambda: _claim_unlocked(campaign, worker, now))
        if claimed is not None:
            return claimed
    return None


def _claim_unlocked(campaign: Campaign, worker: Worker, now: datetime, after: int | None = None) -> Assignment | None:
    """A claim that waits for nobody but the same worker's other tab."""
    leased_until = now + timedelta(minutes=campaign.lease_minutes)
    # Another tab may be submitting it at this moment: then it is held no longer, and perhaps the next one is.
    while (held := statements.find_held(campaign, worker)) is not None:
        if _renew(held, leased_until):
            return held
    return _claim_new(campaign, worker, now, after)


def _claim_new(campaign: Campaign, worker: Worker, now: datetime, after: int | None) -> Assignment | None:
    """A claim of a worker who holds no lease."""
    if campaign.state != Campaign.State.OPEN:
        return None
    taken = statements.take_open_hit(campaign, worker, after, now)
    if taken is None:
        expire_leases(campaign, now)
        taken = statements.take_open_hit(campaign, worker, after)
    if taken is None:
        return None
    hit_id, hit_key = taken
    lease = Assignment(
        campaign=campaign,
        hit_id=hit_id,
        worker=worker,
        accepted_at=now,
        leased_until=now + timedelta(minutes=campaign.lease_minutes),
    )
    if campaign.kind == Campaign.Kind.PAIRWISE:
        statements.store_lease(lease, sides=shuffle_letters(campaign.seed, hit_key, 2))
    elif campaign.shows_sets:
        statements.store_lease(lease, order=shuffle_letters(campaign.seed, hit_key, statements.count_set(hit_id)))
    else:
        statements.store_lease(lease)
    return lease


def _renew(held: Assignment, leased_until: datetime) -> bool:
    return Assignment.objects.filter(pk=held.pk, state=State.ACCEPTED).update(leased_until=leased_until) == 1


def has_work(campaign: Campaign, worker: Worker, now: datetime | None = None) -> bool:
    """Whether a claim would probably succeed now; nothing is claimed."""
    if not may_work(campaign, worker):
        return False
    if statements.find_held(campaign, worker) is not None:
        return True
    is_open = campaign.state == Campaign.State.OPEN
    return is_open and statements.find_work(campaign, worker, now or timezone.now()) is not None


def shuffle_letters(seed: int, hit_key: str, count: int) -> str:
    """The order in which the HIT's first slot shows its completions: any of all, and the same on every run of a seed.

    Each further slot begins one letter later. So of a pair's raters as many see either one left, but for one if they
    are odd; and each place shows each of a set's completions as often, but for one.
    """
    digest = hashlib.sha256(f"{seed}\x1f{hit_key}".encode()).digest()
    drawn = int.from_bytes(digest)
    letters, order = list(LETTERS[:count]), ""
    for remaining in range(count, 0, -1):
        drawn, place = divmod(drawn, remaining)
        order += letters.pop(place)
    return order


@transaction.atomic(savepoint=False)
def expire_leases(campaign: Campaign, now: datetime) -> int:
    """Take back the slots of leases that have run out; returns how many."""
    overdue = statements.list_overdue(campaign, now)
    return sum(_end_lease(assignment, hit, State.EXPIRED) for assignment, hit in overdue)


def _end_lease(assignment_id: int, hit_id: int, state: Assignment.State) -> bool:
    """End a lease without work; False if it had ended already, so that no slot is freed twice."""
    accepted = Assignment.objects.filter(pk=assignment_id, state=State.ACCEPTED)
    if accepted.update(state=state, slot=None) != 1:
        return False
    HIT.objects.filter(pk=hit_id).update(free_slots=F("free_slots") + 1)
    return True


def give_back(assignment: Assignment) -> bool:
    """Return a HIT unjudged; the worker will not meet it again. False if the lease was over already."""
    return _in_turn(lambda: _end_lease(assignment.pk, assignment.hit_id, State.RETURNED))


@transaction.atomic(savepoint=False)
def submit(
    assignment: Assignment,
    answers: Sequence[Answer],
    active_seconds: float | None = None,
    now: datetime | None = None,
    comment: str = "",
) -> Receipt:
    """Store the answers and the comment, once: a second submission changes nothing and gets the first one's receipt.

    Work that comes after its lease was taken back counts if the HIT still has a free slot; otherwise it is kept as
    surplus, and paid.
    """
    return _submit(assignment, answers, active_seconds, now or timezone.now(), comment)[0]


def _submit(
    assignment: Assignment, answers: Sequence[Answer], active_seconds: float | None, now: datetime, comment: str
) -> tuple[Receipt, bool]:
    """The receipt, and whether the assignment was the lease that the worker held."""
    # Nobody was active for longer than they had the page.
    elapsed = max(0.0, (now - assignment.accepted_at).total_seconds())
    active_seconds = elapsed if active_seconds is None else min(active_seconds, elapsed)
    receipt = Receipt(assignment.token, assignment.kind, now)
    judgments = [(a.question, a.value, a.choice, a.strength, a.ranking) for a in answers]
    # Of submissions that arrive together, one changes this row; the others find it changed.
    was_held = statements.submit_held(assignment, now, active_seconds, judgments)
    if not was_held:
        # `of`: the campaign's row is read along, and to lock that would hold up every claim of the campaign.
        locked = Assignment.objects.select_for_update(of=("self",), no_key=True)
        current = locked.select_related("campaign").get(pk=assignment.pk)
        if current.submitted_at is not None:
            return Receipt(current.token, current.kind, current.submitted_at), False
        receipt = Receipt(current.token, _submit_late(current, now, active_seconds), now)
        statements.store_judgments(assignment, judgments)
    if comment:
        Comment.objects.create(assignment_id=assignment.pk, text=comment)
    return receipt, was_held


def _submit_late(current: Assignment, now: datetime, active_seconds: float) -> str:
    """Mark work as submitted whose lease is over; returns its kind."""
    slot = retake_slot(current)
    current.kind = current.kind if slot else Kind.SURPLUS
    current.state, current.slot = State.SUBMITTED, slot
    current.submitted_at, current.active_seconds = now, active_seconds
    current.save(update_fields=["state", "kind", "slot", "submitted_at", "active_seconds"])
    return current.kind


def retake_slot(assignment: Assignment) -> int | None:
    """A slot for work that had lost its own, if its HIT still has one."""
    open_hit = HIT.objects.filter(pk=assignment.hit_id, free_slots__gt=0)
    if open_hit.update(free_slots=F("free_slots") - 1) != 1:
        return None
    return statements.find_lowest_free_slot(assignment.hit_id)


def submit_and_claim(
    assignment: Assignment,
    worker: Worker,
    answers: Sequence[Answer],
    active_seconds: float | None = None,
    now: datetime | None = None,
    comment: str = "",
) -> tuple[Receipt, Assignment | None]:
    """Submit, and claim the next HIT, with one commit: a worker's whole cycle costs the disk one write.

    "Next" is the first one after the HIT that was submitted; from the beginning again, if there is none.
    """
    now = now or timezone.now()

    def cycle() -> tuple[Receipt, Assignment | None]:
        # Done again after a conflict, the submission is made again too: a savepoint around each claim costs more.
        receipt, was_held = _submit(assignment, answers, active_seconds, now, comment)
        # Nobody holds two leases, so who has just handed in theirs holds none, and is not asked.
        claim_next = _claim_new if was_held else _claim_unlocked
        return receipt, claim_next(assignment.campaign, worker, now, assignment.hit_id)

    receipt, claimed = _in_turn(cycle)
    # Waiting for others comes after the commit, so that nobody waits for this submission meanwhile.
    return receipt, claimed or _claim_passed_over(assignment.campaign, worker, now)
