"""Whole runs: the folder they leave, exact resume, and what stops them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from annotation.errors import InputError
from rl.config import EvaluationConfig, NlpoConfig, OptimiserConfig, TrainingConfig
from rl.fitting import CHECKPOINT
from rl.learner import build_learner
from rl.logbook import read_rows
from rl.policy import load_policy
from rl.rewards import Reward, score_meteor
from rl.tasks.items import Item
from rl.train import choose_items, collect, train
from tests.rl.tiny import KINDS, build_task, save_tiny

CLOCK = ("collect_s", "reward_s", "update_s", "tokens_per_s")


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    return TrainingConfig(
        base_model=str(save_tiny("t5", tmp_path / "model")),
        iterations=6,
        prompts=PROMPTS_AN_ITERATION,
        horizon=5,
        nlpo=NlpoConfig(refresh_every=2),
        optimiser=OptimiserConfig(learning_rate=1e-3, value_learning_rate=1e-3, minibatch=4, epochs=1),
        evaluation=EvaluationConfig(every=2, items=4, samples=2),
        checkpoint_every=3,
        snapshots=(2, 5),
    )


PROMPTS_AN_ITERATION = 8


def interrupt_at(iteration: int) -> Reward:
    """METEOR until the rollout of this iteration is rewarded. Evaluations have fewer completions than a rollout."""
    rollouts = 0

    def interrupted(prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> list[float]:
        nonlocal rollouts
        rollouts += len(completions) == PROMPTS_AN_ITERATION
        if rollouts == iteration:
            raise KeyboardInterrupt
        return score_meteor(prompts, completions, items)

    return interrupted


def without_clock(folder: Path) -> list[dict[str, object]]:
    return [{name: entry for name, entry in row.items() if name not in CLOCK} for row in read_rows(folder)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stopped_in", [2, 5])
def test_an_interrupted_run_resumes_bit_for_bit(
    kind: str, stopped_in: int, config: TrainingConfig, tmp_path: Path
) -> None:
    """Six iterations at once are three and three, and also nothing and six."""
    config = replace(config, base_model=str(save_tiny(kind, tmp_path / kind)))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config, build_task(), whole, show_progress=False)
    with pytest.raises(KeyboardInterrupt):
        train(config, build_task(), parts, reward=interrupt_at(stopped_in), show_progress=False)
    assert not parts.exists()
    train(config, build_task(), parts, resume=True, show_progress=False)
    assert without_clock(parts / "metrics.jsonl") == without_clock(whole / "metrics.jsonl")
    for name in ("evaluations.jsonl", "samples.jsonl"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()
    for folder in ("policy", "snapshots/iteration-002", "snapshots/iteration-005"):
        first, second = (load_policy(run / folder)[0].state_dict() for run in (whole, parts))
        assert all(torch.equal(weight, second[name]) for name, weight in first.items())


def test_a_run_leaves_a_folder_that_explains_it(config: TrainingConfig, tmp_path: Path) -> None:
    summary = train(config, build_task(), tmp_path / "run", show_progress=False)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        *("config.yaml", "environment.json", "inputs.json", "summary.json"),
        *("metrics.jsonl", "evaluations.jsonl", "samples.jsonl", "policy", "best", "snapshots"),
        "tensorboard",
    }
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert {"reward", "kl_sampled", "kl_exact", "kl_exact_masked", "kl_coefficient", "entropy"} <= rows[0].keys()
    assert {"support_mass", "length_tokens", "first_max_ratio_error", "clip_fraction"} <= rows[0].keys()
    assert {"value_loss", "explained_variance", "tokens_per_s"} <= rows[0].keys()
    assert 0 < rows[0]["support_mass"] < 1
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["iterations"] == summary["iterations"] == 6


def test_validation_reports_the_sampler_with_and_without_the_mask(config: TrainingConfig, tmp_path: Path) -> None:
    train(config, build_task(), tmp_path / "nlpo", show_progress=False)
    evaluations = read_rows(tmp_path / "nlpo" / "evaluations.jsonl")
    assert [row["iteration"] for row in evaluations] == [0, 2, 4, 6]
    assert evaluations[0].keys() == {"iteration", "sampled", "sampled_masked", "greedy"}
    assert evaluations[0]["sampled"] != evaluations[0]["sampled_masked"]
    train(replace(config, algorithm="ppo"), build_task(), tmp_path / "ppo", show_progress=False)
    unmasked = read_rows(tmp_path / "ppo" / "evaluations.jsonl")
    assert unmasked[0].keys() == {"iteration", "sampled", "greedy"}
    assert unmasked[0]["sampled"] == evaluations[0]["sampled"], "the mask does not reach the unmasked evaluation"


def test_how_often_it_is_evaluated_does_not_change_what_is_learned(config: TrainingConfig, tmp_path: Path) -> None:
    seldom = replace(config, evaluation=EvaluationConfig(every=100, items=1, samples=0), checkpoint_every=100)
    for name, settings in (("often", config), ("seldom", seldom)):
        train(settings, build_task(), tmp_path / name, show_progress=False)
    assert without_clock(tmp_path / "often" / "metrics.jsonl") == without_clock(tmp_path / "seldom" / "metrics.jsonl")


def test_the_same_seed_gives_the_same_run_and_another_another(config: TrainingConfig, tmp_path: Path) -> None:
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        train(replace(config, seed=seed), build_task(), tmp_path / name, show_progress=False)
    first, again, other = (without_clock(tmp_path / name / "metrics.jsonl") for name in ("first", "again", "other"))
    assert first == again != other


def test_it_refuses_to_resume_with_another_configuration(config: TrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(config, build_task(), tmp_path / "run", reward=interrupt_at(5), show_progress=False)
    with pytest.raises(InputError, match=r"made with clip = 0.2, this run has 0.3"):
        train(replace(config, clip=0.3), build_task(), tmp_path / "run", resume=True, show_progress=False)


def test_it_names_a_checkpoint_that_cannot_be_read(config: TrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(config, build_task(), tmp_path / "run", reward=interrupt_at(5), show_progress=False)
    (tmp_path / "run.partial" / CHECKPOINT).write_bytes(b"broken")
    with pytest.raises(InputError, match=r"checkpoint.pt cannot be read as a checkpoint"):
        train(config, build_task(), tmp_path / "run", resume=True, show_progress=False)


def test_a_line_cut_off_by_a_kill_does_not_stop_a_resumed_run(config: TrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(config, build_task(), tmp_path / "run", reward=interrupt_at(5), show_progress=False)
    with (tmp_path / "run.partial" / "metrics.jsonl").open("a") as stream:
        stream.write('{"iteration": 5, "rew')
    train(config, build_task(), tmp_path / "run", resume=True, show_progress=False)
    assert [row["iteration"] for row in read_rows(tmp_path / "run" / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6]


def test_a_prompt_that_does_not_fit_is_found_before_anything_is_written(config: TrainingConfig, tmp_path: Path) -> None:
    task = build_task()
    long = replace(task, train=(*task.train, Item("long", "dog " * 70, ("dog",), ())))
    config = replace(config, base_model=str(save_tiny("gpt2", tmp_path / "gpt2")))
    with pytest.raises(InputError, match="the model's window is 64"):
        train(config, long, tmp_path / "run", show_progress=False)
    assert not list(tmp_path.glob("run*"))


def test_the_responses_to_a_prompt_stand_together(config: TrainingConfig) -> None:
    """As RLOO and GRPO read them: rows i·n to i·n + n − 1 are one group."""
    items = choose_items(build_task(10).train, replace(config, prompts=3, samples_per_prompt=4), 0)
    names = [item.item for item in items]
    assert len(set(names)) == 3
    assert names == [name for name in names[::4] for _ in range(4)]


def test_every_iteration_draws_other_noise(config: TrainingConfig) -> None:
    learner, items = build_learner(config, "cpu"), build_task(8).train
    first, again = (collect(learner, config, items).response_ids.tolist() for _ in range(2))
    learner.finished += 1
    assert first == again
    assert collect(learner, config, items).response_ids.tolist() != first


def test_items_come_in_shuffled_passes_over_the_data(config: TrainingConfig) -> None:
    items = build_task(10).train
    names = [item.item for iteration in range(5) for item in choose_items(items, replace(config, prompts=4), iteration)]
    assert len(names) == 20
    for half in (names[:10], names[10:]):
        assert sorted(half) == sorted(item.item for item in items)
    assert names[:10] != names[10:]
