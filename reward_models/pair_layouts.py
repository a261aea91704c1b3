"""The layouts in which others keep preferences, row by row: which one a table has, and the votes on a pair in it.

Only our own export and MultiPref keep every vote; in the other layouts a preference is one vote for what was chosen.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.errors import InputError

Row = Mapping[str, Any]
HUMAN, ASSISTANT = "\n\nHuman: ", "\n\nAssistant: "
# Between the prompt and a completion, where one text holds both.
SEPARATOR = "\n\n"
# What a judgment of MultiPref says, from its first letters on.
MULTIPREF_CHOICES = {"a-is": "a", "b-is": "b", "tie": "tie"}
# How much better, where it says so.
MULTIPREF_DEGREES = {"slightly": 1.0, "clearly": 2.0}
MULTIPREF_LISTS = ("annotations", "normal_worker_annotations", "expert_worker_annotations")


@dataclass(frozen=True, slots=True)
class VotedPair:
    """Two completions of a prompt, and how many votes each outcome has; the names are empty where there are none.

    degree: how much better a is said to be, below 0 where b is, in the layout's own unit; 0 where nobody said.
    """

    prompt: str
    completion_a: str
    completion_b: str
    votes: Mapping[str, int]  # by "a", "b", "tie", "both_bad"
    name: str = ""
    system_a: str = ""
    system_b: str = ""
    degree: float = 0.0


def read_votes(rows: Iterable[Row]) -> Iterator[VotedPair]:
    """Our own preferences, or any table with a count of votes for each side."""
    for row in rows:
        votes = {name: int(row.get(f"votes_{name}") or 0) for name in ("a", "b", "tie", "both_bad")}
        systems = (row.get("system_a") or "", row.get("system_b") or "")
        texts = (row["prompt"], row["completion_a"] or "", row["completion_b"] or "")
        yield VotedPair(*texts, votes, str(row.get("pair") or ""), *systems)


def read_explicit(rows: Iterable[Row]) -> Iterator[VotedPair]:
    """TRL with an explicit prompt: prompt, chosen, rejected, as texts or as lists of messages."""
    for row in rows:
        texts = _text(row["prompt"]), _text(row["chosen"]), _text(row["rejected"])
        yield VotedPair(*texts, {"a": 1}, degree=_margin(row))


def read_implicit(rows: Iterable[Row]) -> Iterator[VotedPair]:
    """TRL with the prompt inside: chosen and rejected begin alike. Messages in common are the prompt; of texts, what
    stands before the last empty line that they have in common.
    """
    for number, row in enumerate(rows, start=1):
        chosen, rejected = row["chosen"], row["rejected"]
        if isinstance(chosen, str):
            prompt = _common_text(chosen, rejected).rpartition(SEPARATOR)[0]
            start = len(prompt) + len(SEPARATOR)
        else:
            common = list(itertools.takewhile(lambda both: both[0] == both[1], zip(chosen, rejected, strict=False)))
            prompt, start = _text([message for message, _ in common]), len(common)
        if not prompt:
            raise InputError(f"row {number}: chosen and rejected have no prompt in common; expected both to begin so.")
        yield VotedPair(prompt, _text(chosen[start:]), _text(rejected[start:]), {"a": 1}, degree=_margin(row))


def _margin(row: Row) -> float:
    """By how much the chosen one is better, in TRL's column of that name."""
    return float(row.get("margin") or 0.0)


def read_unpaired(rows: Iterable[Row]) -> Iterator[VotedPair]:
    """TRL without pairs: prompt, completion, label. The good and the bad of a prompt are paired in their order."""
    by_prompt: dict[str, dict[bool, list[str]]] = {}
    for row in rows:
        sides = by_prompt.setdefault(_text(row["prompt"]), {True: [], False: []})
        sides[bool(row["label"])].append(_text(row["completion"]))
    for prompt, sides in by_prompt.items():
        for good, bad in zip(sides[True], sides[False], strict=False):
            yield VotedPair(prompt, good, bad, {"a": 1})


def read_hh(rows: Iterable[Row]) -> Iterator[VotedPair]:
    """Anthropic's transcripts: the prompt ends with the last "Assistant:" that both have in common."""
    for number, row in enumerate(rows, start=1):
        common, marker = _common_text(row["chosen"], row["rejected"]), ASSISTANT.rstrip()
        before, found, _ = common.rpartition(marker)
        if not found:
            raise InputError(
                f"row {number}: chosen and rejected share no {marker.strip()!r} turn; expected transcripts."
            )
        start = len(before) + len(marker)
        prompt = before.removeprefix(HUMAN) if before.count(HUMAN.rstrip()) == 1 else before.strip()
        # One space belongs to the form, any more to the text.
        chosen, rejected = (row[key][start:].removeprefix(" ") for key in ("chosen", "rejected"))
        yield VotedPair(prompt, chosen, rejected, {"a": 1})


