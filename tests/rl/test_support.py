"""Supports, bits, and a policy renormalised over them."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rl.support import (
    entropy_nats,
    keep_most_likely,
    pack_bits,
    restrict,
    smallest_support,
    token_log_probs,
    unpack_bits,
)


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


@pytest.mark.parametrize("size", [50, 3000, 9000])
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


@pytest.mark.parametrize("is_masked", [False, True])
def test_the_gradient_of_a_log_probability_is_that_of_log_softmax(is_masked: bool) -> None:
    """The function has its own backward pass; autograd through log_softmax and gather is the oracle."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 20, generator=generator, requires_grad=True)
    ids = torch.randint(20, (3, 4), generator=generator)
    slope = torch.randn(3, 4, generator=generator)
    is_kept = None
    if is_masked:
        is_kept = (torch.rand(3, 4, 20, generator=generator) < 0.5).scatter(-1, ids[..., None], True)
    expected = restrict(logits, is_kept).log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    (oracle,) = torch.autograd.grad(expected, logits, slope)
    found = token_log_probs(logits, ids, is_kept)
    (gradient,) = torch.autograd.grad(found, logits, slope)
    assert torch.equal(found, expected)
    torch.testing.assert_close(gradient, oracle, atol=1e-6, rtol=1e-5)  # the same sums in another order
    if is_kept is not None:
        assert not gradient[~is_kept].any()


def test_a_second_derivative_of_a_log_probability_is_refused_and_not_wrong() -> None:
    logits = torch.randn(1, 1, 5, requires_grad=True)
    log_probs = token_log_probs(logits, torch.tensor([[2]]))
    (gradient,) = torch.autograd.grad(log_probs.sum(), logits, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(gradient.square().sum(), logits)


def test_the_most_likely_tokens_are_kept_from_the_lowest_id_where_they_tie() -> None:
    probabilities = torch.tensor([[0.1, 0.3, 0.2, 0.2, 0.2]])
    assert keep_most_likely(probabilities, 2).tolist() == [[False, True, True, False, False]]
    assert keep_most_likely(probabilities, 7).all()


def test_a_support_keeps_at_least_as_many_tokens_as_it_is_told() -> None:
    probabilities = torch.tensor([[0.9, 0.04, 0.03, 0.02, 0.01]])
    assert smallest_support(probabilities, 0.5).sum() == 1
    assert smallest_support(probabilities, 0.5, least=3).tolist() == [[True, True, True, False, False]]
    assert smallest_support(probabilities, 0.5, least=99).all()
