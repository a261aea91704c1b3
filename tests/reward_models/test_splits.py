"""Splits of what a reward model learns from: near-duplicate prompts in one, drawn so or refused."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotation.errors import InputError
from annotation.records import SCHEMA_VERSION, SPLITS, Comparison, Preference, aggregate_preferences, split_of_prompt
from reward_models.dataset import NearDuplicates, split_pairs
from reward_models.pair_sources import read_pairs
from tests.reward_models.pairs import make_pair, make_pairs
from tests.reward_models.test_preference_views import write_folder

WORDS = "which three books about the history of sailing would you give to a curious child"
PAIRS = [*make_pairs(6, "train"), *make_pairs(3, "validation", first=40), *make_pairs(3, "test", first=50)]


def variant_in(split: str) -> str:
    """A near-duplicate of WORDS that would be in `split` by itself."""
    return next(prompt for n in range(99) if split_of_prompt(prompt := f"{WORDS} of {n}") == split)


VARIANTS = {split: variant_in(split) for split in SPLITS}


def pair_of(prompt: str, split: str) -> Preference:
    return replace(make_pair(77, split), pair=f"{prompt} in {split}", prompt=prompt)


def with_variants(*splits: str) -> list[Preference]:
    return [*PAIRS, *(pair_of(VARIANTS[split], split) for split in splits)]


# Drawn


def test_preferences_of_near_duplicates_share_the_split_of_the_first_of_them() -> None:
    votes = [
        Comparison(
            campaign="c", hit=prompt, item=prompt, pair=prompt, prompt=prompt, completion_a="x", completion_b="y",
            system_a="s", system_b="t", left="a", choice="a", strength=None, worker="w", assignment=prompt, kind="work",
            excluded="", active_seconds=1.0, submitted_on="2026-11-29",
        )
        for prompt in (*VARIANTS.values(), "something else")
    ]  # fmt: skip
    *variants, other = aggregate_preferences(votes)
    assert {pair.split for pair in variants} == {split_of_prompt(min(VARIANTS.values()))}
    assert other.split == split_of_prompt("something else")
    assert aggregate_preferences(votes[::-1]) == [other, *variants[::-1]]


@pytest.fixture
def write_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A folder with a file for each split, whose prompts are given."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")

    def write(**prompts: list[str]) -> Path:
        folder = tmp_path / "table"
        folder.mkdir()
        for split, texts in prompts.items():
            rows = (json.dumps({"prompt": text, "chosen": "x", "rejected": "y"}) + "\n" for text in texts)
            (folder / f"{split}.jsonl").write_text("".join(rows))
        return folder

    return write


def test_splits_drawn_from_a_table_have_near_duplicates_together(write_table: Callable[..., Path]) -> None:
    others = [f"prompt {number}" for number in range(40)]
    source = read_pairs(write_table(train=[*VARIANTS.values(), *others]))
    assert {pair.split for pair in source.preferences[:3]} == {split_of_prompt(min(VARIANTS.values()))}
    assert [pair.split for pair in source.preferences[3:]] == [split_of_prompt(prompt) for prompt in others]
    assert source.is_clustered
    assert source.description.endswith("; near-duplicate prompts 3, clusters of them 1, the largest 3")
    split_pairs(source.preferences)


def test_beside_a_test_split_near_duplicates_in_the_train_split_stay_together(write_table: Callable[..., Path]) -> None:
    others = [f"prompt {number}" for number in range(40)]
    source = read_pairs(write_table(train=[*VARIANTS.values(), *others], test=["another"]))
    drawn = [split_of_prompt(prompt) for prompt in (*[min(VARIANTS.values())] * 3, *others)]
    expected = ["validation" if split == "validation" else "train" for split in drawn]
    assert [pair.split for pair in source.preferences] == [*expected, "test"]
    assert not source.is_clustered


# Given


@pytest.mark.parametrize("one, other", [("train", "test"), ("train", "validation"), ("validation", "test")])
def test_near_duplicates_in_two_splits_are_refused_with_both_prompts_and_what_to_do(one: str, other: str) -> None:
    with pytest.raises(InputError) as refusal:
        split_pairs(with_variants(one, other))
    assert str(refusal.value) == (
        f"prompt {VARIANTS[one]!r} in the {one} split and prompt {VARIANTS[other]!r} in the {other} split are "
        "near-duplicates; expected them in one split: --near-duplicates leave-out trains without such pairs of the "
        "earlier split, allow with them."
    )


def test_a_refusal_shows_the_beginning_of_a_long_prompt() -> None:
    long = " ".join(f"word{number}" for number in range(100))
    with pytest.raises(InputError, match=rf"prompt '{long[:200]}…' in the train split and prompt '{long[:200]}…' in"):
        split_pairs([*PAIRS, pair_of(f"{long} one", "train"), pair_of(f"{long} two", "test")])


def test_pairs_of_no_use_make_no_leak_but_may_connect_two_that_do() -> None:
    unvoted = {"votes_a": 0, "votes_b": 0, "votes_both_bad": 3, "label": ""}
    split_pairs([*with_variants("train"), replace(pair_of(VARIANTS["test"], "test"), **unvoted)])
    words = WORDS.split()
    chain = [" ".join([*(f"new{n}" for n in range(changed)), *words[changed:]]) for changed in range(3)]
    ends = [*PAIRS, pair_of(chain[0], "train"), pair_of(chain[2], "test")]
    split_pairs(ends)
    with pytest.raises(InputError, match="are near-duplicates"):
        split_pairs([*ends, replace(pair_of(chain[1], "train"), **unvoted)])


def test_left_out_are_the_pairs_of_earlier_splits_so_that_the_test_split_stays() -> None:
    pairs = [*with_variants(*SPLITS), pair_of("hello there", "train"), pair_of("there, hello", "validation")]
    assert split_pairs(pairs[::-1], "leave-out").train == split_pairs(pairs, "leave-out").train[::-1]
    splits = split_pairs(pairs, "leave-out")
    assert splits.test == tuple(pair for pair in pairs if pair.split == "test")
    left_out = set(pairs) - {*splits.train, *splits.validation, *splits.test}
    assert {pair.pair for pair in left_out} == {
        f"{VARIANTS['train']} in train",
        f"{VARIANTS['validation']} in validation",
        "hello there in train",
    }
    assert splits.left_out == {"whose prompt has a near-duplicate in a later split": 3}
    assert split_pairs(PAIRS, "leave-out").left_out == {}


def test_leaving_out_may_leave_nothing_and_says_why() -> None:
    pairs = [*make_pairs(3, "validation", first=40), *(pair_of(VARIANTS[split], split) for split in ("train", "test"))]
    with pytest.raises(InputError, match="in the train split; expected some in each of three; 1 left out, whose"):
        split_pairs(pairs, "leave-out")


def test_near_duplicates_may_be_allowed_and_equal_prompts_may_not() -> None:
    splits = split_pairs(with_variants(*SPLITS), "allow")
    assert Counter(len(pairs) for pairs in (splits.train, splits.validation, splits.test)) == {7: 1, 4: 2}
    twice = [*PAIRS, pair_of(WORDS, "train"), pair_of(WORDS.upper(), "test")]
    handlings: tuple[NearDuplicates, ...] = ("allow", "refuse")
    for handling in handlings:
        with pytest.raises(InputError, match="is in the train and the test split; expected each prompt in one"):
            split_pairs(twice, handling)
    assert len(split_pairs(twice, "leave-out").train) == 6


# The command


def train(export: Path, base: Path, output: Path, *options: str) -> None:
    call_command("train_reward_model", export, "--base-model", base, "--epochs", "1", "--output", output, *options)


def test_the_command_refuses_unless_told_otherwise(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = write_folder(tmp_path / "export", with_variants("train", "test"))
    with pytest.raises(CommandError, match="are near-duplicates; expected them in one split") as refusal:
        train(export, base, tmp_path / "run")
    assert refusal.value.returncode == 2
    assert not list(tmp_path.glob("run*"))
    train(export, base, tmp_path / "run", "--near-duplicates", "leave-out")
    assert "1 pair left out, whose prompt has a near-duplicate in a later split." in capsys.readouterr().err
    assert "near_duplicates: leave-out" in (tmp_path / "run/config.yaml").read_text()
    train(export, base, tmp_path / "other", "--near-duplicates", "allow")


def test_an_export_that_kept_near_duplicates_together_is_taken_at_its_word(base: Path, tmp_path: Path) -> None:
    """It looked at all items of its campaign, and what words are a template may look otherwise to a part of them."""
    export = write_folder(tmp_path / "export", with_variants("train", "test"))
    described = {"clusters": 0, "prompts": 0, "largest": 0}
    manifest = {"schema_version": SCHEMA_VERSION, "near_duplicates": described}
    (export / "manifest.json").write_text(json.dumps(manifest))
    assert read_pairs(export).is_clustered
    train(export, base, tmp_path / "run")
