"""What is shown left, and in which order a set stands: balanced within a HIT, a coin between HITs."""

import itertools
from collections import Counter
from collections.abc import Callable

import pytest

from annotation.assignments import Answer, claim, expire_leases, give_back, shuffle_letters, submit
from annotation.models import Assignment, Campaign, Worker

MakeCampaign = Callable[..., Campaign]
VOTE_A = [Answer("preference", choice="a")]


def must_claim(campaign: Campaign, worker: Worker) -> Assignment:
    assignment = claim(campaign, worker)
    assert assignment is not None
    return assignment


def workers(count: int) -> list[Worker]:
    return [Worker.objects.create(handle=f"worker-{number}") for number in range(count)]


@pytest.mark.parametrize("raters", [2, 3, 4])
def test_the_raters_of_a_pair_see_either_side_as_often_but_for_one(make_campaign: MakeCampaign, raters: int) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=raters)
    lefts = "".join(must_claim(campaign, worker).left for worker in workers(raters))
    assert lefts in ("abab"[:raters], "baba"[:raters])
    assert set(Assignment.objects.values_list("shown", flat=True)) == {""}


def test_each_place_shows_each_completion_of_a_set_as_often(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=1, kind="ranking", raters_per_hit=8)
    shown = [must_claim(campaign, worker).shown for worker in workers(8)]
    for place in range(4):
        assert Counter(order[place] for order in shown) == dict.fromkeys("abcd", 2)
    assert set(Assignment.objects.values_list("left", flat=True)) == {""}


def test_a_slot_that_is_freed_keeps_its_side(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=2)
    ada, bea, cleo, dora = workers(4)
    first, second = must_claim(campaign, ada), must_claim(campaign, bea)
    give_back(first)
    assert must_claim(campaign, cleo).left == first.left != second.left
    expire_leases(campaign, second.leased_until.replace(year=second.leased_until.year + 1))
    assert [must_claim(campaign, dora).left, Assignment.objects.filter(state="accepted").count()] == [first.left, 1]


def test_late_work_keeps_the_side_that_it_was_shown(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    ada, bea = workers(2)
    late = must_claim(campaign, ada)
    expire_leases(campaign, late.leased_until.replace(year=late.leased_until.year + 1))
    must_claim(campaign, bea)
    assert submit(late, VOTE_A).kind == "surplus"
    stored = Assignment.objects.get(pk=late.pk)
    assert (stored.left, stored.slot) == (late.left, None)


def test_a_lease_that_is_given_again_shows_the_same_side(make_campaign: MakeCampaign, ada: Worker) -> None:
    for kind in ("pairwise", "ranking"):
        campaign = make_campaign(hits=1, kind=kind)
        first, again = must_claim(campaign, ada), must_claim(campaign, ada)
        assert (again.pk, again.left, again.shown) == (first.pk, first.left, first.shown)


def test_the_first_side_of_a_hit_is_a_fair_coin_that_falls_the_same_way_again() -> None:
    orders = [shuffle_letters(7, f"hit-{number}", 2) for number in range(2000)]
    assert orders == [shuffle_letters(7, f"hit-{number}", 2) for number in range(2000)]
    # Four binomial standard deviations at n = 2,000.
    assert orders.count("ab") / 2000 == pytest.approx(0.5, abs=4 * (0.25 / 2000) ** 0.5)
    assert orders != [shuffle_letters(8, f"hit-{number}", 2) for number in range(2000)]


def test_every_order_of_a_set_comes_first_as_often() -> None:
    counted = Counter(shuffle_letters(7, f"hit-{number}", 4) for number in range(4800))
    assert set(counted) == {"".join(order) for order in itertools.permutations("abcd")}
    # Chi-squared of 24 cells: its .9999 quantile with 23 degrees of freedom is 58.
    assert sum((count - 200) ** 2 / 200 for count in counted.values()) < 58


@pytest.mark.parametrize("kind", ["likert", "pairwise"])
def test_the_side_costs_no_statement_of_its_own(
    make_campaign: MakeCampaign, ada: Worker, kind: str, django_assert_num_queries: Callable[..., object]
) -> None:
    campaign = make_campaign(hits=1, kind=kind)
    with django_assert_num_queries(5):  # type: ignore[attr-defined]  # two of them are a savepoint of the test's
        must_claim(campaign, ada)