def read_shp(rows: Iterable[Row]) -> Iterator[VotedPair]:
    """Stanford's: history, human_ref_A, human_ref_B; labels is 1 where A is preferred. Its scores are no votes."""
    for row in rows:
        votes = {"a" if int(row["labels"]) == 1 else "b": 1}
        yield VotedPair(row["history"], row["human_ref_A"], row["human_ref_B"], votes)


def read_multipref(rows: Iterable[Row]) -> Iterator[VotedPair]:
    """Every annotator's judgment: in lists of a comparison's row, or in rows of their own that name the comparison."""
    by_comparison: dict[str, tuple[Row, Counter[str]]] = {}
    degrees: dict[str, list[float]] = {}
    for number, row in enumerate(rows, start=1):
        name = str(row.get("comparison_id") or number)
        _, votes = by_comparison.setdefault(name, (row, Counter()))
        judgments = [judgment for key in MULTIPREF_LISTS for judgment in row.get(key) or ()]
        for judgment in judgments or [row]:
            choice = _multipref_choice(judgment, number)
            votes[choice] += 1
            degrees.setdefault(name, []).append(_multipref_degree(judgment, choice))
    for name, (row, votes) in by_comparison.items():
        systems = (str(row.get("model_a") or ""), str(row.get("model_b") or ""))
        prompt = _text(row["text"] if "text" in row else row["prompt"])
        texts = prompt, _text(row["completion_a"]), _text(row["completion_b"])
        yield VotedPair(*texts, votes, name, *systems, sum(degrees[name]) / len(degrees[name]))


def _multipref_choice(judgment: Mapping[str, Any], number: int) -> str:
    said = str(judgment.get("overall_pref", "")).lower()
    for beginning, choice in MULTIPREF_CHOICES.items():
        if said.startswith(beginning):
            return choice
    expected = "A-is-…, B-is-… or Tie"
    raise InputError(f"row {number}: overall_pref is {judgment.get('overall_pref')!r}; expected {expected}.")


def _multipref_degree(judgment: Mapping[str, Any], choice: str) -> float:
    said = str(judgment.get("overall_pref", "")).lower()
    degree = next((degree for word, degree in MULTIPREF_DEGREES.items() if word in said), 0.0)
    return {"a": degree, "b": -degree}.get(choice, 0.0)


def _common_text(first: str, second: str) -> str:
    alike = itertools.takewhile(lambda both: both[0] == both[1], zip(first, second, strict=False))
    return first[: sum(1 for _ in alike)]


def _text(value: str | Sequence[Mapping[str, str]] | None) -> str:
    """A text as it is; of messages, one alone is its content, several are a transcript."""
    if value is None or isinstance(value, str):
        return value or ""
    if len(value) == 1:
        return value[0]["content"]
    return SEPARATOR.join(f"{message['role'].capitalize()}: {message['content']}" for message in value)


@dataclass(frozen=True, slots=True)
class PairLayout:
    """A layout by its name; a table whose rows have all of `columns` has it."""

    name: str
    columns: frozenset[str]
    read: Callable[[Iterable[Row]], Iterator[VotedPair]]


# The first that fits is meant: those that ask for more stand first.
LAYOUTS = (
    PairLayout("votes", frozenset({"prompt", "completion_a", "completion_b", "votes_a", "votes_b"}), read_votes),
    PairLayout("shp", frozenset({"history", "human_ref_A", "human_ref_B", "labels"}), read_shp),
    PairLayout("multipref", frozenset({"completion_a", "completion_b"}), read_multipref),
    PairLayout("trl-explicit", frozenset({"prompt", "chosen", "rejected"}), read_explicit),
    PairLayout("trl-unpaired", frozenset({"prompt", "completion", "label"}), read_unpaired),
    PairLayout("hh", frozenset({"chosen", "rejected"}), read_hh),
    PairLayout("trl-implicit", frozenset({"chosen", "rejected"}), read_implicit),
)


def recognise_layout(columns: Iterable[str], first_row: Row) -> PairLayout:
    """The layout of a table; InputError names what would have been recognised."""
    present = set(columns)
    for layout in LAYOUTS:
        if layout.columns <= present and (layout.name != "hh" or _is_transcript(first_row["chosen"])):
            return layout
    known = "; ".join(f"{layout.name}: {', '.join(sorted(layout.columns))}" for layout in LAYOUTS)
    raise InputError(
        f"the columns are {', '.join(sorted(present))}; expected an export, or those of a layout ({known})."
    )


def _is_transcript(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(HUMAN.rstrip())
