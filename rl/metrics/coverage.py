"""Which concepts a text uses, by lemma: "The dogs were chasing ..." uses dog and chase."""

from collections.abc import Iterable
from functools import lru_cache

import simplemma

from rl.metrics.meteor import split_words


def count_missing(text: str, concepts: Iterable[str]) -> int:
    """Concepts that no word of the text is a form of."""
    return len(missing_concepts(text, concepts))


def missing_concepts(text: str, concepts: Iterable[str]) -> tuple[str, ...]:
    used = frozenset[str]().union(*(base_forms(word) for word in split_words(text)))
    return tuple(concept for concept in concepts if used.isdisjoint(_concept_forms(concept.lower())))


@lru_cache(maxsize=65536)
def base_forms(word: str) -> frozenset[str]:
    """What a lower-case word may be a form of: itself, its lemma, and what an ending may have been added to.

    The dictionary lists nouns such as "painting" as their own lemmas and lacks verbs such as "crosses", hence the
    stripped endings. Candidates that are no words do no harm, for no concept equals them.
    """
    return frozenset({word, simplemma.lemmatize(word, lang="en"), *_strip_ending(word)})


@lru_cache(maxsize=65536)
def _concept_forms(concept: str) -> frozenset[str]:
    return frozenset({concept, simplemma.lemmatize(concept, lang="en")})


def _strip_ending(word: str) -> tuple[str, ...]:
    for ending in ("ing", "ed", "es", "s"):
        body = word.removesuffix(ending)
        if body != word and len(body) > 2:
            undoubled = body[:-1] if body[-1] == body[-2] else body
            return body, body + "e", undoubled
    return ()
