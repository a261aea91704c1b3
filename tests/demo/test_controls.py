"""The controls: their verdicts on made-up results, and all of them in miniature, interrupted and resumed."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from annotation.configuration import load_config
from annotation.errors import InputError
from annotation.record_readers import read_preferences
from reward_models.dataset import shuffle_votes
from rl.management.demo.controls import judge_aucs, judge_gold_of_policies, judge_negative_world
from rl.management.demo.experiment import EXPERIMENT_FILE, Experiment
from rl.tasks import load_task
from rl.tasks.commongen_mini.judge import load_judge
from tests.demo.miniature import finished_runs, interrupt_demo, run_demo


def test_a_mean_auc_is_held_against_two_of_its_standard_errors() -> None:
    # Of 0.50, 0.54, 0.58: mean .54, standard deviation .04, standard error .04 / √3 = .0231.
    near = judge_aucs([0.50, 0.54, 0.58])
    assert near["mean_auc"] == pytest.approx(0.54)
    assert near["standard_error"] == pytest.approx(0.04 / 3**0.5)
    assert near["within_two_standard_errors_of_chance"]
    assert not judge_aucs([0.51, 0.55, 0.59])["within_two_standard_errors_of_chance"]  # .05 is 2.17 errors away
    assert not judge_aucs([0.41, 0.45, 0.49])["within_two_standard_errors_of_chance"]  # below counts alike


def test_votes_add_something_only_if_arm_c_leads_policies_that_heard_none_beyond_chance() -> None:
    # Standard error .1 / √3, t(.975, 2) = 4.303: half a width of .248.
    control = judge_gold_of_policies([2.1, 2.2, 2.3], gold_b=2.0, gold_c=2.5)
    assert control["votes_add_something"]
    assert control["arm_c_less_them"]["low"] == pytest.approx(0.3 - 4.303 * 0.1 / 3**0.5, abs=1e-4)
    assert control["gold_less_arm_b"]["estimate"] == pytest.approx(0.2)
    assert not judge_gold_of_policies([2.1, 2.2, 2.3], gold_b=2.0, gold_c=2.4)["votes_add_something"]
    assert not judge_gold_of_policies([2.1, 2.2, 2.3], gold_b=2.0, gold_c=1.8)["votes_add_something"]


@pytest.mark.parametrize(
    ("estimate", "p_value", "beats"), [(0.1, 0.01, True), (0.1, 0.06, False), (-0.1, 0.01, False), (0.0, 1.0, False)]
)
def test_c_beats_b_in_the_vote_if_it_is_ahead_and_not_by_chance(estimate: float, p_value: float, beats: bool) -> None:
    vote = {"wins_b": 3, "wins_a": 2, "ties": 1, "mean_vote": {"estimate": estimate, "p_value": p_value}}
    gold = {"c_less_b_sampled": {"low": -0.01, "high": 0.2}, "c_less_b_greedy": {"low": 0.01, "high": 0.2}}
    verdict = judge_negative_world(vote, gold)
    assert verdict["c_beats_b_in_the_vote"] is beats
    assert verdict["c_beats_b_in_gold"] == {"sampled": False, "greedy": True}


def test_too_few_controls_are_refused_before_anything_runs() -> None:
    with pytest.raises(InputError, match="shuffled_policies: expected at least 2, found 1"):
        load_config(Experiment, EXPERIMENT_FILE, ["controls.shuffled_policies=1"])
    with pytest.raises(InputError, match="shuffled_models: expected at least as many as shuffled_policies, 5, found 4"):
        load_config(Experiment, EXPERIMENT_FILE, ["controls.shuffled_models=4"])


def shares_of_faults(task: Path) -> dict[str, float]:
    """The share of references that the gold judge finds implausible, and that are not well formed."""
    judge, items = load_judge(task), load_task("commongen-mini", task).split("train")
    scores = [judge(item.prompt, text) for item in items for text in item.references]
    return {
        "implausible": sum(score.plausibility < 1 for score in scores) / len(scores),
        "malformed": sum(score.grammar < 1 for score in scores) / len(scores),
    }


def expect_shuffled_votes(demo: Path) -> None:
    """The real model was given the real votes; each model of the control others, and no two the same."""
    real = read_preferences(demo / "first-vote")
    shuffled = [shuffle_votes(real, number) for number in range(2)]
    assert shuffled[0] != real and shuffled[1] != real and shuffled[0] != shuffled[1]
    models = [demo / "reward-model", *sorted((demo / "controls").glob("shuffled-reward-model-*"))]
    recorded = [yaml.safe_load((model / "config.yaml").read_text())["shuffle_votes"] for model in models]
    assert recorded == [None, 0, 1]


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.xdist_group("demo")
def test_the_controls_run_resume_and_leave_the_demo_as_it_was(tmp_path: Path, finished_demo: Path) -> None:
    demo = tmp_path / "demo"
    shutil.copytree(finished_demo, demo)
    summary, page = (demo / "summary.json").read_bytes(), (demo / "report.html").read_text()
    negative = demo / "controls" / "negative-world"
    interrupt_demo(demo, negative / "results" / "supervised.json", "--controls")
    done = finished_runs(demo)
    assert len([path for path in done if "shuffled-" in str(path)]) == 4
    assert not (demo / "controls" / "results.json").exists()

    controls = run_demo(demo, "--controls")["controls"]
    after = finished_runs(demo)
    assert {path: after[path] for path in done} == done  # nothing that was done was done again
    assert (demo / "summary.json").read_bytes() == summary
    assert controls == json.loads((demo / "controls" / "results.json").read_text())
    assert len(controls["shuffled_votes"]["aucs"]) == 2
    assert len(controls["shuffled_policies"]["gold"]) == 2
    expect_shuffled_votes(demo)
    assert shares_of_faults(negative / "task") == {"implausible": 0, "malformed": 0}
    assert shares_of_faults(demo / "task")["implausible"] > 0.2
    vote = controls["negative_world"]["second_vote_c_against_b"]
    assert vote["wins_a"] + vote["wins_b"] + vote["ties"] == 12 * 3
    heading = "A world without flaws: second vote, C against B"
    assert heading not in page
    assert heading in (demo / "report.html").read_text()
