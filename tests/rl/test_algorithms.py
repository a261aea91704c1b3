"""What every algorithm shares, held for each of them and for both model kinds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from annotation.errors import InputError
from rl.config import CRITIC_FREE, KlConfig, OptimiserConfig, RewardConfig, TrainingConfig, ValueConfig, check_config
from rl.experience import Experience
from rl.learner import Learner, build_learner
from rl.lessons import Lessons, Part, teach
from rl.measure import measure
from rl.nlpo import NlpoConfig
from rl.policy import response_logits, response_logits_and_states
from rl.sampling import Sampler
from rl.support import restrict, token_log_probs
from rl.tasks.items import Item
from rl.train import collect, reward_responses, run_iteration, scale_rewards, train
from rl.update import accumulate_joint_gradient, accumulate_policy_gradient, policy_loss, update
from tests.rl.test_train import interrupt_at, without_clock
from tests.rl.test_update import ITEMS, are_equal, configure, score_letters, weights
from tests.rl.tiny import ARCHITECTURES, KINDS, build_task, save_tiny

ALGORITHMS = ("nlpo", "ppo", "a2c", "trpo", "rloo", "grpo")
FILTERS = Sampler(temperature=0.8, top_k=8, top_p=0.9, min_length=2)


def configure_algorithm(folder: Path, kind: str, algorithm: str, **changes: object) -> TrainingConfig:
    if algorithm in CRITIC_FREE:
        changes = {"prompts": 6, "samples_per_prompt": 4} | changes
    return configure(folder, kind, algorithm=algorithm, **changes)


def learn(learner: Learner, config: TrainingConfig) -> Lessons:
    rollout = collect(learner, config, ITEMS)
    rewards = reward_responses(score_letters, rollout, ITEMS, learner)
    return teach(Experience(rollout, rewards, measure(learner, rollout, config.sampler.temperature)), 0.1, config)


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("sampler", [Sampler(), FILTERS], ids=["unfiltered", "filtered"])
def test_the_ratio_is_one_before_the_first_step(algorithm: str, kind: str, sampler: Sampler, tmp_path: Path) -> None:
    config = configure_algorithm(tmp_path, kind, algorithm, sampler=sampler)
    learner = build_learner(config, "cpu")
    for _ in range(2):
        row = run_iteration(learner, config, ITEMS, score_letters)
        assert row["first_mean_ratio"] == pytest.approx(1, abs=5e-5)
        # Cached against teacher-forced float32 logits, see test_policy.
        assert row["first_max_ratio_error"] < 5e-5


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_at_rate_zero_nothing_moves_but_trpo_whose_step_has_no_rate(algorithm: str, tmp_path: Path) -> None:
    still = OptimiserConfig(learning_rate=0.0, value_learning_rate=0.0, minibatch=8, epochs=2)
    config = configure_algorithm(tmp_path, "gpt2", algorithm, optimiser=still)
    learner = build_learner(config, "cpu")
    before = weights(learner.policy)
    row = run_iteration(learner, config, ITEMS, score_letters)
    assert are_equal(before, weights(learner.policy)) == (algorithm != "trpo")
    if algorithm != "trpo":
        assert row["mean_ratio"] == pytest.approx(1, abs=5e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_interrupted_run_resumes_bit_for_bit(algorithm: str, kind: str, tmp_path: Path) -> None:
    """Ten iterations are five and five: random numbers, data position, optimisers, β, π_ψ, reward scale, best score."""
    config = TrainingConfig(
        base_model=str(save_tiny(kind, tmp_path / "model")),
        algorithm=algorithm,  # type: ignore[arg-type]
        iterations=10,
        prompts=8 if algorithm not in CRITIC_FREE else 4,
        samples_per_prompt=1 if algorithm not in CRITIC_FREE else 2,
        horizon=4,
        sampler=FILTERS,
        reward=RewardConfig(missing_eos_penalty=0.5, is_scaled=True),
        nlpo=NlpoConfig(refresh_every=3),
        dropout=algorithm != "trpo",
        optimiser=OptimiserConfig(
            learning_rate=1e-3, value_learning_rate=1e-3, minibatch=4, epochs=1, schedule="cosine", warmup=2
        ),
        checkpoint_every=5,
    )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config, build_task(), whole, reward=interrupt_at(99), show_progress=False)
    with pytest.raises(KeyboardInterrupt):
        train(config, build_task(), parts, reward=interrupt_at(7), show_progress=False)
    train(config, build_task(), parts, reward=interrupt_at(99), resume=True, show_progress=False)
    assert without_clock(parts / "metrics.jsonl") == without_clock(whole / "metrics.jsonl")
    for file in ("policy/model.safetensors", "best/model.safetensors", "evaluations.jsonl"):
        assert (parts / file).read_bytes() == (whole / file).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_filtered_and_masked_rollout_is_scored_over_what_it_was_drawn_from(kind: str, tmp_path: Path) -> None:
    """Probabilities renormalised over each kept set sum to 1, and each sampled token is inside."""
    config = configure(tmp_path, kind, nlpo=NlpoConfig(top_mass=0.8), sampler=FILTERS)
    learner = build_learner(config, "cpu")
    update(learner, learn(learner, config), config)
    rollout = collect(learner, config, ITEMS)
    is_kept, counted = rollout.is_scored(), rollout.is_response
    assert is_kept is not None
    assert int(is_kept[counted].sum(-1).max()) <= 8
    assert not is_kept[:, :2, learner.tokenizer.eos_token_id][counted[:, :2]].any()
    assert int(counted.sum(dim=1).min()) > 2
    with torch.no_grad():
        logits = response_logits(learner.policy, *rollout.scored_inputs()) / 0.8
    probabilities = restrict(logits, is_kept).softmax(-1)
    torch.testing.assert_close(probabilities.sum(-1)[counted], torch.ones(int(counted.sum())))
    assert not probabilities[~is_kept].any()
    assert is_kept.gather(-1, rollout.response_ids[..., None])[..., 0][counted].all()
    expected = token_log_probs(logits, rollout.response_ids, is_kept)
    torch.testing.assert_close(rollout.log_probs[counted], expected[counted], atol=2e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_as_released_the_mask_is_frozen_keeps_100_tokens_and_scores_the_whole_vocabulary(
    kind: str, tmp_path: Path
) -> None:
    config = configure(tmp_path, kind, nlpo=NlpoConfig(top_mass=0.5, refresh_every=1, mode="as-released"))
    learner = build_learner(config, "cpu")
    assert learner.mask is not None
    start = weights(learner.mask.model)
    rows = [run_iteration(learner, config, ITEMS, score_letters) for _ in range(3)]
    assert are_equal(start, weights(learner.mask.model))
    assert not any(row["refreshed"] for row in rows)
    rollout = collect(learner, config, ITEMS)
    is_kept = rollout.is_kept()
    assert is_kept is not None
    assert is_kept.all(), "14 tokens, of which at least 100 are kept"
    assert rollout.is_scored() is None


def test_as_released_log_probabilities_are_not_renormalised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer tokens kept than the 14 there are, the ratio is plain PPO's although the draw is masked."""
    monkeypatch.setattr("rl.nlpo.RELEASED_LEAST_KEPT", 3)
    config = configure(tmp_path, "gpt2", nlpo=NlpoConfig(top_mass=0.4, mode="as-released"))
    learner = build_learner(config, "cpu")
    rollout = collect(learner, config, ITEMS)
    is_kept, counted = rollout.is_kept(), rollout.is_response
    assert is_kept is not None
    specials = learner.tokenizer.all_special_ids
    assert is_kept[..., specials].all()
    assert int(is_kept[counted].sum(-1).min()) >= 3
    assert not is_kept[counted].all()
    with torch.no_grad():
        logits = response_logits(learner.policy, *rollout.scored_inputs())
    expected = token_log_probs(logits, rollout.response_ids)
    torch.testing.assert_close(rollout.log_probs[counted], expected[counted], atol=2e-5, rtol=0)
    renormalised = token_log_probs(logits, rollout.response_ids, is_kept)
    assert (renormalised - expected)[counted].max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_a_shared_trunk_gives_both_losses_in_one_pass(kind: str, tmp_path: Path) -> None:
    config = configure(tmp_path, kind, algorithm="ppo", value=ValueConfig(model="shared"))
    learner = build_learner(config, "cpu")
    assert learner.value_model is None
    assert learner.value_head is not None
    with torch.no_grad():
        learner.value_head.weight.add_(0.1)
    lessons = learn(learner, config)
    figures = accumulate_joint_gradient(learner.policy, learner.value_head, lessons, config, trains_policy=True)
    joint = {name: p.grad.clone() for name, p in learner.policy.named_parameters() if p.grad is not None}
    learner.policy.zero_grad()
    rows = lessons.rollout
    logits, states = response_logits_and_states(learner.policy, *rows.scored_inputs())
    values = learner.value_head(states)[..., 0]
    assert lessons.returns is not None
    value_part = 0.5 * (values - lessons.returns)[rows.is_response].square().mean()
    policy_part, _ = policy_loss(logits, Part(lessons, 1.0, 1.0), config)
    (value_part + policy_part).backward()
    assert figures["value_loss"] == pytest.approx(value_part.item(), rel=1e-4)
    for name, parameter in learner.policy.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(joint[name], parameter.grad, atol=2e-6, rtol=1e-3)  # sums in another order


