"""The layouts in which others keep preferences, row by row: which one a table has, and the votes on a pair in it.

Only our own export and MultiPref keep every vote; in the other layouts a preference is one vote for what was chosen.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from annotation.errors import InputError
from reward_models.table_rows import Messages, TableRow

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

    where: the row that it was read from, for refusals. degree: how much better a is said to be, below 0 where b is, in
    the layout's own unit; 0 where nobody said.
    """

    where: str
    prompt: str
    completion_a: str
    completion_b: str
    votes: Mapping[str, int]  # by "a", "b", "tie", "both_bad"
    name: str = ""
    system_a: str = ""
    system_b: str = ""
    degree: float = 0.0


def read_votes(rows: Iterable[TableRow]) -> Iterator[VotedPair]:
    """Our own preferences, or any table with a count of votes for each side."""
    for row in rows:
        votes = {side: row.count(f"votes_{side}") for side in ("a", "b")}
        votes |= {other: row.count(f"votes_{other}", is_optional=True) for other in ("tie", "both_bad")}
        texts = row.text("prompt"), row.text("completion_a"), row.text("completion_b")
        yield VotedPair(row.where, *texts, votes, row.name("pair"), row.name("system_a"), row.name("system_b"))


def read_explicit(rows: Iterable[TableRow]) -> Iterator[VotedPair]:
    """TRL with an explicit prompt: prompt, chosen, rejected, as texts or as lists of messages. Lists may begin with the
    prompt, as UltraFeedback's do."""
    for row in rows:
        prompt = _join_messages(row.speech("prompt"))
        chosen, rejected = (_answer(row, column, prompt) for column in ("chosen", "rejected"))
        yield VotedPair(row.where, prompt, chosen, rejected, {"a": 1}, degree=row.number("margin"))


def read_implicit(rows: Iterable[TableRow]) -> Iterator[VotedPair]:
    """TRL with the prompt inside: chosen and rejected begin alike. Messages in common are the prompt; of texts, what
    stands before the last empty line that they have in common.
    """
    for row in rows:
        chosen, rejected = row.speech("chosen"), row.speech("rejected")
        if isinstance(chosen, str) and isinstance(rejected, str):
            prompt = _common_text(chosen, rejected).rpartition(SEPARATOR)[0]
            start = len(prompt) + len(SEPARATOR)
        elif isinstance(chosen, str) or isinstance(rejected, str):
            raise row.refuse("rejected", f"{'a text' if isinstance(chosen, str) else 'messages'}, as chosen is")
        else:
            common = list(itertools.takewhile(lambda both: both[0] == both[1], zip(chosen, rejected, strict=False)))
            prompt, start = _join_messages([message for message, _ in common]), len(common)
        if not prompt:
            expected = "expected both to begin so"
            raise InputError(f"{row.where}: chosen and rejected have no prompt in common; {expected}.")
        completions = _join_messages(chosen[start:]), _join_messages(rejected[start:])
        yield VotedPair(row.where, prompt, *completions, {"a": 1}, degree=row.number("margin"))


def read_unpaired(rows: Iterable[TableRow]) -> Iterator[VotedPair]:
    """TRL without pairs: prompt, completion, label. The good and the bad of a prompt are paired in their order."""
    by_prompt: dict[str, dict[bool, list[tuple[str, str]]]] = {}
    for row in rows:
        sides = by_prompt.setdefault(_join_messages(row.speech("prompt")), {True: [], False: []})
        sides[row.truth("label")].append((row.where, _completion(row, "completion")))
    for prompt, sides in by_prompt.items():
        for (where, good), (_, bad) in zip(sides[True], sides[False], strict=False):
            yield VotedPair(where, prompt, good, bad, {"a": 1})


def read_hh(rows: Iterable[TableRow]) -> Iterator[VotedPair]:
    """Anthropic's transcripts: the prompt ends with the last "Assistant:" that both have in common."""
    for row in rows:
        texts = row.text("chosen"), row.text("rejected")
        common, marker = _common_text(*texts), ASSISTANT.rstrip()
        before, found, _ = common.rpartition(marker)
        if not found:
            turn = f"share no {marker.strip()!r} turn"
            raise InputError(f"{row.where}: chosen and rejected {turn}; expected transcripts.")
        start = len(before) + len(marker)
        prompt = before.removeprefix(HUMAN) if before.count(HUMAN.rstrip()) == 1 else before.strip()
        # One space belongs to the form, any more to the text.
        chosen, rejected = (text[start:].removeprefix(" ") for text in texts)
        yield VotedPair(row.where, prompt, chosen, rejected, {"a": 1})


def read_shp(rows: Iterable[TableRow]) -> Iterator[VotedPair]:
    """Stanford's: history, human_ref_A, human_ref_B; labels is 1 where A is preferred. Its scores are no votes."""
    for row in rows:
        votes = {"a" if row.truth("labels") else "b": 1}
        yield VotedPair(row.where, row.text("history"), row.text("human_ref_A"), row.text("human_ref_B"), votes)


