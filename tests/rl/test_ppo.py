"""PPO's losses on hand-worked numbers."""

import pytest
import torch

from rl.ppo import clipped_surrogate_loss, ratio_figures, value_loss

IS_RESPONSE = torch.tensor([[True, True], [True, False]])
HALF = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log()


def test_the_clipped_surrogate_by_hand() -> None:
    """Ratios 1.5, .5, 1 with advantages 1, −1, 2 and ε = .2: min(1.5, 1.2) = 1.2; min(−.5, −.8) = −.8; 2. Mean .8."""
    log_probs = torch.tensor([[0.75, 0.25], [0.5, 0.99]]).log()
    loss = clipped_surrogate_loss(log_probs, HALF, torch.tensor([[1.0, -1.0], [2.0, 7.0]]), IS_RESPONSE, 0.2)
    assert loss.item() == pytest.approx(-0.8, abs=1e-6)
    figures = ratio_figures(log_probs, HALF, IS_RESPONSE, 0.2)
    assert figures.clip_fraction == pytest.approx(2 / 3)
    assert figures.mean_ratio == pytest.approx(1.0)
    assert figures.max_ratio_error == pytest.approx(0.5)


def test_a_clipped_token_that_gains_no_more_has_no_gradient() -> None:
    log_probs = torch.tensor([[0.75, 0.5], [0.5, 0.5]]).log().requires_grad_()
    clipped_surrogate_loss(log_probs, HALF, torch.ones(2, 2), IS_RESPONSE, 0.2).backward()
    assert log_probs.grad is not None
    # d(−ratio · A / 3)/d log π is −ratio · A / 3 where it is not clipped.
    torch.testing.assert_close(log_probs.grad, torch.tensor([[0.0, -1 / 3], [-1 / 3, 0.0]]))


def test_the_gradient_raises_what_had_an_advantage() -> None:
    log_probs = HALF.clone().requires_grad_()
    clipped_surrogate_loss(log_probs, HALF, torch.tensor([[3.0, -3.0], [0.0, 0.0]]), IS_RESPONSE, 0.2).backward()
    assert log_probs.grad is not None
    assert log_probs.grad[0, 0] < 0 < log_probs.grad[0, 1]  # descent raises the first, lowers the second


@pytest.mark.parametrize("filler", [torch.nan, torch.inf, 1e6])
def test_slots_that_do_not_count_may_hold_anything(filler: float) -> None:
    log_probs = HALF.clone()
    log_probs[1, 1] = filler
    log_probs.requires_grad_()
    loss = clipped_surrogate_loss(log_probs, HALF, torch.full((2, 2), 1.0), IS_RESPONSE, 0.2)
    loss.backward()
    assert loss.item() == pytest.approx(-1.0)
    assert log_probs.grad is not None
    assert log_probs.grad.isfinite().all()


def test_the_value_loss_by_hand() -> None:
    """Errors 1, 2, 3 in slots that count: ½ · (1 + 4 + 9)/3."""
    values = torch.tensor([[1.0, 2.0], [3.0, torch.nan]])
    assert value_loss(values, torch.zeros(2, 2), IS_RESPONSE).item() == pytest.approx(7 / 3)


def test_the_clipped_value_loss_by_hand() -> None:
    """Returns 0, old values 1, clip .5. V = 2: bounded to 1.5, max(4, 2.25) = 4. V = .2: bounded to .5, max(.04, .25).
    V = 1: unmoved, 1. ½ · (4 + .25 + 1)/3."""
    values, old = torch.tensor([[2.0, 0.2], [1.0, torch.nan]]), torch.ones(2, 2)
    clipped = value_loss(values, torch.zeros(2, 2), IS_RESPONSE, old_values=old, clip=0.5)
    assert clipped.item() == pytest.approx(5.25 / 6)


def test_a_value_beyond_its_clip_that_nears_the_return_has_no_gradient() -> None:
    values = torch.tensor([[0.2, 0.9], [1.0, 1.0]]).requires_grad_()
    value_loss(values, torch.zeros(2, 2), IS_RESPONSE, old_values=torch.ones(2, 2), clip=0.5).backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, torch.tensor([[0.0, 0.3], [1 / 3, 0.0]]))
