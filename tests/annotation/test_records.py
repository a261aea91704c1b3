"""The exchange format: round trips, aggregation, splits, and what is said about broken exports."""

import hashlib
import itertools
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from annotation import record_files
from annotation.errors import InputError
from annotation.record_files import FORMATS, describe_files, open_record_files
from annotation.record_readers import read_comparisons, read_manifest, read_preferences, read_ratings
from annotation.records import (
    CHOICES,
    KINDS,
    Comparison,
    Preference,
    Rating,
    aggregate_preferences,
    from_dict,
    split_of_prompt,
    to_dict,
)

words = st.text(min_size=1, max_size=8)


def comparison(choice: str = "a", pair: str = "p", **changes: object) -> Comparison:
    row: dict[str, object] = {
        "campaign": "c", "hit": f"h-{pair}", "item": "i", "pair": pair, "prompt": "dog, run",
        "completion_a": "A dog runs.", "completion_b": "Run dogs a.", "system_a": "s", "system_b": "t", "left": "b",
        "choice": choice, "strength": None, "worker": "w", "assignment": "x", "kind": "work", "excluded": "",
        "active_seconds": 3.0, "submitted_on": "2026-11-22",
    }  # fmt: skip
    return from_dict(Comparison, row | changes)


def rating(**changes: object) -> Rating:
    row: dict[str, object] = {
        "campaign": "c", "hit": "h", "item": "i", "system": "s", "prompt": "dog, run", "completion": "A dog runs.",
        "references": ["Dogs run."], "question": "quality", "value": 4, "scale_min": 1, "scale_max": 5, "worker": "w",
        "assignment": "x", "kind": "work", "excluded": "", "active_seconds": 3.0, "submitted_on": "2026-11-22",
    }  # fmt: skip
    return from_dict(Rating, row | changes)


@given(st.sampled_from(CHOICES), words, st.sampled_from(KINDS), st.none() | st.integers(-3, 3), words)
def test_it_reads_back_the_comparison_it_wrote(
    choice: str, pair: str, kind: str, strength: int | None, prompt: str
) -> None:
    original = comparison(choice, pair, kind=kind, strength=strength, prompt=prompt)
    assert from_dict(Comparison, json.loads(json.dumps(to_dict(original)))) == original


@given(st.integers(1, 5), st.lists(words), st.floats(0, 1e6))
def test_it_reads_back_the_rating_it_wrote(value: int, references: list[str], seconds: float) -> None:
    original = rating(value=value, references=references, active_seconds=seconds)
    assert from_dict(Rating, json.loads(json.dumps(to_dict(original)))) == original


@given(st.lists(st.sampled_from(CHOICES), min_size=1, max_size=9))
def test_it_counts_votes_margin_label_and_agreement(choices: list[str]) -> None:
    (preference,) = aggregate_preferences([comparison(choice) for choice in choices])
    assert preference.votes_a + preference.votes_b + preference.votes_tie + preference.votes_both_bad == len(choices)
    # Brute force, over the pairs of raters one by one.
    pairs = list(itertools.combinations(choices, 2))
    expected = sum(one == other for one, other in pairs) / len(pairs) if pairs else None
    assert preference.agreement == (None if expected is None else pytest.approx(expected))
    difference = choices.count("a") - choices.count("b")
    assert preference.margin == pytest.approx(abs(difference) / len(choices))
    (commonest, count), *_ = Counter(choices).most_common()
    has_majority = 2 * count > len(choices) and commonest in "ab"
    assert preference.label == (commonest if has_majority else "")


@given(st.permutations(["a", "a", "b", "tie", "both_bad"]))
def test_the_order_of_votes_changes_nothing(choices: list[str]) -> None:
    assert aggregate_preferences([comparison(choice) for choice in choices]) == aggregate_preferences(
        [comparison(choice) for choice in sorted(choices)]
    )


def test_a_two_to_one_vote_gives_hand_computed_numbers() -> None:
    (preference,) = aggregate_preferences([comparison("a"), comparison("b"), comparison("a")])
    assert (preference.label, preference.margin, preference.agreement) == (
        "a",
        pytest.approx(1 / 3),
        pytest.approx(1 / 3),
    )
    assert (preference.chosen, preference.rejected) == ("A dog runs.", "Run dogs a.")


def test_it_counts_neither_excluded_rows_nor_other_kinds() -> None:
    others = [comparison("b", kind=kind) for kind in KINDS if kind != "work"]
    (preference,) = aggregate_preferences([comparison("a"), comparison("b", excluded="too fast"), *others])
    assert (preference.votes_a, preference.votes_b) == (1, 0)
    assert aggregate_preferences(others) == []


def test_it_refuses_one_pair_with_two_contents() -> None:
    with pytest.raises(InputError, match="pair 'p' has two different contents"):
        aggregate_preferences([comparison(), comparison(completion_a="Another text.")])


@given(words)
def test_prompts_that_differ_in_case_and_blanks_share_a_split(prompt: str) -> None:
    assert split_of_prompt(prompt) == split_of_prompt(f"  {prompt}\n") == split_of_prompt(prompt.replace(" ", "  "))


def test_splits_have_their_shares() -> None:
    count = 5000
    splits = Counter(split_of_prompt(f"prompt {number}") for number in range(count))
    # Four binomial standard deviations at n = 5,000 are at most .028.
    shares = [splits[name] / count for name in ("train", "validation", "test")]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.028)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@pytest.mark.parametrize("file_format", FORMATS)
