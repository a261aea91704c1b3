"""Prompts that are all but the same: found exactly, joined through others, and told apart where one word matters."""

import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate, combinations, permutations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from annotation.near_duplicates import PromptClusters, cluster_prompts, normalise_prompt
from rl.tasks.commongen import format_prompt
from rl.tasks.commongen_mini.corpus import CorpusConfig, build_corpus

LONG = "Which three books about the history of sailing would you give to a curious child of ten years"
CONCEPTS = [f"concept{number}" for number in range(40)]


def windows(size: int) -> list[list[str]]:
    """Forty sets of concepts, each of which shares all but one with the next."""
    return [[*CONCEPTS, *CONCEPTS][start : start + size] for start in range(len(CONCEPTS))]


SETS = [format_prompt(concepts) for concepts in windows(4)]


def unrelated(count: int) -> list[str]:
    """Prompts that share no word, so that none is a template."""
    return [f"tell{n} me{n} about{n} number{n}" for n in range(count)]


def joined(one: str, other: str, among: Iterable[str] = ()) -> bool:
    clusters = cluster_prompts([one, other, *among])
    return clusters.home_of(one) == clusters.home_of(other)


# What counts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is the lake?", "  where IS\tthe lake"),
        ("Where is the lake?", "“Where is the lake” …"),
        ("Don’t stop — now", "dont stop now"),
        ("ball dog park run", "run park dog ball"),
        ("very, very long", "very long"),
        ("Ｗｈｉｃｈ Straße?", "which STRASSE"),
        ("caf\u00e9 in Paris", "cafe\u0301 in paris"),
        (LONG, LONG.replace("sailing", "sialing")),
        (LONG, LONG.replace("would you give", "give")),
        (LONG, f"Please: {LONG}, or twelve?"),
        ("我想学习怎么做好吃的中国菜", "我想学习怎么做好吃的中国菜吗"),
    ],
)
def test_a_typo_an_order_or_a_few_words_make_no_other_prompt(one: str, other: str) -> None:
    assert joined(one, other)
    assert joined(one, other, unrelated(100))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the capital of France?", "What is the capital of Spain?"),
        ("Where is the lake?", "Where is a lake?"),
        ("dog park run", "dog park run ball"),
        ("a b c d", "a b c d e"),
        (LONG, LONG.replace("sailing", "flying").replace("history", "physics")),
        ("उसका घर", "उसकी घर"),  # they differ in a mark
        ("???", "!!!"),
        ("", "?"),
        ("我想学习怎么做菜", "我想学习怎么画画"),
    ],
)
def test_of_few_words_each_makes_another_prompt(one: str, other: str) -> None:
    assert not joined(one, other)
    assert not joined(one, other, unrelated(100))


def test_one_word_of_ten_is_too_little_and_one_of_nine_is_not() -> None:
    """9/11 and 8/10 are resemblances above .8 and not above."""
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    assert joined(" ".join([*words, "ten"]), " ".join([*words, "eleven"]))
    assert not joined(" ".join([*words[:8], "ten"]), " ".join([*words[:8], "eleven"]))


def test_a_template_does_not_count_whatever_its_length() -> None:
    long = f"{LONG}, which they then retell with these words: "
    for prompts in (SETS, [long + prompt for prompt in SETS]):
        assert cluster_prompts(prompts).homes == {}


def test_the_same_concepts_in_another_order_are_one_prompt() -> None:
    orders = [format_prompt(order) for order in permutations(CONCEPTS[:4])]
    clusters = cluster_prompts([*SETS, *orders])
    assert clusters.describe() == {"clusters": 1, "prompts": 24, "largest": 24}
    assert set(clusters.homes) == {normalise_prompt(prompt) for prompt in orders}


def test_templates_side_by_side_are_each_seen() -> None:
    templates = ("Write a short funny story for children about a {} and a {}",
                 "Give me five good reasons why every town should have a {} or a {}",
                 "Summarize all that is known today of the first {} and the last {}")  # fmt: skip
    prompts = [text.format(*pair) for text in templates for pair in windows(2)]
    assert cluster_prompts(prompts).homes == {}


def test_a_word_is_a_template_above_ten_prompts_and_above_a_tenth_of_them() -> None:
    """Prompts of twelve words, nine in all of them: near-duplicates as long as the nine count."""
    template = "one two three four five six seven eight nine ten eleven"

    def largest(variants: int, others: int) -> int:
        prompts = [f"{template} variant{number}" for number in range(variants)]
        return cluster_prompts([*prompts, *unrelated(others)]).describe()["largest"]

    assert largest(10, 0) == 10
    assert largest(11, 0) == 0
    assert largest(20, 180) == 20  # a tenth
    assert largest(20, 179) == 0  # more


def test_what_is_alike_only_in_its_telling_words_is_not_alike() -> None:
    """Both conditions count: these share all that tells them from the others, but ask something else."""
    templates = ("what is {}", "how does it end for {}")
    prompts = [text.format(word) for text in templates for word in CONCEPTS]
    assert not joined(*(text.format("rice") for text in templates), prompts)
    assert joined("what is rice", "is rice what", prompts)


# Clusters


def test_near_duplicates_are_joined_through_others_and_the_largest_cluster_shows() -> None:
    words = LONG.split()
    chain = [" ".join([*(f"new{n}" for n in range(changed)), *words[changed:]]) for changed in range(len(words) + 1)]
    clusters = cluster_prompts([*chain, *unrelated(200), "Hello there", "there, hello!"])
    assert len({clusters.home_of(prompt) for prompt in chain}) == 1
    assert not joined(chain[0], chain[-1])
    assert clusters.describe() == {"clusters": 2, "prompts": len(chain) + 2, "largest": len(chain)}