def read_multipref(rows: Iterable[TableRow]) -> Iterator[VotedPair]:
    """Every annotator's judgment: in lists of a comparison's row, or in rows of their own that name the comparison."""
    by_name: dict[str, tuple[VotedPair, Counter[str], list[float]]] = {}
    for row in rows:
        judgments = [judgment for column in MULTIPREF_LISTS for judgment in row.rows(column)]
        pair = _multipref_pair(row)
        first, votes, degrees = by_name.setdefault(pair.name or row.where, (pair, Counter(), []))
        if votes:
            _expect_one_more(row, pair, first, judgments)
        for judgment in judgments or [row]:
            choice = _multipref_choice(judgment)
            votes[choice] += 1
            degrees.append(_multipref_degree(judgment, choice))
    for pair, votes, degrees in by_name.values():
        yield replace(pair, votes=votes, degree=sum(degrees) / len(degrees))


def _multipref_pair(row: TableRow) -> VotedPair:
    """The pair of a row, without votes."""
    prompt = _join_messages(row.speech("text" if "text" in row.cells else "prompt"))
    texts = prompt, _completion(row, "completion_a"), _completion(row, "completion_b")
    return VotedPair(row.where, *texts, {}, row.name("comparison_id"), row.name("model_a"), row.name("model_b"))


def _expect_one_more(row: TableRow, pair: VotedPair, first: VotedPair, judgments: Sequence[TableRow]) -> None:
    """That a comparison's further row is one more annotator's."""
    if judgments:
        raise row.refuse("comparison_id", f"each once where annotators are in lists, and it is in {first.where} too")
    if replace(pair, where=first.where) != first:
        raise row.refuse("comparison_id", f"one pair, and its texts or models are others in {first.where}")


def _multipref_choice(judgment: TableRow) -> str:
    said = judgment.name("overall_pref").lower()
    for beginning, choice in MULTIPREF_CHOICES.items():
        if said.startswith(beginning):
            return choice
    raise judgment.refuse("overall_pref", "A-is-…, B-is-… or Tie")


def _multipref_degree(judgment: TableRow, choice: str) -> float:
    said = judgment.name("overall_pref").lower()
    degree = next((degree for word, degree in MULTIPREF_DEGREES.items() if word in said), 0.0)
    return {"a": degree, "b": -degree}.get(choice, 0.0)


def _common_text(first: str, second: str) -> str:
    alike = itertools.takewhile(lambda both: both[0] == both[1], zip(first, second, strict=False))
    return first[: sum(1 for _ in alike)]


def _completion(row: TableRow, column: str) -> str:
    """What stands in a column, which may be an empty text but no empty list."""
    said = row.speech(column)
    if not said and not isinstance(said, str):
        raise row.refuse(column, "a text or at least one message")
    return _join_messages(said)


def _answer(row: TableRow, column: str, prompt: str) -> str:
    """A completion; of a whole conversation, what follows its prompt."""
    said = row.speech(column)
    ends = (end for end in range(1, len(said)) if not isinstance(said, str) and _join_messages(said[:end]) == prompt)
    end = next(ends, 0)
    return _join_messages(said[end:]) if end else _completion(row, column)


def _join_messages(said: str | Messages) -> str:
    """A text as it is; of messages, one alone is its content, several are a transcript."""
    if isinstance(said, str):
        return said
    if len(said) == 1:
        return str(said[0]["content"])
    return SEPARATOR.join(f"{message['role'].capitalize()}: {message['content']}" for message in said)


@dataclass(frozen=True, slots=True)
class PairLayout:
    """A layout by its name; a table whose rows have all of `columns` has it."""

    name: str
    columns: frozenset[str]
    read: Callable[[Iterable[TableRow]], Iterator[VotedPair]]


# The first that fits is meant: those that ask for more stand first.
LAYOUTS = (
    PairLayout("votes", frozenset({"prompt", "completion_a", "completion_b", "votes_a", "votes_b"}), read_votes),
    PairLayout("shp", frozenset({"history", "human_ref_A", "human_ref_B", "labels"}), read_shp),
    PairLayout("multipref", frozenset({"completion_a", "completion_b", "text"}), read_multipref),
    PairLayout("multipref", frozenset({"completion_a", "completion_b", "prompt"}), read_multipref),
    PairLayout("trl-explicit", frozenset({"prompt", "chosen", "rejected"}), read_explicit),
    PairLayout("trl-unpaired", frozenset({"prompt", "completion", "label"}), read_unpaired),
    PairLayout("hh", frozenset({"chosen", "rejected"}), read_hh),
    PairLayout("trl-implicit", frozenset({"chosen", "rejected"}), read_implicit),
)


def recognise_layout(first: TableRow, source: str) -> PairLayout:
    """The layout of a table by its first row; InputError names what would have been recognised."""
    present = set(first.cells)
    for layout in LAYOUTS:
        if layout.columns <= present and (layout.name != "hh" or _is_transcript(first.cells["chosen"])):
            return layout
    known = "; ".join(f"{layout.name}: {', '.join(sorted(layout.columns))}" for layout in LAYOUTS)
    found = f"the columns are {', '.join(sorted(present))}"
    raise InputError(f"{source}: {found}; expected an export, or those of a layout ({known}).")


def _is_transcript(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(HUMAN.rstrip())
