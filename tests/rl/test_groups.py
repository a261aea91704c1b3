"""Critic-free advantages and A2C's loss, by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rl.a2c import policy_gradient_loss
from rl.groups import (
    leave_one_out_advantages,
    mean_over_responses,
    reference_kl_estimate,
    spread_over_tokens,
    standardised_advantages,
)

IS_RESPONSE = torch.tensor([[True, True], [True, False]])


def test_leave_one_out_by_hand() -> None:
    """Returns 1, 2, 6: the others' means are 4, 3.5, 1.5. The second group is equal, so it teaches nothing."""
    advantages = leave_one_out_advantages(torch.tensor([1.0, 2.0, 6.0, 5.0, 5.0, 5.0]), 3)
    assert advantages.tolist() == [-3.0, -1.5, 4.5, 0.0, 0.0, 0.0]


def test_standardised_advantages_by_hand() -> None:
    """Rewards 1, 3: mean 2, deviation 1, up to the 1e-4 that keeps equal groups at 0."""
    advantages = standardised_advantages(torch.tensor([1.0, 3.0, 7.0, 7.0]), 2)
    assert advantages.tolist() == pytest.approx([-1.0, 1.0, 0.0, 0.0], abs=1e-3)


@given(st.lists(st.integers(-50, 50), min_size=4, max_size=4), st.integers(-9, 9))
def test_what_all_responses_to_a_prompt_have_in_common_teaches_nothing(rewards: list[int], shift: int) -> None:
    group = torch.tensor(rewards, dtype=torch.float64)
    for rule in (leave_one_out_advantages, standardised_advantages):
        # A mean of four integers below 100 in float64: 1e-12.
        torch.testing.assert_close(rule(group + shift, 4), rule(group, 4), atol=1e-10, rtol=0)
        assert abs(float(rule(group, 4).sum())) < 1e-9


def test_the_leave_one_out_baseline_leaves_the_gradient_unbiased() -> None:
    """Over all pairs of draws from a three-armed bandit: E[A ∇ log π] is the gradient of E[r], summed exactly."""
    logits = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64, requires_grad=True)
    rewards = torch.tensor([1.0, 4.0, -2.0], dtype=torch.float64)
    (expected,) = torch.autograd.grad((logits.softmax(0) * rewards).sum(), logits)
    estimate = torch.zeros(3, dtype=torch.float64)
    for first in range(3):
        for second in range(3):
            log_probs = logits.log_softmax(0)[[first, second]]
            chance = log_probs.exp().prod().detach()
            advantages = leave_one_out_advantages(rewards[[first, second]], 2)
            (gradient,) = torch.autograd.grad((advantages * log_probs).mean(), logits)
            estimate += chance * gradient
    torch.testing.assert_close(estimate, expected)


def test_an_advantage_stands_on_every_token_of_its_response() -> None:
    assert spread_over_tokens(torch.tensor([2.0, -1.0]), IS_RESPONSE).tolist() == [[2.0, 2.0], [-1.0, 0.0]]


def test_the_kl_estimate_by_hand_is_never_negative() -> None:
    """π_0/π = 2 and ½: 2 − ln 2 − 1 and ½ + ln 2 − 1."""
    log_probs = torch.tensor([[0.25, 0.5], [0.5, torch.nan]]).log()
    reference = torch.tensor([[0.5, 0.25], [0.5, torch.nan]]).log()
    estimate = reference_kl_estimate(log_probs, reference, IS_RESPONSE)
    torch.testing.assert_close(estimate, torch.tensor([[0.306853, 0.193147], [0.0, 0.0]]), atol=1e-6, rtol=0)


def test_the_mean_over_responses_gives_each_response_one_vote() -> None:
    entries = torch.tensor([[1.0, 3.0], [8.0, torch.nan]])
    assert mean_over_responses(entries, IS_RESPONSE).item() == pytest.approx(5.0)


def test_the_policy_gradient_by_hand() -> None:
    """−(2 · ln ½ − 1 · ln ¼ + 4 · ln ½)/3 = −(4/3) ln ½; its derivative by log π is −A/3."""
    log_probs = torch.tensor([[0.5, 0.25], [0.5, torch.nan]]).log().requires_grad_()
    loss = policy_gradient_loss(log_probs, torch.tensor([[2.0, -1.0], [4.0, torch.nan]]), IS_RESPONSE)
    assert loss.item() == pytest.approx(4 / 3 * 0.6931472, abs=1e-6)
    loss.backward()
    assert log_probs.grad is not None
    torch.testing.assert_close(log_probs.grad, torch.tensor([[-2 / 3, 1 / 3], [-4 / 3, 0.0]]))
