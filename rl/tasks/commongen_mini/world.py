"""A world of commongen-mini: the part of the lexicon in use, and the verbs whose sentences are flawed."""

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from annotation.errors import InputError
from rl.tasks.commongen_mini.lexicon import DEFAULT_PREPOSITION, NOUNS, PREPOSITIONS, VERBS, Verb

WORLD_FILE = "world.json"

Word = TypeVar("Word")


@dataclass(frozen=True)
class World:
    """Words in use. nouns: type → nouns. flawed_verbs: those with which the corpus goes wrong."""

    nouns: Mapping[str, tuple[str, ...]]
    verbs: tuple[Verb, ...]
    flawed_verbs: frozenset[str]

    @cached_property
    def type_of(self) -> dict[str, str]:
        return {noun: kind for kind, nouns in self.nouns.items() for noun in nouns}

    @cached_property
    def verb_of_form(self) -> dict[str, Verb]:
        """Each inflected form's verb: "drives" and "driving" → drive."""
        return {form: verb for verb in self.verbs for form in (verb.present, verb.progressive)}


def preposition_of(place: str) -> str:
    return PREPOSITIONS.get(place, DEFAULT_PREPOSITION)


def draw_world(seed: int, *, verbs_in_use: float = 0.8, nouns_in_use: float = 0.8, flawed_verbs: float = 0.5) -> World:
    """A world drawn from the lexicon: a share of its words, and among the verbs a share that is flawed."""
    chance = random.Random(f"world {seed}")
    nouns = {kind: tuple(sorted(_draw_share(chance, words, nouns_in_use))) for kind, words in NOUNS.items()}
    verbs = tuple(sorted(_draw_share(chance, VERBS, verbs_in_use), key=lambda verb: verb.lemma))
    flawed = _draw_share(chance, verbs, flawed_verbs)
    return World(nouns, verbs, frozenset(verb.lemma for verb in flawed))


def _draw_share(chance: random.Random, words: tuple[Word, ...], share: float) -> list[Word]:
    return chance.sample(words, round(len(words) * share))


def write_world(world: World, folder: Path) -> None:
    content = {
        "nouns": world.nouns,
        "verbs": [asdict(verb) for verb in world.verbs],
        "flawed_verbs": sorted(world.flawed_verbs),
    }
    (folder / WORLD_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_world(folder: Path) -> World:
    path = folder / WORLD_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        verbs = tuple(_read_verb(row) for row in content["verbs"])
        nouns = {kind: tuple(words) for kind, words in content["nouns"].items()}
        return World(nouns, verbs, frozenset(content["flawed_verbs"]))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a folder that `manage.py build_task` wrote.") from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a world that `manage.py build_task` wrote ({error}).") from None


def _read_verb(row: dict[str, Any]) -> Verb:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return Verb(**values)
