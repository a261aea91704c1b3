"""The exchange format: what an export folder holds.

A Rating is one answer to one question about one completion, a Comparison one choice between two completions, a Ranking
one order of a set of completions, a Preference the votes on one pair, aggregated, a Comment what a worker wrote. Every
package knows judgments as these and no other, so this module imports nothing but the standard library.
`annotation.record_readers` reads the files and `annotation.record_files` writes them.
"""

import dataclasses
import hashlib
import types
import typing
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from annotation.errors import InputError
from annotation.near_duplicates import PromptClusters, cluster_prompts, normalise_prompt
from annotation.rankings import ASKED, LETTERS, parse_ranking

SCHEMA_VERSION = 1
CHOICES = ("a", "b", "tie", "both_bad")
KINDS = ("work", "gold", "attention", "repeat", "surplus")
SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, slots=True)
class Rating:
    """One worker's value on one question about one completion."""

    campaign: str
    hit: str
    item: str
    system: str
    prompt: str
    completion: str
    references: tuple[str, ...]
    question: str
    value: int
    scale_min: int
    scale_max: int
    worker: str
    assignment: str
    kind: str
    excluded: str
    active_seconds: float
    submitted_on: str

    def __post_init__(self) -> None:
        _expect_member("kind", self.kind, KINDS)
        if not self.scale_min <= self.value <= self.scale_max:
            raise ValueError(f"value: expected {self.scale_min} to {self.scale_max}, found {self.value}")

    @property
    def counts(self) -> bool:
        """Whether analysis and training use it: unexcluded work."""
        return self.kind == "work" and not self.excluded


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """One worker's choice on one pair. `left` tells which completion was shown left; `choice` never depends on it."""

    campaign: str
    hit: str
    item: str
    pair: str
    prompt: str
    completion_a: str
    completion_b: str
    system_a: str
    system_b: str
    left: str
    choice: str
    strength: int | None
    worker: str
    assignment: str
    kind: str
    excluded: str
    active_seconds: float
    submitted_on: str

    def __post_init__(self) -> None:
        _expect_member("kind", self.kind, KINDS)
        _expect_member("left", self.left, ("a", "b"))
        _expect_member("choice", self.choice, CHOICES)

    @property
    def counts(self) -> bool:
        """Whether analysis and training use it: unexcluded work."""
        return self.kind == "work" and not self.excluded


@dataclasses.dataclass(frozen=True, slots=True)
class Ranking:
    """One worker's order of a set of completions, which are called a, b, c ... in the order of `completions`.

    shown: their letters in the order in which the worker saw them. ranking: as in "c>a=b>d", the best first. asked:
    "ranking", or "best_worst" where the worker named these two alone, and the group between them says nothing.
    """

    campaign: str
    hit: str
    item: str
    set: str
    prompt: str
    completions: tuple[str, ...]
    systems: tuple[str, ...]
    shown: str
    asked: str
    ranking: str
    worker: str
    assignment: str
    kind: str
    excluded: str
    active_seconds: float
    submitted_on: str

    def __post_init__(self) -> None:
        _expect_member("kind", self.kind, KINDS)
        _expect_member("asked", self.asked, ASKED)
        if not 2 <= len(self.completions) == len(self.systems) <= len(LETTERS):
            found = f"{len(self.completions)} completions and {len(self.systems)} systems"
            raise ValueError(f"completions: expected 2 to {len(LETTERS)} and as many systems, found {found}")
        if sorted(self.shown) != sorted(self.letters):
            raise ValueError(f"shown: expected the letters {self.letters} in any order, found {self.shown!r}")
        sizes = [len(group) for group in self.groups]
        if self.asked == "best_worst" and sizes != [1, len(self.letters) - 2, 1]:
            raise ValueError(f"ranking: expected one best, one worst and the rest between, found {self.ranking!r}")

    @property
    def letters(self) -> str:
        return LETTERS[: len(self.completions)]

    @property
    def groups(self) -> list[list[str]]:
        """Letters from best to worst; those of a group are tied, or were not asked about."""
        return parse_ranking(self.ranking, self.letters)

    @property
    def counts(self) -> bool:
        """Whether analysis and training use it: unexcluded work."""
        return self.kind == "work" and not self.excluded


@dataclasses.dataclass(frozen=True, slots=True)
class Comment:
    """What one worker wrote into the box of one HIT: free text, so exported only when asked for."""

    campaign: str
    hit: str
    item: str
    comment: str
    worker: str
    assignment: str
    kind: str
    excluded: str
    active_seconds: float
    submitted_on: str

    def __post_init__(self) -> None:
        _expect_member("kind", self.kind, KINDS)


