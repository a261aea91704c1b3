"""The gold judge of commongen-mini: it reads a sentence exactly, so it knows what simulated people like.

It serves simulated workers and final evaluation only. Training, rewards, checkpoint selection and stopping never
see it: only management modules and tests import it, and a test holds that.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import simplemma

from rl.tasks.commongen_mini.lexicon import Verb
from rl.tasks.commongen_mini.sentences import Event, is_plausible
from rl.tasks.commongen_mini.world import World, preposition_of, read_world

CLUMSY = 0.5


@dataclass(frozen=True, slots=True)
class GoldScore:
    """Three judgments, each in [0, 1].

    plausibility: 1 if the sentence can be read and every role is filled by what the verb allows.
    coverage: the share of the prompt's concepts that are used. grammar: 1 well formed, ½ verb last, 0 broken.
    """

    plausibility: float
    coverage: float
    grammar: float

    @property
    def utility(self) -> float:
        """What a reader makes of the whole, in [0, 3]."""
        return self.plausibility + self.coverage + self.grammar


@dataclass(frozen=True, slots=True)
class Reading:
    """A sentence that could be read: its event, and whether the verb came last."""

    event: Event
    is_clumsy: bool


def load_judge(folder: Path) -> Callable[[str, str], GoldScore]:
    """The judge of the world in `folder`: (prompt, completion) → GoldScore."""
    world = read_world(folder)
    return lambda prompt, completion: judge_completion(world, prompt, completion)


def judge_completion(world: World, prompt: str, completion: str) -> GoldScore:
    reading = read_sentence(world, completion)
    coverage = share_covered(concepts_of(prompt), completion)
    if reading is None:
        return GoldScore(0.0, coverage, 0.0)
    return GoldScore(float(is_plausible(reading.event, world)), coverage, CLUMSY if reading.is_clumsy else 1.0)


def concepts_of(prompt: str) -> list[str]:
    """The concepts named after the colon of a prompt."""
    return prompt.partition(":")[2].strip().rstrip(".").split()


def share_covered(concepts: list[str], completion: str) -> float:
    lemmas = {form for word in re.findall(r"[a-z]+", completion.lower()) for form in (word, _lemma(word))}
    return sum(concept in lemmas for concept in concepts) / len(concepts) if concepts else 1.0


def _lemma(word: str) -> str:
    return simplemma.lemmatize(word, lang="en")


def read_sentence(world: World, sentence: str) -> Reading | None:
    """The event that `sentence` tells, in any order that the corpus uses; None if it is malformed.

    Grammar: [P ","] core [with NP] [P] ".", or core [P] [with NP]; core is NP V NP, or, clumsily, NP NP V.
    """
    if not sentence.endswith("."):
        return None
    front, comma, rest = sentence[:-1].rpartition(", ")
    words = rest.split(" ")
    place = None
    if comma:
        place, left_over = _take_place(world, front.split(" "))
        if place is None or left_over:
            return None
    return _read_clause(world, words, place)


def _read_clause(world: World, words: list[str], front_place: str | None) -> Reading | None:
    first, words = _take_noun(world, words)
    verb, after_verb = _take_verb(world, words)
    is_clumsy = verb is None
    if is_clumsy:
        second, words = _take_noun(world, words)
        verb, words = _take_verb(world, words)
    else:
        second, words = _take_noun(world, after_verb)
    instrument, words = _take_instrument(world, words)
    place, words = _take_place(world, words)
    if instrument is None:
        instrument, words = _take_instrument(world, words)
    if first is None or second is None or verb is None or words or (place and front_place):
        return None
    return Reading(Event(first, verb, second, place or front_place, instrument), is_clumsy)


def _take_noun(world: World, words: list[str]) -> tuple[str | None, list[str]]:
    if len(words) >= 2 and words[0] in ("a", "the") and words[1] in world.type_of:
        return words[1], words[2:]
    return None, words


def _take_verb(world: World, words: list[str]) -> tuple[Verb | None, list[str]]:
    is_progressive = words[:1] == ["is"]
    form = words[is_progressive] if len(words) > is_progressive else ""
    verb = world.verb_of_form.get(form)
    if verb is None or form != (verb.progressive if is_progressive else verb.present):
        return None, words
    return verb, words[is_progressive + 1 :]


def _take_instrument(world: World, words: list[str]) -> tuple[str | None, list[str]]:
    if words[:1] != ["with"]:
        return None, words
    noun, left_over = _take_noun(world, words[1:])
    return (noun, left_over) if noun else (None, words)


def _take_place(world: World, words: list[str]) -> tuple[str | None, list[str]]:
    noun, left_over = _take_noun(world, words[1:])
    if noun is None or words[0] != preposition_of(noun):
        return None, words
    return noun, left_over
