"""The token-level Markov decision process that all algorithms here solve: the definition.

After Ramamurthy et al. 2022 (arXiv 2210.01241), section 3.1. A state is a prompt and the response tokens so far, an
action the next token, and the transition appends it. An episode ends with EOS or with token number `horizon`; both
are terminal, so no value is bootstrapped after either. Rewards may fall on any token; the reward of a whole response
falls on its last. The return is Σ_t γ^t r_t; with γ = 1 and one reward a response this is a contextual bandit over
whole responses.

Rollouts run many episodes at once (rl.rollout). They decide about ends and rewards with the functions of this module,
and the tests replay every row of them through `step`, one token at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class State:
    """s_t: prompt and response as token ids."""

    prompt: tuple[int, ...]
    response: tuple[int, ...] = ()
    is_terminal: bool = False


@dataclass(frozen=True, slots=True)
class TokenMdp:
    """eos: the id that ends a response. horizon: most tokens of a response. discount: γ."""

    eos: int
    horizon: int
    discount: float = 1.0

    def step(self, state: State, action: int) -> State:
        """s_{t+1}: the token appended. ValueError after the end."""
        if state.is_terminal:
            raise ValueError("the episode has ended; expected a state that is not terminal.")
        ends = bool(self.ends(torch.tensor(action), len(state.response)))
        return State(state.prompt, (*state.response, action), ends)

    def ends(self, actions: Tensor, position: int) -> Tensor:
        """Whether `actions` (B,) at this response position, counted from 0, end their episodes."""
        return (actions == self.eos) | (position + 1 >= self.horizon)

    def discounted_return(self, rewards: Sequence[float]) -> float:
        """Σ_t γ^t r_t of one episode."""
        total = 0.0
        for reward in reversed(rewards):
            total = reward + self.discount * total
        return total


def place_on_last_token(scores: Tensor, is_response: Tensor) -> Tensor:
    """Rewards (B, T) from one score (B,) a response: on its last token, 0 elsewhere."""
    last = is_response.sum(dim=1, keepdim=True) - 1
    return torch.zeros(is_response.shape, dtype=scores.dtype, device=scores.device).scatter(1, last, scores[:, None])


def returns_to_go(rewards: Tensor, is_response: Tensor, discount: float) -> Tensor:
    """G_t = Σ_{k ≥ t} γ^{k−t} r_k, (B, T); 0 where is_response is False. G_0 is the episode's return."""
    rewards = rewards.masked_fill(~is_response, 0.0)
    returns = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[:, 0])
    for position in reversed(range(rewards.shape[1])):
        following = rewards[:, position] + discount * following
        returns[:, position] = following
    return returns.masked_fill(~is_response, 0.0)
