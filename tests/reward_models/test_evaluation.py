"""The evaluation of a reward model: what stands beside it, and the page."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command

from annotation.record_readers import read_comparisons
from annotation.records import SCHEMA_VERSION, to_dict
from reward_models.baselines import score_length, score_overlap
from reward_models.checkpoints import load_base_model, save_model
from reward_models.management.cautions import caution_of_models, caution_of_prompts, caution_of_training
from reward_models.management.evaluation import blank_undefined, is_clear
from reward_models.management.evaluation_details import compare_lengths, compare_with_workers, evaluate_in_detail
from reward_models.management.evaluation_page import describe_lengths, draw_breakdown, draw_calibration
from tests.analysis.exports import comparison
from tests.reward_models.pairs import make_pair, make_pairs

PAIRS = [*make_pairs(30, "test"), *make_pairs(20, "validation", first=30), make_pair(99, "train")]


def knows_the_label(prompts: list[str], completions: list[str]) -> np.ndarray:
    """The toy preference: a completion is good if its first word is in the prompt."""
    return np.array([float(text.split()[0] in prompt) for prompt, text in zip(prompts, completions, strict=True)])


def write_votes(folder: Path) -> Path:
    """An export of PAIRS with three votes on each, one of them against the majority in every third pair."""
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"schema_version": SCHEMA_VERSION}))
    (folder / "preferences.jsonl").write_text("".join(json.dumps(to_dict(pair)) + "\n" for pair in PAIRS))
    lines = []
    for number, pair in enumerate(PAIRS):
        other = "b" if pair.label == "a" else "a"
        for worker in range(3):
            choice = other if worker == 2 and number % 3 == 0 else pair.label
            row = comparison(number, "x", "y", choice, worker)
            texts = {"prompt": pair.prompt, "completion_a": pair.completion_a, "completion_b": pair.completion_b}
            lines.append(json.dumps(row | texts | {"pair": pair.pair}) + "\n")
    (folder / "comparisons.jsonl").write_text("".join(lines))
    return folder


def test_baselines_count_words() -> None:
    texts = ["A dog, a park.", "", "dogs"]
    assert score_length(["x"] * 3, texts).tolist() == [4, 0, 1]
    assert score_overlap(["Dog park run", "dog", ""], texts).tolist() == [pytest.approx(2 / 3), 0, 0]


def test_parts_add_up_to_the_whole() -> None:
    scorers = {"reward model": knows_the_label, "longer is better": score_length}
    pairs = [replace(pair, margin=1 / 3) if number % 4 == 0 else pair for number, pair in enumerate(PAIRS)]
    evaluation, tables = evaluate_in_detail(pairs, scorers, [], "test", seed=0)
    assert evaluation["scorers"]["reward model"]["pair_accuracy"]["estimate"] == 1.0
    assert evaluation["workers"] == {} and evaluation["pairs"] == 30
    parts = tables["breakdown"].groupby("by")["pairs"].sum()
    assert parts.to_dict() == {"vote margin": 30, "chosen is": 30, "systems": 30}
    margins = tables["breakdown"].query("by == 'vote margin'").set_index("part")["pairs"]
    assert margins.to_dict() == {"a half or less": 8, "unanimous": 22}
    assert set(evaluation["differences"]) == {"reward model less longer is better"}


def test_the_model_reads_each_text_once(tmp_path: Path) -> None:
    read: list[tuple[str, str]] = []

    def score(prompts: list[str], completions: list[str]) -> np.ndarray:
        read.extend(zip(prompts, completions, strict=True))
        return knows_the_label(prompts, completions)

    votes = read_comparisons(write_votes(tmp_path / "export"))
    evaluate_in_detail(PAIRS, {"reward model": score, "longer is better": score_length}, votes, "test", seed=0)
    shown = [pair for pair in PAIRS if pair.split in ("test", "validation")]
    assert len(read) == len(set(read))
    assert set(read) == {(pair.prompt, text) for pair in shown for text in (pair.completion_a, pair.completion_b)}


def test_workers_and_the_model_are_held_against_the_same_votes(tmp_path: Path) -> None:
    votes = read_comparisons(write_votes(tmp_path / "export"))
    compared = compare_with_workers(votes, [pair for pair in PAIRS if pair.split == "test"], knows_the_label, seed=0)
    # Ten of thirty pairs are split 2 : 1: two workers are half right, the third wrong; the model: half, half, right.
    assert compared["rater"]["estimate"] == pytest.approx((20 * 3 + 10 * 1.0) / 90)
    assert compared["scorer"]["estimate"] == pytest.approx((20 * 3 + 10 * 2.0) / 90)
    assert compared["difference"]["low"] > 0


def test_a_leaning_to_the_longer_one_is_measured_beside_that_of_the_voters() -> None:
    """Of eight pairs two are as long; the voters take the longer one in three of six, the model in five and a half."""
    texts = [("x y z", "x"), ("x", "x y"), ("x y", "x"), ("x", "x y z"), ("x y", "x"), ("x", "x y")]
    labels = ["a", "b", "a", "a", "b", "a"]
    model = [2.0, -1.0, 0.5, -3.0, 1.0, 0.0]
    pairs = [
        replace(make_pair(number, "test"), completion_a=a, completion_b=b, label=label)
        for number, ((a, b), label) in enumerate(
            zip([*texts, ("x", "y"), ("x", "y")], [*labels, "a", "b"], strict=True)
        )
    ]
    scores = pd.DataFrame(
        {
            "prompt": [pair.prompt for pair in pairs],
            "is_a": [float(pair.label == "a") for pair in pairs],
            "reward model": [*model, 1.0, 1.0],
        }
    )
    found = compare_lengths(pairs, scores, seed=0)
    assert found["voters"]["estimate"] == pytest.approx(3 / 6)
    assert found["model"]["estimate"] == pytest.approx(5.5 / 6)
    assert found["difference"]["estimate"] == pytest.approx(2.5 / 6) and found["model"]["used"] == 6
    assert found["model"]["low"] <= 5.5 / 6 <= found["model"]["high"]
    assert compare_lengths(pairs[6:], scores[6:], seed=0) == {}


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [((0.1, 0.2), "leans more to"), ((-0.2, -0.1), "leans less to"), ((-0.1, 0.2), "cannot be told apart")],
)
def test_the_leaning_is_told_by_its_interval(ends: tuple[float, float], verdict: str) -> None:
    share = {"estimate": 0.5, "low": 0.4, "high": 0.6, "used": 10}
    gap = {"estimate": sum(ends) / 2, "low": ends[0], "high": ends[1], "used": 10}
    text = describe_lengths({"voters": share, "model": share, "difference": gap})
    assert verdict in text and "50.0% [40.0, 60.0]" in text


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("train", "has learned the votes on these very pairs"),
        ("validation", "was chosen by these very pairs"),
        ("test", ""),
    ],
)
def test_only_pairs_of_the_test_split_are_called_not_seen(split: str, said: str, base: Path, tmp_path: Path) -> None:
    export = write_votes(tmp_path / "export")
    save_model(load_base_model(str(base), "decoder"), tmp_path / "judge")
    alone, shown = io.StringIO(), io.StringIO()
    call_command("evaluate_reward_model", tmp_path / "judge", export, split=split, stdout=io.StringIO(), stderr=alone)
    call_command("evaluate_reward_model", tmp_path / "judge", export, split=split, output=tmp_path / "evaluation",
                 stdout=io.StringIO(), stderr=shown)  # fmt: skip
    page = (tmp_path / "evaluation" / "report.html").read_text()
    assert f"On pairs of the {split} split" in page and ("not seen" in page) == (split == "test")
    for text in (page, alone.getvalue(), shown.getvalue()):
        assert said in text and ("these very pairs" in text) == bool(said)
    cautions = json.loads((tmp_path / "evaluation" / "results.json").read_text())["cautions"]
    assert shown.getvalue().splitlines()[-len(cautions) :] == cautions or not cautions


def test_few_prompts_are_said_to_give_too_narrow_an_interval_and_one_to_give_none() -> None:
    assert caution_of_prompts(1).endswith("too few for an interval.")
    assert "of 19 prompts" in caution_of_prompts(19) and "too narrow" in caution_of_prompts(2)
    assert caution_of_prompts(20) == ""


def test_without_an_interval_no_difference_is_clear() -> None:
    nowhere = {"estimate": 1.0, "low": math.nan, "high": math.nan}
    assert not is_clear(nowhere) and blank_undefined({"x": [nowhere]}) == {"x": [nowhere | {"low": None, "high": None}]}
    for low, high, clear in ((0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False), (0.0, 0.1, False)):
        assert is_clear({"low": low, "high": high}) == clear


def test_dots_at_the_ends_of_an_axis_are_whole_and_within_it() -> None:
    """A share of 0 or 1 lies on the axis' edge, which would cut its dot in half."""
    rows = [{"by": "x", "part": str(share), "accuracy": share, "low": math.nan, "high": math.nan, "pairs": 1}
            for share in (0.0, 1.0)]  # fmt: skip
    (shares,) = draw_breakdown(pd.DataFrame(rows)).axes
    assert shares.get_xlim() == (0, 1)
    bins = pd.DataFrame({"predicted": [0.0, 1.0], "observed": [0.0, 1.0], "low": [0.0, 0.2], "high": [0.8, 1.0]})
    (calibration,) = draw_calibration(bins).axes
    for axes in (shares, calibration):
        (dots,) = [line for line in axes.lines if line.get_marker() == "o"]
        assert not dots.get_clip_on()