@dataclasses.dataclass(frozen=True, slots=True)
class Preference:
    """The votes on one pair.

    label: the completion with more than half of all votes, or empty. margin: |votes_a - votes_b| over all votes.
    agreement: share of the pairs of voters who chose alike; None below two votes.
    """

    pair: str
    item: str
    prompt: str
    completion_a: str
    completion_b: str
    system_a: str
    system_b: str
    votes_a: int
    votes_b: int
    votes_tie: int
    votes_both_bad: int
    label: str
    margin: float
    agreement: float | None
    split: str

    def __post_init__(self) -> None:
        _expect_member("label", self.label, ("a", "b", ""))
        _expect_member("split", self.split, SPLITS)
        for name in ("votes_a", "votes_b", "votes_tie", "votes_both_bad"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected at least 0, found {getattr(self, name)}")

    @property
    def chosen(self) -> str | None:
        return {"a": self.completion_a, "b": self.completion_b}.get(self.label)

    @property
    def rejected(self) -> str | None:
        return {"a": self.completion_b, "b": self.completion_a}.get(self.label)


Record = TypeVar("Record", Rating, Comparison, Ranking, Comment, Preference)
FILE_STEMS: dict[type, str] = {
    Rating: "ratings", Comparison: "comparisons", Ranking: "rankings", Comment: "comments", Preference: "preferences",
}  # fmt: skip


def _expect_member(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{key}: expected one of {', '.join(map(repr, allowed))}, found {value!r}")


# Aggregation


def aggregate_preferences(
    comparisons: Sequence[Comparison], clusters: PromptClusters | None = None
) -> list[Preference]:
    """The votes on each pair, in order of first appearance; only unexcluded work votes.

    A split has clusters of near-duplicate prompts whole: `clusters`, or those among the prompts of `comparisons`.
    """
    if clusters is None:
        clusters = cluster_prompts(comparison.prompt for comparison in comparisons)
    by_pair: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        if comparison.counts:
            by_pair.setdefault(comparison.pair, []).append(comparison)
    return [_aggregate_pair(votes, clusters) for votes in by_pair.values()]


def _aggregate_pair(comparisons: list[Comparison], clusters: PromptClusters) -> Preference:
    first = comparisons[0]
    for other in comparisons[1:]:
        if _pair_content(other) != _pair_content(first):
            raise InputError(
                f"pair {first.pair!r} has two different contents; expected one prompt and two completions."
            )
    return count_preference(
        Counter(comparison.choice for comparison in comparisons),
        pair=first.pair,
        item=first.item,
        prompt=first.prompt,
        completion_a=first.completion_a,
        completion_b=first.completion_b,
        system_a=first.system_a,
        system_b=first.system_b,
        split=split_of_prompt(clusters.home_of(first.prompt)),
    )


def count_preference(votes: Mapping[str, int], **texts: str) -> Preference:
    """The preference of a pair with so many votes for each choice; a side with more than half of them is the label."""
    counts = {choice: votes.get(choice, 0) for choice in CHOICES}
    total = sum(counts.values())
    return Preference(
        **texts,
        votes_a=counts["a"],
        votes_b=counts["b"],
        votes_tie=counts["tie"],
        votes_both_bad=counts["both_bad"],
        label=next((side for side in ("a", "b") if 2 * counts[side] > total), ""),
        margin=abs(counts["a"] - counts["b"]) / max(1, total),
        agreement=share_of_agreeing_pairs(counts.values()),
    )


def _pair_content(comparison: Comparison) -> tuple[str, ...]:
    texts = (comparison.prompt, comparison.completion_a, comparison.completion_b)
    return (*texts, comparison.system_a, comparison.system_b)


def share_of_agreeing_pairs(counts: Iterable[int]) -> float | None:
    """Of all pairs of answers, the share that are alike, from how often each answer was given."""
    counts = list(counts)
    total = sum(counts)
    if total < 2:
        return None
    return sum(count * (count - 1) for count in counts) / (total * (total - 1))


def split_of_prompt(prompt: str) -> str:
    """train, validation or test (60/20/20) by the sha256 of the normalised prompt, so no prompt is in two splits.

    Near-duplicates stay together where this is asked of `PromptClusters.home_of(prompt)`.
    """
    position = int.from_bytes(hashlib.sha256(normalise_prompt(prompt).encode()).digest()[:8]) / 2**64
    if position < 0.6:
        return "train"
    return "validation" if position < 0.8 else "test"


# Dictionaries


def to_dict(record: Rating | Comparison | Ranking | Comment | Preference) -> dict[str, Any]:
    """`record` as the columns of the exchange format, in their order."""
    row = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in row.items()}


def from_dict(record_type: type[Record], row: Mapping[str, Any], where: str = "record") -> Record:
    """A record from one row; InputError names `where` and the key. Columns of a later schema are ignored."""
    values = {}
    for name, hint in type_hints(record_type).items():
        if name not in row:
            raise InputError(f"{where}: the key {name!r} is missing.")
        values[name] = _check(hint, row[name], f"{where}: {name}")
    try:
        return record_type(**values)
    except ValueError as error:
        raise InputError(f"{where}: {error}.") from None


_known_hints: dict[type, dict[str, Any]] = {}


def type_hints(record_type: type) -> dict[str, Any]:
    """Resolving type hints is slow and a file has many rows, so they are resolved once a type."""
    if record_type not in _known_hints:
        _known_hints[record_type] = typing.get_type_hints(record_type)
    return _known_hints[record_type]


def _check(hint: Any, value: Any, where: str) -> Any:
    if typing.get_origin(hint) is types.UnionType:
        return None if value is None else _check(typing.get_args(hint)[0], value, where)
    if hint is str and isinstance(value, str):
        return value
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint == tuple[str, ...] and isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return tuple(value)
    names = {str: "text", int: "a whole number", float: "a number"}
    raise InputError(f"{where}: expected {names.get(hint, 'a list of texts')}, found {value!r}.")
