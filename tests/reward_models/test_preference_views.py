"""Preferences for other trainers: `datasets` reads each view, and it holds the same pairs and labels."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import DatasetDict, load_dataset
from django.core.management import CommandError, call_command

from annotation.records import SCHEMA_VERSION, Preference, to_dict
from reward_models.preference_views import SEPARATOR
from tests.reward_models.pairs import make_pair, make_pairs

TIED = make_pair(90, "train", votes_a=2, votes_b=2)
PAIRS = [*make_pairs(6, "train"), TIED, *make_pairs(2, "test", first=50)]
LABELLED = [pair for pair in PAIRS if pair.label]


def write_folder(folder: Path, pairs: list[Preference]) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"schema_version": SCHEMA_VERSION}))
    (folder / "preferences.jsonl").write_text("".join(json.dumps(to_dict(pair)) + "\n" for pair in pairs))
    return folder


@pytest.fixture
def convert(tmp_path: Path) -> Callable[[str], DatasetDict]:
    def make(view: str) -> DatasetDict:
        export, output = write_folder(tmp_path / "export", PAIRS), tmp_path / "view"
        call_command("convert_preferences", export, "--view", view, "--output", output)
        return load_dataset(str(output), cache_dir=str(tmp_path / "cache"))

    return make


def pairs_of(split: str) -> list[tuple[str, str | None, str | None]]:
    return [(pair.prompt, pair.chosen, pair.rejected) for pair in LABELLED if pair.split == split]


def test_the_explicit_view_reloads_to_the_same_pairs_and_labels_by_split(convert: Callable[[str], DatasetDict]) -> None:
    loaded = convert("trl-explicit")
    assert set(loaded) == {"train", "test"}, "no file for a split without pairs"
    for split, rows in loaded.items():
        assert rows.column_names == ["prompt", "chosen", "rejected"]
        assert [(row["prompt"], row["chosen"], row["rejected"]) for row in rows] == pairs_of(str(split))


def test_the_implicit_view_has_the_prompt_in_front_of_both(convert: Callable[[str], DatasetDict]) -> None:
    rows = convert("trl-implicit")["train"]
    assert rows.column_names == ["chosen", "rejected"]
    reloaded = [tuple(row[key].split(SEPARATOR) for key in ("chosen", "rejected")) for row in rows]
    assert [(chosen[0], chosen[1], rejected[1]) for chosen, rejected in reloaded] == pairs_of("train")
    assert all(chosen[0] == rejected[0] for chosen, rejected in reloaded)


def test_the_unpaired_view_labels_each_completion(convert: Callable[[str], DatasetDict]) -> None:
    rows = list(convert("trl-unpaired")["train"])
    assert [row["label"] for row in rows] == [True, False] * 6
    good, bad = rows[::2], rows[1::2]
    reloaded = [(one["prompt"], one["completion"], other["completion"]) for one, other in zip(good, bad, strict=True)]
    assert reloaded == pairs_of("train")


def test_pairs_without_a_majority_are_counted_and_left_out(
    convert: Callable[[str], DatasetDict], capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert("trl-explicit")["train"].num_rows == 6
    assert "pairs_without_majority: 1" in capsys.readouterr().out


def test_an_export_of_ties_alone_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    export = write_folder(tmp_path / "export", [TIED])
    with pytest.raises(CommandError, match="has no pair with a majority; expected some"):
        call_command("convert_preferences", export, "--view", "trl-explicit", "--output", tmp_path / "view")
    assert not (tmp_path / "view").exists()