@pytest.mark.parametrize("kind", KINDS)
def test_a_shared_trunk_rests_while_only_the_head_is_trained(kind: str, tmp_path: Path) -> None:
    config = configure(tmp_path, kind, algorithm="ppo", value=ValueConfig(model="shared"), value_warmup=1)
    learner = build_learner(config, "cpu")
    assert learner.value_head is not None
    policy, head = weights(learner.policy), learner.value_head.weight.clone()
    row = run_iteration(learner, config, ITEMS, score_letters)
    assert are_equal(policy, weights(learner.policy))
    assert not torch.equal(head, learner.value_head.weight)
    assert "policy_loss" not in row
    run_iteration(learner, config, ITEMS, score_letters)
    assert not are_equal(policy, weights(learner.policy))


@pytest.mark.parametrize("algorithm", CRITIC_FREE)
def test_critic_free_algorithms_have_no_value_model(algorithm: str, tmp_path: Path) -> None:
    config = configure_algorithm(tmp_path, "gpt2", algorithm)
    learner = build_learner(config, "cpu")
    row = run_iteration(learner, config, ITEMS, score_letters)
    assert learner.value_parameters == []
    assert learner.value_optimiser is None
    assert not {"value_loss", "explained_variance"} & row.keys()
    assert "policy_loss" in row


