"""Preferences in everybody's layouts: recognised by their columns, and read back to the same pairs and labels."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import InputError
from annotation.records import SCHEMA_VERSION, Preference, split_of_prompt, to_dict
from reward_models.config import RewardModelConfig
from reward_models.management.training import read_data
from reward_models.pair_layouts import LAYOUTS, recognise_layout
from reward_models.pair_sources import PairSource, read_pairs
from reward_models.preference_views import KEEPS_TIES, VIEWS
from reward_models.table_rows import TableRow
from tests.analysis.exports import comparison
from tests.reward_models.pairs import make_pair, make_pairs
from tests.reward_models.test_preference_views import write_folder

BY_NAME = {layout.name: layout for layout in LAYOUTS}
TIED = make_pair(90, "train", votes_a=2, votes_b=2)
PAIRS = [*make_pairs(8, "train"), TIED, *make_pairs(4, "validation", first=40), *make_pairs(4, "test", first=50)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judged(pairs: list[Preference]) -> set[tuple[str, str | None, str | None, str]]:
    return {(pair.prompt, pair.chosen, pair.rejected, pair.split) for pair in pairs if pair.label}


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_recognised_and_reads_back_to_the_same_pairs_labels_and_splits(view: str, tmp_path: Path) -> None:
    export = write_folder(tmp_path / "export", PAIRS)
    call_command("convert_preferences", export, "--view", view, "--output", tmp_path / "view")
    source = read_pairs(tmp_path / "view")
    assert source.layout == view
    assert judged(source.preferences) == judged(PAIRS)
    ties = int(view == KEEPS_TIES)
    assert source.description == f"layout {view}: {16 + ties} pairs (train {8 + ties}, validation 4, test 4)"


@pytest.mark.parametrize("view", VIEWS)
@given(
    texts=st.lists(
        st.tuples(st.text(min_size=1), st.text(), st.text()).filter(lambda row: row[1] != row[2]),
        min_size=1, max_size=3, unique_by=lambda row: row[0],
    )
)  # fmt: skip
def test_any_text_survives_a_view(view: str, texts: list[tuple[str, str, str]]) -> None:
    """But for texts that hold what a layout sets between prompt and completion."""
    marks = ("\n\n", "Human:", "Assistant:", "\r")
    texts = [row for row in texts if not any(mark in text for mark in marks for text in row)]
    # Common beginnings of the completions themselves are no part of a prompt.
    texts = [row for row in texts if row[1][:1] != "\n" and row[2][:1] != "\n" and row[0].strip() == row[0]]
    pairs = [
        Preference(f"p{n}", "i", prompt, one, other, "s", "t", 2, 1, 0, 0, "a", 1 / 3, 1 / 3, "train")
        for n, (prompt, one, other) in enumerate(texts)
    ]
    read = list(BY_NAME[view].read(TableRow(row, f"row {n}") for n, row in enumerate(VIEWS[view](pairs))))
    by_side = [
        (pair.prompt, *((pair.completion_a, pair.completion_b)[:: 1 if pair.votes.get("a") else -1])) for pair in read
    ]
    assert by_side == texts


def test_multipref_keeps_every_vote(tmp_path: Path) -> None:
    export = write_folder(tmp_path / "export", PAIRS)
    call_command("convert_preferences", export, "--view", KEEPS_TIES, "--output", tmp_path / "view")
    kept = {pair.pair: (pair.votes_a, pair.votes_b, pair.label) for pair in read_pairs(tmp_path / "view").preferences}
    assert kept == {pair.pair: (pair.votes_a, pair.votes_b, pair.label) for pair in PAIRS}


def test_annotators_in_rows_of_their_own_are_added_up(tmp_path: Path) -> None:
    row = {"comparison_id": "c", "prompt": "p", "completion_a": "x", "completion_b": "y"}
    said = ["A-is-clearly-better", "B-is-slightly-better", "A-is-slightly-better", "Tie"]
    path = write_rows(tmp_path / "rows.jsonl", [row | {"overall_pref": each} for each in said])
    (pair,) = read_pairs(path).preferences
    assert (pair.votes_a, pair.votes_b, pair.votes_tie, pair.label) == (2, 1, 1, "")
    write_rows(path, [row | {"overall_pref": "both are fine"}])
    with pytest.raises(InputError, match="row 1: overall_pref: expected A-is-…, B-is-… or Tie, found 'both are fine'"):
        read_pairs(path)


def test_messages_and_transcripts_of_several_turns_keep_their_prompt(tmp_path: Path) -> None:
    asked = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Why?"},
    ]
    replies = {
        "chosen": [{"role": "assistant", "content": "So."}],
        "rejected": [{"role": "assistant", "content": "No."}],
    }
    whole = {side: [*asked, *reply] for side, reply in replies.items()}
    prompt = "User: Hi.\n\nAssistant: Yes?\n\nUser: Why?"
    for rows, layout in (([replies | {"prompt": asked}], "trl-explicit"), ([whole], "trl-implicit")):
        source = read_pairs(write_rows(tmp_path / f"{layout}.jsonl", rows))
        (pair,) = source.preferences
        assert (source.layout, pair.prompt, pair.chosen, pair.rejected) == (layout, prompt, "So.", "No.")
    for form in (asked, prompt):  # UltraFeedback's: whole conversations beside their prompt
        (pair,) = read_pairs(write_rows(tmp_path / "rows.jsonl", [whole | {"prompt": form}])).preferences
        assert (pair.prompt, pair.chosen, pair.rejected) == (prompt, "So.", "No.")
    start = "\n\nHuman: Hi.\n\nAssistant: Yes?\n\nHuman: Why?\n\nAssistant:"
    hh = [{"chosen": f"{start} So.", "rejected": f"{start} Such."}]
    (pair,) = read_pairs(write_rows(tmp_path / "hh.jsonl", hh)).preferences
    assert (pair.prompt, pair.chosen, pair.rejected) == (start.strip().removesuffix("\n\nAssistant:"), "So.", "Such.")


def test_the_place_of_the_chosen_one_says_nothing(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(400)]
    pairs = read_pairs(write_rows(tmp_path / "rows.jsonl", rows)).preferences
    first = sum(pair.label == "a" for pair in pairs)
    assert abs(first - 200) < 4 * 10  # four standard deviations of fair coins
    assert all(pair.chosen == f"good {pair.prompt[1:]}" for pair in pairs)


@pytest.mark.parametrize("given", [("train",), ("train", "test"), ("train", "validation", "test")])
def test_splits_that_are_missing_are_drawn_by_prompt(given: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for split in given:
        rows = [{"prompt": f"{split} {n}", "chosen": "x", "rejected": "y"} for n in range(60)]
        write_rows(folder / f"{split}.jsonl", rows)
    pairs = read_pairs(folder).preferences
    assert {pair.split for pair in pairs} == {"train", "validation", "test"}
    for pair in pairs:
        origin = pair.prompt.split()[0]
        if origin != "train" or len(given) == 3:
            assert pair.split == origin
        elif len(given) == 1:
            assert pair.split == split_of_prompt(pair.prompt)
        else:
            assert (pair.split == "validation") == (split_of_prompt(pair.prompt) == "validation")


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_our_own_preferences_are_read_from_a_single_file_too(ending: str, tmp_path: Path) -> None:
    import pandas as pd

    path = tmp_path / f"preferences.{ending}"
    table = pd.DataFrame([to_dict(pair) for pair in PAIRS])
    if ending == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        (table.to_csv if ending == "csv" else table.to_parquet)(path, index=False)
    source = read_pairs(path)
    assert source.layout == "votes"
    kept = {(pair.pair, pair.votes_a, pair.votes_b, pair.label, pair.system_a) for pair in source.preferences}
    assert kept == {(pair.pair, pair.votes_a, pair.votes_b, pair.label, pair.system_a) for pair in PAIRS}


@pytest.mark.parametrize(
    ("name", "rows", "sentence"),
    [
        (
            "x.jsonl",
            [{"question": "q"}],
            r"the columns are question; expected an export, or those of a layout \(votes:",
        ),
        ("x.jsonl", [{"chosen": "one", "rejected": "two"}], "row 1: chosen and rejected have no prompt in common"),
        ("x.txt", [{}], r"expected an export's folder, or one of .jsonl, .json, .csv, .parquet"),
    ],
)
def test_what_is_no_preference_is_refused(name: str, rows: list[dict[str, Any]], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        read_pairs(write_rows(tmp_path / name, rows))


def test_what_is_not_there_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent: no such folder or file; expected an export's folder"):
        read_pairs("absent")
    with pytest.raises(
        InputError, match="nobody/nothing is no folder or file here, and cannot be read as a data set: "
    ):
        read_pairs("nobody/nothing")
    with pytest.raises(CommandError, match="no such folder or file") as refusal:
        call_command("evaluate_reward_model", tmp_path, "absent")
    assert refusal.value.returncode == 2


def test_the_first_layout_that_fits_is_meant() -> None:
    for layout in LAYOUTS:
        row = dict.fromkeys(layout.columns, "\n\nHuman: x" if layout.name == "hh" else "x")
        assert recognise_layout(TableRow(row, "row 1"), "pairs").read == layout.read
    assert PairSource("hh", []).description == "layout hh: 0 pairs (train 0, validation 0, test 0)"


def test_how_much_better_is_a_share_of_the_most_that_anyone_said(tmp_path: Path) -> None:
    """TRL's margins are of the chosen one, whichever side it was drawn to."""
    rows = [
        {"prompt": f"p {number}", "chosen": f"good {number}", "rejected": "bad", "margin": margin}
        for number, margin in enumerate([2.0, 4.0, 0.0, 1.0] * 5)
    ]
    source = read_pairs(write_rows(tmp_path / "pairs.jsonl", rows))
    assert len(source.degrees) == 15
    sides = set()
    for pair, row in zip(source.preferences, rows, strict=True):
        sign = 1 if pair.label == "a" else -1
        sides.add(sign)
        assert source.degrees.get(pair.pair, 0.0) == sign * row["margin"] / 4
    assert sides == {1, -1}


