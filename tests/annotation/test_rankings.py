"""Rankings: how they are written, and what they say about each pair."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import InputError
from annotation.ranked_pairs import comparisons_of_ranking
from annotation.rankings import LETTERS, format_ranking, parse_ranking, rank_best_worst, rank_by_places
from annotation.records import Ranking, aggregate_preferences, from_dict, to_dict


def ranking(text: str = "c>a=b>d", **changes: object) -> Ranking:
    count = sum(text.count(letter) for letter in LETTERS)
    row: dict[str, object] = {
        "campaign": "c", "hit": "h", "item": "i", "set": "s", "prompt": "Say hello.",
        "completions": [f"Text {letter}." for letter in LETTERS[:count]],
        "systems": [f"system {letter}" for letter in LETTERS[:count]], "shown": LETTERS[:count][::-1],
        "asked": "ranking", "ranking": text, "worker": "w", "assignment": "x", "kind": "work", "excluded": "",
        "active_seconds": 3.0, "submitted_on": "2026-11-25",
    }  # fmt: skip
    return from_dict(Ranking, row | changes)


places_of_sets = st.integers(2, 6).flatmap(
    lambda count: st.lists(st.integers(1, count), min_size=count, max_size=count).map(
        lambda places: dict(zip(LETTERS, places, strict=False))
    )
)


@given(places_of_sets)
def test_places_are_written_and_read_back_as_the_same_order(places: dict[str, int]) -> None:
    groups = parse_ranking(rank_by_places(places), "".join(places))
    found = {letter: rank for rank, group in enumerate(groups) for letter in group}
    for one, other in itertools.combinations(places, 2):
        assert (places[one] < places[other]) == (found[one] < found[other])
        assert (places[one] == places[other]) == (found[one] == found[other])


def test_the_two_forms_are_written_as_the_format_says() -> None:
    assert rank_by_places({"a": 2, "b": 2, "c": 1, "d": 4}) == "c>a=b>d"
    assert rank_best_worst("c", "a", "badc") == "c>b=d>a"
    assert format_ranking([["b", "a"], ["c"]]) == "a=b>c"


@pytest.mark.parametrize(
    "text", ["", "a", "a>b", "a>b>c>d", "a>b>b", "b=a>c", "a>>b>c", "a>b=>c", "A>b>c", "a > b > c"]
)
def test_what_is_no_ranking_of_the_letters_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected the letters abc once each"):
        parse_ranking(text, "abc")


def test_a_ranking_says_who_is_better_in_every_pair() -> None:
    compared = {c.pair: (c.choice, c.left, c.completion_a, c.system_b) for c in comparisons_of_ranking(ranking())}
    assert compared == {
        "s:a-b": ("tie", "b", "Text a.", "system b"),
        "s:a-c": ("b", "b", "Text a.", "system c"),
        "s:a-d": ("a", "b", "Text a.", "system d"),
        "s:b-c": ("b", "b", "Text b.", "system c"),
        "s:b-d": ("a", "b", "Text b.", "system d"),
        "s:c-d": ("a", "b", "Text c.", "system d"),
    }


def test_a_best_worst_answer_says_nothing_about_those_between() -> None:
    answer = ranking("c>a=b>d", asked="best_worst")
    assert {c.pair: c.choice for c in comparisons_of_ranking(answer)} == {
        "s:a-c": "b", "s:a-d": "a", "s:b-c": "b", "s:b-d": "a", "s:c-d": "a",
    }  # fmt: skip


@given(places_of_sets, st.randoms(use_true_random=False))
def test_what_follows_from_a_ranking_does_not_depend_on_the_order_shown(places: dict[str, int], random: object) -> None:
    text, letters = rank_by_places(places), "".join(places)
    shown = "".join(random.sample(letters, len(letters)))  # type: ignore[attr-defined]
    straight, shuffled = (comparisons_of_ranking(ranking(text, shown=order)) for order in (letters, shown))
    assert [(c.pair, c.choice) for c in straight] == [(c.pair, c.choice) for c in shuffled]
    assert all(c.left == "a" for c in straight)


def test_rankings_of_one_set_become_preferences_of_its_pairs() -> None:
    votes = [ranking("a>b>c", worker="v"), ranking("b>a>c", worker="w"), ranking("a>b>c", worker="x")]
    votes.append(ranking("c>b>a", worker="y", excluded="too fast"))
    comparisons = [comparison for vote in votes for comparison in comparisons_of_ranking(vote)]
    preferences = {p.pair: (p.votes_a, p.votes_b, p.label) for p in aggregate_preferences(comparisons)}
    assert preferences == {"s:a-b": (2, 1, "a"), "s:a-c": (3, 0, "a"), "s:b-c": (3, 0, "a")}


def test_it_reads_back_the_ranking_it_wrote() -> None:
    original = ranking("b>a=c", asked="ranking")
    assert from_dict(Ranking, json.loads(json.dumps(to_dict(original)))) == original


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ranking": "c>a>b"}, "ranking: expected the letters abcd once each"),
        ({"shown": "abc"}, "shown: expected the letters abcd in any order, found 'abc'"),
        ({"asked": "all"}, "asked: expected one of 'ranking', 'best_worst', found 'all'"),
        ({"asked": "best_worst", "ranking": "a=b>c>d"}, "ranking: expected one best, one worst and the rest between"),
        ({"systems": ["s"]}, "expected 2 to 6 and as many systems, found 4 completions and 1 systems"),
        ({"kind": "play"}, "kind: expected one of 'work'"),
    ],
)
def test_it_names_what_does_not_fit_in_a_ranking(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=f"record: .*{message}"):
        ranking(**changes)
