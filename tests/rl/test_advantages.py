"""Advantages, returns and whitening."""

import pytest
import torch
from torch import Tensor

from rl.advantages import estimate_advantages, explained_variance, mean_over_response, whiten

IS_RESPONSE = torch.tensor([[True, True, True, True], [True, True, False, False], [True, False, False, False]])


def brute_force_advantage(rewards: list[float], values: list[float], start: int, discount: float, lam: float) -> float:
    """Equation 16 written out: Σ_l (γλ)^l δ_{t+l}, the value after the last token being 0."""
    total = 0.0
    for place in range(start, len(rewards)):
        following = values[place + 1] if place + 1 < len(values) else 0.0
        total += (discount * lam) ** (place - start) * (rewards[place] + discount * following - values[place])
    return total


def draw(seed: int) -> Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("discount", "lam"), [(0.95, 0.95), (1.0, 1.0), (0.5, 0.0), (1.0, 0.3)])
def test_advantages_match_brute_force_for_every_length(discount: float, lam: float) -> None:
    rewards, values = draw(0), draw(1)
    advantages, returns = estimate_advantages(rewards, values, IS_RESPONSE, discount=discount, gae_lambda=lam)
    for row, length in enumerate([4, 2, 1]):
        for place in range(length):
            expected = brute_force_advantage(
                rewards[row, :length].tolist(), values[row, :length].tolist(), place, discount, lam
            )
            assert advantages[row, place].item() == pytest.approx(expected, abs=1e-12)
            assert returns[row, place].item() == pytest.approx(expected + values[row, place].item(), abs=1e-12)
    assert not advantages[~IS_RESPONSE].any()


def test_a_worked_example() -> None:
    """γ = λ = .5, rewards 0, 1, values .5, .25: δ₁ = 1 − .25 = .75, δ₀ = .5·.25 − .5 = −.375, A₀ = −.375 + .25·.75."""
    advantages, returns = estimate_advantages(
        torch.tensor([[0.0, 1.0]]),
        torch.tensor([[0.5, 0.25]]),
        torch.tensor([[True, True]]),
        discount=0.5,
        gae_lambda=0.5,
    )
    assert advantages.tolist() == [[-0.1875, 0.75]]
    assert returns.tolist() == [[0.3125, 1.0]]


def test_a_lambda_return_of_one_is_the_discounted_sum_whatever_the_values() -> None:
    rewards = torch.tensor([[0.0, 0.0, 1.0]])
    whole = torch.ones(1, 3, dtype=torch.bool)
    _, returns = estimate_advantages(rewards, draw(3)[:1, :3].float(), whole, discount=0.5, gae_lambda=1.0)
    torch.testing.assert_close(returns, torch.tensor([[0.25, 0.5, 1.0]]))


def test_nan_in_slots_that_do_not_count_changes_nothing() -> None:
    rewards, values = draw(0), draw(1)
    clean = estimate_advantages(rewards, values, IS_RESPONSE, discount=0.9, gae_lambda=0.9)
    dirty = [entries.masked_fill(~IS_RESPONSE, torch.nan) for entries in (rewards, values)]
    for expected, found in zip(
        clean, estimate_advantages(*dirty, IS_RESPONSE, discount=0.9, gae_lambda=0.9), strict=True
    ):
        assert torch.equal(expected, found)
    assert torch.equal(
        whiten(clean[0], IS_RESPONSE), whiten(clean[0].masked_fill(~IS_RESPONSE, torch.nan), IS_RESPONSE)
    )


def test_whitening_is_over_response_tokens_alone() -> None:
    entries = draw(0)
    white = whiten(entries, IS_RESPONSE)
    counted = white[IS_RESPONSE]
    assert counted.mean().item() == pytest.approx(0, abs=1e-12)
    assert counted.std(unbiased=False).item() == pytest.approx(1, abs=1e-6)  # 1e-8 is added to the divisor
    widened = whiten(torch.nn.functional.pad(entries, (0, 3), value=9.0), torch.nn.functional.pad(IS_RESPONSE, (0, 3)))
    torch.testing.assert_close(widened[:, :4], white, atol=1e-12, rtol=0)
    assert not widened[:, 4:].any()


def test_whitening_equal_advantages_gives_zeros() -> None:
    assert not whiten(torch.full((3, 4), 2.0), IS_RESPONSE).any()


def test_the_mean_counts_tokens_not_rows() -> None:
    entries = torch.tensor([[1.0, 1.0, 1.0, 1.0], [8.0, 8.0, 0.0, 0.0], [15.0, 0.0, 0.0, 0.0]])
    assert mean_over_response(entries, IS_RESPONSE).item() == 5.0


def test_explained_variance_is_one_for_the_truth_and_zero_for_a_constant() -> None:
    returns = draw(5)
    assert explained_variance(returns, returns, IS_RESPONSE) == 1.0
    assert explained_variance(torch.zeros_like(returns), returns, IS_RESPONSE) == pytest.approx(0.0, abs=1e-12)
