"""Keyed noise and the drawing of tokens."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rl.sampling import Noise, Sampler, draw_tokens, number_repeats


def test_noise_depends_on_seed_iteration_key_and_position_alone() -> None:
    noise = Noise(seed=3, iteration=7)
    whole = noise.uniforms(["a", "b", "c"], 5)
    assert torch.equal(noise.uniforms(["c", "a"], 5), whole[[2, 0]])
    assert torch.equal(noise.uniforms(["a", "b", "c"], 2), whole[:, :2])
    for other in (Noise(4, 7), Noise(3, 8)):
        assert not torch.equal(other.uniforms(["a", "b", "c"], 5), whole)
    assert len(whole.unique()) == 15


def test_noise_is_uniform_and_neighbours_are_uncorrelated() -> None:
    uniforms = Noise(0).uniforms(range(2000), 20).numpy()
    # 40,000 uniforms: the mean's standard error is .0014, a correlation's .005; five of them are allowed.
    assert abs(uniforms.mean() - 0.5) < 0.0072
    counts, _ = np.histogram(uniforms, bins=20, range=(0, 1))
    assert ((counts - 2000) ** 2 / 2000).sum() < 50  # χ² with 19 degrees of freedom exceeds 50 once in 10,000
    assert abs(np.corrcoef(uniforms[:, :-1].ravel(), uniforms[:, 1:].ravel())[0, 1]) < 0.026
    assert abs(np.corrcoef(uniforms[:-1].ravel(), uniforms[1:].ravel())[0, 1]) < 0.026


def test_empirical_frequencies_match_the_probabilities() -> None:
    probabilities = torch.tensor([0.5, 0.0, 0.3, 0.15, 0.05])
    count = 50_000
    uniforms = Noise(1).uniforms(range(count), 1)[:, 0]
    tokens = draw_tokens(probabilities.log().expand(count, -1), uniforms)
    frequencies = torch.bincount(tokens, minlength=5) / count
    standard_error = (probabilities * (1 - probabilities) / count).sqrt()
    assert ((frequencies - probabilities).abs() <= 4.5 * standard_error).all()  # 4.5 σ: once in 30,000 runs, five cells


@given(st.lists(st.floats(-30, 5), min_size=1, max_size=40), st.floats(0, 1, exclude_max=True), st.data())
def test_a_token_without_mass_is_never_drawn(logits: list[float], uniform: float, data: st.DataObject) -> None:
    row = torch.tensor([logits])
    excluded = torch.tensor([[data.draw(st.booleans()) for _ in logits]])
    excluded[0, data.draw(st.integers(0, len(logits) - 1))] = False
    log_probs = row.masked_fill(excluded, -torch.inf).log_softmax(-1)
    token = draw_tokens(log_probs, torch.tensor([uniform], dtype=torch.float64))
    assert not excluded[0, token]


def test_the_largest_uniform_still_draws_a_token_with_mass() -> None:
    log_probs = torch.tensor([[0.3, 0.7, 0.0]]).log()
    assert draw_tokens(log_probs, torch.tensor([1 - 2.0**-53], dtype=torch.float64)).tolist() == [1]


def test_the_smallest_uniform_draws_a_token_with_mass() -> None:
    log_probs = torch.tensor([[0.0, 0.7, 0.3]]).log()
    assert draw_tokens(log_probs, torch.tensor([0.0], dtype=torch.float64)).tolist() == [1]


def test_repeats_of_a_name_get_different_keys() -> None:
    assert number_repeats(["a", "b", "a", "a"]) == ["a#0", "b#0", "a#1", "a#2"]


PROBABILITIES = torch.tensor([[0.4, 0.3, 0.15, 0.1, 0.05]])


def kept(sampler: Sampler, is_kept: torch.Tensor | None = None) -> list[int]:
    filtered = sampler.filter(PROBABILITIES.log(), is_kept)
    return list(range(5)) if filtered is None else filtered[0].nonzero()[:, 0].tolist()


def test_without_filters_every_token_of_the_vocabulary_may_be_drawn() -> None:
    """No hidden default: transformers' generate takes 50 where top_k is not set."""
    assert Sampler().filter(PROBABILITIES.log(), None) is None
    assert Sampler().allowed_actions(PROBABILITIES.log(), 0, 1) is None
    assert not Sampler().filters


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        (Sampler(top_k=2), [0, 1]),
        (Sampler(top_k=9), [0, 1, 2, 3, 4]),
        (Sampler(top_p=0.6), [0, 1]),
        (Sampler(top_p=0.75), [0, 1, 2]),
        # Of the two that top-k leaves, the first alone has .4/.7 = .57 of the mass.
        (Sampler(top_k=2, top_p=0.5), [0]),
    ],
)
def test_filters_by_hand(sampler: Sampler, expected: list[int]) -> None:
    assert kept(sampler) == expected
    assert sampler.filters


def test_filters_count_only_what_a_mask_left() -> None:
    """Over {2, 3, 4} the masses are .5, .33, .17."""
    mask = torch.tensor([[False, False, True, True, True]])
    assert kept(Sampler(top_k=2), mask) == [2, 3]
    assert kept(Sampler(top_p=0.4), mask) == [2]
    assert kept(Sampler(top_k=4), mask) == [2, 3, 4]


def test_equally_likely_tokens_are_kept_from_the_lowest_id() -> None:
    flat = torch.zeros(1, 6)
    filtered = Sampler(top_k=2).filter(flat, None)
    assert filtered is not None
    assert filtered[0].tolist() == [True, True, False, False, False, False]


def test_eos_is_no_action_before_the_minimum_length() -> None:
    sampler = Sampler(min_length=2)
    for position in (0, 1):
        allowed = sampler.allowed_actions(PROBABILITIES, position, eos=1)
        assert allowed is not None
        assert allowed[0].tolist() == [True, False, True, True, True]
    assert sampler.allowed_actions(PROBABILITIES, 2, eos=1) is None
