"""METEOR against nltk, the stemmer against nltk's, coverage and diversity."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from nltk.stem.porter import PorterStemmer
from nltk.translate.meteor_score import meteor_score

from rl.metrics.coverage import count_missing, missing_concepts
from rl.metrics.diversity import distinct
from rl.metrics.meteor import align, count_chunks, meteor, meteor_of_words, split_words
from rl.metrics.porter import stem

ORIGINAL = PorterStemmer(mode=PorterStemmer.ORIGINAL_ALGORITHM)
ROOTS = """
relate conditional rational valence hesitance digitize conform radical different vile analogous vietnam predicate
operate feudal decisive hope callous formal sensitive triplicate form electric good revive allow infer airline
gyroscope adjust defensible irritate replace depend adopt homologous commune activate angular effect bowdler
probate rate cease control roll happy sky caress pony tie cat feed agree plaster bleed motor sing conflate trouble
size hop tan fall hiss fizz fail file toy syzygy play enjoy dog chase throw box fly baby woman lie snow wax
"""
SUFFIXES = """
s es ed ing er ers ly ness ful fulness able ably ability al ally ation ational ations ator ative ize ized izer
izing ization ism alism ive iveness ivity ous ously ousness ence ency ance ancy ent ently ant ment ement ion ate
icate ical ic icity y eed ies sses eli ement ll e bli abli biliti logi
"""


class EmptyWordNet:
    """A WordNet without synonyms."""

    def synsets(self, _: str) -> list[object]:
        return []


def nltk_meteor(words: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    return meteor_score(references, words, stemmer=ORIGINAL, wordnet=EmptyWordNet())


def test_the_stemmer_agrees_with_nltks_faithful_one() -> None:
    roots, suffixes = ROOTS.split(), SUFFIXES.split()
    words = {root + suffix for root in roots for suffix in ("", *suffixes)}
    words |= {root.rstrip("ey") + suffix for root in roots for suffix in suffixes}
    words |= {root + first + second for root in roots[:6] for first in suffixes for second in suffixes}
    assert len(words) > 20_000
    assert {word: stem(word) for word in words} == {word: ORIGINAL.stem(word) for word in words}


def test_the_stemmer_agrees_on_random_letters() -> None:
    chance = random.Random(0)
    words = {"".join(chance.choices("aeiouybstlngdzw", k=chance.randint(1, 9))) for _ in range(5000)}
    assert {word: stem(word) for word in words} == {word: ORIGINAL.stem(word) for word in words}


def test_meteor_agrees_with_nltk_on_random_sentences() -> None:
    chance = random.Random(1)
    words = split_words("the a dog dogs chase chases chasing ball balls in park . throw throwing thrown")
    for _ in range(1000):
        hypothesis = chance.choices(words, k=chance.randint(1, 14))
        references = [chance.choices(words, k=chance.randint(1, 14)) for _ in range(chance.randint(1, 3))]
        expected = nltk_meteor(hypothesis, references)
        found = max(meteor_of_words(hypothesis, reference) for reference in references)
        assert found == pytest.approx(expected, abs=1e-12)


def test_meteor_of_a_worked_example() -> None:
    """3 matches of 4 words and of 3: P = 3/4, R = 1, F = .75/(.9·.75 + .1) = 30/31; 2 chunks: 1 − .5·(2/3)³."""
    assert meteor("the dog quickly runs", ["the dog runs"]) == pytest.approx(30 / 31 * (1 - 0.5 * (2 / 3) ** 3))


def test_meteor_takes_the_best_reference_and_is_0_without_one() -> None:
    assert meteor("a dog", ["a cat sleeps", "a dog"]) == meteor("a dog", ["a dog"]) > meteor("a dog", ["a cat sleeps"])
    assert meteor("a dog", []) == 0
    assert meteor("", ["a dog"]) == 0


def test_meteor_splits_punctuation_and_ignores_case() -> None:
    assert split_words("The dog's ball, thrown.") == ("the", "dog", "'", "s", "ball", ",", "thrown", ".")
    assert meteor("A DOG RUNS.", ["a dog runs ."]) == meteor("a dog runs.", ["a dog runs."])


def test_chunks_are_runs_adjacent_on_both_sides() -> None:
    assert count_chunks(align("abcd", "cdab")) == 2
    assert count_chunks(align("abc", "abc")) == 1
    assert count_chunks([(0, 2), (1, 1), (2, 0)]) == 3


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("The dogs were chasing a ball.", ("dog", "chase", "ball")),
        ("A boy crosses the street and fixes his hair.", ("cross", "fix", "boy")),
        ("She is painting; he was drawing, running and lying.", ("paint", "draw", "run", "lying")),
        ("The women threw knives", ("woman", "throw", "knife")),
        ("He wears goggles indoors.", ("goggle", "wear", "indoor")),
        ("a giraffe in an enclosure", ("giraffes", "enclosure")),
    ],
)
def test_inflected_words_cover_their_concepts(text: str, concepts: tuple[str, ...]) -> None:
    assert missing_concepts(text, concepts) == ()


def test_what_no_word_is_a_form_of_is_missing() -> None:
    assert missing_concepts("The cat sat in the category.", ("dog", "sit", "cat", "park")) == ("dog", "park")
    assert count_missing("", ("dog", "park")) == 2
    assert count_missing("anything", ()) == 0
    assert count_missing("a bus, being glass", ("bu", "bee")) == 2


def test_distinct_counts_over_all_texts() -> None:
    assert distinct(["a b a", "a b"], 1) == 2 / 5
    assert distinct(["a b a", "a b"], 2) == 2 / 3
    assert distinct(["a"], 2) == 0


def test_runtime_metrics_do_not_import_nltk() -> None:
    for module in Path(__file__).parents[2].joinpath("rl").rglob("*.py"):
        assert "import nltk" not in module.read_text(encoding="utf-8"), module
        assert "from nltk" not in module.read_text(encoding="utf-8"), module
