"""Training: gradients in parts, exact resumption, low-rank additions, margins, precision, and what is left on disk."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import reward_models.train
from annotation.errors import InputError
from annotation.run_folders import RunFolder, open_run
from reward_models.checkpoints import load_base_model
from reward_models.config import RewardModelConfig
from reward_models.dataset import PairSplits, split_pairs
from reward_models.layouts import is_head
from reward_models.losses import pair_loss, preference_loss, score_pairs
from reward_models.low_rank import add_low_rank, merge_low_rank
from reward_models.scoring import load_scorer
from reward_models.train import accumulate_gradient, prepare_training, restore, train_reward_model
from rl.fitting import save_checkpoint
from tests.reward_models.pairs import make_pair, make_pairs

SPLITS = PairSplits(
    tuple(make_pairs(50, "train")), tuple(make_pairs(16, "validation", 50)), tuple(make_pairs(10, "test", 70))
)


def train(config: RewardModelConfig, folder: Path, splits: PairSplits = SPLITS, *, resume: bool = False) -> dict:
    with open_run(folder, config=config, resumable=True, resume=resume) as run:
        return train_reward_model(config, splits, run, show_progress=False)


@pytest.mark.parametrize("microbatch", [1, 4, 7, 20])
def test_the_gradient_of_parts_is_the_gradient_of_the_whole_batch(microbatch: int, base: Path) -> None:
    """Parts are of unlike size and length; every term of the loss is in it."""
    config = RewardModelConfig(str(base), dropout=0.0, margin=0.5, batch=20)
    gradients = []
    for size in (0, microbatch):
        training = prepare_training(replace(config, microbatch=size), SPLITS)
        model = training.learner.model
        loss = accumulate_gradient(model, training.config, SPLITS, list(range(20)))
        gradients.append((loss, torch.cat([weight.grad.flatten() for weight in model.parameters()])))
    assert gradients[0][0] == pytest.approx(gradients[1][0], abs=1e-5)
    # float32 sums in another order, of gradients up to about 1
    torch.testing.assert_close(gradients[0][1], gradients[1][1], atol=2e-6, rtol=1e-4)


class InterruptedRunError(Exception):
    """A run that dies."""


@pytest.mark.parametrize("settings", [{}, {"lora_rank": 2, "microbatch": 3}, {"layout": "likelihood"}])
def test_an_interrupted_run_ends_bit_for_bit_where_an_uninterrupted_one_does(
    settings: dict, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten steps with dropout, and five and five: after the seventh the run dies, and goes on from the fifth."""
    config = RewardModelConfig(str(base), batch=10, epochs=2, checkpoint_every=5, learning_rate=1e-3, **settings)
    whole = train(config, tmp_path / "whole")
    assert whole["steps"] == 10
    fit = reward_models.train.fit_batch

    def die_after_seven(learner, *rest):  # type: ignore[no-untyped-def]
        if learner.finished == 7:
            raise InterruptedRunError
        return fit(learner, *rest)

    monkeypatch.setattr(reward_models.train, "fit_batch", die_after_seven)
    with pytest.raises(InterruptedRunError):
        train(config, tmp_path / "parts")
    monkeypatch.setattr(reward_models.train, "fit_batch", fit)
    assert train(config, tmp_path / "parts", resume=True) == whole
    for name in ("model/model.safetensors", "metrics.jsonl", "evaluations.jsonl", "summary.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not (tmp_path / "parts" / "checkpoint.pt").exists()


def test_a_run_is_not_resumed_with_other_votes_or_another_rate(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RewardModelConfig(str(base), batch=10, epochs=1, checkpoint_every=2)
    fit = reward_models.train.fit_batch

    def die_after_three(learner, *rest):  # type: ignore[no-untyped-def]
        if learner.finished == 3:
            raise InterruptedRunError
        return fit(learner, *rest)

    monkeypatch.setattr(reward_models.train, "fit_batch", die_after_three)
    with pytest.raises(InterruptedRunError):
        train(config, tmp_path / "run")
    monkeypatch.setattr(reward_models.train, "fit_batch", fit)
    with pytest.raises(InputError, match=r"made with learning_rate = 0\.0001, this run has 0\.001"):
        train(replace(config, learning_rate=1e-3), tmp_path / "run", resume=True)
    other = replace(SPLITS, train=(*SPLITS.train[:-1], make_pair(99, "train")))
    with pytest.raises(InputError, match="made with data_sha256"):
        train(config, tmp_path / "run", other, resume=True)
    moved = replace(config, base_model=str(tmp_path / "base"))
    network = load_base_model(str(base)).network
    with torch.no_grad():
        network.get_output_embeddings().weight[0, 0] += 1
    shutil.copytree(base, tmp_path / "base")
    network.save_pretrained(tmp_path / "base")
    assert prepare_training(moved, SPLITS).base_sha256 != prepare_training(config, SPLITS).base_sha256
    with pytest.raises(InputError, match="made with base_sha256"):
        restore(
            replace(prepare_training(moved, SPLITS), config=prepare_training(config, SPLITS).config),
            RunFolder(tmp_path / "run.partial"),
        )
    (tmp_path / "run.partial" / "checkpoint.pt").write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        train(config, tmp_path / "run", resume=True)


def test_a_resumed_likelihood_keeps_the_scale_that_was_fitted_when_it_began(base: Path, tmp_path: Path) -> None:
    """Another machine's sums may give another scale; the run is one run all the same."""
    config = RewardModelConfig(str(base), "likelihood", batch=10, epochs=1)
    first, second = prepare_training(config, SPLITS), prepare_training(config, SPLITS)
    model = first.learner.model
    model.settings = replace(model.settings, likelihood_scale=0.25, likelihood_offset=1.5)
    save_checkpoint(tmp_path, first.must_match(), first.learner.parts(), first.learner.position())
    assert second.learner.model.settings != model.settings
    restore(second, RunFolder(tmp_path))
    assert second.learner.model.settings == model.settings


@pytest.mark.parametrize("family", ["t5", "llama", "gpt2", "bert", "roberta"])
def test_low_rank_training_changes_additions_and_heads_alone_and_leaves_a_plain_model(
    family: str, base: Path, families: Path, tmp_path: Path
) -> None:
    path = base if family == "t5" else families / family
    before = load_base_model(str(path)).network.state_dict()
    layout = "decoder-mean" if family == "t5" else "scalar"
    config = RewardModelConfig(str(path), layout, lora_rank=2, learning_rate=1e-2, epochs=1, batch=10, dropout=0.0)  # type: ignore[arg-type]
    learner = prepare_training(config, SPLITS).learner
    trained = {name for name, weight in learner.model.network.named_parameters() if weight.requires_grad}
    assert trained and all("lora_" in name or is_head(name) for name in trained)
    new = {name for name in dict(learner.model.network.named_parameters()) if is_head(name)}
    assert new <= trained  # a head that was drawn by chance and stayed so would be noise
    train(config, tmp_path / "run")
    after = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert not [name for name in after if "lora" in name]
    changed = {name for name in after if name in before and not torch.equal(after[name], before[name])}
    linear = {name for name in before if name.endswith(".weight") and before[name].dim() == 2}
    assert changed and changed <= linear | {name for name in before if is_head(name)}
    assert not [name for name in changed if "emb" in name or "wte" in name or "shared" in name or "norm" in name]


@torch.no_grad()
def test_merged_additions_score_as_they_did_apart(families: Path) -> None:
    model = load_base_model(str(families / "llama")).eval()
    plain = model(["say red"], ["blue."])
    add_low_rank(model.network, 2)
    torch.testing.assert_close(model(["say red"], ["blue."]), plain)  # they begin at zero
    for name, weight in model.network.named_parameters():
        if "lora_B" in name:
            weight.normal_(generator=torch.Generator().manual_seed(0))
    apart = model(["say red"], ["blue."])
    assert abs(float(apart - plain)) > 1e-3
    merge_low_rank(model.network)
    torch.testing.assert_close(model(["say red"], ["blue."]), apart, atol=1e-4, rtol=1e-4)  # float32 sums
    assert not [name for name, _ in model.network.named_modules() if "lora" in name]


def test_a_margin_moves_the_difference_that_a_vote_asks_for() -> None:
    """−log σ(s_a − s_b − m) for a vote for a, by hand; in the classification the two sides share it."""
    scores_a, scores_b, one = torch.tensor([0.3]), torch.tensor([-0.2]), torch.tensor([1.0])
    margin = torch.tensor([0.4])
    expected = -math.log(1 / (1 + math.exp(-(0.3 + 0.2 - 0.4))))
    assert preference_loss(scores_a, scores_b, one, margin, "bradley-terry").item() == pytest.approx(expected, abs=1e-6)
    good, bad = (-math.log(1 / (1 + math.exp(-logit))) for logit in (0.3 - 0.2, 0.2 - 0.2))
    found = preference_loss(scores_a, scores_b, one, margin, "classification").item()
    assert found == pytest.approx((good + bad) / 2, abs=1e-6)


def test_a_margin_follows_votes_or_strength_and_changes_sign_with_the_sides(base: Path) -> None:
    model = load_base_model(str(base)).eval()
    pair = make_pair(1, "train", 2, 1)
    score_a, score_b = (float(score) for score in score_pairs(model, [pair]))
    target = 2.5 / 4

    def expected(margin: float) -> float:
        logit = score_a - score_b - margin
        return math.log(1 + math.exp(logit)) - target * logit

    config = RewardModelConfig("unused", centring=0.0, language_weight=0.0, margin=3.0)
    by_votes = pair_loss(model, [pair], config, {}).item()
    assert by_votes == pytest.approx(expected(3 * (2 - 1) / 3), abs=1e-5)
    by_strength = replace(config, margin_by="strength")
    assert pair_loss(model, [pair], by_strength, {pair.pair: -0.5}).item() == pytest.approx(expected(-1.5), abs=1e-5)
    assert pair_loss(model, [pair], by_strength, {}).item() == pytest.approx(expected(0), abs=1e-5)
    swapped = replace(
        pair, completion_a=pair.completion_b, completion_b=pair.completion_a, votes_a=1, votes_b=2, label="b"
    )
    assert pair_loss(model, [swapped], config, {}).item() == pytest.approx(by_votes, abs=1e-5)


def test_bfloat16_reads_nearly_as_float32_does_and_leaves_float32_weights(base: Path, tmp_path: Path) -> None:
    model = load_base_model(str(base)).eval()
    pairs = make_pairs(20, "test")
    with torch.no_grad():
        exact = torch.cat(score_pairs(model, pairs))
        model.reads_bfloat16 = True
        rough = torch.cat(score_pairs(model, pairs))
    assert rough.dtype == torch.float32
    assert 0 < float((exact - rough).abs().max()) < 0.05  # eight bits of mantissa on sums of some tens of products
    summary = train(RewardModelConfig(str(base), epochs=1, precision="bfloat16"), tmp_path / "run")
    assert summary["precision"] == "bfloat16" and math.isfinite(summary["validation_log_loss"])
    weights = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


def test_training_stops_when_validation_gets_no_better_and_keeps_the_best_epoch(base: Path, tmp_path: Path) -> None:
    """Votes at random: nothing that is learned helps."""
    config = RewardModelConfig(str(base), learning_rate=2e-2, epochs=30, patience=2, batch=25, dropout=0.0)
    summary = train(config, tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "evaluations.jsonl").read_text().splitlines()]
    best = min(rows, key=lambda row: row["log_loss"])
    assert summary["best_epoch"] == best["epoch"] and summary["validation_log_loss"] == best["log_loss"]
    assert rows[-1]["epoch"] == min(30, best["epoch"] + 2)
    scorer = load_scorer(tmp_path / "run")
    scores_a, scores_b = score_pairs(scorer.model, SPLITS.validation)
    found = [
        pair.label == ("a" if a > b else "b") for pair, a, b in zip(SPLITS.validation, scores_a, scores_b, strict=True)
    ]
    assert np.mean(found) == pytest.approx(best["accuracy"])


def test_a_run_can_be_watched(base: Path, tmp_path: Path) -> None:
    train(RewardModelConfig(str(base), epochs=2, batch=10), tmp_path / "run")
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("validation/log_loss")] == [0, 5, 10]
    assert [event.step for event in board.Scalars("train/train_loss")] == [5, 10]
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10] and all(row["gradient_norm"] > 0 for row in rows)


