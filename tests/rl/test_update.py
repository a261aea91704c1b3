"""One iteration's update, for both model kinds."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from annotation.errors import InputError
from rl.config import KlConfig, NlpoConfig, OptimiserConfig, TrainingConfig
from rl.experience import Experience
from rl.kl import adapt_coefficient
from rl.learner import Learner, build_learner
from rl.lessons import Lessons, teach
from rl.measure import measure
from rl.policy import response_logits
from rl.sampling import Sampler
from rl.support import restrict, smallest_support
from rl.tasks.items import Item
from rl.train import collect, reward_responses, run_iteration
from rl.update import accumulate_policy_gradient, accumulate_value_gradient, set_rates, take_step, update
from tests.rl.tiny import KINDS, build_task, save_tiny

ITEMS = build_task(24).train


def score_letters(prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> list[float]:
    """A reward that tells nearly all completions apart."""
    return [sum(map(ord, completion)) / 1000 for completion in completions]


def configure(folder: Path, kind: str, **changes: object) -> TrainingConfig:
    config = TrainingConfig(
        base_model=str(save_tiny(kind, folder / "model")),
        iterations=20,
        prompts=24,
        horizon=6,
        optimiser=OptimiserConfig(learning_rate=1e-3, minibatch=8, microbatch=8, epochs=2),
    )
    return replace(config, **changes)  # type: ignore[arg-type]


def learn(learner: Learner, config: TrainingConfig) -> Lessons:
    rollout = collect(learner, config, ITEMS)
    rewards = reward_responses(score_letters, rollout, ITEMS, learner)
    return teach(Experience(rollout, rewards, measure(learner, rollout, config.sampler.temperature)), 0.1, config)


def weights(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def are_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(weight, second[name]) for name, weight in first.items())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("algorithm", "temperature"), [("nlpo", 1.0), ("nlpo", 0.7), ("ppo", 0.7)])
def test_the_ratio_is_one_at_the_first_minibatch_of_a_ragged_batch(
    kind: str, algorithm: str, temperature: float, tmp_path: Path
) -> None:
    config = configure(tmp_path, kind, algorithm=algorithm, sampler=Sampler(temperature))
    learner = build_learner(config, "cpu")
    for _ in range(3):
        row = run_iteration(learner, config, ITEMS, score_letters)
        assert row["length_tokens"] < config.horizon
        # The behaviour log-probabilities come from the cached decode: float32 rounding, see test_policy.
        assert row["first_max_ratio_error"] < 5e-5


@pytest.mark.parametrize("kind", KINDS)
def test_the_ratio_stays_one_at_learning_rate_zero(kind: str, tmp_path: Path) -> None:
    config = configure(tmp_path, kind, optimiser=OptimiserConfig(learning_rate=0.0, minibatch=4, epochs=5))
    learner = build_learner(config, "cpu")
    row = update(learner, learn(learner, config), config)
    assert row["mean_ratio"] == pytest.approx(1, abs=5e-5)
    assert row["clip_fraction"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_temperature_divides_the_logits_of_policy_and_reference_alike(kind: str, tmp_path: Path) -> None:
    config = configure(tmp_path, kind, algorithm="ppo", sampler=Sampler(0.7))
    learner = build_learner(replace(config, reference=str(save_tiny(kind, tmp_path / "other", seed=9))), "cpu")
    rollout = collect(learner, config, ITEMS)
    measures = measure(learner, rollout, 0.7)
    counted, scored = rollout.is_response, (rollout.prompt_ids, rollout.is_prompt, rollout.response_ids)
    for model, measured in ((learner.policy, measures.policy), (learner.reference, measures.reference)):
        with torch.no_grad():
            log_probs = (response_logits(model, *scored) / 0.7).log_softmax(-1)
        expected = log_probs.gather(-1, rollout.response_ids[..., None])[..., 0]
        torch.testing.assert_close(measured[counted], expected[counted], atol=1e-5, rtol=0)  # float32 rounding
    torch.testing.assert_close(measures.policy[counted], rollout.log_probs[counted], atol=2e-5, rtol=0)


def test_beta_moves_once_an_iteration_by_the_sampled_divergence(tmp_path: Path) -> None:
    config = configure(tmp_path, "t5", kl=KlConfig(coefficient=0.5, target=0.01))
    learner = build_learner(config, "cpu")
    rows = [run_iteration(learner, config, ITEMS, score_letters) for _ in range(4)]
    coefficient = 0.5
    for row in rows:
        assert row["kl_coefficient"] == pytest.approx(coefficient)
        coefficient = adapt_coefficient(coefficient, row["kl_sampled"], 0.01)
    assert learner.kl_coefficient == pytest.approx(coefficient)
    assert coefficient != 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_the_divergence_is_zero_before_the_first_update(kind: str, tmp_path: Path) -> None:
    config = configure(tmp_path, kind)
    row = run_iteration(build_learner(config, "cpu"), config, ITEMS, score_letters)
    assert row["kl_sampled"] == row["kl_exact"] == 0
    assert row["kl_exact_masked"] > 0.01  # masking alone is a divergence


@pytest.mark.parametrize("kind", KINDS)
def test_the_logged_measures_are_sums_over_the_whole_vocabulary(kind: str, tmp_path: Path) -> None:
    config = configure(tmp_path, kind, nlpo=NlpoConfig(top_mass=0.6))
    learner = build_learner(config, "cpu")
    update(learner, learn(learner, config), config)
    assert learner.mask is not None
    masking_policy = learner.mask.model
    rollout = collect(learner, config, ITEMS)
    means = measure(learner, rollout, 1.0).means(rollout.is_response)
    scored = (rollout.prompt_ids, rollout.is_prompt, rollout.response_ids)
    with torch.no_grad():
        policy, reference, masking = (
            response_logits(model, *scored).double() for model in (learner.policy, learner.reference, masking_policy)
        )
    sums = dict.fromkeys(("kl_exact", "kl_exact_masked", "entropy", "support_mass"), 0.0)
    for row, place in rollout.is_response.nonzero().tolist():
        p, q = policy[row, place].softmax(-1), reference[row, place].softmax(-1)
        kept = smallest_support(masking[row, place].softmax(-1).float()[None], 0.6)[0]
        masked = restrict(policy[row, place], kept).softmax(-1)
        sums["kl_exact"] += sum(a * (a / b).log() for a, b in zip(p, q, strict=True))
        sums["kl_exact_masked"] += sum(a * (a / b).log() for a, b in zip(masked[kept], q[kept], strict=True))
        sums["entropy"] -= sum(a * a.log() for a in p)
        sums["support_mass"] += p[kept].sum()
    assert means["kl_exact"] > 1e-4
    for name, total in sums.items():
        # Float32 against float64, entries of size 1: 1e-5.
        assert means[name] == pytest.approx(float(total / rollout.is_response.sum()), abs=1e-5), name


@pytest.mark.parametrize("kind", KINDS)
def test_exactly_the_policy_and_the_value_model_change(kind: str, tmp_path: Path) -> None:
    config = configure(tmp_path, kind)
    learner = build_learner(config, "cpu")
    assert learner.mask is not None
    assert learner.value_model is not None
    models = (learner.policy, learner.value_model, learner.reference, learner.mask.model)
    before = [weights(model) for model in models]
    lessons = learn(learner, config)
    update(learner, lessons, config)
    update(learner, lessons, config)  # the value head, which starts at zero, passes a gradient down from here on
    after = [weights(model) for model in models]
    for changed in (0, 1):
        still = [name for name, weight in before[changed].items() if torch.equal(weight, after[changed][name])]
        assert not still
    assert are_equal(before[2], after[2])
    assert are_equal(before[3], after[3])


@pytest.mark.parametrize("kind", KINDS)
def test_the_refreshed_mask_is_the_one_that_is_sampled_with(kind: str, tmp_path: Path) -> None:
    config = configure(tmp_path, kind, nlpo=NlpoConfig(top_mass=0.6, refresh_every=2))
    learner = build_learner(config, "cpu")
    assert learner.mask is not None
    start = weights(learner.mask.model)
    assert not run_iteration(learner, config, ITEMS, score_letters)["refreshed"]
    assert are_equal(weights(learner.mask.model), start)
    assert not are_equal(weights(learner.policy), start)
    assert run_iteration(learner, config, ITEMS, score_letters)["refreshed"]
    assert are_equal(weights(learner.mask.model), weights(learner.policy))
    rollout = collect(learner, config, ITEMS)
    is_kept = rollout.is_kept()
    assert is_kept is not None
    with torch.no_grad():
        logits = response_logits(learner.policy, rollout.prompt_ids, rollout.is_prompt, rollout.response_ids)
    expected = smallest_support(logits.softmax(-1).flatten(0, 1), 0.6).view_as(is_kept)
    assert torch.equal(is_kept[rollout.is_response], expected[rollout.is_response])


@pytest.mark.parametrize("kind", KINDS)
def test_p_of_one_gives_ppos_numbers(kind: str, tmp_path: Path) -> None:
    nlpo = configure(tmp_path, kind, algorithm="nlpo", nlpo=NlpoConfig(top_mass=1.0))
    runs = []
    for config in (nlpo, replace(nlpo, algorithm="ppo")):
        learner = build_learner(config, "cpu")
        rows = [run_iteration(learner, config, ITEMS, score_letters) for _ in range(3)]
        runs.append((rows, weights(learner.policy)))
    (nlpo_rows, nlpo_weights), (ppo_rows, ppo_weights) = runs
    for first, second in zip(nlpo_rows, ppo_rows, strict=True):
        for name in first.keys() - {"collect_s", "reward_s", "update_s", "tokens_per_s", "refreshed"}:
            assert first[name] == pytest.approx(second[name], abs=1e-6), (
                name
            )  # the mass on the support sums to 1 ± 1e-7
    assert are_equal(nlpo_weights, ppo_weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 3, 8])
def test_microbatches_add_up_to_the_minibatchs_gradient(kind: str, size: int, tmp_path: Path) -> None:
    config = configure(tmp_path, kind)
    learner = build_learner(config, "cpu")
    lessons = learn(learner, config)
    for model, accumulate in (
        (learner.policy, accumulate_policy_gradient),
        (learner.value_model, accumulate_value_gradient),
    ):
        assert model is not None
        with torch.no_grad():
            model.get_output_embeddings().weight.add_(0.1)  # off the first step: ratio not 1, value head not 0
        figures, gradients = [], []
        for microbatch in (24, size):
            settings = replace(config, optimiser=replace(config.optimiser, microbatch=microbatch))
            figures.append(accumulate(model, lessons, settings))
            gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
        for name, figure in figures[0].items():
            assert figures[1][name] == pytest.approx(figure, rel=1e-4, abs=1e-6)
        for whole, summed in zip(*gradients, strict=True):
            torch.testing.assert_close(whole, summed, atol=2e-6, rtol=1e-3)  # float32 sums in another order


@pytest.mark.parametrize("kind", KINDS)
def test_nan_in_slots_that_do_not_count_changes_nothing(kind: str, tmp_path: Path) -> None:
    config = configure(tmp_path, kind)
    clean_learner, dirty_learner = build_learner(config, "cpu"), build_learner(config, "cpu")
    lessons = learn(clean_learner, config)
    dirty = replace(
        lessons,
        rollout=replace(
            lessons.rollout, log_probs=lessons.rollout.log_probs.masked_fill(~lessons.rollout.is_response, torch.nan)
        ),
        advantages=lessons.advantages.masked_fill(~lessons.rollout.is_response, torch.nan),
        returns=lessons.returns.masked_fill(~lessons.rollout.is_response, torch.nan),
    )
    assert update(clean_learner, lessons, config) == update(dirty_learner, dirty, config)
    assert are_equal(weights(clean_learner.policy), weights(dirty_learner.policy))
    assert are_equal(weights(clean_learner.value_model), weights(dirty_learner.value_model))


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_drawn_is_scored_and_never_its_text_read_again(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiny policies draw <unk> and <pad> too, which their text leaves out: read again, it would be other tokens."""
    config = configure(tmp_path, kind)
    learner = build_learner(config, "cpu")
    rollout = collect(learner, config, ITEMS)
    drawn = [tuple(ids[counts].tolist()) for ids, counts in zip(rollout.response_ids, rollout.is_response, strict=True)]
    read_again = learner.tokenizer(rollout.completions(learner.tokenizer))["input_ids"]
    eos = learner.tokenizer.eos_token_id
    assert sum((*again, eos) != ids and tuple(again) != ids for again, ids in zip(read_again, drawn, strict=True)) > 5

    scored: list[tuple[int, ...]] = []

    def note(model: PreTrainedModel, prompt_ids: Tensor, is_prompt: Tensor, response_ids: Tensor) -> Tensor:
        scored.extend(map(tuple, response_ids.tolist()))
        return response_logits(model, prompt_ids, is_prompt, response_ids)

    for module in ("rl.measure", "rl.update"):
        monkeypatch.setattr(f"{module}.response_logits", note)
    update(learner, learn(learner, config), config)
    # Policy and reference are measured, then the policy is trained in two epochs; padding follows what was drawn.
    assert len(scored) == 4 * len(drawn)
    for ids in drawn:
        assert sum(row[: len(ids)] == ids for row in scored) >= 4


