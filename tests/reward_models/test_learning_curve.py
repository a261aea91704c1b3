"""The learning curve: nested parts, trainings that are resumed, measures beside independent ones, and the page."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

import reward_models.management.learning_curve_trainings as trainings
from analysis.pair_scores import SCORES
from annotation.errors import InputError
from annotation.record_readers import read_comparisons, read_preferences
from annotation.records import Preference
from reward_models.dataset import count_votes
from reward_models.management.evaluation import evaluate_on_votes
from reward_models.management.evaluation_details import compare_with_workers
from reward_models.management.learning_curve_figure import CHANCE, draw_curve, list_panels
from reward_models.management.learning_curve_measures import MEASURED, measure_outcomes, tabulate_half_votes
from reward_models.management.learning_curve_page import (
    build_page,
    describe_untrained,
    judge_curve,
    judge_gain,
    tabulate_curve,
)
from reward_models.management.learning_curve_trainings import Outcome, choose_sizes, draw_subset, recall_scores
from tests.reward_models.exports import write_export
from tests.reward_models.pairs import make_pair, make_pairs

OPTIONS = ["--epochs=2", "--learning-rate=2e-3", "--batch=8", "--shares", "0.5", "1", "--repeats=2"]


def measure(export: Path, base: Path, output: Path, *options: str) -> dict[str, Any]:
    words = [*OPTIONS, f"--base-model={base}", f"--output={output}", *options]
    call_command("measure_learning_curve", export, *words, stdout=io.StringIO(), stderr=io.StringIO())
    results: dict[str, Any] = json.loads((output / "results.json").read_text())
    return results


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(tmp_path_factory.mktemp("curve") / "export", 80, simulated=True)


@pytest.fixture(scope="module")
def curve(base: Path, export: Path) -> Path:
    """A run of the command, two trainings of two sizes."""
    measure(export, base, export.parent / "run")
    return export.parent / "run"


# Parts of the train split


@given(st.integers(2, 40), st.integers(0, 3), st.data())
def test_a_smaller_part_is_in_a_larger_one_and_the_whole_is_the_split(
    count: int, seed: int, data: st.DataObject
) -> None:
    pairs = make_pairs(count, "train")
    small = data.draw(st.integers(1, count))
    large = data.draw(st.integers(small, count))
    parts = [draw_subset(pairs, size, seed) for size in (small, large, count)]
    assert [len(part) for part in parts] == [small, large, count]
    assert set(parts[0]) <= set(parts[1])
    assert list(parts[2]) == pairs  # in its order, so that a training on it is the ordinary one
    assert [pair for pair in pairs if pair in parts[1]] == list(parts[1])


def test_another_seed_draws_another_part() -> None:
    pairs = make_pairs(60, "train")
    drawn = [set(draw_subset(pairs, 20, seed)) for seed in range(4)]
    assert len({frozenset(part) for part in drawn}) == 4


def test_shares_become_numbers_of_pairs_in_rising_order() -> None:
    assert choose_sizes([1, 0.05, 0.5], 100) == {0.05: 5, 0.5: 50, 1: 100}
    assert choose_sizes([0.001, 1.0], 100) == {0.001: 1, 1.0: 100}
    for shares, sentence in (([0.5, 1.2], "found 1.2"), ([0.0, 1], "found 0"), ([1.0], r"found 1 \(100 pairs\)"),
                             ([0.001, 0.002], r"found 0.001 \(1 pair\), 0.002 \(1 pair\)\."),
                             ([0.5, 0.501], r"found 0.5 \(50 pairs\), 0.501 \(50 pairs\)")):  # fmt: skip
        with pytest.raises(InputError, match=sentence):
            choose_sizes(shares, 100)


# Trainings


def test_the_largest_part_is_what_the_training_command_trains(base: Path, export: Path, curve: Path) -> None:
    words = [*OPTIONS[:3], f"--base-model={base}", f"--output={export.parent / 'whole'}"]
    call_command("train_reward_model", export, *words, stdout=io.StringIO(), stderr=io.StringIO())
    alone = json.loads((export.parent / "whole" / "summary.json").read_text())
    largest = json.loads((curve / "results.json").read_text())["sizes"][-1]
    assert largest["pairs"] == alone["pairs"]
    run = largest["runs"][0]
    for name in ("pair_accuracy", "pooled_auc", "log_loss"):
        expected = {key: alone["test"][name][key] for key in ("estimate", "low", "high")}
        assert run["measures"][name] == pytest.approx(expected)
    assert (run["steps"], run["best_epoch"]) == (alone["steps"], alone["best_epoch"])


def test_repeats_have_other_seeds_and_other_pairs_but_test_alike(curve: Path) -> None:
    made = {
        path.parent.name: json.loads(path.read_text())["made_with"] for path in curve.glob("trainings/*/outcome.json")
    }
    sizes = sorted({int(name.split("-")[0]) for name in made})
    assert {name: row["seed"] for name, row in made.items()} == {
        f"{size}-pairs-{repeat + 1}": repeat for size in sizes for repeat in (0, 1)
    }
    drawn = [{made[f"{size}-pairs-{repeat}"]["data_sha256"] for repeat in (1, 2)} for size in sizes]
    assert [len(digests) for digests in drawn] == [2, 1]  # of the whole there is one part alone
    assert len({row["test_sha256"] for row in made.values()}) == 1


def test_votes_for_neither_side_are_votes() -> None:
    assert count_votes([replace(pair, votes_tie=2, votes_both_bad=1) for pair in make_pairs(2, "train")]) == 12


class InterruptedRunError(Exception):
    """A run that dies."""


def test_an_interrupted_curve_goes_on_where_it_stopped(
    base: Path, export: Path, curve: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, trained = trainings.train_reward_model, []

    def die_in_the_third(config, splits, folder):  # type: ignore[no-untyped-def]
        trained.append(folder.path.name)
        if len(trained) == 3:
            raise InterruptedRunError
        return train(config, splits, folder)

    monkeypatch.setattr(trainings, "train_reward_model", die_in_the_third)
    with pytest.raises(InterruptedRunError):
        measure(export, base, tmp_path / "run")
    with pytest.raises(CommandError, match="holds an interrupted run"):
        measure(export, base, tmp_path / "run")
    with pytest.raises(CommandError, match=r"outcome\.json was made with learning_rate = 0\.002, this run has 0\.001"):
        measure(export, base, tmp_path / "run", "--resume", "--learning-rate=1e-3")
    measure(export, base, tmp_path / "run", "--resume")
    assert len(trained) == 5 and trained[2:4] == [trained[2]] * 2
    assert (tmp_path / "run" / "results.json").read_bytes() == (curve / "results.json").read_bytes()
    assert not list((tmp_path / "run").rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--shares=2", "--shares: expected shares above 0"),
        ("--repeats=0", "--repeats: expected a number of at least 1"),
        ("--layout=scalar", "cannot read"),
        ("--world=absent", "absent"),
    ],
)
def test_bad_input_leaves_nothing(option: str, sentence: str, base: Path, export: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=sentence) as raised:
        measure(export, base, tmp_path / "run", option)
    assert raised.value.returncode == 2 and not list(tmp_path.iterdir())


def test_a_test_split_without_a_majority_is_refused(base: Path, tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", is_tied=True)
    with pytest.raises(CommandError, match="no pair of the test split has a majority"):
        measure(export, base, tmp_path / "run")


# Measures


def knows_the_label(prompts: list[str], completions: list[str]) -> np.ndarray:
    return np.array([float(text.split()[0] in prompt) for prompt, text in zip(prompts, completions, strict=True)])


def make_outcomes(export: Path) -> tuple[list[Outcome], list]:
    """Two sizes with three runs each, whose scores are the toy preference in noise, less of it in the larger one."""
    test = [pair for pair in read_preferences(export) if pair.split == "test"]
    generator = np.random.default_rng(0)
    outcomes = []
    for share, noise in ((0.5, 2.0), (1.0, 0.7)):
        for repeat in range(3):
            sides = []
            for texts in ([pair.completion_a for pair in test], [pair.completion_b for pair in test]):
                known = knows_the_label([pair.prompt for pair in test], texts)
                sides.append((2 * known + noise * generator.normal(size=len(test))).tolist())
            pairs, votes = int(100 * share), int(300 * share) + repeat
            outcomes.append(Outcome(share, repeat, repeat, pairs, votes, 10, 2, *sides))
    return outcomes, test


def mean_vote_loss(outcome: Outcome, test: list[Preference]) -> float:
    """Vote by vote, by hand."""
    losses = []
    for pair, score_a, score_b in zip(test, outcome.scores_a, outcome.scores_b, strict=True):
        for_a, for_b = math.log1p(math.exp(score_b - score_a)), math.log1p(math.exp(score_a - score_b))
        losses += [for_a] * pair.votes_a + [for_b] * pair.votes_b + [(for_a + for_b) / 2] * pair.votes_tie
    return sum(losses) / len(losses)


def test_a_tie_is_half_a_vote_for_each_side_and_both_bad_is_none() -> None:
    pairs = [replace(make_pair(0, "test"), votes_a=2, votes_b=0, votes_tie=1, votes_both_bad=4),
             replace(make_pair(1, "test"), votes_a=0, votes_b=0, votes_tie=0, votes_both_bad=3),
             replace(make_pair(2, "test"), votes_a=0, votes_b=1, votes_tie=0, votes_both_bad=0)]  # fmt: skip
    outcome = Outcome(1.0, 0, 0, 3, 11, 1, 1, [1.5, 9.0, 0.25], [0.5, 0.0, 0.0])
    table = tabulate_half_votes(pairs, {"run": recall_scores(outcome, pairs)})
    assert table["is_for_a"].tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    assert table["run"].tolist() == [1.0] * 6 + [0.25] * 2
    assert table["prompt"].tolist() == [pairs[0].prompt] * 6 + [pairs[2].prompt] * 2
    found = SCORES["log_loss"](np.ones((1, 8)), table["is_for_a"].to_numpy(), table["run"].to_numpy())
    assert found[0] == pytest.approx(mean_vote_loss(outcome, pairs))


def test_scores_that_only_grow_are_no_gain_where_votes_are_divided() -> None:
    """Of two votes in three for the majority the best score is log 2: past it the loss of a vote rises, while that of
    the majority goes on falling."""
    test = [replace(make_pair(number, "test"), votes_a=2, votes_b=1) for number in range(40)]
    outcomes = [Outcome(pairs / 20, 0, 0, pairs, 3 * pairs, 1, 1, [score] * 40, [0.0] * 40)
                for pairs, score in ((10, math.log(2)), (20, 2 * math.log(2)))]  # fmt: skip
    results = measure_outcomes(outcomes, test, [], seed=0)
    gain = results["gain"]["measures"]
    assert gain["log_loss"]["high"] < 0 < gain["vote_log_loss"]["low"]
    drawn = {panel.title: panel.means for panel in list_panels(results)}
    assert drawn["log loss of a vote, nats"] == [size["measures"]["vote_log_loss"] for size in results["sizes"]]


def test_votes_on_pairs_without_a_majority_count_too() -> None:
    test = [make_pair(0, "test"), replace(make_pair(1, "test"), votes_a=1, votes_b=1, label="", margin=0.0)]
    outcomes = [Outcome(pairs / 20, 0, 0, pairs, pairs, 1, 1, [-1.0, 3.0], [0.0, 0.0]) for pairs in (10, 20)]
    found = measure_outcomes(outcomes, test, [], seed=0)
    assert found["pairs"] == 1
    assert found["sizes"][0]["measures"]["vote_log_loss"]["estimate"] == pytest.approx(
        mean_vote_loss(outcomes[0], test)
    )


def test_measures_are_means_over_runs_and_differences_are_theirs(export: Path) -> None:
    outcomes, test = make_outcomes(export)
    votes = read_comparisons(export)
    results = measure_outcomes(outcomes, test, votes, gold=knows_the_label, seed=0)
    decided = [pair for pair in test if pair.label]
    right = []
    for outcome in outcomes:
        score = recall_scores(outcome, test)
        prompts = [pair.prompt for pair in decided]
        gaps = score(prompts, [p.completion_a for p in decided]) - score(prompts, [p.completion_b for p in decided])
        right.append(np.mean([(gap > 0) == (pair.label == "a") for gap, pair in zip(gaps, decided, strict=True)]))
    small, large = results["sizes"]
    assert small["measures"]["pair_accuracy"]["estimate"] == pytest.approx(np.mean(right[:3]))
    assert large["measures"]["pair_accuracy"]["estimate"] == pytest.approx(np.mean(right[3:]))
    gain = results["gain"]["measures"]["pair_accuracy"]
    assert gain["estimate"] == pytest.approx(np.mean(right[3:]) - np.mean(right[:3]))
    assert gain["low"] < gain["estimate"] < gain["high"]
    for run, outcome in zip(large["runs"], outcomes[3:], strict=True):
        alone = evaluate_on_votes(test, {"run": recall_scores(outcome, test)}, seed=0)["run"]
        assert run["measures"].pop("vote_log_loss")["estimate"] == pytest.approx(mean_vote_loss(outcome, test))
        for name, found in run["measures"].items():
            assert found == pytest.approx({key: alone[name][key] for key in ("estimate", "low", "high")})
    assert results["gain"]["measures"]["log_loss"]["estimate"] < 0
    assert (results["gain"]["votes_before"], results["gain"]["votes_after"]) == (151, 301)
    assert (results["gain"]["pairs_before"], results["gain"]["pairs_after"]) == (50, 100)
    assert [run["measures"]["pair_accuracy"]["estimate"] for run in large["runs"]] == pytest.approx(right[3:])
    gold = results["gold"]["pair_accuracy"]
    assert gold["left"]["estimate"] == pytest.approx(gold["reached"]["estimate"] - np.mean(right[3:]))
    assert set(results["gold"]) == {"pair_accuracy", "pooled_auc"}  # its unit is no nat


def test_beside_workers_a_size_has_the_mean_of_its_runs(export: Path) -> None:
    outcomes, test = make_outcomes(export)
    votes = read_comparisons(export)
    results = measure_outcomes(outcomes, test, votes, seed=0)
    alone = [compare_with_workers(votes, test, recall_scores(outcome, test), seed=0) for outcome in outcomes[3:]]
    found = results["sizes"][-1]["workers"]
    for name in ("rater", "scorer", "difference"):
        assert found[name]["estimate"] == pytest.approx(np.mean([each[name]["estimate"] for each in alone]))
    assert found["rater"]["low"] == pytest.approx(alone[0]["rater"]["low"])
    assert results["gold"] == {}


# The page


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.2, -0.1, "The curve still rises at its end, so more votes would help."),
        (-0.2, 0.1, "cannot be told from a flat one"),
        (0.1, 0.2, "would not help"),
    ],
)
def test_the_verdict_follows_the_interval_of_the_last_step(low: float, high: float, verdict: str) -> None:
    change = {"estimate": (low + high) / 2, "low": low, "high": high}
    unsure = {"estimate": 0.1, "low": -0.1, "high": 0.3}
    measures = {"vote_log_loss": change, "pair_accuracy": unsure, "pooled_auc": unsure}
    text = judge_gain({"votes_before": 1000.4, "votes_after": 2000, "measures": measures})
    assert "accuracy" not in text and "AUC" not in text
    assert verdict in text and "From 1,000 to 2,000 votes" in text
    if high < 0:
        assert "falls by 0.150 nats [0.100, 0.200]" in text


def test_a_measure_that_clearly_changes_is_not_passed_over() -> None:
    flat = {"estimate": -0.01, "low": -0.03, "high": 0.01}
    worse, better = {"estimate": -0.02, "low": -0.04, "high": -0.01}, {"estimate": 0.03, "low": 0.02, "high": 0.05}
    measures = {"vote_log_loss": flat, "pair_accuracy": worse, "pooled_auc": better}
    text = judge_gain({"votes_before": 10, "votes_after": 20, "measures": measures})
    assert "cannot be told from a flat one" in text
    assert "Pair accuracy falls by 0.020 [0.010, 0.040]. Pooled AUC rises by 0.030 [0.020, 0.050]." in text


def test_a_panel_shows_all_of_its_runs_and_chance_where_it_is_near(export: Path) -> None:
    outcomes, test = make_outcomes(export)
    results = measure_outcomes(outcomes, test, read_comparisons(export), gold=knows_the_label, seed=0)
    for axes, panel in zip(draw_curve(results).axes, list_panels(results), strict=True):
        low, high = axes.get_ylim()
        drawn = [value for values in panel.runs for value in values] + [mean["high"] for mean in panel.means]
        assert low < min(drawn) and max(drawn) < high
        assert panel.ceiling is None or low < panel.ceiling[1] < high
        dotted = [line for line in axes.lines if line.get_linestyle() == ":" or line.get_zorder() == 1]
        is_near = low <= CHANCE[panel.title] <= high
        assert len(dotted) == is_near + (panel.ceiling is not None)


def test_the_command_leaves_a_page_a_table_and_a_figure(curve: Path) -> None:
    results = json.loads((curve / "results.json").read_text())
    assert json.loads((curve / "summary.json").read_text()) == results
    assert results["simulated"] is True and results["repeats"] == 2 and len(results["sizes"]) == 2
    assert results["may_share_prompts"] is False
    assert {path.name for path in (curve / "figures").iterdir()} == {"learning_curve.svg", "learning_curve.png"}
    table = pd.read_csv(curve / "tables" / "learning_curve.csv")
    means = table[table["run"] == "mean"]
    assert set(means["measure"]) == {*MEASURED, "agreement_with_other_workers"}
    assert len(table) == 2 * (2 * 4 + 5)
    row = means[(means["share"] == 1) & (means["measure"] == "log_loss")].iloc[0]
    assert row["estimate"] == pytest.approx(results["sizes"][-1]["measures"]["log_loss"]["estimate"])
    assert row["votes"] == 3 * row["pairs"]
    page = (curve / "report.html").read_text()
    assert page.count("<figure>") == 1 and "Simulated votes." in page
    assert judge_curve(results).split(".")[0] in page
    for title in (
        "pair accuracy",
        "pooled AUC",
        "log loss of a vote, nats",
        "agreement with the other workers",
        "one worker",
    ):
        assert f">{title}<" in page


@pytest.mark.parametrize("has_votes", [True, False])
def test_the_page_says_what_is_left_to_gain(has_votes: bool, export: Path) -> None:
    outcomes, test = make_outcomes(export)
    votes = read_comparisons(export) if has_votes else []
    results = measure_outcomes(outcomes, test, votes, gold=knows_the_label if has_votes else None, seed=0)
    results |= {"simulated": False, "may_share_prompts": False, "epochs": 2}
    text = str(build_page(results, draw_curve(results)).sections[2])
    assert ("gold judge less the model" in text) == has_votes == ("A single worker prefers" in text)
    assert ("Not known" in text) != has_votes
    step = build_page(results, draw_curve(results)).sections[1]
    assert "Cut short?" in str(step)  # all runs were best in the last of two epochs
    assert "Cut short?" not in str(build_page(results | {"epochs": 9}, draw_curve(results)).sections[1])
    assert set(tabulate_curve(results)["run"]) == {"1", "2", "3", "mean"}
    assert "recall" not in str(build_page(results, draw_curve(results)))
    assert "recall" in str(build_page(results | {"may_share_prompts": True}, draw_curve(results)).sections[0])


@pytest.mark.parametrize(
    ("epochs", "said"),
    [
        ([[0, 0], [0, 0], [0, 0]], "No epoch improved on the untrained model at any size"),
        ([[1, 0], [0, 0], [0, 0]], "No epoch improved on the untrained model at the last two sizes"),
        ([[0, 0], [0, 1], [0, 0]], ""),
        ([[0, 0], [0, 0], [2, 0]], ""),
    ],
)
def test_a_curve_of_untrained_models_is_not_called_flat(epochs: list[list[int]], said: str, export: Path) -> None:
    outcomes, test = make_outcomes(export)
    middle = [replace(outcome, share=0.7, pairs=70) for outcome in outcomes[:3]]
    results = measure_outcomes([*outcomes[:2], *middle[:2], *outcomes[3:5]], test, [], seed=0)
    results |= {"simulated": False, "may_share_prompts": False, "epochs": 5, "layout": "likelihood"}
    for size, of_runs in zip(results["sizes"], epochs, strict=True):
        for run, epoch in zip(size["runs"], of_runs, strict=True):
            run["best_epoch"] = epoch
    lead = build_page(results, draw_curve(results)).lead
    if not said:
        assert describe_untrained(results) == "" and lead == judge_gain(results["gain"])
        return
    assert lead.startswith(f"{said}: what was tested there is the base model with a fitted scale")
    assert "flat" not in lead and "says nothing about more votes" in lead


def test_the_command_says_where_nothing_was_learned_and_the_table_marks_it(
    base: Path, export: Path, tmp_path: Path
) -> None:
    """At such a rate the first step already ruins the model."""
    said = io.StringIO()
    words = [*OPTIONS, f"--base-model={base}", f"--output={tmp_path / 'run'}", "--learning-rate=50"]
    call_command("measure_learning_curve", export, *words, stdout=io.StringIO(), stderr=said)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert {run["best_epoch"] for size in results["sizes"] for run in size["runs"]} == {0}
    assert "No epoch improved on the untrained model at any size" in said.getvalue()
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Best epoch 0: no epoch improved on the untrained model, which was kept." in page


def test_test_pairs_of_one_prompt_give_no_interval_and_no_verdict(export: Path) -> None:
    outcomes, test = make_outcomes(export)
    alone = [replace(outcome, scores_a=outcome.scores_a[:1], scores_b=outcome.scores_b[:1]) for outcome in outcomes]
    results = measure_outcomes(alone, test[:1], [], seed=0)
    gain = results["gain"]["measures"]["pair_accuracy"]
    assert math.isfinite(gain["estimate"]) and math.isnan(gain["low"]) and math.isnan(gain["high"])
    assert judge_gain(results["gain"]).startswith("Test pairs of one prompt are too few for an interval")
    draw_curve(results)


def test_sizes_that_lie_close_are_named_once(export: Path) -> None:
    outcomes, test = make_outcomes(export)
    near = [replace(outcome, share=0.51, pairs=51, votes=outcome.votes + 3) for outcome in outcomes[:3]]
    results = measure_outcomes([*outcomes[:3], *near, *outcomes[3:]], test, [], seed=0)
    axes = draw_curve(results).axes
    assert [label.get_text() for label in axes[-1].get_xticklabels()] == ["154\n51", "301\n100"]
    assert len(axes) == 3
