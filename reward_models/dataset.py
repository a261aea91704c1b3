"""The votes on pairs as training data: soft targets, and splits that share no prompt."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from annotation.errors import InputError
from annotation.records import Preference

Row = TypeVar("Row")

PRIOR_VOTES = 0.5  # added to each side, so that three votes out of three are not taken for certainty


@dataclass(frozen=True, slots=True)
class PairSplits:
    """Pairs with at least one vote for a side, by split of their prompt."""

    train: tuple[Preference, ...]
    validation: tuple[Preference, ...]
    test: tuple[Preference, ...]


def split_pairs(preferences: Iterable[Preference]) -> PairSplits:
    """The usable pairs by split; InputError if a split is empty or a prompt is in two of them."""
    usable = [pair for pair in preferences if pair.votes_a + pair.votes_b + pair.votes_tie > 0]
    splits = {name: tuple(pair for pair in usable if pair.split == name) for name in ("train", "validation", "test")}
    for name, pairs in splits.items():
        if not pairs:
            raise InputError(f"the export has no pair with votes in its {name} split; expected some in each of three.")
    _expect_disjoint(splits)
    return PairSplits(**splits)


def _expect_disjoint(splits: dict[str, tuple[Preference, ...]]) -> None:
    home: dict[str, str] = {}
    for name, pairs in splits.items():
        for pair in pairs:
            if home.setdefault(pair.prompt, name) != name:
                where = f"in the {home[pair.prompt]} and the {name} split"
                raise InputError(f"prompt {pair.prompt!r} is {where}; expected each prompt in one.")


def vote_fraction(pair: Preference) -> float:
    """The share of votes for completion a, ties counted half and smoothed by a prior vote."""
    votes_a = pair.votes_a + 0.5 * pair.votes_tie
    total = pair.votes_a + pair.votes_b + pair.votes_tie
    return (votes_a + PRIOR_VOTES) / (total + 2 * PRIOR_VOTES)


def shuffle_votes(pairs: Sequence[Preference], seed: int) -> list[Preference]:
    """`pairs` with both sides' votes exchanged in a random half: a control without any signal."""
    chance = random.Random(f"shuffled votes {seed}")
    return [_exchange_votes(pair) if chance.random() < 0.5 else pair for pair in pairs]


def _exchange_votes(pair: Preference) -> Preference:
    label = {"a": "b", "b": "a"}.get(pair.label, "")
    return replace(pair, votes_a=pair.votes_b, votes_b=pair.votes_a, label=label)


def cut_batches(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    """`rows` in order, `size` at a time."""
    return (rows[start : start + size] for start in range(0, len(rows), size))
