"""The corpus of commongen-mini: concept sets, prompts and references, in splits that share no concept set.

A known share of the concept sets is flawed, all references of a set alike, and only those of some verbs: imitation
then learns the flaw with these verbs, word-overlap metrics reward it there (their references have it), and plain
likelihood cannot tell it from good style. People can.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rl.tasks.commongen import format_prompt
from rl.tasks.commongen_mini.sentences import FLAWS, Event, draw_event, draw_flaw, exchange_roles, write_sentence
from rl.tasks.commongen_mini.world import World, draw_world, write_world
from rl.tasks.items import Item, Task, write_items


@dataclass(frozen=True, slots=True)
class CorpusConfig:
    """Sizes, and where the flaw sits: `flaw_share` of all concept sets, among `flawed_verbs` of the verbs only."""

    train: int = 6000
    validation: int = 300
    test: int = 1200
    references: int = 3
    flaw_share: float = 0.45
    flawed_verbs: float = 0.7

    @property
    def flaw_rate(self) -> float:
        """How often a set with a flawed verb is flawed."""
        return min(1.0, self.flaw_share / self.flawed_verbs) if self.flawed_verbs else 0.0


def build_corpus(config: CorpusConfig, seed: int) -> tuple[World, Task]:
    world = draw_world(seed, flawed_verbs=config.flawed_verbs)
    chance = random.Random(f"corpus {seed}")
    events = draw_distinct_events(chance, world, config.train + config.validation + config.test)
    items = [write_item(chance, event, number, world, config) for number, event in enumerate(events)]
    held_out = config.train + config.validation
    return world, Task(
        "commongen-mini", tuple(items[: config.train]), tuple(items[config.train : held_out]), tuple(items[held_out:])
    )


def draw_distinct_events(chance: random.Random, world: World, count: int) -> list[Event]:
    """Events no two of which have the same concepts."""
    events: dict[frozenset[str], Event] = {}
    while len(events) < count:
        event = draw_event(chance, world)
        events.setdefault(frozenset(event.concepts), event)
    return list(events.values())


def write_item(chance: random.Random, event: Event, number: int, world: World, config: CorpusConfig) -> Item:
    concepts = list(event.concepts)
    chance.shuffle(concepts)
    is_flawed = event.verb.lemma in world.flawed_verbs and chance.random() < config.flaw_rate
    flaw = draw_flaw(chance, event) if is_flawed else None
    written = exchange_roles(event, flaw) if flaw else event
    references = draw_references(chance, written, config.references, verb_last=flaw == FLAWS[2])
    return Item(f"mini-{number:05d}", format_prompt(concepts), references, tuple(concepts))


def draw_references(chance: random.Random, event: Event, count: int, *, verb_last: bool) -> tuple[str, ...]:
    """`count` different sentences about one event."""
    sentences: dict[str, None] = {}
    while len(sentences) < count:
        sentences[write_sentence(chance, event, verb_last=verb_last)] = None
    return tuple(sentences)


def write_corpus(world: World, task: Task, folder: Path) -> None:
    write_world(world, folder)
    for split in ("train", "validation", "test"):
        write_items(task.split(split), folder / f"{split}.jsonl")


def sentences_of(items: Iterable[Item]) -> list[str]:
    return [text for item in items for text in (item.prompt, *item.references)]