def test_warm_up_iterations_train_the_value_model_alone(tmp_path: Path) -> None:
    config = configure(tmp_path, "t5", value_warmup=1)
    learner = build_learner(config, "cpu")
    policy, value_model = weights(learner.policy), weights(learner.value_model)
    row = run_iteration(learner, config, ITEMS, score_letters)
    assert are_equal(weights(learner.policy), policy)
    assert not are_equal(weights(learner.value_model), value_model)
    assert "policy_loss" not in row
    assert "policy_loss" in run_iteration(learner, config, ITEMS, score_letters)


def test_policy_and_value_model_have_rates_of_their_own_on_one_schedule(tmp_path: Path) -> None:
    optimiser = OptimiserConfig(learning_rate=1e-3, value_learning_rate=1e-2, schedule="linear")
    config = configure(tmp_path, "t5", optimiser=optimiser)
    learner = build_learner(config, "cpu")
    learner.finished = 5  # of 20: three quarters of the rates are left
    set_rates(learner, config)
    assert learner.value_optimiser is not None
    assert [group["lr"] for group in learner.policy_optimiser.param_groups] == [pytest.approx(0.75e-3)]
    assert [group["lr"] for group in learner.value_optimiser.param_groups] == [pytest.approx(0.75e-2)]


@pytest.mark.parametrize(("gradient", "moved"), [([3.0, 4.0], [0.3, 0.4]), ([0.03, 0.04], [0.03, 0.04])])
def test_a_gradient_beyond_the_limit_is_shortened_to_it(gradient: list[float], moved: list[float]) -> None:
    """Plain gradient descent at rate 1 shows the step; AdamW, which divides by the gradient's size, would hide it."""
    config = TrainingConfig("", optimiser=OptimiserConfig(gradient_norm=0.5))
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor(gradient)
    norm = take_step([weight], torch.optim.SGD([weight], lr=1.0), 0.0, "loss", config)
    assert norm == pytest.approx(math.hypot(*gradient))
    assert (-weight).tolist() == pytest.approx(moved, rel=1e-5)  # 1e-6 is added to the norm


