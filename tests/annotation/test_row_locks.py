"""Claims, submissions and expiry that overlap, held open at the worst moment. For PostgreSQL, where they can overlap:
`test_databases.py` runs this file there.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from annotation import assignments, statements
from annotation.assignments import Answer, claim, expire_leases, give_back, submit
from annotation.models import Assignment, Campaign, Judgment, Worker

MakeCampaign = Callable[..., Campaign]
VOTE = [Answer("preference", choice="a")]
# Long enough for a statement to have reached its lock; a test that is too quick still passes.
WHILE_S = 0.4
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite's transactions take turns"),
]


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Future[Any]]]:
    """`elsewhere(action, ...)` runs an action in another thread, which has a connection of its own."""

    def run(action: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return action(*arguments)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        yield lambda action, *arguments: pool.submit(run, action, *arguments)


@contextmanager
def held_open(elsewhere: Callable[..., Future[Any]], action: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
    """Another transaction has done `action` and has not committed while the block runs; yields the result."""
    done, commit = threading.Event(), threading.Event()
    results = []

    def act() -> None:
        with transaction.atomic():
            try:
                results.append(action(*arguments))
            finally:
                done.set()
            commit.wait(20)

    other = elsewhere(act)
    try:
        assert done.wait(20)
        yield results[0] if results else other.result()
    finally:
        commit.set()
        other.result(20)


def is_waiting(future: Future[Any]) -> bool:
    threading.Event().wait(WHILE_S)
    return not future.done()


def overdue(assignment: Assignment) -> Assignment:
    Assignment.objects.filter(pk=assignment.pk).update(leased_until=timezone.now() - timedelta(minutes=1))
    return assignment


def check_slots(campaign: Campaign) -> None:
    for hit in campaign.hits.all():
        held = hit.assignments.exclude(slot=None).count()
        assert held + hit.free_slots == campaign.raters_per_hit


def test_claims_at_once_pass_each_other_by(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, elsewhere: Any
) -> None:
    campaign = make_campaign(hits=2, raters_per_hit=1)
    with held_open(elsewhere, claim, campaign, ada) as first:
        second = elsewhere(claim, campaign, bea).result(5)  # while Ada's is not committed
    assert {first.hit.position, second.hit.position} == {0, 1}


def test_the_other_place_of_a_last_hit_is_waited_for(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, cleo: Worker, elsewhere: Any
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=2)
    with held_open(elsewhere, claim, campaign, ada):
        second = elsewhere(claim, campaign, bea)
        assert is_waiting(second), "one HIT is left, and locked: no reason to send Bea away"
    assert second.result(5).slot == 2
    assert claim(campaign, cleo) is None
    check_slots(campaign)


def test_a_last_place_that_goes_to_another_is_gone(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, elsewhere: Any
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    with held_open(elsewhere, claim, campaign, ada):
        second = elsewhere(claim, campaign, bea)
        assert is_waiting(second)
    assert second.result(5) is None


def test_a_lease_that_another_claim_is_ending_is_waited_for(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, elsewhere: Any
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    overdue(claim(campaign, ada))  # type: ignore[arg-type]
    with held_open(elsewhere, expire_leases, campaign, timezone.now()) as ended:
        assert ended == 1
        second = elsewhere(claim, campaign, bea)
        assert is_waiting(second)
    assert second.result(5).worker == bea
    check_slots(campaign)


def test_two_tabs_of_a_worker_get_the_same_lease(make_campaign: MakeCampaign, ada: Worker, elsewhere: Any) -> None:
    campaign = make_campaign(hits=3, raters_per_hit=2)
    with held_open(elsewhere, claim, campaign, ada) as first:
        second = elsewhere(claim, campaign, ada)
        assert is_waiting(second)
    assert second.result(5).pk == first.pk
    assert Assignment.objects.count() == 1
    check_slots(campaign)


def test_two_tabs_that_submit_get_the_same_receipt_and_the_same_next_hit(
    make_campaign: MakeCampaign, ada: Worker, elsewhere: Any
) -> None:
    campaign = make_campaign(hits=3)
    lease = claim(campaign, ada)
    with held_open(elsewhere, assignments.submit_and_claim, lease, ada, VOTE) as (receipt, following):
        second = elsewhere(assignments.submit_and_claim, lease, ada, VOTE)
        assert is_waiting(second)
    again, following_again = second.result(5)
    assert (again, following_again.pk) == (receipt, following.pk)
    assert Judgment.objects.count() == 1


def test_a_claim_that_waits_for_the_other_tabs_submission_finds_the_lease_that_came_with_it(
    make_campaign: MakeCampaign, ada: Worker, elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and not by a conflict: each try that begins with an outdated lease meets the next one."""
    campaign = make_campaign(hits=3)
    lease = claim(campaign, ada)
    monkeypatch.setattr(assignments, "MOST_CONFLICTS", 0)
    with held_open(elsewhere, assignments.submit_and_claim, lease, ada, VOTE) as (_, following):
        second = elsewhere(claim, campaign, ada)
        assert is_waiting(second)
    assert second.result(5).pk == following.pk
    check_slots(campaign)


