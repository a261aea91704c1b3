"""Cells that are no text, no count or no verdict are refused with file, row and column, whatever the layout."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.errors import InputError
from reward_models.pair_sources import read_pairs
from tests.reward_models.pairs import make_pair
from tests.reward_models.test_preference_views import write_folder

VOTES = {"pair": "p", "prompt": "say red", "completion_a": "x", "completion_b": "y", "votes_a": 1, "votes_b": 0}
TRL = {"prompt": "say red", "chosen": "x", "rejected": "y"}
MESSAGES = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}]
IMPLICIT = {"chosen": MESSAGES, "rejected": [MESSAGES[0], {"role": "assistant", "content": "y"}]}
UNPAIRED = {"prompt": "p", "completion": "x", "label": True}
HH = {"chosen": "\n\nHuman: p\n\nAssistant: x", "rejected": "\n\nHuman: p\n\nAssistant: y"}
SHP = {"history": "p", "human_ref_A": "x", "human_ref_B": "y", "labels": 1}
MULTIPREF = {"text": "p", "completion_a": "x", "completion_b": "y", "overall_pref": "Tie"}
LISTED = {**MULTIPREF, "overall_pref": None, "annotations": [{"overall_pref": "Tie"}]}
WHOLE, TRUTH, LIST = "a whole number of at least 0", "true or false, or 1 or 0", "a list of objects"


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("row", "column", "value", "expected", "found"),
    [
        (VOTES, "prompt", None, "a text", "nothing"),
        (VOTES, "prompt", 5, "a text", "5"),
        (VOTES, "completion_a", ["x"], "a text", "['x']"),
        (VOTES, "completion_b", 1.5, "a text", "1.5"),
        (VOTES, "completion_b", "\ud800", "a text", "'\\ud800'"),
        (VOTES, "votes_a", -1, WHOLE, "-1"),
        (VOTES, "votes_a", 1.5, WHOLE, "1.5"),
        (VOTES, "votes_b", "many", WHOLE, "'many'"),
        (VOTES, "votes_b", True, WHOLE, "True"),
        (VOTES, "votes_b", None, WHOLE, "nothing"),
        (VOTES, "votes_b", float("inf"), WHOLE, "inf"),
        (VOTES, "votes_b", 10**400, WHOLE, "1" + 59 * "0" + "…"),
        (VOTES, "votes_tie", "-1", WHOLE, "'-1'"),
        (VOTES, "votes_both_bad", [], WHOLE, "[]"),
        (VOTES, "pair", ["p"], "a text or a number", "['p']"),
        (VOTES, "system_a", True, "a text or a number", "True"),
        (TRL, "prompt", None, "a text", "nothing"),
        (TRL, "chosen", None, "a text", "nothing"),
        (TRL, "chosen", [], "a text or at least one message", "[]"),
        (TRL, "rejected", [{"role": "assistant"}], "messages with texts as content", "[{'role': 'assistant'}]"),
        (TRL, "rejected", ["x"], "messages with texts as content", "['x']"),
        (TRL, "prompt", [*MESSAGES, {"content": "x"}], "messages with texts as role and content",
         f"{str([*MESSAGES, None])[:60]}…"),
        (TRL, "margin", "lots", "a number", "'lots'"),
        (TRL, "margin", float("nan"), "a number", "nan"),
        (IMPLICIT, "rejected", None, "a text", "nothing"),
        (IMPLICIT, "rejected", "x", "messages, as chosen is", "'x'"),
        (UNPAIRED, "label", "good", TRUTH, "'good'"),
        (UNPAIRED, "label", None, TRUTH, "nothing"),
        (UNPAIRED, "label", 2, TRUTH, "2"),
        (UNPAIRED, "completion", [], "a text or at least one message", "[]"),
        (HH, "rejected", None, "a text", "nothing"),
        (SHP, "labels", "x", TRUTH, "'x'"),
        (SHP, "history", None, "a text", "nothing"),
        (SHP, "human_ref_B", 3, "a text", "3"),
        (MULTIPREF, "overall_pref", None, "A-is-…, B-is-… or Tie", "nothing"),
        (LISTED, "annotations", "Tie", LIST, "'Tie'"),
        (LISTED, "annotations", ["Tie"], LIST, "['Tie']"),
        (LISTED, "completion_b", None, "a text", "nothing"),
    ],
)  # fmt: skip
def test_a_cell_that_is_not_what_its_column_holds_is_refused(
    row: dict[str, Any], column: str, value: Any, expected: str, found: str, tmp_path: Path
) -> None:
    good = {key: f"{cell} 1" if key in ("pair", "prompt", "text", "history") else cell for key, cell in row.items()}
    path = write_rows(tmp_path / "pairs.jsonl", [good, {**row, column: value}])
    with pytest.raises(InputError) as refusal:
        read_pairs(path)
    assert str(refusal.value) == f"{path}, row 2: {column}: expected {expected}, found {found}."


def test_a_column_that_a_later_row_lacks_is_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "pairs.jsonl", [TRL, {"prompt": "p", "chosen": "x"}])
    with pytest.raises(InputError, match=r"pairs\.jsonl, row 2: rejected: expected a text, found nothing\."):
        read_pairs(path)


def test_a_judgment_in_a_list_is_named_by_its_place_there(tmp_path: Path) -> None:
    said = [{"overall_pref": "Tie"}, {"overall_pref": "meh"}]
    path = write_rows(tmp_path / "pairs.jsonl", [{**LISTED, "annotations": said}])
    with pytest.raises(InputError, match=r"row 1: annotations 2: overall_pref: expected A-is-…, B-is-… or Tie, found"):
        read_pairs(path)


def test_transcripts_need_a_turn_in_common_and_the_row_is_named(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "pairs.jsonl", [HH, {**HH, "rejected": "no"}])
    with pytest.raises(InputError, match=r"pairs\.jsonl, row 2: chosen and rejected share no 'Assistant:' turn"):
        read_pairs(path)


def test_texts_that_may_be_empty_are(tmp_path: Path) -> None:
    """An empty completion is a pair, which nobody can learn from or judge, and no broken file."""
    (pair,) = read_pairs(write_rows(tmp_path / "a.jsonl", [{**VOTES, "prompt": "", "completion_b": ""}])).preferences
    assert (pair.prompt, pair.completion_b) == ("", "")
    (pair,) = read_pairs(write_rows(tmp_path / "b.jsonl", [{**TRL, "prompt": [], "rejected": ""}])).preferences
    assert (pair.prompt, pair.chosen, pair.rejected) == ("", "x", "")


@pytest.mark.parametrize(
    ("written", "read"), [(3, 3), (3.0, 3), ("3", 3), ("3.0", 3), (0, 0)], ids=lambda value: repr(value)
)
def test_whole_numbers_count_as_numbers_and_as_texts(written: Any, read: int, tmp_path: Path) -> None:
    (pair,) = read_pairs(write_rows(tmp_path / "pairs.jsonl", [{**VOTES, "votes_a": written}])).preferences
    assert (pair.votes_a, pair.votes_tie) == (read, 0)


def test_a_csv_of_votes_reads_its_numbers_and_leaves_its_texts(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(
        "pair,prompt,completion_a,completion_b,votes_a,votes_b,votes_tie\n7,p,NA,None,2,1,\n8,q,1,2,0,3.0,4\n"
    )
    one, other = read_pairs(path).preferences
    assert (one.pair, one.completion_a, one.completion_b, one.votes_a, one.votes_b) == ("7", "NA", "None", 2, 1)
    assert (other.completion_a, other.votes_b, other.votes_tie, one.votes_tie) == ("1", 3, 4, 0)


@pytest.mark.parametrize("labels", [("True", "False"), ("true", "false"), ("1", "0"), ("1.0", "0.0")])
def test_a_csv_of_labels_reads_false_as_false(labels: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"prompt,completion,label\np,x,{labels[0]}\np,y,{labels[1]}\n")
    (pair,) = read_pairs(path).preferences
    assert (pair.chosen, pair.rejected) == ("x", "y")


def test_labels_that_pair_nothing_are_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "labels.jsonl", [UNPAIRED, UNPAIRED])
    with pytest.raises(InputError, match=r"labels\.jsonl holds no pair; expected some to learn from"):
        read_pairs(path)


# Ids


def test_an_id_stands_for_one_pair(tmp_path: Path) -> None:
    rows = [{**VOTES, "prompt": prompt} for prompt in ("say red", "say blue")]
    path = write_rows(tmp_path / "pairs.jsonl", rows)
    with pytest.raises(InputError) as refusal:
        read_pairs(path)
    assert str(refusal.value) == f"{path}, row 2: the pair 'p' is in {path}, row 1 too; expected each once."


def test_an_id_stands_for_one_pair_across_splits_and_0_is_one(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_rows(tmp_path / f"{split}.jsonl", [{**VOTES, "pair": 0}])
    with pytest.raises(InputError, match=r"test\.jsonl, row 1: the pair '0' is in .*train\.jsonl, row 1 too"):
        read_pairs(tmp_path)


def test_comparisons_without_an_id_are_pairs_each_in_every_split(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        write_rows(tmp_path / f"{split}.jsonl", [MULTIPREF, {**LISTED, "text": "q"}])
    pairs = read_pairs(tmp_path).preferences
    assert len({pair.pair for pair in pairs}) == 6 and all(pair.votes_tie == 1 for pair in pairs)


def test_a_comparison_is_of_one_pair(tmp_path: Path) -> None:
    first = {**MULTIPREF, "comparison_id": "c"}
    path = write_rows(tmp_path / "pairs.jsonl", [first, {**first, "completion_a": "z"}])
    with pytest.raises(InputError, match=r"row 2: comparison_id: expected one pair, and its texts or models"):
        read_pairs(path)
    listed = {**LISTED, "comparison_id": "c"}
    write_rows(path, [listed, listed])
    with pytest.raises(InputError, match=r"row 2: comparison_id: expected each once where annotators are in lists"):
        read_pairs(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pair": "p1"}, r"export, preference 2: the pair 'p1' is in .*export, preference 1 too; expected each once"),
        ({"votes_b": -1}, r"preferences\.jsonl, line 2: votes_b: expected at least 0, found -1"),
    ],
)
def test_an_exports_pairs_are_checked_too(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    export = write_folder(tmp_path / "export", [make_pair(1, "train"), make_pair(2, "train")])
    path = export / "preferences.jsonl"
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{json.dumps(json.loads(second) | changes)}\n")
    with pytest.raises(InputError, match=sentence):
        read_pairs(export)


# Commands


@pytest.mark.parametrize("source", ["", " "])
def test_no_source_at_all_is_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^' ?': no such folder or file; expected .* \(votes, TRL") as refusal:
        call_command("convert_preferences", source, "--view", "hh", "--output", tmp_path / "view")
    assert refusal.value.returncode == 2 and not list(tmp_path.iterdir())


def test_a_broken_row_leaves_nothing_behind(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "pairs.jsonl", [VOTES, {**VOTES, "votes_a": "many"}])
    with pytest.raises(CommandError, match=r"pairs\.jsonl, row 2: votes_a: expected a whole number") as refusal:
        call_command("convert_preferences", path, "--view", "hh", "--output", tmp_path / "view")
    assert refusal.value.returncode == 2 and list(tmp_path.iterdir()) == [path]


def test_one_pair_is_said_in_the_singular(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "pairs.jsonl", [TRL])
    assert read_pairs(path).description.startswith("layout trl-explicit: 1 pair (")
