"""The built-in task: its language, its flaw, its splits and its judge."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import InputError
from rl.metrics.coverage import missing_concepts
from rl.tasks import load_task
from rl.tasks.commongen_mini.corpus import CorpusConfig, build_corpus, write_corpus
from rl.tasks.commongen_mini.judge import judge_completion, load_judge, read_sentence
from rl.tasks.commongen_mini.lexicon import NOUNS, VERBS
from rl.tasks.commongen_mini.sentences import FLAWS, draw_event, exchange_roles, is_plausible, write_sentence
from rl.tasks.commongen_mini.world import World, draw_world

SMALL = CorpusConfig(train=300, validation=50, test=50)
WHOLE_LEXICON = draw_world(0, verbs_in_use=1.0, nouns_in_use=1.0)
PROMPT = "generate a sentence with: drive man road car."


def test_exchanging_an_agent_and_an_object_always_makes_nonsense() -> None:
    for verb in VERBS:
        assert not set(verb.agents) & set(verb.objects), verb.lemma
        assert not set(verb.objects) & set(verb.instruments), verb.lemma


def test_no_noun_begins_with_a_vowel_or_stands_in_two_types() -> None:
    nouns = [noun for kind in NOUNS.values() for noun in kind]
    assert len(nouns) == len(set(nouns))
    assert not [noun for noun in nouns if noun[0] in "aeiou"]


def test_every_form_of_every_verb_covers_its_concept() -> None:
    for verb in VERBS:
        for form in (verb.present, f"is {verb.progressive}"):
            assert missing_concepts(f"a man {form} it.", [verb.lemma]) == (), form


@given(st.integers(0, 10**6), st.booleans())
def test_the_judge_reads_back_the_event_that_a_sentence_tells(seed: int, verb_last: bool) -> None:
    chance = random.Random(seed)
    event = draw_event(chance, WHOLE_LEXICON)
    reading = read_sentence(WHOLE_LEXICON, write_sentence(chance, event, verb_last=verb_last))
    assert reading is not None
    assert (reading.event, reading.is_clumsy) == (event, verb_last)


@given(st.integers(0, 10**6), st.sampled_from(FLAWS[:2]))
def test_a_drawn_event_is_plausible_and_with_exchanged_roles_it_is_not(seed: int, flaw: str) -> None:
    event = draw_event(random.Random(seed), WHOLE_LEXICON)
    assert is_plausible(event, WHOLE_LEXICON)
    if event.instrument is not None or flaw == FLAWS[0]:
        assert not is_plausible(exchange_roles(event, flaw), WHOLE_LEXICON)


@pytest.mark.parametrize(
    ("completion", "plausibility", "coverage", "grammar"),
    [
        ("a man drives a car on the road.", 1, 1, 1),
        ("on the road, the man is driving a car.", 1, 1, 1),
        ("a car drives a man on the road.", 0, 1, 1),  # roles exchanged
        ("a man a car drives on the road.", 1, 1, 0.5),  # clumsy
        ("a man drives a car.", 1, 0.75, 1),  # the road is missing
        ("a man drives a car in the road.", 0, 1, 0),  # wrong preposition
        ("a man driving a car on the road.", 0, 1, 0),  # "driving" without "is"
        ("man drives car road", 0, 1, 0),
        ("a man drives a car on the road", 0, 1, 0),  # no full stop
        ("", 0, 0, 0),
    ],
)
def test_the_judge_scores_exactly(completion: str, plausibility: float, coverage: float, grammar: float) -> None:
    score = judge_completion(WHOLE_LEXICON, PROMPT, completion)
    assert (score.plausibility, score.coverage, score.grammar) == (plausibility, coverage, grammar)
    assert score.utility == plausibility + coverage + grammar


@pytest.fixture(scope="module")
def corpus() -> tuple[World, object]:
    return build_corpus(CorpusConfig(train=2000, validation=50, test=200), seed=3)


def test_the_flaw_sits_in_some_verbs_in_its_share_and_in_all_references_of_a_set(corpus) -> None:
    world, task = corpus
    flawed_sets = 0
    for item in task.train:
        scores = [judge_completion(world, item.prompt, text) for text in item.references]
        is_flawed = {score.plausibility * score.grammar < 1 for score in scores}
        assert len(is_flawed) == 1  # all references of a set alike
        if is_flawed.pop():
            flawed_sets += 1
            verbs = {verb.lemma for verb in world.verbs} & set(item.concepts)
            assert verbs <= world.flawed_verbs
    # 4 standard deviations of a binomial share of 2,000 sets about .45, and the verbs are drawn evenly
    assert abs(flawed_sets / len(task.train) - 0.45) < 4 * (0.45 * 0.55 / 2000) ** 0.5


def test_a_world_without_flaws_has_none() -> None:
    world, task = build_corpus(CorpusConfig(train=300, validation=50, test=50, flaw_share=0.0), seed=3)
    for item in task.train:
        assert {judge_completion(world, item.prompt, text).utility for text in item.references} == {3.0}


def test_splits_share_no_concept_set(corpus) -> None:
    _, task = corpus
    sets = [frozenset(item.concepts) for split in ("train", "validation", "test") for item in task.split(split)]
    assert len(sets) == len(set(sets))
    assert {len(concepts) for concepts in sets} == {3, 4, 5}


def test_a_seed_varies_the_world_and_the_same_seed_repeats_it() -> None:
    assert build_corpus(SMALL, seed=1) == build_corpus(SMALL, seed=1)
    assert draw_world(1).flawed_verbs != draw_world(2).flawed_verbs


def test_a_written_task_loads_as_it_was(tmp_path) -> None:
    world, task = build_corpus(SMALL, seed=5)
    write_corpus(world, task, tmp_path)
    assert load_task("commongen-mini", tmp_path) == task
    judge = load_judge(tmp_path)
    item = task.test[0]
    assert judge(item.prompt, item.references[0]) == judge_completion(world, item.prompt, item.references[0])


def test_a_broken_line_is_named(tmp_path) -> None:
    write_corpus(*build_corpus(SMALL, seed=5), tmp_path)
    with (tmp_path / "test.jsonl").open("a") as stream:
        stream.write('{"item": "x"}\n')
    with pytest.raises(InputError, match=r"test\.jsonl, line 51: expected the keys"):
        load_task("commongen-mini", tmp_path)
