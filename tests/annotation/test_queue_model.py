"""The queue against a model of it in plain Python: whatever workers do, in whatever order, both come to the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.db.models import QuerySet
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from annotation import campaigns
from annotation.assignments import Answer, claim, expire_leases, give_back, has_work, submit, submit_and_claim
from annotation.exclusions import exclude, readmit
from annotation.models import Assignment, Campaign, Judgment, Worker

HITS, RATERS, LEASE = 3, 2, timedelta(minutes=30)
WORKERS = ("ada", "bea", "cleo")
START = datetime(2026, 11, 25, 12, tzinfo=UTC)

workers = st.sampled_from(WORKERS)
choices = st.sampled_from(["a", "b"])
reasons = st.sampled_from(["too fast", "always left"])
# An index into what was handed out so far, whatever its length.
nth = st.integers(0, 10**6)


def submitted(assignment: Assignment) -> QuerySet[Assignment]:
    return Assignment.objects.filter(pk=assignment.pk, submitted_at__isnull=False)


@dataclass
class Lease:
    """What the model knows of one assignment."""

    worker: str
    hit: int
    until: datetime
    state: str = "accepted"
    kind: str = "work"
    counts: bool = True  # holds one of the HIT's slots
    excluded: str = ""
    choice: str | None = None


@dataclass
class Queue:
    """The rules of the queue, with no thought of speed, locks or databases."""

    is_open: bool = True
    leases: list[Lease] = field(default_factory=list)

    def free(self, hit: int) -> int:
        return RATERS - sum(lease.counts for lease in self.leases if lease.hit == hit)

    def claim(self, worker: str, now: datetime, after: int = -1) -> Lease | None:
        for lease in self.leases:
            if lease.worker == worker and lease.state == "accepted":
                lease.until = now + LEASE
                return lease
        if not self.is_open:
            return None
        self.expire(now)
        met = {lease.hit for lease in self.leases if lease.worker == worker}
        for hit in (*range(after + 1, HITS), *range(HITS)):
            if hit not in met and self.free(hit):
                self.leases.append(Lease(worker, hit, now + LEASE))
                return self.leases[-1]
        return None

    def expire(self, now: datetime) -> int:
        over = [lease for lease in self.leases if lease.state == "accepted" and lease.until < now]
        for lease in over:
            lease.state, lease.counts = "expired", False
        return len(over)

    def give_back(self, lease: Lease) -> bool:
        if lease.state != "accepted":
            return False
        lease.state, lease.counts = "returned", False
        return True

    def submit(self, lease: Lease, choice: str) -> None:
        if lease.state == "submitted":
            return
        if lease.state != "accepted":  # its lease is over
            lease.counts = self.free(lease.hit) > 0
            lease.kind = "work" if lease.counts else "surplus"
        lease.state, lease.choice = "submitted", choice

    def exclude(self, lease: Lease, reason: str, reopen: bool) -> None:
        if lease.state == "submitted":
            lease.excluded = lease.excluded or reason
            lease.counts = lease.counts and not reopen

    def readmit(self, lease: Lease) -> None:
        if lease.excluded and not lease.counts and lease.kind != "surplus":
            lease.counts = self.free(lease.hit) > 0
            lease.kind = "work" if lease.counts else "surplus"
        lease.excluded = ""


class QueueMachine(RuleBasedStateMachine):
    """Each step is done to both; after each, the database must hold what the model says."""

    make_campaign: Callable[..., Campaign]

    def __init__(self) -> None:
        super().__init__()
        self._transaction = transaction.atomic()
        self._transaction.__enter__()
        self.campaign = self.make_campaign(hits=HITS, raters_per_hit=RATERS, lease_minutes=30)
        self.workers = {handle: Worker.objects.create(handle=handle) for handle in WORKERS}
        self.queue = Queue()
        self.assignments: list[Assignment] = []  # in the order of the model's leases
        self.now = START

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self._transaction.__exit__(None, None, None)

    @rule(minutes=st.integers(-120, 120))
    def the_clock_moves(self, minutes: int) -> None:
        """Forwards, or backwards: computers do both."""
        self.now += timedelta(minutes=minutes)

    @rule(worker=workers)
    def accept(self, worker: str) -> None:
        expected = self.queue.claim(worker, self.now)
        self._note(expected, claim(self.campaign, self.workers[worker], self.now))

    @precondition(lambda self: self.assignments)
    @rule(n=nth, choice=choices)
    def send(self, n: int, choice: str) -> None:
        """Perhaps not for the first time, perhaps long after its lease was over."""
        lease, assignment = self._pick(n)
        self.queue.submit(lease, choice)
        assert submit(assignment, [Answer("preference", choice=choice)], now=self.now).kind == lease.kind

    @precondition(lambda self: self.assignments)
    @rule(n=nth, choice=choices)
    def send_and_go_on(self, n: int, choice: str) -> None:
        lease, assignment = self._pick(n)
        self.queue.submit(lease, choice)
        expected = self.queue.claim(lease.worker, self.now, after=lease.hit)
        answers = [Answer("preference", choice=choice)]
        receipt, claimed = submit_and_claim(assignment, self.workers[lease.worker], answers, now=self.now)
        assert receipt.kind == lease.kind
        self._note(expected, claimed)

    @precondition(lambda self: self.assignments)
    @rule(n=nth)
    def skip(self, n: int) -> None:
        lease, assignment = self._pick(n)
        assert give_back(assignment) == self.queue.give_back(lease)

    @precondition(lambda self: self.assignments)
    @rule(n=nth, reason=reasons, reopen=st.booleans())
    def leave_out(self, n: int, reason: str, reopen: bool) -> None:
        lease, assignment = self._pick(n)
        self.queue.exclude(lease, reason, reopen)
        exclude(submitted(assignment), reason, reopen=reopen, now=self.now)

    @precondition(lambda self: self.assignments)
    @rule(n=nth)
    def let_in_again(self, n: int) -> None:
        lease, assignment = self._pick(n)
        self.queue.readmit(lease)
        readmit(submitted(assignment))

    @rule()
    def expire(self) -> None:
        assert expire_leases(self.campaign, self.now) == self.queue.expire(self.now)

    @rule(is_open=st.booleans())
    def close_or_open_again(self, is_open: bool) -> None:
        self.queue.is_open = is_open
        (campaigns.publish if is_open else campaigns.close)(self.campaign)

    def _pick(self, n: int) -> tuple[Lease, Assignment]:
        """The assignment as it was when the page was opened: what a browser sends is never news."""
        place = n % len(self.assignments)
        self.assignments[place].campaign = self.campaign
        return self.queue.leases[place], self.assignments[place]

    def _note(self, expected: Lease | None, claimed: Assignment | None) -> None:
        assert (expected is None) == (claimed is None)
        if claimed is None or expected is None:
            return
        assert (claimed.worker.handle, claimed.hit.position) == (expected.worker, expected.hit)
        if len(self.queue.leases) > len(self.assignments):
            self.assignments.append(claimed)
        assert self.assignments[self.queue.leases.index(expected)].pk == claimed.pk

    @invariant()
    def every_assignment_is_what_the_model_says(self) -> None:
        stored = Assignment.objects.order_by("pk").values_list(
            "worker__handle", "hit__position", "state", "kind", "leased_until", "excluded"
        )
        assert list(stored) == [(x.worker, x.hit, x.state, x.kind, x.until, x.excluded) for x in self.queue.leases]

    @invariant()
    def slots_are_never_more_than_k_and_free_slots_are_the_rest(self) -> None:
        for hit in self.campaign.hits.all():
            slots = list(hit.assignments.exclude(slot=None).values_list("slot", flat=True))
            assert len(set(slots)) == len(slots)
            assert set(slots) <= set(range(1, RATERS + 1))
            assert len(slots) == RATERS - hit.free_slots == RATERS - self.queue.free(hit.position)

    @invariant()
    def every_submission_is_stored_once_and_as_it_was_first_sent(self) -> None:
        stored = Judgment.objects.order_by("assignment").values_list("assignment", "choice")
        sent = zip(self.assignments, self.queue.leases, strict=True)
        assert list(stored) == [(mine.pk, lease.choice) for mine, lease in sent if lease.choice is not None]

    @invariant()
    def what_the_finish_page_promises_can_be_claimed(self) -> None:
        for handle, worker in self.workers.items():
            with transaction.atomic():
                promised = has_work(self.campaign, worker, self.now)
                assert promised == (claim(self.campaign, worker, self.now) is not None), handle
                transaction.set_rollback(True)


@pytest.mark.slow
def test_the_queue_does_what_its_model_does(make_campaign: Callable[..., Campaign]) -> None:
    bound = type("BoundQueueMachine", (QueueMachine,), {"make_campaign": staticmethod(make_campaign)})
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    run_state_machine_as_test(
        bound, settings=settings(max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=checks)
    )
