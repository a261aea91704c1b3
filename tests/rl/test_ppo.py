"""PPO's losses on hand-worked numbers."""

import pytest
import torch

from rl.ppo import clipped_surrogate, value_loss

IS_RESPONSE = torch.tensor([[True, True], [True, False]])
HALF = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log()


def test_the_clipped_surrogate_by_hand() -> None:
    """Ratios 1.5, .5, 1 with advantages 1, −1, 2 and ε = .2: min(1.5, 1.2) = 1.2; min(−.5, −.8) = −.8; 2. Mean .8."""
    log_probs = torch.tensor([[0.75, 0.25], [0.5, 0.99]]).log()
    surrogate = clipped_surrogate(log_probs, HALF, torch.tensor([[1.0, -1.0], [2.0, 7.0]]), IS_RESPONSE, 0.2)
    assert surrogate.loss.item() == pytest.approx(-0.8, abs=1e-6)
    assert surrogate.clip_fraction == pytest.approx(2 / 3)
    assert surrogate.mean_ratio == pytest.approx(1.0)
    assert surrogate.max_ratio_error == pytest.approx(0.5)


def test_a_clipped_token_that_gains_no_more_has_no_gradient() -> None:
    log_probs = torch.tensor([[0.75, 0.5], [0.5, 0.5]]).log().requires_grad_()
    clipped_surrogate(log_probs, HALF, torch.ones(2, 2), IS_RESPONSE, 0.2).loss.backward()
    assert log_probs.grad is not None
    # d(−ratio · A / 3)/d log π is −ratio · A / 3 where it is not clipped.
    torch.testing.assert_close(log_probs.grad, torch.tensor([[0.0, -1 / 3], [-1 / 3, 0.0]]))


def test_the_gradient_raises_what_had_an_advantage() -> None:
    log_probs = HALF.clone().requires_grad_()
    clipped_surrogate(log_probs, HALF, torch.tensor([[3.0, -3.0], [0.0, 0.0]]), IS_RESPONSE, 0.2).loss.backward()
    assert log_probs.grad is not None
    assert log_probs.grad[0, 0] < 0 < log_probs.grad[0, 1]  # descent raises the first, lowers the second


@pytest.mark.parametrize("filler", [torch.nan, torch.inf, 1e6])
def test_slots_that_do_not_count_may_hold_anything(filler: float) -> None:
    log_probs = HALF.clone()
    log_probs[1, 1] = filler
    log_probs.requires_grad_()
    surrogate = clipped_surrogate(log_probs, HALF, torch.full((2, 2), 1.0), IS_RESPONSE, 0.2)
    surrogate.loss.backward()
    assert surrogate.loss.item() == pytest.approx(-1.0)
    assert log_probs.grad is not None
    assert log_probs.grad.isfinite().all()


def test_the_value_loss_by_hand() -> None:
    """Errors 1, 2, 3 in slots that count: ½ · (1 + 4 + 9)/3."""
    values = torch.tensor([[1.0, 2.0], [3.0, torch.nan]])
    assert value_loss(values, torch.zeros(2, 2), IS_RESPONSE).item() == pytest.approx(7 / 3)
