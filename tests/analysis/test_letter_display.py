"""Letters: shared exactly where two systems do not differ, as few as may be, and those of R's multcomp."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.letter_display import display_letters
from analysis.post_hoc import tukey_hsd
from tests.analysis.group_tables import ALONE, by_r, chicks

NAMES = "pqrstu"


@settings(max_examples=150, deadline=None)
@given(st.sets(st.sampled_from(list(itertools.combinations(NAMES, 2)))))
def test_two_share_a_letter_exactly_where_they_do_not_differ(different: set[tuple[str, str]]) -> None:
    letters = display_letters(NAMES, different)
    assert all(letters.values())
    for pair in itertools.combinations(NAMES, 2):
        first, second = (set(letters[name]) for name in pair)
        assert bool(first & second) == (pair not in different)
    # No letter could be left out.
    for letter in set("".join(letters.values())):
        without = {name: set(own) - {letter} for name, own in letters.items()}
        assert not all(without.values()) or any(
            not without[first] & without[second]
            for first, second in itertools.combinations(NAMES, 2)
            if (first, second) not in different
        )


def test_the_best_has_the_first_letter() -> None:
    # The ends differ, the middle differs from neither.
    assert display_letters(["best", "middle", "worst"], [("worst", "best")]) == {
        "best": "a",
        "middle": "ab",
        "worst": "b",
    }
    assert display_letters(["one"], []) == {"one": "a"}
    assert display_letters(["x", "y"], []) == {"x": "a", "y": "a"}


def test_more_letters_than_the_alphabet_has() -> None:
    names = [f"s{index:02d}" for index in range(54)]
    letters = display_letters(names, list(itertools.combinations(names, 2)))
    assert letters["s00"] == "a"
    assert letters["s26"] == "A"
    assert letters["s53"] == "(53)"


def test_they_group_the_systems_as_multcomp_does() -> None:
    tukey = tukey_hsd(chicks(), **ALONE)
    means = chicks().groupby("system")["value"].mean().sort_values(ascending=False)
    ours, theirs = tukey.letters(list(means.index)), by_r("one_way", "letters")
    assert groups_of(ours) == groups_of(theirs)
    assert ours["sunflower"] == "a"
    assert ours["meatmeal"] == "ab"


def groups_of(letters: dict[str, str]) -> set[frozenset[str]]:
    """Who shares each letter, whatever the letter is called."""
    used = set("".join(letters.values()))
    return {frozenset(name for name, own in letters.items() if letter in own) for letter in used}
