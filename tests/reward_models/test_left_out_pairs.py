"""What a training and an evaluation do not use, and what they say of it: pairs nobody can judge, and cut prompts."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.records import Preference, to_dict
from reward_models.checkpoints import load_base_model, save_model
from reward_models.config import RewardModelConfig
from reward_models.dataset import select_judgeable, split_pairs
from reward_models.train import prepare_training
from tests.reward_models.pairs import make_pair, make_pairs

PAIRS = [*make_pairs(8, "train"), *make_pairs(6, "validation", first=40), *make_pairs(6, "test", first=60)]
EMPTY, SAME = "with an empty completion", "whose completions are the same text"


def blank(pair: Preference, text: str = "") -> Preference:
    return replace(pair, completion_b=text)


def repeat(pair: Preference) -> Preference:
    return replace(pair, completion_b=pair.completion_a)


UNJUDGEABLE = [
    blank(make_pair(80, "train")),
    repeat(make_pair(81, "test")),
    blank(make_pair(82, "test")),
    blank(make_pair(83, "test"), " \n"),
    repeat(make_pair(84, "validation")),
]


def write_folder(folder: Path, pairs: list[Preference]) -> Path:
    """A file for each split, in the layout of votes."""
    folder.mkdir()
    for split in ("train", "validation", "test"):
        rows = (to_dict(pair) for pair in pairs if pair.split == split)
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def call(command: str, *words: Any, **options: Any) -> tuple[dict[str, Any], str]:
    """The result, and what was said."""
    printed, said = io.StringIO(), io.StringIO()
    call_command(command, *map(str, words), "--json", stdout=printed, stderr=said, **options)
    return json.loads(printed.getvalue().splitlines()[-1]), said.getvalue()


def train(pairs: Path, base: Path, output: Path, *options: str) -> tuple[dict[str, Any], str]:
    return call(
        "train_reward_model", pairs, f"--base-model={base}", "--epochs=1", "--batch=4", f"--output={output}", *options
    )


@pytest.fixture(scope="module")
def judge(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge") / "judge"
    save_model(load_base_model(str(base), "decoder"), folder)
    return folder


# Pairs that nobody can judge


def test_pairs_between_which_nobody_can_choose_are_counted_by_reason() -> None:
    judgeable, left_out = select_judgeable([*PAIRS, *UNJUDGEABLE])
    assert judgeable == PAIRS and left_out == {EMPTY: 3, SAME: 2}
    assert split_pairs([*PAIRS, *UNJUDGEABLE]).left_out == left_out
    without_votes = replace(make_pair(90, "test"), votes_a=0, votes_both_bad=3, label="")
    assert select_judgeable([without_votes]) == ([without_votes], {})


@pytest.mark.parametrize("with_page", [True, False])
def test_an_evaluation_is_what_it_would_be_without_them_and_says_how_many(
    with_page: bool, judge: Path, tmp_path: Path
) -> None:
    results = {}
    for name, pairs in (("clean", PAIRS), ("mixed", [*PAIRS, *UNJUDGEABLE])):
        options = {"output": tmp_path / f"{name}-evaluation"} if with_page else {}
        found, said = call("evaluate_reward_model", judge, write_folder(tmp_path / name, pairs), **options)
        found.pop("report", None)
        results[name] = found
        left_out = [line for line in said.splitlines() if "left out" in line]
        assert left_out == ([f"1 pair left out, {SAME}.", f"2 pairs left out, {EMPTY}."] if name == "mixed" else [])
        if with_page:
            written = json.loads((options["output"] / "results.json").read_text())
            assert written["pairs_left_out"] == ({SAME: 1, EMPTY: 2} if name == "mixed" else {})
            assert written["calibration"]["validation_pairs"] == 6
            page = (options["output"] / "report.html").read_text()
            assert (f"1 pair left out, {SAME}. 2 pairs left out, {EMPTY}." in page) == (name == "mixed")
    assert results["clean"] == results["mixed"] and results["mixed"]["pairs"] == 6


def test_a_training_tests_on_the_pairs_that_it_did_not_leave_out(base: Path, tmp_path: Path) -> None:
    summary, said = train(write_folder(tmp_path / "pairs", [*PAIRS, *UNJUDGEABLE]), base, tmp_path / "run")
    assert f"3 pairs left out, {EMPTY}." in said and f"2 pairs left out, {SAME}." in said
    assert summary["test"]["pairs"] == 6 and summary["pairs_left_out"] == {EMPTY: 3, SAME: 2}


def test_a_learning_curve_tests_on_the_same(base: Path, tmp_path: Path) -> None:
    pairs = write_folder(tmp_path / "pairs", [*PAIRS, *UNJUDGEABLE])
    words = (f"--base-model={base}", "--epochs=1", "--shares", ".5", "1", f"--output={tmp_path / 'curve'}")
    _, said = call("measure_learning_curve", pairs, *words)
    assert f"3 pairs left out, {EMPTY}." in said
    outcomes = list((tmp_path / "curve" / "trainings").rglob("outcome.json"))
    assert [len(json.loads(path.read_text())["outcome"]["scores_a"]) for path in outcomes] == [6, 6]


def test_where_only_such_pairs_have_a_majority_the_file_is_named(judge: Path, tmp_path: Path) -> None:
    pairs = write_folder(tmp_path / "pairs", [*(pair for pair in PAIRS if pair.split != "test"), *UNJUDGEABLE])
    with pytest.raises(CommandError, match=r"/pairs: no pair of the test split has a majority; expected some on which"):
        call("evaluate_reward_model", judge, pairs)


def test_a_training_whose_test_pairs_with_a_majority_are_all_such_is_not_evaluated(base: Path, tmp_path: Path) -> None:
    tie = make_pair(61, "test", votes_a=2, votes_b=2)
    pairs = [*(pair for pair in PAIRS if pair.split != "test"), tie, *UNJUDGEABLE]
    summary, said = train(write_folder(tmp_path / "pairs", pairs), base, tmp_path / "run")
    assert summary["test"]["pairs"] == 0
    assert "Not evaluated: no pair of the test split has a majority of its votes." in said


def test_a_training_names_the_file_that_lacks_a_split(base: Path, tmp_path: Path) -> None:
    pairs = write_folder(tmp_path / "pairs", [pair for pair in PAIRS if pair.split != "validation"])
    (pairs / "validation.jsonl").write_text(json.dumps(to_dict(UNJUDGEABLE[-1])) + "\n")
    expected = rf"/pairs: no pair to learn from is in the validation split; .*; 1 left out, {SAME}\."
    with pytest.raises(CommandError, match=expected):
        train(pairs, base, tmp_path / "run")


# Prompts


def with_long_prompts(count: int) -> list[Preference]:
    """PAIRS, of which the first `count` have a prompt beyond 32 tokens; the first of these has a second pair."""
    long = [replace(pair, prompt=f"{pair.prompt} " + "red " * 40) for pair in PAIRS[:count]]
    return [*long, replace(long[0], pair="again", completion_a="pink brown."), *PAIRS[count:]]


@pytest.mark.parametrize("count", [1, 3])
def test_a_prompt_that_is_cut_beside_several_completions_counts_once(count: int, base: Path) -> None:
    splits = split_pairs(with_long_prompts(count), "allow")
    assert prepare_training(RewardModelConfig(str(base), max_tokens=32), splits).prompts_cut == count


def test_cut_prompts_are_spoken_of_as_prompts(base: Path, tmp_path: Path) -> None:
    pairs = write_folder(tmp_path / "pairs", with_long_prompts(1))
    _, said = train(pairs, base, tmp_path / "run", "--max-tokens=32")
    assert "1 prompt lost the beginning: an input holds 32 tokens (--max-tokens)." in said
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert "Prompts that lost their beginning, for want of room beside a completion: 1 of 20." in card


def test_prompts_that_were_read_whole_are_not_spoken_of(base: Path, tmp_path: Path) -> None:
    summary, said = train(write_folder(tmp_path / "pairs", PAIRS), base, tmp_path / "run")
    assert summary["prompts_cut"] == 0 and "beginning" not in said
    assert "Every prompt was read whole." in (tmp_path / "run" / "model" / "README.md").read_text()