def test_work_that_meets_its_own_expiry_counts(make_campaign: MakeCampaign, ada: Worker, elsewhere: Any) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    lease = overdue(claim(campaign, ada))  # type: ignore[arg-type]
    with held_open(elsewhere, expire_leases, campaign, timezone.now()):
        late = elsewhere(submit, lease, VOTE)
        assert is_waiting(late)
    assert late.result(5).kind == "work"
    check_slots(campaign)


def test_work_whose_place_is_being_taken_by_another_is_surplus(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, elsewhere: Any
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    lease = overdue(claim(campaign, ada))  # type: ignore[arg-type]
    with held_open(elsewhere, claim, campaign, bea) as taken:
        late = elsewhere(submit, lease, VOTE)
        assert is_waiting(late)
    assert late.result(5).kind == "surplus"
    assert submit(taken, VOTE).kind == "work"
    assert Judgment.objects.count() == 2
    check_slots(campaign)


def test_a_lease_that_is_being_submitted_does_not_expire(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, elsewhere: Any
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    lease = overdue(claim(campaign, ada))  # type: ignore[arg-type]
    with held_open(elsewhere, submit, lease, VOTE):
        assert elsewhere(expire_leases, campaign, timezone.now()).result(5) == 0, "passed over, not waited for"
    lease.refresh_from_db()
    assert lease.state == "submitted"
    assert claim(campaign, bea) is None


def test_a_lease_is_given_back_or_submitted_but_not_both(
    make_campaign: MakeCampaign, ada: Worker, elsewhere: Any
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    lease = claim(campaign, ada)
    with held_open(elsewhere, submit, lease, VOTE):
        returned = elsewhere(give_back, lease)
        assert is_waiting(returned)
    assert returned.result(5) is False
    check_slots(campaign)


def test_late_work_holds_up_no_claim_of_its_campaign(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, elsewhere: Any
) -> None:
    campaign = make_campaign(hits=3, raters_per_hit=1)
    lease = claim(campaign, ada)
    expire_leases(campaign, timezone.now() + timedelta(days=1))
    with held_open(elsewhere, submit, lease, VOTE):
        assert elsewhere(claim, campaign, bea).result(5).hit.position == 1


def test_a_worker_with_nothing_left_waits_for_nobody(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, elsewhere: Any
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=3)
    submit(claim(campaign, ada), VOTE)  # type: ignore[arg-type]
    with held_open(elsewhere, claim, campaign, bea):
        assert elsewhere(claim, campaign, ada).result(5) is None


@pytest.mark.parametrize("after", ["", statements.AFTER])
def test_a_claim_reads_the_first_open_hit_and_no_more(make_campaign: MakeCampaign, ada: Worker, after: str) -> None:
    """Of a campaign that was stored a moment ago: without statistics, a claim of 20,000 HITs took 21 ms."""
    campaign = make_campaign(hits=2000)
    for _ in range(20):
        submit(claim(campaign, ada), VOTE)  # type: ignore[arg-type]
    conditions = statements.NONE_OVERDUE + after
    statement = statements.TAKE_FIRST_OPEN_HIT.format(conditions=conditions, lock="FOR NO KEY UPDATE SKIP LOCKED")
    last = [Assignment.objects.latest("pk").hit_id] if after else []
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}", [campaign.pk, ada.pk, campaign.pk, timezone.now(), *last])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Scan using hit_open" in plan
    assert not any(word in plan for word in ("Join", "Sort", "Bitmap", "Seq Scan")), plan
