"""Pairs of votes on a toy preference that can be learned: a sentence is good if its first word is in the prompt."""

import random

from annotation.records import Preference

WORDS = ("red", "blue", "green", "black", "white", "brown", "pink", "grey")
TEXTS = [f"say {word} number {number}" for word in WORDS for number in range(700)] + [f"{word}." for word in WORDS]


def make_pair(number: int, split: str, votes_a: int = 3, votes_b: int = 0) -> Preference:
    chance = random.Random(number)
    wanted, other, filler = chance.sample(WORDS, 3)
    good, bad = f"{wanted} {filler}.", f"{other} {filler}."
    is_a = votes_a >= votes_b
    first, second = (good, bad) if is_a else (bad, good)
    return Preference(
        pair=f"p{number}",
        item=f"i{number}",
        prompt=f"say {wanted} number {number}",
        completion_a=first,
        completion_b=second,
        system_a="x",
        system_b="y",
        votes_a=votes_a,
        votes_b=votes_b,
        votes_tie=0,
        votes_both_bad=0,
        label="a" if votes_a > votes_b else "b" if votes_b > votes_a else "",
        margin=abs(votes_a - votes_b) / (votes_a + votes_b),
        agreement=1.0,
        split=split,
    )


def make_pairs(count: int, split: str, first: int = 0) -> list[Preference]:
    """Half of the pairs have the good completion as a, half as b."""
    return [make_pair(number, split, *((3, 0) if number % 2 else (0, 3))) for number in range(first, first + count)]
