"""The support, renormalisation and the refresh schedule."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rl.nlpo import MaskingPolicy, NlpoConfig, refresh_interval
from rl.support import (
    entropy_nats,
    pack_bits,
    restrict,
    smallest_support,
    token_log_probs,
    unpack_bits,
)
from tests.rl.tiny import build_model


def brute_force_support(probabilities: list[float], top_mass: float) -> set[int]:
    """Of all sets whose mass exceeds p the smallest, of those the heaviest, of those the one with the lowest ids."""
    tokens = range(len(probabilities))
    for size in range(1, len(probabilities) + 1):
        heavy = [s for s in itertools.combinations(tokens, size) if sum(probabilities[t] for t in s) > top_mass]
        if heavy:
            return set(min(heavy, key=lambda chosen: (-sum(probabilities[t] for t in chosen), chosen)))
    return set(tokens)


# Multiples of 1/64 add up without rounding, so "exceeds p" and ties are exact in both computations.
@given(st.lists(st.integers(0, 8), min_size=1, max_size=8).filter(any), st.integers(1, 63))
@settings(max_examples=300)
def test_the_support_is_the_smallest_set_that_exceeds_p(weights: list[int], mass: int) -> None:
    probabilities = [weight / 64 for weight in weights]
    top_mass = min(mass / 64, sum(probabilities) - 1 / 64)
    is_kept = smallest_support(torch.tensor([probabilities]), top_mass)[0]
    kept = set(is_kept.nonzero()[:, 0].tolist())
    assert kept == (brute_force_support(probabilities, top_mass) if top_mass > 0 else kept)
    assert kept


def test_ties_go_to_the_lower_token_id() -> None:
    probabilities = torch.tensor([[0.1, 0.25, 0.15, 0.25, 0.25]])
    assert smallest_support(probabilities, 0.4).tolist() == [[False, True, False, True, False]]


def test_a_mass_that_is_reached_but_not_exceeded_takes_one_more() -> None:
    assert smallest_support(torch.tensor([[0.5, 0.25, 0.25]]), 0.5).tolist() == [[True, True, False]]


@pytest.mark.parametrize("size", [50, 500, 3000])
@pytest.mark.parametrize("spread", [0.0, 1.0, 6.0])
def test_shortcuts_for_large_vocabularies_change_nothing(size: int, spread: float) -> None:
    generator = torch.Generator().manual_seed(size)
    probabilities = (spread * torch.randn(4, size, generator=generator)).softmax(-1)
    order = probabilities.sort(dim=-1, descending=True, stable=True)
    before = order.values.double().cumsum(-1) - order.values.double()
    expected = torch.zeros_like(probabilities, dtype=torch.bool).scatter(-1, order.indices, before <= 0.9)
    assert torch.equal(smallest_support(probabilities, 0.9), expected)


def test_p_of_one_keeps_the_whole_vocabulary() -> None:
    assert smallest_support(torch.tensor([[1.0, 0.0, 1e-30]]), 1.0).all()


@given(st.integers(1, 70), st.integers(0, 2**31))
def test_packed_bits_unpack_to_the_same_set(size: int, seed: int) -> None:
    is_kept = torch.rand(3, 2, size, generator=torch.Generator().manual_seed(seed)) < 0.5
    packed = pack_bits(is_kept)
    assert packed.shape == (3, 2, (size + 7) // 8)
    assert packed.dtype == torch.uint8
    assert torch.equal(unpack_bits(packed, size), is_kept)


def test_renormalised_probabilities_sum_to_one_and_vanish_outside() -> None:
    logits = torch.randn(5, 30, generator=torch.Generator().manual_seed(0))
    is_kept = smallest_support(logits.softmax(-1), 0.6)
    probabilities = restrict(logits, is_kept).softmax(-1)
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(5))
    assert not probabilities[~is_kept].any()


def test_log_probabilities_by_hand() -> None:
    """Probabilities 1/2, 1/4, 1/8, 1/8; over the first two tokens the second has 1/3."""
    logits = torch.tensor([[[8.0, 4.0, 2.0, 2.0]]]).log()
    ids = torch.tensor([[1]])
    whole = torch.tensor([[0.25]]).log()
    masked = torch.tensor([[1 / 3]]).log()
    torch.testing.assert_close(token_log_probs(logits, ids), whole)
    torch.testing.assert_close(token_log_probs(logits, ids, torch.tensor([[[True, True, False, False]]])), masked)


def test_the_entropy_of_a_masked_distribution_is_that_of_its_support() -> None:
    log_probs = torch.tensor([0.5, 0.5, 0.0]).log()
    torch.testing.assert_close(entropy_nats(log_probs), torch.tensor(2.0).log())


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
