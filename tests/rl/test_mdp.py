"""The MDP, and batched rollouts replayed through it one token at a time."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rl.mdp import State, TokenMdp, place_on_last_token, returns_to_go
from rl.policy import response_logits
from rl.rollout import sample_responses
from rl.sampling import Noise
from tests.rl.tiny import ARCHITECTURES, PROMPTS, build_model, build_tokenizer

EOS, HORIZON = 1, 6


def test_an_episode_ends_with_eos_or_at_the_horizon_and_not_before() -> None:
    mdp = TokenMdp(EOS, horizon=3)
    start = State(prompt=(7, 8))
    one = mdp.step(start, 5)
    assert one == State((7, 8), (5,), is_terminal=False)
    assert mdp.step(one, EOS) == State((7, 8), (5, EOS), is_terminal=True)
    assert mdp.step(mdp.step(one, 5), 5).is_terminal
    with pytest.raises(ValueError, match="the episode has ended"):
        mdp.step(mdp.step(one, EOS), 5)


def test_a_step_leaves_the_state_it_came_from_as_it_was() -> None:
    start = State(prompt=(7,))
    TokenMdp(EOS, horizon=3).step(start, 5)
    assert start == State(prompt=(7,))


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_row_of_a_batched_rollout_is_an_episode_of_the_mdp(kind: str) -> None:
    """Replayed one state at a time, without cache, padding or batch: the same ends, and the recorded log-probability is
    the policy's in that very state."""
    model, tokenizer = build_model(kind), build_tokenizer()
    rollout = sample_responses(model, tokenizer, PROMPTS * 2, horizon=HORIZON, noise=Noise(3))
    mdp = TokenMdp(tokenizer.eos_token_id, HORIZON)
    for row in range(len(rollout)):
        state = State(tuple(rollout.prompt_ids[row][rollout.is_prompt[row]].tolist()))
        for position, counts in enumerate(rollout.is_response[row].tolist()):
            assert counts == (not state.is_terminal)
            if not counts:
                continue
            action = int(rollout.response_ids[row, position])
            torch.testing.assert_close(
                rollout.log_probs[row, position],
                log_policy(model, state, action),
                atol=2e-5,  # cached float32 logits of size 10 against uncached ones; a wrong state moves them by > 1e-2
                rtol=0,
            )
            state = mdp.step(state, action)
        assert state.is_terminal or rollout.response_ids.shape[1] == HORIZON


def log_policy(model: torch.nn.Module, state: State, action: int) -> torch.Tensor:
    """log π(a | s) from a pass over this one state."""
    prompt_ids = torch.tensor([state.prompt])
    response_ids = torch.tensor([[*state.response, action]])
    with torch.no_grad():
        logits = response_logits(model, prompt_ids, torch.ones_like(prompt_ids, dtype=torch.bool), response_ids)  # type: ignore[arg-type]
    return logits[0, -1].log_softmax(-1)[action]


def test_a_responses_reward_falls_on_its_last_token() -> None:
    is_response = torch.tensor([[True, True, False], [True, True, True]])
    assert place_on_last_token(torch.tensor([2.0, 3.0]), is_response).tolist() == [[0, 2, 0], [0, 0, 3]]


@given(
    st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=5), min_size=1, max_size=4),
    st.sampled_from([0.0, 0.5, 0.95, 1.0]),
)
def test_batched_returns_are_the_mdps(episodes: list[list[float]], discount: float) -> None:
    width = max(map(len, episodes)) + 1
    rewards = torch.full((len(episodes), width), torch.nan, dtype=torch.float64)
    for row, episode in enumerate(episodes):
        rewards[row, : len(episode)] = torch.tensor(episode, dtype=torch.float64)
    is_response = ~rewards.isnan()
    returns = returns_to_go(rewards, is_response, discount)
    mdp = TokenMdp(EOS, HORIZON, discount)
    for row, episode in enumerate(episodes):
        for start in range(len(episode)):
            assert returns[row, start].item() == pytest.approx(mdp.discounted_return(episode[start:]), abs=1e-12)
    assert not returns[~is_response].any()


def test_without_a_discount_it_is_a_bandit() -> None:
    """One reward at the end, γ = 1: every state's return is the response's reward."""
    is_response = torch.ones(1, 4, dtype=torch.bool)
    returns = returns_to_go(place_on_last_token(torch.tensor([2.5]), is_response), is_response, 1.0)
    assert returns.tolist() == [[2.5] * 4]
