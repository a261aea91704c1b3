"""DPO: its loss by hand and by brute force, its gradient, what it learns, and whole runs, for both model kinds."""

import hashlib
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.management import CommandError, call_command
from torch.optim import AdamW

from annotation.errors import InputError
from annotation.records import split_of_prompt
from rl import dpo
from rl.dpo import (
    DpoConfig,
    DpoLearner,
    accumulate_gradient,
    describe,
    dpo_losses,
    draw_batches,
    fit_batch,
    implicit_margins,
    pair_log_probs,
    score_pairs,
    train_dpo,
    warmup_factor,
)
from rl.fitting import CHECKPOINT
from rl.logbook import read_rows
from rl.policy import load_policy
from rl.preference_pairs import EncodedPair, TrainingPairs, encode_splits, load_pairs
from rl.sequences import Example
from tests.rl.examples import EOS, TOLERANCE, brute_force_log_probs, interrupt_at, write_rows
from tests.rl.tiny import KINDS, WORDS, build_model, build_tokenizer, save_tiny


def pair(prompt: tuple[int, ...], chosen: tuple[int, ...], rejected: tuple[int, ...]) -> EncodedPair:
    return EncodedPair(Example(prompt, (*chosen, EOS)), Example(prompt, (*rejected, EOS)), "a pair")


PAIRS = (
    pair((3, 5), (7, 8), (6,)),
    pair((8, 4, 12, 9, 3), (4,), (9, 9, 9, 10)),
    pair((10,), (6, 6, 6, 6, 5), ()),
    pair((3, 11, 8), (8,), (13,)),
    pair((5, 5), (3, 4, 5), (5, 4, 3)),
)
DATA = TrainingPairs(PAIRS, PAIRS[:3], {})
CONFIG = DpoConfig("", batch=5, microbatch=5, learning_rate=1e-3)


def build_learner(kind: str, *, seed: int = 2, reference_seed: int = 2) -> DpoLearner:
    """With equal seeds the reference is the policy as it starts."""
    policy, reference = build_model(kind, seed=seed), build_model(kind, seed=reference_seed)
    learner = DpoLearner(policy, build_tokenizer(), AdamW(policy.parameters()))
    learner.reference = {
        split: score_pairs(reference, pairs, pad=0, size=5)
        for split, pairs in (("train", DATA.train), ("validation", DATA.validation))
    }
    return learner


# The objective


