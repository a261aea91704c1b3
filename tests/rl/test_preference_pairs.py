"""Preference pairs from exports and from TRL's explicit form: what is read, what is left out, what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from annotation.errors import InputError
from annotation.records import Preference, split_of_prompt, to_dict
from rl.preference_pairs import encode_splits, load_pairs
from tests.rl.examples import write_rows
from tests.rl.tiny import build_model, build_tokenizer

PREFERENCE = Preference(
    pair="p0",
    item="i0",
    prompt="dog cat",
    completion_a="the dog runs",
    completion_b="the cat",
    system_a="x",
    system_b="y",
    votes_a=2,
    votes_b=1,
    votes_tie=0,
    votes_both_bad=0,
    label="a",
    margin=1 / 3,
    agreement=1 / 3,
    split="train",
)
OTHERS = (
    replace(PREFERENCE, pair="p1", prompt="park", label="b", split="validation"),
    replace(PREFERENCE, pair="p2", prompt="ball", split="test"),
)


def write_export(folder: Path, *preferences: Preference) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text('{"schema_version": 1}')
    rows = (json.dumps(to_dict(preference)) + "\n" for preference in preferences)
    (folder / "preferences.jsonl").write_text("".join(rows))
    return folder


def row(prompt: str = "dog cat", chosen: str = "the dog", rejected: str = "the cat") -> dict[str, str]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def test_an_export_gives_the_majoritys_choice_and_ties_are_counted(tmp_path: Path) -> None:
    tie = replace(PREFERENCE, pair="p3", label="", votes_b=2)
    loaded = load_pairs(write_export(tmp_path / "export", PREFERENCE, tie, *OTHERS))
    read = [(pair.prompt, pair.chosen, pair.rejected, pair.split) for pair in loaded.pairs]
    assert read == [
        ("dog cat", "the dog runs", "the cat", "train"),
        ("park", "the cat", "the dog runs", "validation"),
        ("ball", "the dog runs", "the cat", "test"),
    ]
    assert loaded.without_label == 1


def test_a_file_in_trls_explicit_form_is_split_by_its_prompts(tmp_path: Path) -> None:
    prompts = [f"prompt {number}" for number in range(20)]
    loaded = load_pairs(write_rows(tmp_path / "pairs.jsonl", *(row(prompt) | {"score": 3} for prompt in prompts)))
    assert [pair.split for pair in loaded.pairs] == [split_of_prompt(prompt) for prompt in prompts]
    assert (loaded.pairs[3].chosen, loaded.pairs[3].rejected) == ("the dog", "the cat")
    assert loaded.pairs[3].where.endswith("pairs.jsonl, line 4")


def test_near_duplicates_of_a_file_are_in_one_split(tmp_path: Path) -> None:
    prompts = [f"dog {number}" for number in range(20)] + [f"{number} dog" for number in range(20)]
    loaded = load_pairs(write_rows(tmp_path / "pairs.jsonl", *map(row, prompts)))
    assert [pair.split for pair in loaded.pairs] == [split_of_prompt(f"{number} dog") for number in range(20)] * 2
    assert {pair.split for pair in loaded.pairs} == {"train", "validation", "test"}


def test_pairs_are_encoded_and_those_of_the_same_tokens_left_out(tmp_path: Path) -> None:
    spaced = replace(PREFERENCE, pair="p3", completion_b="the  dog runs")
    export = write_export(tmp_path / "export", PREFERENCE, spaced, *OTHERS)
    encoded = encode_splits(load_pairs(export), export, [build_model("gpt2")], build_tokenizer())
    (pair,) = encoded.train
    assert pair.chosen.prompt == pair.rejected.prompt == (3, 4)
    assert (pair.chosen.response, pair.rejected.response) == ((8, 3, 11, 1), (8, 4, 1))
    assert encoded.left_out == {"without_label": 0, "same_tokens": 1, "test_split": 1}


def test_an_empty_completion_can_be_rejected(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", replace(PREFERENCE, completion_b=""), *OTHERS)
    encoded = encode_splits(load_pairs(export), export, [build_model("t5")], build_tokenizer())
    assert encoded.train[0].rejected.response == (1,)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ('{"prompt": "x", ', r"pairs\.jsonl, line 2 is not valid JSON"),
        ("", r"pairs\.jsonl, line 2 is not valid JSON"),
        ([1, 2], "line 2: expected an object with prompt, chosen and rejected, found list"),
        ({"prompt": "x", "chosen": "y"}, "line 2: the key 'rejected' is missing"),
        (row() | {"chosen": [{"role": "user"}]}, "line 2: chosen: expected text, found"),
        (row(prompt=" "), "line 2: prompt is empty; expected text"),
        (row(chosen=""), "line 2: chosen is empty; expected text"),
        (row(rejected="the dog"), "line 2: chosen and rejected are the same text"),
    ],
)
def test_a_bad_row_is_named_with_its_line(bad: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        load_pairs(write_rows(tmp_path / "pairs.jsonl", row(), bad))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"completion_a": ""}, "export, pair 'p0': chosen is empty"),
        ({"completion_b": "the dog runs"}, "export, pair 'p0': chosen and rejected are the same text"),
        ({"prompt": "park"}, "export, pair 'p1': its prompt is in the train and the validation split"),
        ({"label": "c"}, "label: expected one of"),
    ],
)
def test_a_bad_pair_of_an_export_is_named(changes: dict[str, str], sentence: str, tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", PREFERENCE, *OTHERS)
    rows = [to_dict(PREFERENCE) | changes, *map(to_dict, OTHERS)]
    write_rows(export / "preferences.jsonl", *rows)
    with pytest.raises(InputError, match=sentence):
        load_pairs(export)


def test_a_source_without_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent: no such file or folder; expected an export"):
        load_pairs(tmp_path / "absent")
    with pytest.raises(InputError, match=r"pairs\.jsonl holds no preference pair"):
        load_pairs(write_rows(tmp_path / "pairs.jsonl"))
    with pytest.raises(InputError, match=r"export holds no preference pair \(1 without a majority\)"):
        load_pairs(write_export(tmp_path / "export", replace(PREFERENCE, label="")))


def test_a_split_without_a_usable_pair_is_named(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", PREFERENCE, OTHERS[1])
    with pytest.raises(InputError, match="has no usable pair in its validation split"):
        encode_splits(load_pairs(export), export, [build_model("t5")], build_tokenizer())


def test_a_pair_longer_than_the_window_is_named(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", replace(PREFERENCE, completion_b="dog " * 70), *OTHERS)
    with pytest.raises(
        InputError, match=r"export, pair 'p0', rejected: 2 prompt tokens and 71 response tokens need 73"
    ):
        encode_splits(load_pairs(export), export, [build_model("gpt2")], build_tokenizer())
