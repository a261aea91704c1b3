"""Which prompts are all but the same: typed otherwise, in another order, or with other words in a few places.

A prompt is the set of its words; letter case, spaces and punctuation are no part of them. Words that more than a tenth
of the prompts have, and more than ten, are their template ("Make a sentence with these words: ..."); the others tell
them apart. Two prompts are near-duplicates if they have the same words, or if their resemblance is above .8 both in all
words and in those that tell prompts apart. Resemblance is what two sets have in common over what they have together (A.
Broder, On the resemblance and containment of documents, 1997; there of sequences of words).

So another word in place of one among ten makes no other prompt; in place of one among nine it does: of the concepts of
a sentence, each counts. A cluster is what near-duplicates connect, through others too.

It is exact, no sketch that misses: sets that resemble each other so much have one of their rarest words in common, so
only prompts that do are compared (prefix filtering: S. Chaudhuri, V. Ganti and R. Kaushik, A primitive operator for
similarity joins in data cleaning, 2006; R. Bayardo, Y. Ma and R. Srikant, Scaling up all pairs similarity search,
2007).
"""

import itertools
import unicodedata
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tqdm import tqdm

TEMPLATE_PROMPTS = 10  # a word that no more prompts than these have tells them apart, however few there are
TEMPLATE_PART = 10  # one prompt in so many
# These write no space between words, so each of their characters stands for a word.
UNSPACED = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


@dataclass(frozen=True, slots=True)
class PromptClusters:
    """Near-duplicates among prompts.

    homes: of each normalised prompt that has a near-duplicate, the normalised prompt that stands for its cluster, which
    is the first of them by code points and so does not depend on any order.
    """

    homes: Mapping[str, str]

    def home_of(self, prompt: str) -> str:
        """What stands for the cluster of `prompt`: itself, normalised, if it has no near-duplicate."""
        normalised = normalise_prompt(prompt)
        return self.homes.get(normalised, normalised)

    def describe(self) -> dict[str, int]:
        """How many clusters, prompts in them, and prompts in the largest, where a chain through everything shows."""
        sizes = Counter(self.homes.values())
        return {"clusters": len(sizes), "prompts": sizes.total(), "largest": max(sizes.values(), default=0)}


def normalise_prompt(prompt: str) -> str:
    """What two prompts have in common that are the same but for letter case, spaces and the form of characters."""
    return " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())


def cluster_prompts(prompts: Iterable[str]) -> PromptClusters:
    """The near-duplicates among `prompts`, which may come in any order and more than once."""
    words = _Vocabulary()
    texts: dict[tuple[int, ...], list[str]] = {}  # by their words
    for text in sorted({normalise_prompt(prompt) for prompt in prompts}):
        texts.setdefault(words.number(text), []).append(text)
    texts.pop((), None)  # "?!" has no words that it could have in common with another
    clusters = _Clusters(len(texts))
    _join_similar(words.sort_by_rarity(list(texts)), clusters)
    return PromptClusters(_find_homes(list(texts.values()), clusters))


def _find_homes(texts: Sequence[Sequence[str]], clusters: "_Clusters") -> dict[str, str]:
    """The first text of each cluster that has several, for every text in it. texts: by the numbers in `clusters`."""
    homes: dict[str, str] = {}
    for number, cluster in enumerate(clusters.of):
        members = [text for each in cluster for text in texts[each]] if cluster[0] == number else []
        if len(members) > 1:
            homes |= dict.fromkeys(members, min(members))
    return homes


# Words


class _WordCharacters(dict[int, str]):
    """For `str.translate`: letters, marks and digits stay, apostrophes go, all else parts words."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if unicodedata.category(character)[0] not in "LMN":
            kept = "" if character in "'’" else " "
        else:
            kept = f" {character} " if unicodedata.name(character, "").startswith(UNSPACED) else character
        self[code] = kept
        return kept


_word_characters = _WordCharacters()


def words_of(normalised: str) -> set[str]:
    return set(normalised.translate(_word_characters).split())


@dataclass(frozen=True, slots=True)
class _WordSet:
    """words: numbers, the rarest first and the template's last. telling: how many are not the template's."""

    words: tuple[int, ...]
    telling: int


class _Vocabulary:
    """Numbers for words: of 100,000 prompts, texts of their own for each word would take most of the memory."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, normalised: str) -> tuple[int, ...]:
        numbers = self._numbers
        return tuple(sorted(numbers.setdefault(word, len(numbers)) for word in words_of(normalised)))

    def sort_by_rarity(self, word_sets: Sequence[tuple[int, ...]]) -> list[_WordSet]:
        counts = Counter(itertools.chain.from_iterable(word_sets))

        def is_template(number: int) -> bool:
            return counts[number] > TEMPLATE_PROMPTS and counts[number] * TEMPLATE_PART > len(word_sets)

        by_rarity = sorted((is_template(number), counts[number], number) for number in self._numbers.values())
        rank = {number: place for place, (_, _, number) in enumerate(by_rarity)}
        first_of_template = bisect_left(by_rarity, (True,))
        ranked = (tuple(sorted(rank[number] for number in numbers)) for numbers in word_sets)
        return [_WordSet(words, bisect_left(words, first_of_template)) for words in ranked]


# Resemblance


class _Clusters:
    """Disjoint sets of numbers. Each number knows its own, as that is asked for far more often than two are joined."""

    def __init__(self, count: int) -> None:
        self.of = [[number] for number in range(count)]

    def join(self, one: int, other: int) -> None:
        small, large = sorted((self.of[one], self.of[other]), key=len)
        large += small
        for number in small:
            self.of[number] = large


def _join_similar(word_sets: Sequence[_WordSet], clusters: _Clusters) -> None:
    """Join near-duplicates, smaller sets first.

    A set that resembles one of n words has more than 4n/5 of them. So their rarest common word is among the first
    n - ⌊4n/5⌋ of either, and no set of ⌊4n/5⌋ words or fewer can resemble it.
    """
    holders: dict[tuple[int, int], list[int]] = defaultdict(list)  # sets by one of their first words and their size
    by_size = sorted(range(len(word_sets)), key=lambda number: word_sets[number].telling)
    for number in tqdm(by_size, "near-duplicates", unit="prompt", delay=2, disable=None, leave=False):
        one = word_sets[number]
        size, too_small = one.telling, 4 * one.telling // 5
        first = one.words[: size - too_small]
        words, telling = set(one.words), set(one.words[:size])
        places = itertools.product(first, range(too_small + 1, size + 1))
        for candidate in set(itertools.chain.from_iterable(holders.get(place, ()) for place in places)):
            other = word_sets[candidate]
            if (
                clusters.of[candidate] is not clusters.of[number]
                and _resemble(len(telling.intersection(other.words)), size, other.telling)
                and _resemble(len(words.intersection(other.words)), len(words), len(other.words))
            ):
                clusters.join(candidate, number)
        for word in first:
            holders[word, size].append(number)


def _resemble(shared: int, one: int, other: int) -> bool:
    """Whether sets of `one` and `other` elements, `shared` of them in both, resemble each other by more than .8."""
    return 5 * shared > 4 * (one + other - shared)