def test_multiprefs_slightly_and_clearly_are_degrees(tmp_path: Path) -> None:
    said = [["A-is-clearly-better", "A-is-slightly-better"], ["B-is-slightly-better", "Tie"], ["Tie", "Tie"]]
    rows = [
        {"comparison_id": f"c{number}", "text": f"p {number}", "completion_a": "x", "completion_b": "y",
         "annotations": [{"overall_pref": pref} for pref in prefs]}
        for number, prefs in enumerate(said)
    ]  # fmt: skip
    # Mean degrees 1.5, -.5 and none, as shares of 1.5.
    assert read_pairs(write_rows(tmp_path / "pairs.jsonl", rows)).degrees == {"c0": 1.0, "c1": pytest.approx(-1 / 3)}


def test_an_export_tells_the_strength_of_its_votes(tmp_path: Path) -> None:
    votes = [(0, "a", 3), (0, "a", 1), (0, "tie", None), (1, "b", 2), (2, "a", None)]
    rows = [comparison(number, "x", "y", choice, worker) | {"pair": f"p{number}", "strength": strength}
            for worker, (number, choice, strength) in enumerate(votes)]  # fmt: skip
    pairs = [make_pair(number, "train") for number in range(3)]
    (tmp_path / "manifest.json").write_text(json.dumps({"schema_version": SCHEMA_VERSION}))
    (tmp_path / "preferences.jsonl").write_text("".join(json.dumps(to_dict(pair)) + "\n" for pair in pairs))
    (tmp_path / "comparisons.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    # Means (3 + 1 + 0)/3 and -2, as shares of 2; a vote without a degree says nothing of it.
    assert read_pairs(tmp_path).degrees == {"p0": pytest.approx(2 / 3), "p1": -1.0}


def test_a_margin_by_strength_needs_strengths(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "pairs.jsonl", [{"prompt": "p", "chosen": "x", "rejected": "y"}])
    config = RewardModelConfig("unused", margin=1.0, margin_by="strength")
    with pytest.raises(InputError, match="does not say how much better a completion is; --margin-by strength needs"):
        read_data(str(path), config)