def test_a_rate_that_explodes_ends_the_run_with_a_sentence(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a finite number; lower the"):
        train(RewardModelConfig(str(base), learning_rate=1e30, epochs=2, warmup_steps=0), tmp_path / "run")


def test_an_empty_completion_teaches_nothing() -> None:
    pairs = [make_pair(number, split) for number, split in enumerate(("train", "validation", "test"))]
    blank = replace(make_pair(7, "train"), completion_b=" ")
    assert split_pairs([*pairs, blank]).left_out == {"with an empty completion": 1}


def test_each_process_and_each_step_draws_its_own_dropout(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = prepare_training(RewardModelConfig(str(base), batch=4), SPLITS)
    monkeypatch.setattr(reward_models.train, "process_count", lambda: 2)
    seeds = []
    for number in (0, 1):
        monkeypatch.setattr(reward_models.train, "process_number", lambda number=number: number)
        for finished in (0, 1):
            training.learner.finished = finished
            reward_models.train.fit_batch(training.learner, training.config, SPLITS, [0, 1, 2, 3], total=10)
            seeds.append(torch.initial_seed())
    assert len(set(seeds)) == 4


def test_the_rate_rises_over_the_warm_up_and_falls_to_nearly_nothing() -> None:
    config = RewardModelConfig("unused", warmup_steps=4)
    factors = [reward_models.train.learning_rate_factor(step, 24, config) for step in range(24)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4:] == [pytest.approx((24 - step) / 20) for step in range(4, 24)]
    assert reward_models.train.learning_rate_factor(0, 24, replace(config, warmup_steps=0)) == 1.0