@pytest.mark.parametrize("with_votes", [True, False])
def test_the_command_writes_a_page_that_holds_its_figures(
    with_votes: bool,
    base: Path,
    tmp_path: Path,
) -> None:
    export = write_votes(tmp_path / "export")
    if not with_votes:
        (export / "comparisons.jsonl").unlink()
    save_model(load_base_model(str(base), "decoder"), tmp_path / "judge")
    output = tmp_path / "evaluation"
    call_command("evaluate_reward_model", tmp_path / "judge", export, output=output, stdout=io.StringIO())
    results = json.loads((output / "results.json").read_text())
    assert bool(results["workers"]) == with_votes
    page = (output / "report.html").read_text()
    assert page.count("<figure>") == 3 and "How well judge predicts votes" in page
    assert ("single worker" in page) == with_votes
    assert {path.stem for path in (output / "figures").glob("*.png")} == {"accuracy", "breakdown", "calibration"}
    assert set(pd.read_csv(output / "tables" / "breakdown.csv")["by"]) == {"vote margin", "chosen is", "systems"}


def test_what_an_untrained_model_is_depends_on_its_layout() -> None:
    said = [caution_of_training({"best_epoch": 0, "layout": layout}) for layout in ("likelihood", "scalar", "decoder")]
    base_models = [sentence.removeprefix("No epoch improved on the untrained model; this is ") for sentence in said]
    assert base_models == [
        "the base model with a fitted scale.",
        "the base model with a head that was drawn and never trained.",
        "the base model.",
    ]
    assert caution_of_training({"best_epoch": 1, "layout": "scalar"}) == caution_of_training({}) == ""


def test_of_several_models_the_untrained_ones_are_named(tmp_path: Path) -> None:
    for name, epoch in (("one", 0), ("two", 3)):
        (tmp_path / name / "model").mkdir(parents=True)
        (tmp_path / name / "summary.json").write_text(json.dumps({"best_epoch": epoch, "layout": "decoder"}))
    (tmp_path / "elsewhere").mkdir()
    folders = [tmp_path / "one", tmp_path / "two" / "model", tmp_path / "elsewhere"]
    assert caution_of_models(folders) == ["one: No epoch improved on the untrained model; this is the base model."]
    assert caution_of_models(folders[1:]) == []
