"""A training ends with its evaluation: the same files as the command's, and a run that goes on where it stopped."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

import reward_models.management.training
from tests.reward_models.exports import write_export
from tests.reward_models.pairs import make_pairs


def train(export: Path, base: Path, output: Path, *options: str) -> tuple[dict, str]:
    """The summary, and what was said."""
    said = io.StringIO()
    words = ["--epochs=1", "--learning-rate=2e-3", f"--base-model={base}", f"--output={output}"]
    call_command("train_reward_model", export, *words, *options, stdout=io.StringIO(), stderr=said)
    return json.loads((output / "summary.json").read_text()), said.getvalue()


def test_training_leaves_the_files_of_the_evaluation_command(base: Path, tmp_path: Path) -> None:
    export = write_export(tmp_path / "export")
    summary, _ = train(export, base, tmp_path / "run")
    call_command("evaluate_reward_model", tmp_path / "run", export, output=tmp_path / "apart", stdout=io.StringIO())
    own = {"config.yaml", "environment.json", "inputs.json", "summary.json"}  # of a run that stands by itself
    files = [path.relative_to(tmp_path / "apart") for path in (tmp_path / "apart").rglob("*") if path.is_file()]
    files = [file for file in files if str(file) not in own]
    assert len(files) == 10
    for file in files:
        assert (tmp_path / "run" / "evaluation" / file).read_bytes() == (tmp_path / "apart" / file).read_bytes(), file
    results = json.loads((tmp_path / "run" / "evaluation" / "results.json").read_text())
    assert summary["test"]["pair_accuracy"] == results["scorers"]["reward model"]["pair_accuracy"]
    assert summary["test"]["workers"] == results["workers"] != {}
    assert {"best_epoch", "pairs", "steps"} <= summary.keys()
    calibration = tmp_path / "run" / "evaluation" / "figures" / "calibration.png"
    assert (tmp_path / "run" / "model" / "calibration.png").read_bytes() == calibration.read_bytes()


def test_an_evaluation_leaves_the_card_of_a_finished_model_alone(base: Path, tmp_path: Path) -> None:
    export = write_export(tmp_path / "export")
    train(export, base, tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    call_command("evaluate_reward_model", tmp_path / "run", export, output=tmp_path / "apart", stdout=io.StringIO())
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_pairs_without_a_majority_allow_no_evaluation_and_this_is_said(base: Path, tmp_path: Path) -> None:
    summary, said = train(write_export(tmp_path / "export", is_tied=True), base, tmp_path / "run")
    assert summary["test"] == {"pairs": 0, "reason": "no pair of the test split has a majority of its votes"}
    assert "Not evaluated: no pair of the test split has a majority of its votes." in said
    assert not (tmp_path / "run" / "evaluation").exists()
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert "Not evaluated" in card and "model-index" not in card and "calibration.png" not in card


def test_a_control_is_held_against_the_votes_as_they_were_cast(base: Path, tmp_path: Path) -> None:
    """Its own votes are shuffled: the evaluation must be the one that the command makes of the export."""
    export = write_export(tmp_path / "export")
    summary, _ = train(export, base, tmp_path / "run", "--shuffle-votes=1")
    call_command("evaluate_reward_model", tmp_path / "run", export, output=tmp_path / "apart", stdout=io.StringIO())
    results = json.loads((tmp_path / "apart" / "results.json").read_text())
    assert summary["test"]["log_loss"] == results["scorers"]["reward model"]["log_loss"]
    assert "**A control.**" in (tmp_path / "run" / "model" / "README.md").read_text()


def rewrite_test_pairs(export: Path, which: slice, **changes: Any) -> None:
    path = export / "preferences.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in [row for row in rows if row["split"] == "test"][which]:
        row |= changes
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("command", ["train_reward_model", "measure_learning_curve"])
@pytest.mark.parametrize("texts", [("red " * 600, "red"), ("red", "red " * 600)])
def test_what_cannot_be_evaluated_is_refused_before_anything_is_trained(
    texts: tuple[str, str], command: str, base: Path, tmp_path: Path
) -> None:
    """A pair that all call bad teaches nothing and is left out; single workers are held against the model on it."""
    export = write_export(tmp_path / "export")
    no_side = {"votes_a": 0, "votes_b": 0, "votes_both_bad": 3, "label": "", "margin": 0.0}
    rewrite_test_pairs(export, slice(1), completion_a=texts[0], completion_b=texts[1], **no_side)
    words = [f"--base-model={base}", f"--output={tmp_path / 'run'}"]
    with pytest.raises(CommandError, match="has 601 tokens, which 512 do not hold") as raised:
        call_command(command, export, *words, stdout=io.StringIO(), stderr=io.StringIO())
    assert raised.value.returncode == 2 and [path.name for path in tmp_path.iterdir()] == ["export"]


def test_a_single_test_pair_with_a_majority_is_enough(base: Path, tmp_path: Path) -> None:
    export = write_export(tmp_path / "export")
    rewrite_test_pairs(export, slice(1, None), votes_a=0, votes_b=0, votes_tie=3, label="", margin=0.0)
    summary, _ = train(export, base, tmp_path / "run")
    assert summary["test"]["pairs"] == 1 and summary["test"]["pair_accuracy"]["estimate"] in (0, 0.5, 1)
    assert summary["test"]["pair_accuracy"]["low"] is None  # JSON has no NaN
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    page = (tmp_path / "run" / "evaluation" / "report.html").read_text()
    assert not re.search(r"\bnan\b", card) and "NaN" not in (tmp_path / "run" / "summary.json").read_text()
    for text in (card, page):
        assert "All pairs with a majority are of one prompt: too few for an interval." in text
        assert "1 pair with a majority" in text and not re.search(r"\b1 \w* ?(pairs|votes|steps)\b", text)
    assert re.search(r"\| reward model \| [01]\.\d{3} \(no interval\) \|", card) and "no interval" in page
    assert "[0.000, 0.000]" not in page + card and "[1.000, 1.000]" not in page + card


@pytest.mark.parametrize(("options", "is_untrained"), [(["--learning-rate=50"], True), (["--layout=decoder"], False)])
def test_that_no_epoch_improved_is_said_on_screen_in_the_card_and_on_the_page(
    options: list[str], is_untrained: bool, base: Path, tmp_path: Path
) -> None:
    """At the high rate the first step already ruins the model."""
    export = write_export(tmp_path / "export", 120)
    summary, said = train(export, base, tmp_path / "run", *options)
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    page = (tmp_path / "run" / "evaluation" / "report.html").read_text()
    apart, shown = tmp_path / "apart", io.StringIO()
    call_command("evaluate_reward_model", tmp_path / "run" / "model", export, output=apart, stdout=io.StringIO(),
                 stderr=shown)  # fmt: skip
    assert (apart / "report.html").read_text() == page.replace("How well run predicts", "How well model predicts")
    sentence = "No epoch improved on the untrained model; this is the base model with a fitted scale."
    assert (summary["best_epoch"] == 0) == is_untrained
    for text in (said, card, page, shown.getvalue()):
        assert (sentence in text) == is_untrained == ("No epoch improved" in text)
    assert ("from before the first epoch" in card) == is_untrained != (f"of epoch {summary['best_epoch']}" in card)


class InterruptedRunError(Exception):
    """A run that dies."""


def test_a_run_that_dies_in_its_evaluation_is_not_trained_again(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = write_export(tmp_path / "export")
    whole, _ = train(export, base, tmp_path / "whole")

    def die(*_: object, **__: object) -> None:
        raise InterruptedRunError

    training = reward_models.management.training
    with monkeypatch.context() as patch:
        patch.setattr(training, "conclude_training", die)
        with pytest.raises(InterruptedRunError):
            train(export, base, tmp_path / "run")
    half = tmp_path / "run.partial" / "evaluation"
    half.mkdir()
    (half / "half-written").touch()
    with monkeypatch.context() as patch:
        patch.setattr(training, "run_training", die)
        with pytest.raises(CommandError, match=r"finished\.json was made with learning_rate = 0\.002, this run has"):
            train(export, base, tmp_path / "run", "--resume", "--learning-rate=1e-3")
        resumed, _ = train(export, base, tmp_path / "run", "--resume")
    assert resumed == whole
    assert not list((tmp_path / "run").rglob("half-written")) and not (tmp_path / "run" / "finished.json").exists()


@pytest.mark.parametrize("choice", ["refuse", "allow"])
def test_a_card_says_whether_splits_may_share_near_duplicates(choice: str, base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    folder.mkdir()
    keys = ("pair", "prompt", "completion_a", "completion_b", "votes_a", "votes_b")
    for first, split in ((0, "train"), (40, "validation"), (60, "test")):
        rows = [{key: getattr(pair, key) for key in keys} for pair in make_pairs(20, split, first)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    train(folder, base, tmp_path / "run", f"--near-duplicates={choice}")
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert ("near-duplicates may be" in card) == ("may flatter it" in card) == (choice == "allow")
    assert ("near-duplicates are not either" in card) == (choice == "refuse")