@settings(max_examples=20, deadline=None)
@given(prompts=st.lists(texts | st.just('"\r\n,=1+1'), min_size=1, max_size=3), strength=st.none() | st.integers(-3, 3))
def test_every_format_reads_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, file_format: str, prompts: list[str], strength: int | None
) -> None:
    folder = tmp_path_factory.mktemp("export")
    comparisons = [comparison(prompt=prompt, strength=strength, active_seconds=0.1 + 0.2) for prompt in prompts]
    ratings = [rating(prompt=prompt, references=prompts) for prompt in prompts]
    preferences = aggregate_preferences([comparison("tie")])
    with open_record_files(folder, [Rating, Comparison, Preference], file_format) as files:
        files["ratings"].write(ratings)
        files["comparisons"].write(comparisons)
        files["preferences"].write(preferences)
    for name, file in describe_files(files).items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == file["sha256"]
    (folder / "manifest.json").write_text('{"schema_version": 1}')
    assert read_ratings(folder) == ratings
    assert read_comparisons(folder) == comparisons
    assert read_preferences(folder) == preferences
    shutil.rmtree(folder)


def test_parquet_is_written_a_group_of_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_files, "ROW_GROUP", 4)
    with open_record_files(tmp_path, [Rating], "parquet") as files:
        files["ratings"].write(rating(value=1 + number % 5) for number in range(10))
    (tmp_path / "manifest.json").write_text('{"schema_version": 1}')
    assert [row.value for row in read_ratings(tmp_path)] == [1 + number % 5 for number in range(10)]
    assert parquet.ParquetFile(tmp_path / "ratings.parquet").num_row_groups == 3


def test_it_names_what_is_wrong_in_a_csv(tmp_path: Path) -> None:
    with open_record_files(tmp_path, [Rating], "csv") as files:
        files["ratings"].write([rating()])
    (tmp_path / "manifest.json").write_text('{"schema_version": 1}')
    good = (tmp_path / "ratings.csv").read_text()
    broken = {
        good.replace(",4,1,5,", ",four,1,5,"): "line 2: value: expected a whole number, found 'four'",
        good.replace(",4,1,5,", ",,1,5,"): "line 2: value: expected a whole number, found ''",
        good.replace(",work,", ","): "line 2: expected 17 cells, as the header has",
        good.replace(",work,", ",work,,,"): "line 2: expected 17 cells, as the header has",
        good.replace("worker,", "", 1).replace(",w,", ","): "line 2: the key 'worker' is missing",
        good + '"open': "is not valid CSV after line 2: unexpected end",
    }
    for text, message in broken.items():
        (tmp_path / "ratings.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            read_ratings(tmp_path)


def test_a_csv_may_hold_a_text_of_any_length(tmp_path: Path) -> None:
    with open_record_files(tmp_path, [Rating], "csv") as files:
        files["ratings"].write([rating(prompt="long " * 100_000)])
    (tmp_path / "manifest.json").write_text('{"schema_version": 1}')
    assert len(read_ratings(tmp_path)[0].prompt) == 500_000


def write_export(folder: Path, stem: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text('{"schema_version": 1}')
    (folder / f"{stem}.jsonl").write_text(text)
    return folder


def test_it_names_file_line_and_key_of_what_is_broken(tmp_path: Path) -> None:
    good = json.dumps(to_dict(comparison()))
    broken = {
        "not JSON": r"comparisons.jsonl, line 2 is not valid JSON",
        "[1]": r"comparisons.jsonl, line 2: expected a JSON object",
        json.dumps({**to_dict(comparison()), "choice": "left"}): r"line 2: choice: expected one of 'a', 'b', 'tie'",
        json.dumps({**to_dict(comparison()), "prompt": None}): r"line 2: prompt: expected text, found None",
        json.dumps({"campaign": "c"}): r"line 2: the key 'hit' is missing",
    }
    for line, message in broken.items():
        folder = write_export(tmp_path / "export", "comparisons", f"{good}\n{line}\n")
        with pytest.raises(InputError, match=message):
            read_comparisons(folder)


def test_it_names_a_value_outside_its_scale(tmp_path: Path) -> None:
    row = {**to_dict(rating()), "value": 6}
    with pytest.raises(InputError, match="line 1: value: expected 1 to 5, found 6"):
        read_ratings(write_export(tmp_path / "export", "ratings", json.dumps(row)))


def test_it_says_what_is_absent_or_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_manifest(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no manifest\.json"):
        read_ratings(tmp_path)
    folder = write_export(tmp_path / "export", "ratings", "")
    with pytest.raises(InputError, match="is empty"):
        read_ratings(folder)
    with pytest.raises(InputError, match="holds no preferences"):
        read_preferences(folder)
    (folder / "manifest.json").write_text('{"schema_version": 99}')
    with pytest.raises(InputError, match="schema_version: expected 1, found 99"):
        read_manifest(folder)


def test_a_preference_survives_its_dictionary() -> None:
    (preference,) = aggregate_preferences([comparison("tie")])
    assert from_dict(Preference, to_dict(preference)) == preference
    assert preference.agreement is None
    assert preference.chosen is None
