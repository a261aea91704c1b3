"""Penalty rewards, the controller of β and the exact divergence."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rl.kl import adapt_coefficient, exact_kl_nats, penalised_rewards
from rl.mdp import place_on_last_token
from rl.support import restrict, smallest_support

IS_RESPONSE = torch.tensor([[True, True, True], [True, True, False], [True, False, False]])
SCORES = place_on_last_token(torch.tensor([1.0, 2.0, 3.0]), IS_RESPONSE)


def test_the_score_falls_on_the_last_response_token() -> None:
    zeros = torch.zeros(3, 3)
    rewards = penalised_rewards(SCORES, zeros, zeros, IS_RESPONSE, 0.5)
    assert rewards.tolist() == [[0, 0, 1], [0, 2, 0], [3, 0, 0]]


def test_the_penalty_is_subtracted_from_each_token() -> None:
    policy, reference = torch.full((3, 3), -1.0), torch.full((3, 3), -3.0)
    rewards = penalised_rewards(SCORES, policy, reference, IS_RESPONSE, 0.5)
    assert rewards.tolist() == [[-1, -1, 0], [-1, 1, 0], [2, 0, 0]]


def test_nan_in_slots_that_do_not_count_changes_nothing() -> None:
    log_probs = torch.zeros(3, 3).masked_fill(~IS_RESPONSE, torch.nan)
    ones = place_on_last_token(torch.ones(3), IS_RESPONSE)
    rewards = penalised_rewards(ones, log_probs, torch.zeros(3, 3), IS_RESPONSE, 0.5)
    assert rewards.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("kl", "expected"),
    [(0.1, 1.0), (0.11, 1.01), (0.09, 0.99), (5.0, 1.02), (-5.0, 0.98)],
)
def test_the_controller_moves_beta_as_designed(kl: float, expected: float) -> None:
    assert adapt_coefficient(1.0, kl, 0.1) == pytest.approx(expected, abs=1e-12)


def test_beta_stays_without_a_target() -> None:
    assert adapt_coefficient(0.3, 9.0, None) == 0.3


@given(st.integers(0, 10_000))
def test_the_sampled_log_ratio_estimates_the_exact_kl(seed: int) -> None:
    """In expectation: Σ π (log π − log π_0) term by term in float64 against the function."""
    generator = torch.Generator().manual_seed(seed)
    policy, reference = torch.randn(2, 12, generator=generator, dtype=torch.float64).log_softmax(-1)
    expected = sum((p.exp() * (p - q)).item() for p, q in zip(policy, reference, strict=True))
    assert exact_kl_nats(policy, reference).item() == pytest.approx(expected, abs=1e-12)
    assert expected >= 0


def test_the_k1_and_k3_estimators_average_to_the_exact_kl() -> None:
    generator = torch.Generator().manual_seed(1)
    policy, reference = torch.randn(2, 10, generator=generator).log_softmax(-1)
    tokens = torch.multinomial(policy.exp(), 200_000, replacement=True, generator=generator)
    ratio = (policy - reference)[tokens]
    for estimates in (ratio, (-ratio).exp() - 1 + ratio):
        error = estimates.std() / len(tokens) ** 0.5
        assert abs(estimates.mean() - exact_kl_nats(policy, reference)) < 4.5 * error


def test_the_kl_of_a_masked_policy_sums_over_its_support_alone() -> None:
    generator = torch.Generator().manual_seed(2)
    logits, reference = torch.randn(2, 10, generator=generator, dtype=torch.float64)
    reference = reference.log_softmax(-1)
    is_kept = smallest_support(logits.softmax(-1)[None], 0.7)[0]
    masked = restrict(logits, is_kept).log_softmax(-1)
    kept = is_kept.nonzero()[:, 0]
    probabilities = logits[kept].softmax(-1)
    expected = (probabilities * (probabilities.log() - reference[kept])).sum()
    torch.testing.assert_close(exact_kl_nats(masked, reference), expected)