def test_the_loss_by_hand() -> None:
    # log π − log π_0: chosen +2, rejected −1 → margin .1 · 3; then −1 and +1 → margin .1 · −2.
    log_ratios = torch.tensor([[2.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)
    assert implicit_margins(log_ratios, 0.1).tolist() == pytest.approx([0.3, -0.2])
    expected = [math.log(1 + math.exp(-0.3)), math.log(1 + math.exp(0.2))]
    assert dpo_losses(log_ratios, 0.1).tolist() == pytest.approx(expected)
    flipped = [math.log(1 + math.exp(0.3)), math.log(1 + math.exp(-0.2))]
    smoothed = [0.8 * right + 0.2 * wrong for right, wrong in zip(expected, flipped, strict=True)]
    assert dpo_losses(log_ratios, 0.1, 0.2).tolist() == pytest.approx(smoothed)


def test_its_gradient_is_the_papers() -> None:
    """The gradient below eq. 7: −β · σ(−margin) for the chosen log-probability, and the opposite for the rejected."""
    log_ratios = torch.tensor([[2.0, -1.0], [-1.0, 1.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(dpo_losses(log_ratios, 0.5).sum(), log_ratios)
    weights = torch.sigmoid(-torch.tensor([1.5, -1.0], dtype=torch.float64))
    torch.testing.assert_close(gradient, torch.stack([-0.5 * weights, 0.5 * weights], dim=1))


def test_figures_are_means_over_pairs_and_ties_count_half() -> None:
    log_ratios = torch.tensor([[1.0, 0.0], [0.0, 3.0], [2.0, 2.0], [0.5, 0.0]])
    figures = describe(log_ratios, replace(CONFIG, beta=2.0))
    assert figures["accuracy"] == 2.5 / 4
    assert figures["margin"] == pytest.approx(2 * (1 - 3 + 0 + 0.5) / 4)
    assert (figures["chosen_log_ratio"], figures["rejected_log_ratio"]) == (3.5 / 4, 5.0 / 4)


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_and_loss_are_those_of_brute_force(kind: str) -> None:
    """Token by token in float64, EOS included, under two models that differ."""
    learner = build_learner(kind, reference_seed=3)
    scored = pair_log_probs(learner.policy, PAIRS, pad=0)
    exact = {
        seed: torch.tensor(
            [
                [float(brute_force_log_probs(build_model(kind, seed=seed), side).sum()) for side in sides]
                for sides in ((each.chosen, each.rejected) for each in PAIRS)
            ],
            dtype=torch.float64,
        )
        for seed in (2, 3)
    }
    torch.testing.assert_close(scored.double(), exact[2], atol=TOLERANCE, rtol=TOLERANCE)
    log_ratios = scored - learner.reference["train"]
    torch.testing.assert_close(log_ratios.double(), exact[2] - exact[3], atol=2 * TOLERANCE, rtol=TOLERANCE)
    expected = -torch.log(torch.sigmoid(0.1 * ((exact[2] - exact[3])[:, 0] - (exact[2] - exact[3])[:, 1])))
    torch.testing.assert_close(dpo_losses(log_ratios, 0.1).double(), expected, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_swapped_pairs_have_the_opposite_margins(kind: str) -> None:
    learner = build_learner(kind)
    swapped = [EncodedPair(each.rejected, each.chosen, each.where) for each in PAIRS]
    margins = [implicit_margins(pair_log_probs(learner.policy, pairs, pad=0), 0.1) for pairs in (PAIRS, swapped)]
    torch.testing.assert_close(margins[0], -margins[1], atol=TOLERANCE, rtol=TOLERANCE)


# Steps


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_raises_the_chosen_relative_to_the_rejected(kind: str) -> None:
    for row in range(len(PAIRS)):
        learner = build_learner(kind)
        fit_batch(learner, DATA, [row], CONFIG, total=1)
        after = score_pairs(learner.policy, PAIRS[row : row + 1], pad=0, size=1) - learner.reference["train"][row]
        # Far above the rounding of log-probabilities, 1e-5.
        assert float(implicit_margins(after, 1.0)) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_microbatches_add_up_to_the_minibatch(kind: str, size: int) -> None:
    gradients, ratios = [], []
    for microbatch in (5, size):
        learner = build_learner(kind, reference_seed=3)
        ratios.append(accumulate_gradient(learner, PAIRS, range(5), replace(CONFIG, microbatch=microbatch)))
        gradients.append([weight.grad for weight in learner.policy.parameters()])
    assert torch.allclose(ratios[0], ratios[1], atol=TOLERANCE), "the order is by length, whatever the size"
    for first, second in zip(*gradients, strict=True):
        # Float32 sums of five pairs' gradients in another order.
        torch.testing.assert_close(first, second, atol=TOLERANCE, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_is_scored_without_dropout(kind: str) -> None:
    learner = build_learner(kind)
    ratios = [accumulate_gradient(learner, PAIRS, range(5), CONFIG) for _ in range(2)]
    assert torch.equal(*ratios)
    assert ratios[0].abs().max() < TOLERANCE, "policy and reference are the same model"


def test_every_pair_is_seen_once_an_epoch_in_another_order() -> None:
    config = replace(CONFIG, epochs=2, batch=4)
    batches = list(draw_batches(10, config))
    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2]
    first, second = (list(itertools.chain(*part)) for part in (batches[:3], batches[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_the_learning_rate_rises_linearly_and_stays() -> None:
    config = replace(CONFIG, warmup_share=0.2)
    assert [warmup_factor(step, 20, config) for step in (0, 1, 3, 4, 19)] == [0.25, 0.5, 1, 1, 1]
    assert warmup_factor(0, 20, replace(config, warmup_share=0.0)) == 1


# Whole runs


def toy_rows() -> list[dict[str, str]]:
    """A preference that can be learned: sentences about dogs, not about cats, whatever the prompt."""
    endings = (".", "runs", "the park", "sees a ball .")
    return [
        {"prompt": f"{first} {second}", "chosen": f"the dog {ending}", "rejected": f"the cat {ending}"}
        for number, (first, second) in enumerate(itertools.product(WORDS[:7], WORDS[4:]))
        for ending in (endings[number % 4],)
    ]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "pairs.jsonl", *toy_rows())


@pytest.fixture
def config(tmp_path: Path) -> DpoConfig:
    base = str(save_tiny("gpt2", tmp_path / "base"))
    return DpoConfig(base, learning_rate=3e-3, batch=8, microbatch=4, epochs=3, checkpoint_every=3)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_policy(folder)[0].state_dict()
    return state


def are_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(weight, second[name]) for name, weight in first.items())


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_it_starts_at_log_2_and_learns_a_separable_preference(
    kind: str, config: DpoConfig, source: Path, tmp_path: Path
) -> None:
    config = replace(config, base_model=str(save_tiny(kind, tmp_path / kind)), epochs=6, learning_rate=1e-2)
    summary = train_dpo(config, source, tmp_path / "run", show_progress=False)
    evaluations = read_rows(tmp_path / "run" / "evaluations.jsonl")
    assert [row["epoch"] for row in evaluations] == [0, 1, 2, 3, 4, 5, 6]
    # Exactly: the same pairs meet in the same batches, so that policy and reference have equal bits.
    assert evaluations[0]["loss"] == math.log(2)
    assert (evaluations[0]["accuracy"], evaluations[0]["margin"]) == (0.5, 0.0)
    assert evaluations[-1]["accuracy"] == 1.0
    assert evaluations[-1]["loss"] < 0.3
    assert evaluations[-1]["chosen_log_ratio"] > evaluations[-1]["rejected_log_ratio"]
    assert summary["validation_after"] == evaluations[-1]
    assert summary["best_validation_loss"] == min(row["loss"] for row in evaluations)


def test_a_run_leaves_a_folder_that_explains_it(config: DpoConfig, source: Path, tmp_path: Path) -> None:
    summary = train_dpo(config, source, tmp_path / "run", show_progress=False)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        *("config.yaml", "environment.json", "inputs.json", "summary.json"),
        *("metrics.jsonl", "evaluations.jsonl", "policy", "best"),
    }
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary
    splits = [split_of_prompt(row["prompt"]) for row in toy_rows()]
    assert summary["pairs"] == {"train": splits.count("train"), "validation": splits.count("validation")}
    assert summary["left_out"] == {"without_label": 0, "same_tokens": 0, "test_split": splits.count("test")}
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    an_epoch = -(-splits.count("train") // 8)
    assert [row["step"] for row in rows if row["step"] % an_epoch == 0] == [an_epoch, 2 * an_epoch, 3 * an_epoch]
    assert rows[-1]["epoch"] == 3
    assert {"loss", "accuracy", "margin", "chosen_log_ratio", "rejected_log_ratio"} <= rows[0].keys()
    assert {"learning_rate", "gradient_norm"} <= rows[0].keys()


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_never_changes(kind: str, config: DpoConfig, source: Path, tmp_path: Path) -> None:
    """The last figures are those of the saved policy against the reference as it is on disk."""
    base, other = save_tiny(kind, tmp_path / "a"), save_tiny(kind, tmp_path / "b", seed=5)
    before = digest(other)
    config = replace(config, base_model=str(base), reference=str(other))
    summary = train_dpo(config, source, tmp_path / "run", show_progress=False)
    assert digest(other) == before
    policy, tokenizer = load_policy(tmp_path / "run" / "policy")
    reference, _ = load_policy(other)
    pairs = encode_splits(load_pairs(source), source, [policy], tokenizer).validation
    log_ratios = score_pairs(policy, pairs, 0, 4) - score_pairs(reference, pairs, 0, 4)
    assert describe(log_ratios, config).items() <= summary["validation_after"].items()
    assert summary["validation_before"]["margin"] != 0, "the reference is not the policy"


def test_best_is_the_policy_of_the_least_validation_loss(
    config: DpoConfig, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_dpo(config, source, tmp_path / "rising", show_progress=False)
    assert are_equal(weights_of(tmp_path / "rising" / "best"), weights_of(tmp_path / "rising" / "policy"))
    # Learning from pairs the wrong way round: the validation loss only rises, so the best is the base model.
    monkeypatch.setattr(dpo, "accumulate_gradient", _accumulate_swapped)
    summary = train_dpo(config, source, tmp_path / "falling", show_progress=False)
    assert summary["best_epoch"] == 0
    assert are_equal(weights_of(tmp_path / "falling" / "best"), weights_of(Path(config.base_model)))


def test_a_resumed_run_remembers_the_least_validation_loss(
    config: DpoConfig, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dpo, "accumulate_gradient", _accumulate_swapped)
    interrupt(config, source, tmp_path / "run", monkeypatch)
    assert train_dpo(config, source, tmp_path / "run", resume=True, show_progress=False)["best_epoch"] == 0


def _accumulate_swapped(learner: DpoLearner, pairs: Any, rows: Any, config: DpoConfig) -> torch.Tensor:
    swapped = [EncodedPair(each.rejected, each.chosen, each.where) for each in pairs]
    learner.reference["train"] = learner.reference["train"].flip(1)
    ratios = accumulate_gradient(learner, swapped, rows, config)
    learner.reference["train"] = learner.reference["train"].flip(1)
    return ratios


def interrupt(config: DpoConfig, source: Path, output: Path, monkeypatch: pytest.MonkeyPatch, call: int = 7) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(dpo, "take_step", interrupt_at(call))
        train_dpo(config, source, output, show_progress=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stopped_in", [3, 6, 12])
def test_an_interrupted_run_resumes_bit_for_bit(
    kind: str, stopped_in: int, config: DpoConfig, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first checkpoint, between an epoch's end and a checkpoint, and in the middle of a logged group."""
    config = replace(config, base_model=str(save_tiny(kind, tmp_path / kind)))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    summary = train_dpo(config, source, whole, show_progress=False)
    assert summary["steps"] >= 12
    interrupt(config, source, parts, monkeypatch, call=stopped_in)
    assert not parts.exists()
    assert train_dpo(config, source, parts, resume=True, show_progress=False) == summary
    for name in ("metrics.jsonl", "evaluations.jsonl"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()
    for folder in ("policy", "best"):
        assert are_equal(weights_of(whole / folder), weights_of(parts / folder))
    assert not (parts / CHECKPOINT).exists()


def test_a_resumed_run_does_not_score_its_reference_again(
    config: DpoConfig, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(config, source, tmp_path / "run", monkeypatch)
    monkeypatch.setattr(dpo, "score_reference", None)
    train_dpo(config, source, tmp_path / "run", resume=True, show_progress=False)


def test_an_interrupted_run_is_not_mixed_with_another(
    config: DpoConfig, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "run"
    interrupt(config, source, output, monkeypatch)
    with pytest.raises(InputError, match="holds an interrupted run; pass --resume"):
        train_dpo(config, source, output, show_progress=False)
    with pytest.raises(InputError, match=r"made with beta = 0\.1, this run has 0\.3"):
        train_dpo(replace(config, beta=0.3), source, output, resume=True, show_progress=False)
    write_rows(source, *toy_rows()[:-1])
    with pytest.raises(InputError, match="made with data_sha256"):
        train_dpo(config, source, output, resume=True, show_progress=False)
    (tmp_path / "run.partial" / CHECKPOINT).write_bytes(b"broken")
    with pytest.raises(InputError, match=r"checkpoint\.pt cannot be read as a checkpoint"):
        train_dpo(config, source, output, resume=True, show_progress=False)


def test_a_loss_that_is_not_finite_stops_the_run(config: DpoConfig, source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"step \d+: the .*loss .* not a finite number"):
        train_dpo(replace(config, learning_rate=1e30), source, tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"base_model": "absent"}, "absent is not a model checkpoint"),
        ({"reference": "absent"}, "absent is not a model checkpoint"),
        ({"beta": 0.0}, "beta: expected a number above 0, found 0.0"),
        ({"label_smoothing": 0.5}, "label_smoothing: expected a number from 0 to below 0.5, found 0.5"),
        ({"warmup_share": 2.0}, "warmup_share: expected a number from 0 to 1, found 2.0"),
        ({"epochs": 0}, "epochs: expected a number above 0, found 0"),
    ],
)
def test_a_bad_setting_is_one_sentence_and_leaves_nothing(
    changes: dict[str, Any], sentence: str, config: DpoConfig, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=sentence):
        train_dpo(replace(config, **changes), source, tmp_path / "run", show_progress=False)
    assert not list(tmp_path.glob("run*"))


def test_a_reference_of_another_kind_is_refused(config: DpoConfig, source: Path, tmp_path: Path) -> None:
    config = replace(config, reference=str(save_tiny("t5", tmp_path / "t5")))
    with pytest.raises(InputError, match="t5: its kind or its vocabulary differs from"):
        train_dpo(config, source, tmp_path / "run", show_progress=False)
    assert not list(tmp_path.glob("run*"))


def test_the_command_trains_and_names_bad_input(
    config: DpoConfig, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train_dpo", str(source), "--base-model", config.base_model, "--output", str(tmp_path / "run")]
    call_command(*words, "--epochs", "1", "--batch", "8", "--beta", "0.5", "--json")
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["validation_before"]["accuracy"] == 0.5
    with pytest.raises(CommandError, match="exists already") as refused:
        call_command(*words)
    assert refused.value.returncode == 2
    write_rows(source, {"prompt": "x"})
    with pytest.raises(CommandError, match=r"pairs\.jsonl, line 1: the key 'chosen' is missing"):
        call_command(*words[:-1], str(tmp_path / "again"))
    assert not list(tmp_path.glob("again*"))


@pytest.mark.parametrize("kind", KINDS)
def test_its_policy_warm_starts_another_run(kind: str, config: DpoConfig, source: Path, tmp_path: Path) -> None:
    config = replace(config, base_model=str(save_tiny(kind, tmp_path / kind)), epochs=1)
    train_dpo(config, source, tmp_path / "first", show_progress=False)
    config = replace(config, base_model=str(tmp_path / "first" / "policy"))
    summary = train_dpo(config, source, tmp_path / "second", show_progress=False)
    assert summary["validation_before"]["loss"] == math.log(2)
