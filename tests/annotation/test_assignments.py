"""The queue: who gets which HIT, what a lease is, and that nothing is lost or stored twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone
from psycopg.errors import AdminShutdown, DeadlockDetected

from annotation import assignments, statements
from annotation.assignments import Answer, claim, expire_leases, give_back, submit, submit_and_claim
from annotation.campaigns import close
from annotation.models import HIT, Assignment, Campaign, Judgment, Worker

MakeCampaign = Callable[..., Campaign]
VOTE_A = [Answer("preference", choice="a")]


def must_claim(campaign: Campaign, worker: Worker, **options: object) -> Assignment:
    assignment = claim(campaign, worker, **options)  # type: ignore[arg-type]
    assert assignment is not None
    return assignment


def free_slots(campaign: Campaign) -> list[int]:
    return list(campaign.hits.order_by("position").values_list("free_slots", flat=True))


def test_it_hands_out_the_first_hit_in_publication_order(make_campaign: MakeCampaign, ada: Worker) -> None:
    campaign = make_campaign(hits=3)
    positions = []
    for _ in range(3):
        assignment = must_claim(campaign, ada)
        positions.append(assignment.hit.position)
        submit(assignment, VOTE_A)
    assert positions == [0, 1, 2]
    assert claim(campaign, ada) is None


def test_it_never_hands_a_hit_to_more_than_k(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, cleo: Worker
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=2)
    assert [must_claim(campaign, worker).slot for worker in (ada, bea)] == [1, 2]
    assert claim(campaign, cleo) is None
    assert free_slots(campaign) == [0]


def test_it_gives_a_live_lease_back_to_its_worker(make_campaign: MakeCampaign, ada: Worker) -> None:
    campaign = make_campaign(hits=2)
    first = must_claim(campaign, ada)
    later = timezone.now() + timedelta(minutes=campaign.lease_minutes - 1)
    assert must_claim(campaign, ada, now=later).pk == first.pk
    first.refresh_from_db()
    assert first.leased_until == later + timedelta(minutes=campaign.lease_minutes)
    assert free_slots(campaign) == [1, 2]


def test_a_lease_that_has_run_out_frees_its_slot_at_the_next_claim(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    first = must_claim(campaign, ada)
    assert claim(campaign, bea) is None
    late = timezone.now() + timedelta(minutes=campaign.lease_minutes + 1)
    assert must_claim(campaign, bea, now=late).hit_id == first.hit_id
    first.refresh_from_db()
    assert (first.state, first.slot) == ("expired", None)
    assert claim(campaign, ada) is None  # she has met that HIT


def test_expiring_twice_frees_a_slot_once(make_campaign: MakeCampaign, ada: Worker) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=2)
    must_claim(campaign, ada)
    late = timezone.now() + timedelta(days=1)
    assert [expire_leases(campaign, late), expire_leases(campaign, late)] == [1, 0]
    assert free_slots(campaign) == [2]


def test_late_work_counts_while_there_is_room_and_is_kept_as_surplus_otherwise(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    first = must_claim(campaign, ada)
    expire_leases(campaign, timezone.now() + timedelta(days=1))
    second = must_claim(campaign, bea)
    assert submit(first, VOTE_A).kind == "surplus"
    assert submit(second, VOTE_A).kind == "work"
    first.refresh_from_db()
    assert (first.state, first.slot, first.judgments.count()) == ("submitted", None, 1)

    other = make_campaign(hits=1, raters_per_hit=1, name="other")
    late = must_claim(other, ada)
    expire_leases(other, timezone.now() + timedelta(days=1))
    assert submit(late, VOTE_A).kind == "work"
    late.refresh_from_db()
    assert (late.slot, free_slots(other)) == (1, [0])


def test_a_hit_given_back_goes_to_others_and_not_to_its_worker_again(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker
) -> None:
    campaign = make_campaign(hits=2, raters_per_hit=1)
    first = must_claim(campaign, ada)
    assert give_back(first)
    assert not give_back(first)
    assert must_claim(campaign, ada).hit.position == 1
    assert must_claim(campaign, bea).hit_id == first.hit_id
    assert free_slots(campaign) == [0, 0]


def test_a_second_submission_changes_nothing_and_gets_the_same_receipt(
    make_campaign: MakeCampaign, ada: Worker
) -> None:
    campaign = make_campaign(hits=2)
    assignment = must_claim(campaign, ada)
    first, following = submit_and_claim(assignment, ada, VOTE_A)
    again, following_again = submit_and_claim(assignment, ada, [Answer("preference", choice="b")])
    assert again == first
    assert following is not None and following_again is not None
    assert following_again.pk == following.pk
    assert list(Judgment.objects.values_list("choice", flat=True)) == ["a"]


def test_the_next_hit_lies_ahead_and_what_was_freed_behind_comes_last(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker
) -> None:
    campaign = make_campaign(hits=3, raters_per_hit=1)
    given_back = must_claim(campaign, bea)
    lease: Assignment | None = must_claim(campaign, ada)
    give_back(given_back)
    positions = []
    while lease is not None:
        positions.append(lease.hit.position)
        _, lease = submit_and_claim(lease, ada, VOTE_A)
    assert positions == [1, 2, 0]


@pytest.mark.parametrize(
    ("cause", "is_done_again"), [(DeadlockDetected(), True), (AdminShutdown(), False)], ids=["deadlock", "shutdown"]
)
def test_a_cycle_that_a_deadlock_undid_is_done_again(
    make_campaign: MakeCampaign, ada: Worker, monkeypatch: pytest.MonkeyPatch, cause: Exception, is_done_again: bool
) -> None:
    campaign = make_campaign(hits=2)
    lease = must_claim(campaign, ada)
    take, taken = statements.take_open_hit, []

    def fail_first(*arguments: Any) -> Any:
        taken.append(arguments)
        if len(taken) == 1:
            raise OperationalError("undone") from cause
        return take(*arguments)

    monkeypatch.setattr(statements, "take_open_hit", fail_first)
    if is_done_again:
        _, following = submit_and_claim(lease, ada, VOTE_A)
        assert following is not None and following.hit.position == 1
    else:
        with pytest.raises(OperationalError):
            submit_and_claim(lease, ada, VOTE_A)
    assert Judgment.objects.count() == is_done_again


def test_giving_back_is_done_again_if_a_deadlock_undid_it(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    lease, tries = must_claim(campaign, ada), []
    end = assignments._end_lease

    def fail_first(*arguments: Any) -> bool:
        tries.append(end(*arguments))
        if len(tries) == 1:
            raise OperationalError("undone") from DeadlockDetected()
        return tries[-1]

    monkeypatch.setattr(assignments, "_end_lease", fail_first)
    assert give_back(lease) is True
    assert tries == [True, True], "the first was undone with its transaction"
    assert must_claim(campaign, bea).slot == 1


def test_a_closed_campaign_hands_out_nothing_but_takes_what_is_under_way(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker
) -> None:
    campaign = make_campaign(hits=2)
    assignment = must_claim(campaign, ada)
    close(campaign)
    assert claim(campaign, bea) is None
    submit(assignment, VOTE_A)
    assert Judgment.objects.count() == 1


def test_active_time_is_never_longer_than_the_page_was_held(make_campaign: MakeCampaign, ada: Worker) -> None:
    campaign = make_campaign(hits=2)
    for sent, expected in ((3.5, 3.5), (1e9, 60.0)):
        assignment = must_claim(campaign, ada)
        submit(assignment, VOTE_A, active_seconds=sent, now=assignment.accepted_at + timedelta(seconds=60))
        assignment.refresh_from_db()
        assert assignment.active_seconds == expected


# What the database itself forbids


def refused(action: Callable[[], object]) -> bool:
    try:
        with transaction.atomic():
            action()
    except IntegrityError:
        return True
    return False


def test_the_database_refuses_what_may_never_happen(make_campaign: MakeCampaign, ada: Worker, bea: Worker) -> None:
    campaign = make_campaign(hits=2, raters_per_hit=2)
    held = must_claim(campaign, ada)
    submit(held, VOTE_A)
    now = timezone.now()

    def assign(worker: Worker, hit: HIT, **changes: object) -> Assignment:
        values: dict[str, object] = {"state": "submitted", "slot": 2, "left": "a", **changes}
        times = {"accepted_at": now, "leased_until": now}
        return Assignment.objects.create(campaign=campaign, worker=worker, hit=hit, **times, **values)

    other = HIT.objects.get(campaign=campaign, position=1)
    assert refused(lambda: assign(ada, held.hit)), "a worker meets a HIT once"
    assert refused(lambda: assign(bea, held.hit, slot=1)), "a slot is held once"
    assert refused(lambda: assign(bea, other, slot=None)), "work that counts holds a slot"
    assert refused(lambda: assign(bea, other, state="returned")), "what was given back holds none"
    assert refused(lambda: HIT.objects.filter(pk=other.pk).update(free_slots=-1)), "never more than k"
    assert refused(lambda: HIT.objects.filter(pk=other.pk).update(completion_b=other.completion_a)), "sides differ"
    assert refused(lambda: Judgment.objects.create(assignment=held, question="preference", choice="b"))
    assert refused(lambda: Judgment.objects.create(assignment=held, question="other", choice="left"))
    assert refused(lambda: Judgment.objects.create(assignment=held, question="other"))
    assign(bea, other, state="accepted")
    third = make_campaign(hits=1, name="third").hits.get()
    assert refused(lambda: assign(bea, third, state="accepted")), "one lease at a time"


def test_judgments_are_append_only_even_for_plain_sql(make_campaign: MakeCampaign, ada: Worker) -> None:
    assignment = must_claim(make_campaign(hits=1), ada)
    submit(assignment, VOTE_A)
    judgment = Judgment.objects.get()
    for change in (judgment.save, judgment.delete, Judgment.objects.all().delete):
        with pytest.raises(TypeError, match="append-only"):
            change()
    with pytest.raises(TypeError, match="append-only"):
        Judgment.objects.update(choice="b")
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        cursor.execute("UPDATE annotation_judgment SET choice = 'b'")
    assert Judgment.objects.get().choice == "a"
