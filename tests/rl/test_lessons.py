"""What a rollout teaches under each algorithm's rule, worked by hand; and how minibatches are shared out."""

import pytest
import torch
from torch import Tensor

from rl import processes
from rl.config import OptimiserConfig, TrainingConfig
from rl.experience import Experience
from rl.lessons import microbatches, minibatches, teach
from rl.measure import Measures
from rl.rollout import Rollout
from tests.rl.test_advantages import brute_force_advantage

LENGTHS = (3, 2, 1, 3, 2, 3)
IS_RESPONSE = torch.arange(3) < torch.tensor(LENGTHS)[:, None]
BETA = 0.3


def draw(seed: int) -> Tensor:
    return torch.randn(len(LENGTHS), 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_experience() -> Experience:
    """Random rewards, log-probabilities and values; each row's prompt is its number, and padding is not a number."""
    rollout = Rollout(
        prompt_ids=torch.arange(len(LENGTHS))[:, None],
        is_prompt=torch.ones(len(LENGTHS), 1, dtype=torch.bool),
        response_ids=torch.zeros(len(LENGTHS), 3, dtype=torch.long),
        is_response=IS_RESPONSE,
        log_probs=torch.zeros(len(LENGTHS), 3),
        support=None,
    )
    policy, reference, values, rewards = (draw(seed).masked_fill(~IS_RESPONSE, torch.nan) for seed in range(4))
    rest = dict.fromkeys(("kl", "masked_kl", "entropy", "masked_entropy", "support_mass"), torch.zeros(1))
    return Experience(rollout, rewards, Measures(policy=policy, reference=reference, values=values, **rest))


def configure(algorithm: str, **changes: object) -> TrainingConfig:
    return TrainingConfig("", algorithm=algorithm, **changes)  # type: ignore[arg-type]


def penalised_by_hand(seen: Experience, row: int) -> list[float]:
    columns = (seen.rewards, seen.measures.policy, seen.measures.reference)
    tokens = zip(*(column[row, : LENGTHS[row]].tolist() for column in columns), strict=True)
    return [reward - BETA * (log_p - log_q) for reward, log_p, log_q in tokens]


@pytest.mark.parametrize("algorithm", ["nlpo", "ppo", "a2c", "trpo"])
def test_a_critics_lessons_are_whitened_advantages_of_penalised_rewards(algorithm: str) -> None:
    """γ and λ differ, so that one in the place of the other shows. Returns are not whitened."""
    seen = make_experience()
    assert seen.measures.values is not None
    lessons = teach(seen, BETA, configure(algorithm, discount=0.9, gae_lambda=0.4))
    expected, returns = [], []
    for row, length in enumerate(LENGTHS):
        rewards, values = penalised_by_hand(seen, row), seen.measures.values[row, :length].tolist()
        advantages = [brute_force_advantage(rewards, values, place, 0.9, 0.4) for place in range(length)]
        expected += advantages
        returns += [advantage + value for advantage, value in zip(advantages, values, strict=True)]
    mean = sum(expected) / len(expected)
    deviation = (sum((advantage - mean) ** 2 for advantage in expected) / len(expected)) ** 0.5
    # Float64; the divisor has 1e-8 added.
    white = [(advantage - mean) / deviation for advantage in expected]
    assert lessons.advantages[IS_RESPONSE].tolist() == pytest.approx(white, abs=1e-7)
    assert lessons.returns is not None
    assert lessons.returns[IS_RESPONSE].tolist() == pytest.approx(returns, abs=1e-12)
    assert not lessons.advantages[~IS_RESPONSE].any()
    assert lessons.loss_kl == 0


def test_rloo_compares_whole_responses_rewards_less_their_penalties() -> None:
    seen = make_experience()
    lessons = teach(seen, BETA, configure("rloo", samples_per_prompt=3))
    totals = [sum(penalised_by_hand(seen, row)) for row in range(len(LENGTHS))]
    for row in range(len(LENGTHS)):
        group = range(row - row % 3, row - row % 3 + 3)
        advantage = totals[row] - sum(totals[other] for other in group if other != row) / 2
        assert lessons.advantages[row, : LENGTHS[row]].tolist() == pytest.approx([advantage] * LENGTHS[row], abs=1e-12)
    assert lessons.loss_kl == 0


def test_grpo_compares_rewards_alone_and_leaves_the_penalty_to_its_loss() -> None:
    seen = make_experience()
    lessons = teach(seen, BETA, configure("grpo", samples_per_prompt=3))
    totals = torch.tensor([seen.rewards[row, :length].sum() for row, length in enumerate(LENGTHS)], dtype=torch.float64)
    for start in (0, 3):
        group = totals[start : start + 3]
        deviation = (group - group.mean()).square().mean().sqrt()
        expected = (group - group.mean()) / (deviation + 1e-4)
        torch.testing.assert_close(lessons.advantages[start : start + 3, 0], expected, atol=1e-12, rtol=0)
    assert not lessons.advantages[~IS_RESPONSE].any()
    assert lessons.loss_kl == BETA


def test_every_epoch_has_every_row_once_and_a2c_one_step_on_all() -> None:
    config = configure("ppo", optimiser=OptimiserConfig(minibatch=4, epochs=2))
    batches = minibatches(10, config, iteration=0)
    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2]
    for epoch in (batches[:3], batches[3:]):
        assert sorted(torch.cat(epoch).tolist()) == list(range(10))
    assert torch.cat(batches[:3]).tolist() != torch.cat(batches[3:]).tolist()
    assert [batch.tolist() for batch in minibatches(10, configure("a2c"), iteration=0)] == [list(range(10))]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_processes_share_a_minibatch_without_gap_or_repeat(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row is in one part of one process, and all parts' shares of tokens and of responses add up to 1."""
    config = configure("rloo", samples_per_prompt=3, optimiser=OptimiserConfig(microbatch=2))
    lessons = teach(make_experience(), BETA, config)
    monkeypatch.setattr(processes, "process_count", lambda: count)
    rows: list[int] = []
    tokens = responses = 0.0
    for rank in range(count):
        monkeypatch.setattr(processes, "process_number", lambda rank=rank: rank)
        for part in microbatches(lessons, config):
            own = part.lessons.rollout.prompt_ids[:, 0].tolist()
            assert part.token_share == pytest.approx(sum(LENGTHS[row] for row in own) / sum(LENGTHS))
            rows += own
            tokens, responses = tokens + part.token_share, responses + part.response_share
    assert sorted(rows) == list(range(len(LENGTHS)))
    assert tokens == pytest.approx(1)
    assert responses == pytest.approx(1)
