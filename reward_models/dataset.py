"""The votes on pairs as training data: soft targets, and splits that share no prompt and no near-duplicates."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from annotation.errors import InputError
from annotation.near_duplicates import PromptClusters, cluster_prompts, normalise_prompt
from annotation.records import SPLITS, Preference, to_dict
from annotation.wording import count_nouns

Row = TypeVar("Row")
NearDuplicates = Literal["refuse", "leave-out", "allow"]

SHOWN = 200  # characters of a prompt in a refusal
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


def split_pairs(preferences: Iterable[Preference], near_duplicates: NearDuplicates = "refuse") -> PairSplits:
    """The usable pairs by split; InputError if a split is empty, or a prompt in two of them.

    near_duplicates: what happens to prompts that are near-duplicates across splits. "leave-out" leaves out their pairs
    but for those of the last of train, validation and test that has any, so that the test split stays as it is.
    """
    preferences = list(preferences)
    none_looked_for = near_duplicates == "allow"
    clusters = PromptClusters({}) if none_looked_for else cluster_prompts(pair.prompt for pair in preferences)
    usable, left_out = _leave_out(preferences, _why_unusable)
    if near_duplicates == "leave-out":
        apart = _keep_last_split(usable, clusters)
        left_out += Counter({"whose prompt has a near-duplicate in a later split": len(usable) - len(apart)})
        usable = apart
    splits = {name: tuple(pair for pair in usable if pair.split == name) for name in SPLITS}
    for name, pairs in splits.items():
        if not pairs:
            counted = "".join(f"; {count} left out, {reason}" for reason, count in left_out.items())
            raise InputError(f"no pair to learn from is in the {name} split; expected some in each of three{counted}.")
    _expect_disjoint(splits, clusters)
    return PairSplits(splits["train"], splits["validation"], splits["test"], dict(left_out))


def select_judgeable(preferences: Iterable[Preference]) -> tuple[list[Preference], dict[str, int]]:
    """Pairs of two completions between which one can choose, and how many others there are, by the reason."""
    judgeable, left_out = _leave_out(preferences, _why_not_judgeable)
    return judgeable, dict(left_out)


def _leave_out(
    preferences: Iterable[Preference], why_not: Callable[[Preference], str]
) -> tuple[list[Preference], Counter[str]]:
    """Pairs for which there is no reason why not, and how many others there are, by the reason."""
    kept, left_out = [], Counter[str]()
    for pair in preferences:
        reason = why_not(pair)
        if reason:
            left_out[reason] += 1
        else:
            kept.append(pair)
    return kept, left_out


def describe_left_out(counts: Mapping[str, int]) -> list[str]:
    """A sentence a reason."""
    return [f"{count_nouns(count, 'pair')} left out, {reason}." for reason, count in counts.items()]


def _why_unusable(pair: Preference) -> str:
    if pair.votes_a + pair.votes_b + pair.votes_tie == 0:
        return "without a vote for a side or a tie"
    return _why_not_judgeable(pair)


def _why_not_judgeable(pair: Preference) -> str:
    if not (pair.completion_a.strip() and pair.completion_b.strip()):
        return "with an empty completion"
    if pair.completion_a == pair.completion_b:
        return "whose completions are the same text"
    return ""


def _keep_last_split(pairs: Sequence[Preference], clusters: PromptClusters) -> list[Preference]:
    """Without the pairs whose cluster of prompts has some in a later split too."""
    homes = [clusters.home_of(pair.prompt) for pair in pairs]
    last: dict[str, int] = {}
    for pair, home in zip(pairs, homes, strict=True):
        last[home] = max(last.get(home, 0), SPLITS.index(pair.split))
    return [pair for pair, home in zip(pairs, homes, strict=True) if pair.split == SPLITS[last[home]]]


def _expect_disjoint(splits: Mapping[str, Sequence[Preference]], clusters: PromptClusters) -> None:
    first: dict[str, Preference] = {}
    for pair in (pair for pairs in splits.values() for pair in pairs):
        other = first.setdefault(clusters.home_of(pair.prompt), pair)
        if other.split == pair.split:
            continue
        if normalise_prompt(other.prompt) == normalise_prompt(pair.prompt):
            where = f"in the {other.split} and the {pair.split} split"
            raise InputError(f"prompt {pair.prompt!r} is {where}; expected each prompt in one.")
        raise InputError(
            f"prompt {_shorten(other.prompt)} in the {other.split} split and prompt {_shorten(pair.prompt)} in the "
            f"{pair.split} split are near-duplicates; expected them in one split: --near-duplicates leave-out trains "
            "without such pairs of the earlier split, allow with them."
        )


def _shorten(prompt: str) -> str:
    return repr(prompt if len(prompt) <= SHOWN else f"{prompt[:SHOWN]}…")


def vote_fraction(pair: Preference) -> float:
    """The share of votes for completion a, ties counted half and smoothed by a prior vote."""
    votes_a = pair.votes_a + 0.5 * pair.votes_tie
    total = pair.votes_a + pair.votes_b + pair.votes_tie
    return (votes_a + PRIOR_VOTES) / (total + 2 * PRIOR_VOTES)


def count_votes(pairs: Iterable[Preference]) -> int:
    """All votes on `pairs`, those for neither side too."""
    return sum(pair.votes_a + pair.votes_b + pair.votes_tie + pair.votes_both_bad for pair in pairs)


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