@pytest.mark.parametrize("sampler", [Sampler(), FILTERS], ids=["unfiltered", "filtered"])
def test_grpos_penalty_stands_in_its_loss_and_pulls_towards_the_reference(sampler: Sampler, tmp_path: Path) -> None:
    """With advantages of 0 the loss is β times the KL estimate alone, over the whole vocabulary whatever was drawn
    from, and a step on it lowers the exact KL."""
    kl = KlConfig(coefficient=0.5, target=None)
    config = configure_algorithm(tmp_path, "gpt2", "grpo", kl=kl, sampler=sampler)
    other = str(save_tiny("gpt2", tmp_path / "other", seed=9))
    learner = build_learner(replace(config, reference=other), "cpu")
    lessons = learn(learner, config)
    lessons = replace(lessons, advantages=torch.zeros_like(lessons.advantages))
    before = measure(learner, lessons.rollout, sampler.temperature)
    counted = lessons.rollout.is_response
    logits = response_logits(learner.policy, *lessons.rollout.scored_inputs())
    loss, _ = policy_loss(logits, Part(lessons, 1.0, 1.0), config)
    log_ratio = (before.reference - before.policy).masked_fill(~counted, 0.0)
    k3 = log_ratio.exp() - 1 - log_ratio
    expected = lessons.loss_kl * (k3.sum(1) / counted.sum(1)).mean()
    assert lessons.loss_kl == 0.1
    assert loss.item() == pytest.approx(float(expected), rel=1e-4)
    update(learner, lessons, config)
    after = measure(learner, lessons.rollout, sampler.temperature)
    assert float(after.kl[counted].mean()) < float(before.kl[counted].mean())


@pytest.mark.parametrize("kind", KINDS)
def test_an_entropy_bonus_is_that_of_the_renormalised_policy(kind: str, tmp_path: Path) -> None:
    config = configure(tmp_path, kind, nlpo=NlpoConfig(top_mass=0.6))
    learner = build_learner(config, "cpu")
    part = Part(learn(learner, config), 1.0, 1.0)
    rows = part.lessons.rollout
    logits = response_logits(learner.policy, *rows.scored_inputs()).detach()
    plain, _ = policy_loss(logits, part, config)
    with_bonus, _ = policy_loss(logits, part, replace(config, entropy_coefficient=0.1))
    is_kept = rows.is_kept()
    assert is_kept is not None
    probabilities = restrict(logits, is_kept).softmax(-1).double()
    entropy = -(probabilities * probabilities.clamp(min=1e-300).log()).sum(-1)[rows.is_response].mean()
    assert float(plain - with_bonus) == pytest.approx(0.1 * float(entropy), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", ["a2c", "rloo", "grpo"])
def test_microbatches_add_up_whatever_the_loss(algorithm: str, kind: str, tmp_path: Path) -> None:
    """GRPO's mean is over responses, the others' and the entropy bonus's over tokens; each part has its share of it."""
    other = str(save_tiny(kind, tmp_path / "other", seed=9))  # so that GRPO's penalty has a gradient
    config = configure_algorithm(tmp_path, kind, algorithm, reference=other, entropy_coefficient=0.05)
    learner = build_learner(config, "cpu")
    lessons = learn(learner, config)
    with torch.no_grad():
        learner.policy.get_output_embeddings().weight.add_(0.1)  # off the first step: the ratio is not 1
    gradients = []
    for size in (len(lessons), 5):
        settings = replace(config, optimiser=replace(config.optimiser, microbatch=size))
        accumulate_policy_gradient(learner.policy, lessons, settings)
        gradients.append([p.grad.clone() for p in learner.policy.parameters() if p.grad is not None])
    for whole, summed in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, summed, atol=2e-6, rtol=1e-3)  # float32 sums in another order


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_off_unless_asked_for(kind: str, tmp_path: Path) -> None:
    config = configure(tmp_path, kind)
    for dropout in (False, True):
        learner = build_learner(config, "cpu")
        row = update(learner, learn(learner, config), replace(config, dropout=dropout))
        assert (row["first_max_ratio_error"] > 0.01) == dropout
        assert not learner.policy.training


