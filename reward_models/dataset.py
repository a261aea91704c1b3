"""The votes on pairs as training data: soft targets, and splits that share no prompt."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from annotation.errors import InputError
from annotation.records import Preference, normalise_prompt, to_dict

Row = TypeVar("Row")

PRIOR_VOTES = 0.5  # added to each side, so that three votes out of three are not taken for certainty


@dataclass(frozen=True, slots=True)
class PairSplits:
    """Pairs with at least one vote for a side, by split of their prompt.

    left_out: pairs by the reason. degrees: how much better completion a is said to be, from -1 to 1, by the pair's
    name, where workers were asked.
    """

    train: tuple[Preference, ...]
    validation: tuple[Preference, ...]
    test: tuple[Preference, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    degrees: Mapping[str, float] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[list[str], list[str]]:
        """Prompts and completions of all pairs, a row a text."""
        pairs = (*self.train, *self.validation, *self.test)
        prompts = [pair.prompt for pair in pairs]
        return prompts * 2, [pair.completion_a for pair in pairs] + [pair.completion_b for pair in pairs]


def split_pairs(preferences: Iterable[Preference]) -> PairSplits:
    """The usable pairs by split; InputError if a split is empty or a prompt is in two of them."""
    usable, left_out = [], Counter[str]()
    for pair in preferences:
        reason = _why_unusable(pair)
        if reason:
            left_out[reason] += 1
        else:
            usable.append(pair)
    splits = {name: tuple(pair for pair in usable if pair.split == name) for name in ("train", "validation", "test")}
    for name, pairs in splits.items():
        if not pairs:
            counted = "".join(f"; {count} left out, {reason}" for reason, count in left_out.items())
            raise InputError(f"no pair to learn from is in the {name} split; expected some in each of three{counted}.")
    _expect_disjoint(splits)
    return PairSplits(splits["train"], splits["validation"], splits["test"], dict(left_out))


def _why_unusable(pair: Preference) -> str:
    if pair.votes_a + pair.votes_b + pair.votes_tie == 0:
        return "without a vote for a side or a tie"
    if not (pair.completion_a.strip() and pair.completion_b.strip()):
        return "with an empty completion"
    if pair.completion_a == pair.completion_b:
        return "whose completions are the same text"
    return ""


def _expect_disjoint(splits: dict[str, tuple[Preference, ...]]) -> None:
    home: dict[str, str] = {}
    for name, pairs in splits.items():
        for pair in pairs:
            prompt = normalise_prompt(pair.prompt)
            if home.setdefault(prompt, name) != name:
                where = f"in the {home[prompt]} and the {name} split"
                raise InputError(f"prompt {pair.prompt!r} is {where}; expected each prompt in one.")


def vote_fraction(pair: Preference) -> float:
    """The share of votes for completion a, ties counted half and smoothed by a prior vote."""
    votes_a = pair.votes_a + 0.5 * pair.votes_tie
    total = pair.votes_a + pair.votes_b + pair.votes_tie
    return (votes_a + PRIOR_VOTES) / (total + 2 * PRIOR_VOTES)


def sha256_of_pairs(splits: PairSplits) -> str:
    """Names the data of a run, so that a resumed run cannot go on with other data."""
    digest = hashlib.sha256()
    for pair in (*splits.train, *splits.validation):
        digest.update(json.dumps([to_dict(pair), splits.degrees.get(pair.pair)]).encode())
    return digest.hexdigest()


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
