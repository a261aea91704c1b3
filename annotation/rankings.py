"""Rankings as text: groups of letters from best to worst, such as "c>a=b>d".

">" stands between groups, "=" within one, whose letters are sorted; so a ranking is written in one way only. Of a
best-worst answer, the best and the worst stand alone at the ends, and about those between them nothing was asked.
"""

import itertools
from collections.abc import Iterable, Mapping

LETTERS = "abcdef"
ASKED = ("ranking", "best_worst")


def format_ranking(groups: Iterable[Iterable[str]]) -> str:
    return ">".join("=".join(sorted(group)) for group in groups)


def parse_ranking(text: str, letters: str) -> list[list[str]]:
    """The groups of `text`; ValueError if it is no ranking of `letters`, each once."""
    groups = [group.split("=") for group in text.split(">")]
    found = sorted(letter for group in groups for letter in group)
    if found != sorted(letters) or format_ranking(groups) != text:
        raise ValueError(f"ranking: expected the letters {letters} once each, as in a=b>c, found {text!r}")
    return groups


def order_pairs(text: str, asked: str) -> dict[tuple[str, str], str]:
    """What a ranking says of each pair of its letters: "a" or "b", the better of the two, or the "tie" that was given.

    Of a best-worst answer, pairs between the best and the worst are left out.
    """
    places = {letter: place for place, group in enumerate(text.split(">")) for letter in group.split("=")}
    return {
        (one, other): "tie" if places[one] == places[other] else "a" if places[one] < places[other] else "b"
        for one, other in itertools.combinations(sorted(places), 2)
        if asked != "best_worst" or places[one] != places[other]
    }


def rank_by_places(places: Mapping[str, int]) -> str:
    """The ranking in which letters with the same place are tied; 1 is best."""
    distinct = sorted(set(places.values()))
    return format_ranking([letter for letter in places if places[letter] == place] for place in distinct)


def rank_best_worst(best: str, worst: str, letters: str) -> str:
    between = [letter for letter in letters if letter not in (best, worst)]
    return format_ranking([[best], between, [worst]])