def test_scaled_rewards_keep_their_sign_and_forget_their_unit(tmp_path: Path) -> None:
    """Rewards a thousand times as large are the same after scaling; nothing is centred, so none changes sides."""
    config = configure(tmp_path, "gpt2", reward=RewardConfig(is_scaled=True))
    scaled = []
    for unit in (1.0, 1000.0):
        learner = build_learner(config, "cpu")
        seen: list[float] = []
        for _ in range(3):
            rollout = collect(learner, config, ITEMS)
            rewards = unit * reward_responses(score_letters, rollout, ITEMS, learner)
            seen += rewards.sum(dim=1).tolist()
            experience = Experience(rollout, rewards, measure(learner, rollout, 1.0))
            scaled.append(scale_rewards(experience, learner, config).rewards)
            assert torch.equal(scaled[-1].sign(), rewards.sign())
            learner.finished += 1
        assert learner.reward_scale.deviation == pytest.approx(torch.tensor(seen).double().std(unbiased=False).item())
    for first, second in zip(scaled[:3], scaled[3:], strict=True):
        torch.testing.assert_close(first, second, atol=0, rtol=1e-5)  # float32 products


def test_a_value_clip_far_below_the_rewards_keeps_the_critic_from_explaining_anything(tmp_path: Path) -> None:
    """Rewards near 20 that follow from the prompt are easily explained; with V held within .01 they are not."""

    def by_prompt(prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> list[float]:
        return [20.0 + 5.0 * len(prompt.split()) for prompt in prompts]

    explained = {}
    for clip in (None, 0.01):
        config = configure(
            tmp_path,
            "gpt2",
            algorithm="ppo",
            value=ValueConfig(clip=clip),
            kl=KlConfig(coefficient=0.0, target=None),
            sampler=Sampler(min_length=6),
            discount=1.0,
            optimiser=OptimiserConfig(learning_rate=0.0, value_learning_rate=1e-2, minibatch=24, epochs=10),
        )
        learner = build_learner(config, "cpu")
        rows = [run_iteration(learner, config, ITEMS, by_prompt) for _ in range(15)]
        explained[clip] = rows[-1]["explained_variance"]
    assert explained[None] > 0.8
    assert explained[0.01] < 0.2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nan_in_slots_that_do_not_count_changes_nothing(algorithm: str, tmp_path: Path) -> None:
    config = configure_algorithm(tmp_path, "t5", algorithm)
    learners = [build_learner(config, "cpu") for _ in range(2)]
    lessons = learn(learners[0], config)
    is_padding = ~lessons.rollout.is_response

    def spoil(entries: Tensor | None) -> Tensor | None:
        return None if entries is None else entries.masked_fill(is_padding, torch.nan)

    rollout = replace(lessons.rollout, log_probs=lessons.rollout.log_probs.masked_fill(is_padding, torch.nan))
    dirty = replace(
        lessons,
        rollout=rollout,
        advantages=lessons.advantages.masked_fill(is_padding, torch.nan),
        reference=lessons.reference.masked_fill(is_padding, torch.nan),
        returns=spoil(lessons.returns),
        values=spoil(lessons.values),
    )
    assert update(learners[0], lessons, config) == update(learners[1], dirty, config)
    assert are_equal(weights(learners[0].policy), weights(learners[1].policy))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"algorithm": "rloo"}, "samples_per_prompt: expected at least 2 for rloo"),
        ({"algorithm": "grpo", "samples_per_prompt": 4, "value_warmup": 2}, "value_warmup: expected 0"),
        ({"algorithm": "trpo", "value": ValueConfig("shared")}, "value.model: expected separate for trpo"),
        ({"algorithm": "trpo", "dropout": True}, "dropout: expected false for trpo"),
        ({"algorithm": "nlpo", "is_masked": False}, "is_masked: expected true or null for nlpo"),
        ({"sampler": Sampler(top_p=0.0)}, "sampler.top_p: expected a number above 0"),
        ({"sampler": Sampler(top_k=-1)}, "sampler.top_k: expected a number of at least 0"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_config(replace(TrainingConfig(base_model="somewhere"), **changes))  # type: ignore[arg-type]
