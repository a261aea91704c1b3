"""TRPO's parts against closed forms, and its step on real models."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rl.config import TrainingConfig
from rl.experience import Experience
from rl.learner import build_learner
from rl.lessons import Lessons, microbatches, teach
from rl.measure import measure
from rl.policy import load_policy, response_logits
from rl.support import restrict
from rl.train import collect, reward_responses
from rl.trpo import TrpoConfig, assign, conjugate_gradient, fisher_product, flatten, largest_step, search_along
from rl.trust_region import _kl_to_itself, improve_in_trust_region
from tests.rl.test_update import ITEMS, configure, score_letters
from tests.rl.tiny import KINDS, PROMPTS, save_tiny


def positive_definite(size: int) -> Tensor:
    root = torch.randn(size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return root @ root.T + 0.5 * torch.eye(size, dtype=torch.float64)


def test_conjugate_gradients_solve_a_linear_system() -> None:
    matrix, target = positive_definite(8), torch.arange(8.0, dtype=torch.float64)
    solution = conjugate_gradient(lambda vector: matrix @ vector, target, steps=8)
    torch.testing.assert_close(solution, torch.linalg.solve(matrix, target))  # exact after as many steps as dimensions


def test_the_fisher_products_are_those_of_the_softmax() -> None:
    """For logits themselves as parameters, F = diag(p) − p pᵀ."""
    logits = nn.Parameter(torch.tensor([0.2, -1.0, 0.7], dtype=torch.float64))

    def kl_parts() -> list[Tensor]:
        log_probs = logits.log_softmax(0)
        kl = (log_probs.detach().exp() * (log_probs.detach() - log_probs)).sum()
        return [0.25 * kl, 0.75 * logits.log_softmax(0).mul(-log_probs.detach().exp()).sum()]

    p = logits.detach().softmax(0)
    fisher = torch.diag(p) - torch.outer(p, p)
    product = fisher_product(kl_parts, [logits])
    for vector in torch.eye(3, dtype=torch.float64):
        torch.testing.assert_close(product(vector), fisher @ vector)


def test_the_largest_step_reaches_the_border_of_the_quadratic_region() -> None:
    matrix, gradient = positive_definite(5), torch.ones(5, dtype=torch.float64)
    config = TrpoConfig(kl_limit=0.02, conjugate_steps=5, damping=0.0)
    step = largest_step(gradient, lambda vector: matrix @ vector, config)
    assert float(0.5 * step @ matrix @ step) == pytest.approx(0.02)
    natural = torch.linalg.solve(matrix, gradient)
    torch.testing.assert_close(step / step.norm(), natural / natural.norm())


def test_damping_counts_in_the_direction_and_in_the_border_alike() -> None:
    matrix, gradient = positive_definite(5), torch.ones(5, dtype=torch.float64)
    step = largest_step(gradient, lambda vector: matrix @ vector, TrpoConfig(0.02, conjugate_steps=5, damping=0.7))
    damped = matrix + 0.7 * torch.eye(5, dtype=torch.float64)
    natural = torch.linalg.solve(damped, gradient)
    torch.testing.assert_close(step / step.norm(), natural / natural.norm())
    assert float(0.5 * step @ damped @ step) == pytest.approx(0.02)


def test_no_gradient_means_no_step() -> None:
    assert not largest_step(torch.zeros(3), lambda vector: vector, TrpoConfig()).any()


@pytest.mark.parametrize(("limit", "scale"), [(1.0, 1.0), (0.7, 0.8), (0.5, 0.64), (1e-6, 0.0)])
def test_the_line_search_shortens_the_step_until_it_fits(limit: float, scale: float) -> None:
    """Surrogate x and KL x² along a step of 1: the longest of .8ⁿ with x² ≤ δ; none in ten tries moves nothing."""
    place = nn.Parameter(torch.zeros(1))
    taken = search_along(torch.ones(1), [place], lambda: (place.item(), place.item() ** 2), TrpoConfig(kl_limit=limit))
    assert taken.scale == pytest.approx(scale)
    assert place.item() == pytest.approx(scale)


def test_a_step_that_does_not_improve_the_surrogate_is_not_taken() -> None:
    place = nn.Parameter(torch.zeros(1))
    taken = search_along(torch.ones(1), [place], lambda: (-place.item(), 0.0), TrpoConfig())
    assert taken.scale == 0
    assert place.item() == 0


def prepare(folder: Path, kind: str, **changes: object) -> tuple[object, Lessons, TrainingConfig]:
    config = configure(folder, kind, algorithm="trpo", **changes)
    learner = build_learner(config, "cpu")
    rollout = collect(learner, config, ITEMS)
    rewards = reward_responses(score_letters, rollout, ITEMS, learner)
    return learner, teach(Experience(rollout, rewards, measure(learner, rollout, 1.0)), 0.0, config), config


@pytest.mark.parametrize("kind", KINDS)
def test_a_fisher_product_is_the_finite_difference_of_the_kls_slope(kind: str, tmp_path: Path) -> None:
    learner, lessons, config = prepare(tmp_path, kind)
    policy = learner.policy.double()  # type: ignore[attr-defined]
    parameters = list(policy.parameters())
    parts = list(microbatches(lessons, config))
    vector = torch.randn(flatten(parameters).shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    vector /= vector.norm()
    product = fisher_product(lambda: _kl_to_itself(policy, parts, config), parameters)(vector)
    start, size = flatten(parameters).detach().clone(), 1e-3

    def slope(place: Tensor) -> Tensor:
        """∇ KL(π_start ‖ π) at `place`, over all vocabulary and response tokens at once."""
        rows = lessons.rollout
        with torch.no_grad():
            assign(parameters, start)
            old = response_logits(policy, *rows.scored_inputs()).log_softmax(-1)
            assign(parameters, place)
        new = response_logits(policy, *rows.scored_inputs()).log_softmax(-1)
        kl = (old.exp() * (old - new)).sum(-1)[rows.is_response].mean()
        return flatten(torch.autograd.grad(kl, parameters, materialize_grads=True))

    difference = (slope(start + size * vector) - slope(start - size * vector)) / (2 * size)
    # T5 computes its softmax, and the product its logits, in float32 whatever the weights are: 1e-3 of the largest.
    torch.testing.assert_close(product, difference, atol=1e-3 * float(difference.abs().max()), rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_masked", [False, True])
def test_a_step_improves_the_surrogate_within_the_region(kind: str, is_masked: bool, tmp_path: Path) -> None:
    learner, lessons, config = prepare(tmp_path, kind, is_masked=is_masked)
    policy = learner.policy  # type: ignore[attr-defined]
    before = [parameter.detach().clone() for parameter in policy.parameters()]
    rows = lessons.rollout
    is_kept = rows.is_kept()
    assert (is_kept is not None) == is_masked
    with torch.no_grad():
        old = restrict(response_logits(policy, *rows.scored_inputs()), is_kept).log_softmax(-1)
    figures = improve_in_trust_region(policy, lessons, config)
    with torch.no_grad():
        new = restrict(response_logits(policy, *rows.scored_inputs()), is_kept).log_softmax(-1)
    terms = (old.exp() * (old - new)).nan_to_num(0.0)  # −∞ − −∞ outside the support
    kl = terms.sum(-1)[rows.is_response].mean()
    assert 0 < figures["trust_region_kl"] <= config.trpo.kl_limit
    assert float(kl) == pytest.approx(figures["trust_region_kl"], rel=1e-3)  # float32 sums of small differences
    assert figures["surrogate_gain"] > 0
    assert figures["first_max_ratio_error"] < 5e-5
    assert any(not torch.equal(old, new) for old, new in zip(before, policy.parameters(), strict=True))


def test_microbatches_change_nothing_about_the_step(tmp_path: Path) -> None:
    scales = []
    for size in (24, 5):
        learner, lessons, config = prepare(tmp_path, "gpt2")
        config = replace(config, optimiser=replace(config.optimiser, microbatch=size))
        scales.append(improve_in_trust_region(learner.policy, lessons, config))  # type: ignore[attr-defined]
    for name in ("policy_loss", "policy_gradient_norm", "trust_region_kl", "surrogate_gain"):
        # Conjugate gradients carry float32 rounding of the products through 15 steps.
        assert scales[0][name] == pytest.approx(scales[1][name], rel=2e-2, abs=1e-6), name


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_need_eager_attention(kind: str, tmp_path: Path) -> None:
    """The trap, and the way around it: fused attention raises, the attention that TRPO loads with does not."""
    folder = save_tiny(kind, tmp_path / "model")
    for attention, fails in (("sdpa", True), ("eager", False)):
        policy, tokenizer = load_policy(folder, attention=attention)
        parameters = list(policy.parameters())
        prompt_ids = tokenizer(list(PROMPTS[:1]), return_tensors="pt")["input_ids"]

        def kl_parts(policy: nn.Module = policy, prompt_ids: Tensor = prompt_ids) -> list[Tensor]:
            ids = torch.tensor([[3, 4, 1]])
            log_probs = response_logits(policy, prompt_ids, torch.ones_like(prompt_ids, dtype=torch.bool), ids)  # type: ignore[arg-type]
            log_probs = log_probs.log_softmax(-1)
            return [(log_probs.detach().exp() * (log_probs.detach() - log_probs)).sum()]

        product = fisher_product(kl_parts, parameters)
        vector = torch.ones_like(flatten(parameters).detach())
        if fails:
            with pytest.raises(RuntimeError, match=r"derivative|backward"):
                product(vector)
        else:
            assert product(vector).isfinite().all()
