"""METEOR after Banerjee and Lavie (ACL 2005), with the parameters of Lavie and Agarwal (2007) that nltk uses.

The variant is named `METEOR (exact and Porter-stem matches, no synonyms)` wherever its numbers are shown: WordNet
synonyms, the original's third stage, are left out, so that nothing has to be downloaded.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from rl.metrics.porter import stem

METEOR_NAME = "METEOR (exact and Porter-stem matches, no synonyms)"
ALPHA, BETA, GAMMA = 0.9, 3.0, 0.5

Words = tuple[str, ...]
Match = tuple[int, int]  # position in the completion, position in the reference


def meteor(completion: str, references: Iterable[str]) -> float:
    """The best score over the references, 0 to 1; 0 where there is none."""
    words = split_words(completion)
    return max((meteor_of_words(words, split_words(reference)) for reference in references), default=0.0)


@lru_cache(maxsize=65536)
def split_words(text: str) -> Words:
    """Lower-case words and single punctuation marks."""
    return tuple(re.findall(r"\w+|[^\w\s]", text.lower()))


def meteor_of_words(words: Sequence[str], reference: Sequence[str]) -> float:
    """F-mean with recall weighted 9 to 1, times 1 − γ (chunks/matches)^β."""
    matches = align(words, reference)
    if not matches:
        return 0.0
    precision, recall = len(matches) / len(words), len(matches) / len(reference)
    f_mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
    return f_mean * (1 - GAMMA * (count_chunks(matches) / len(matches)) ** BETA)


def align(words: Sequence[str], reference: Sequence[str]) -> list[Match]:
    """One-to-one matches, in the order of `words`: equal words first, then equal stems among the rest.

    As in nltk each word, from the last to the first, takes the last free equal word of the reference; the paper's
    search for the alignment with the fewest crossings is not made.
    """
    exact = _match(dict(enumerate(words)), dict(enumerate(reference)))
    taken, covered = {match[0] for match in exact}, {match[1] for match in exact}
    stems = _match(
        {place: stem(word) for place, word in enumerate(words) if place not in taken},
        {place: stem(word) for place, word in enumerate(reference) if place not in covered},
    )
    return sorted(exact + stems)


def _match(words: dict[int, str], reference: dict[int, str]) -> list[Match]:
    places = defaultdict(list)
    for place, word in reference.items():
        places[word].append(place)
    return [(place, places[word].pop()) for place, word in reversed(words.items()) if places.get(word)]


def count_chunks(matches: Sequence[Match]) -> int:
    """Runs of matches that are adjacent on both sides."""
    return 1 + sum((a[0] + 1, a[1] + 1) != b for a, b in pairwise(matches))