def test_a_loss_that_is_not_finite_stops_the_run_with_a_sentence(tmp_path: Path) -> None:
    config = configure(tmp_path, "t5")
    learner = build_learner(config, "cpu")
    lessons = learn(learner, config)
    broken = replace(lessons, advantages=lessons.advantages * torch.nan)
    with pytest.raises(InputError, match="policy loss of iteration 1 or its gradient is not a finite number"):
        update(learner, broken, config)


def test_a_reference_with_another_vocabulary_is_refused(tmp_path: Path) -> None:
    config = configure(tmp_path, "t5")
    _, other = save_tiny("t5", tmp_path / "other"), tmp_path / "other"
    learner = build_learner(config, "cpu")
    learner.policy.resize_token_embeddings(20)
    learner.policy.save_pretrained(other)
    with pytest.raises(InputError, match="vocabulary differs"):
        build_learner(replace(config, reference=str(other)), "cpu")


def test_a_reference_by_path_is_another_model(tmp_path: Path) -> None:
    config = configure(tmp_path, "t5")
    raw = save_tiny("t5", tmp_path / "raw", seed=9)
    learner = build_learner(replace(config, reference=str(raw)), "cpu")
    assert not are_equal(weights(learner.policy), weights(learner.reference))
    row = run_iteration(learner, config, ITEMS, score_letters)
    assert row["kl_exact"] > 0.01