def test_a_prompt_without_near_duplicates_stands_for_itself() -> None:
    clusters = cluster_prompts([" A  dog", "A DOG", "cat"])
    assert clusters.homes == {}
    assert clusters.home_of("a   Dog") == "a dog"
    assert clusters.home_of("never seen") == "never seen"
    assert PromptClusters({}).describe() == {"clusters": 0, "prompts": 0, "largest": 0}


# Against brute force


def resemblance(one: set[str], other: set[str]) -> Fraction:
    return Fraction(len(one & other), len(one | other)) if one | other else Fraction(0)


def homes_by_brute_force(prompts: Sequence[str]) -> dict[str, str]:
    """Every pair compared by the definition, and whatever is connected walked through."""
    words = {prompt: set(prompt.split()) for prompt in prompts}
    distinct = {frozenset(found) for found in words.values() if found}
    holders = Counter(word for found in distinct for word in found)
    common = {
        word for word, count in holders.items() if count > 10 and Fraction(count, len(distinct)) > Fraction(1, 10)
    }
    telling = {prompt: found - common for prompt, found in words.items()}
    near: dict[str, set[str]] = {prompt: set() for prompt in prompts}
    for one, other in combinations(near, 2):
        same = words[one] == words[other] and words[one]
        scores = [resemblance(kind[one], kind[other]) for kind in (words, telling)]
        if same or min(scores) > Fraction(4, 5):
            near[one].add(other)
            near[other].add(one)
    homes = {}
    for prompt in near:
        reached, waiting = {prompt}, [prompt]
        while waiting:
            found = near[waiting.pop()] - reached
            reached |= found
            waiting += found
        if len(reached) > 1:
            homes[prompt] = min(reached)
    return homes


@st.composite
def related_prompts(draw: st.DrawFn) -> list[str]:
    """A few prompts and variants of them: words dropped, exchanged, added or reordered; some behind a template."""
    words = st.sampled_from([f"w{number}" for number in range(draw(st.integers(2, 40)))])
    template = draw(st.lists(words, max_size=8))
    prompts = draw(st.lists(st.lists(words, max_size=14), min_size=1, max_size=12))
    for _ in range(draw(st.integers(0, 25))):
        variant = list(draw(st.sampled_from(prompts)))
        place = draw(st.integers(0, len(variant)))
        variant[place : place + draw(st.integers(0, 2))] = draw(st.lists(words, max_size=2))
        prompts.append(draw(st.permutations(variant)) if draw(st.booleans()) else variant)
    return [" ".join([*template * draw(st.booleans()), *prompt]) for prompt in prompts]


@given(related_prompts())
@example([f"w1 w2 w{number}" for number in range(30)])
def test_it_finds_what_comparing_every_pair_finds(prompts: list[str]) -> None:
    expected = homes_by_brute_force(sorted({prompt.strip() for prompt in prompts}))
    assert cluster_prompts(prompts).homes == expected


@given(related_prompts(), st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_changes_a_cluster(prompts: list[str], chance: random.Random) -> None:
    again = [*prompts, *chance.choices(prompts, k=3)]
    chance.shuffle(again)
    assert cluster_prompts(again) == cluster_prompts(prompts)


def test_five_hundred_prompts_of_natural_lengths_agree_with_brute_force() -> None:
    """Larger than what Hypothesis draws, so that rare words are rare; a fifth are variants of others."""
    prompts = draw_prompts(random.Random(1), 500)
    clusters = cluster_prompts(prompts)
    assert clusters.homes == homes_by_brute_force(sorted(set(prompts)))
    assert clusters.describe()["clusters"] > 20


def draw_prompts(chance: random.Random, count: int) -> list[str]:
    """Prompts of 4 to 30 words of a vocabulary that obeys Zipf's law; a fifth are others with a word exchanged."""
    vocabulary = [f"w{number}" for number in range(50_000)]
    weights = list(accumulate(1 / (number + 2.7) for number in range(50_000)))
    texts = [chance.choices(vocabulary, cum_weights=weights, k=chance.randint(4, 30)) for _ in range(count * 4 // 5)]
    for _ in range(count // 5):
        variant = list(chance.choice(texts))
        variant[chance.randrange(len(variant))] = chance.choice(vocabulary)
        texts.append(variant)
    return [" ".join(words) for words in texts]


# What is at stake


@pytest.mark.parametrize("seed", [0, 1])
def test_no_two_prompts_of_the_demo_are_near_duplicates(seed: int) -> None:
    _, task = build_corpus(CorpusConfig(), seed)
    prompts = [item.prompt for item in (*task.train, *task.validation, *task.test)]
    assert len(prompts) == 7500
    assert cluster_prompts(prompts).homes == {}
    assert cluster_prompts([item.prompt for item in task.test[:40]]).homes == {}


@pytest.mark.slow
def test_a_hundred_thousand_prompts_take_seconds() -> None:
    prompts = draw_prompts(random.Random(0), 100_000)
    started = time.process_time()
    clusters = cluster_prompts(prompts)
    seconds = time.process_time() - started
    print(f"{len(prompts):,} prompts: {seconds:.1f} CPU-seconds, {clusters.describe()}")
    assert seconds < 30, "about 4 on the machine of docs/benchmarks.md; quadratic time would be hours"
