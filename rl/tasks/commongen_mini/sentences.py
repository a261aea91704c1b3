"""What a sentence of commongen-mini says (its roles), and the ways to say it."""

import random
from dataclasses import dataclass, replace

from rl.tasks.commongen_mini.lexicon import Verb
from rl.tasks.commongen_mini.world import World, preposition_of


@dataclass(frozen=True, slots=True)
class Event:
    """Who does what to whom, where and with what; nouns, with None for a role that is not mentioned."""

    agent: str
    verb: Verb
    object: str
    place: str | None = None
    instrument: str | None = None

    @property
    def concepts(self) -> tuple[str, ...]:
        words = (self.agent, self.verb.lemma, self.object, self.place, self.instrument)
        return tuple(word for word in words if word is not None)


def is_plausible(event: Event, world: World) -> bool:
    """Whether every noun has a type that the verb allows in its role."""
    verb, kind = event.verb, world.type_of
    return (
        kind.get(event.agent) in verb.agents
        and kind.get(event.object) in verb.objects
        and (event.place is None or kind.get(event.place) in verb.places)
        and (event.instrument is None or kind.get(event.instrument) in verb.instruments)
    )


def draw_event(chance: random.Random, world: World) -> Event:
    """A plausible event of 3 to 5 concepts."""

    def draw_noun(kinds: tuple[str, ...]) -> str:
        return chance.choice([noun for kind in kinds for noun in world.nouns[kind]])

    verb = chance.choice(world.verbs)
    event = Event(draw_noun(verb.agents), verb, draw_noun(verb.objects))
    if chance.random() < 0.6:
        event = replace(event, place=draw_noun(verb.places))
    if verb.instruments and chance.random() < 0.5:
        event = replace(event, instrument=draw_noun(verb.instruments))
    return event


FLAWS = ("agent and object exchanged", "object and instrument exchanged", "verb last")


def draw_flaw(chance: random.Random, event: Event) -> str:
    """How a flawed sentence about `event` goes wrong: mostly the agent and the object change places."""
    if event.instrument is not None and chance.random() < 0.25:
        return FLAWS[1]
    return FLAWS[2] if chance.random() < 0.15 else FLAWS[0]


def exchange_roles(event: Event, flaw: str) -> Event:
    """`event` with the roles exchanged that `flaw` names; the clumsy "verb last" keeps them."""
    if flaw == FLAWS[0]:
        return replace(event, agent=event.object, object=event.agent)
    if flaw == FLAWS[1]:
        assert event.instrument is not None
        return replace(event, object=event.instrument, instrument=event.object)
    return event


def write_sentence(chance: random.Random, event: Event, *, verb_last: bool = False) -> str:
    """One way to say `event`: articles, tense and the order of the adjuncts are drawn.

    `verb_last` gives the clumsy order, "a man a car drives".
    """

    def phrase(noun: str) -> str:
        return f"{chance.choice(('a', 'the'))} {noun}"

    agent, thing = phrase(event.agent), phrase(event.object)
    verb = event.verb.present if chance.random() < 0.5 else f"is {event.verb.progressive}"
    core = f"{agent} {thing} {verb}" if verb_last else f"{agent} {verb} {thing}"
    place = f"{preposition_of(event.place)} {phrase(event.place)}" if event.place else ""
    means = f"with {phrase(event.instrument)}" if event.instrument else ""
    if place and chance.random() < 0.3:
        return f"{place}, {' '.join(filter(None, (core, means)))}."
    return f"{' '.join(filter(None, (core, means, place)))}."
