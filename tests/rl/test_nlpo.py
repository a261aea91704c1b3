"""The masking policy: its rule, and when it becomes a copy of the policy."""

import pytest
import torch

from rl.nlpo import RELEASED_LEAST_KEPT, MaskingPolicy, NlpoConfig, refresh_interval
from rl.support import smallest_support
from tests.rl.tiny import build_model


def test_as_published_nothing_but_the_smallest_set_is_kept() -> None:
    probabilities = torch.randn(4, 300, generator=torch.Generator().manual_seed(0)).softmax(-1)
    mask = MaskingPolicy(build_model("gpt2"), NlpoConfig(top_mass=0.2), special_ids=(0, 1, 2))
    assert torch.equal(mask.support(probabilities), smallest_support(probabilities, 0.2))
    assert mask.renormalises


def test_as_released_a_hundred_tokens_and_all_special_ones_are_kept() -> None:
    probabilities = (6 * torch.randn(4, 300, generator=torch.Generator().manual_seed(0))).softmax(-1)
    mask = MaskingPolicy(build_model("gpt2"), NlpoConfig(0.2, mode="as-released"), special_ids=(0, 1, 2))
    is_kept = mask.support(probabilities)
    expected = smallest_support(probabilities, 0.2, least=RELEASED_LEAST_KEPT)
    expected[:, :3] = True
    assert torch.equal(is_kept, expected)
    assert int(is_kept.sum(-1).min()) >= 100
    assert not mask.renormalises


def test_as_released_it_is_never_refreshed() -> None:
    mask = MaskingPolicy(build_model("gpt2"), NlpoConfig(refresh_every=1, mode="as-released"))
    assert not any(mask.is_refresh_due(finished, 100) for finished in range(1, 101))


@pytest.mark.parametrize("iterations", [6, 11, 20, 45, 100, 1000])
def test_a_run_refreshes_at_least_five_times(iterations: int) -> None:
    interval = refresh_interval(20, iterations)
    mask = MaskingPolicy(build_model("gpt2"), NlpoConfig(refresh_every=20))
    between = [finished for finished in range(1, iterations) if mask.is_refresh_due(finished, iterations)]
    assert len(between) >= 5
    assert interval <= 20


def test_mu_holds_where_the_run_is_long_enough() -> None:
    assert refresh_interval(20, 200) == 20
    assert refresh_interval(1, 200) == 1
    assert refresh_interval(20, 3) == 1
