"""A task whose optimum is known: every algorithm reaches it, on both model kinds."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rl.config import CRITIC_FREE, KlConfig, OptimiserConfig, TrainingConfig
from rl.learner import build_learner
from rl.rollout import respond_greedily
from rl.sampling import Sampler
from rl.tasks.items import Item
from rl.train import run_iteration
from rl.trpo import TrpoConfig
from tests.rl.tiny import KINDS, save_tiny

PROMPTS = ("dog", "cat")
ANSWERS = {"dog": "ball", "cat": "park"}
# A2C makes one step a rollout where the others make three, and GRPO's gives long responses less weight a token.
ITERATIONS = {"a2c": 200, "grpo": 120}
ITEMS = tuple(Item(f"{prompt}-{place}", prompt, (), ()) for place in range(16) for prompt in PROMPTS)


def score_answers(prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> list[float]:
    """1 for the prompt's own answer and nothing after it; half as much for each word too many."""
    scores = []
    for item, completion in zip(items, completions, strict=True):
        first, *rest = completion.split() or [""]
        scores.append(0.5 ** len(rest) if first == ANSWERS[item.prompt] else 0.0)
    return scores


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", ["nlpo", "ppo", "a2c", "trpo", "rloo", "grpo"])
def test_it_reaches_the_known_optimum(kind: str, algorithm: str, tmp_path: Path) -> None:
    """Each prompt has one best response, its answer and EOS: reward 1. The tokenizer has no pad token, so stopping is
    learned only if an EOS that is also the pad is trained."""
    config = TrainingConfig(
        base_model=str(save_tiny(kind, tmp_path / "model", pad=False)),
        algorithm=algorithm,  # type: ignore[arg-type]
        iterations=ITERATIONS.get(algorithm, 70),
        prompts=8 if algorithm in CRITIC_FREE else 64,
        samples_per_prompt=8 if algorithm in CRITIC_FREE else 1,
        horizon=3,
        sampler=Sampler(temperature=2.0),  # flat enough that π_ψ's first support holds the answers
        kl=KlConfig(coefficient=0.0, target=None),
        trpo=TrpoConfig(kl_limit=0.03, conjugate_steps=8),
        optimiser=OptimiserConfig(learning_rate=5e-3, value_learning_rate=5e-3, minibatch=64, epochs=3),
    )
    learner = build_learner(config, "cpu")
    rows = [run_iteration(learner, config, ITEMS, score_answers) for _ in range(config.iterations)]
    texts = respond_greedily(learner.policy, learner.tokenizer, PROMPTS, horizon=3).completions(learner.tokenizer)
    assert texts == [ANSWERS[prompt] for prompt in PROMPTS]
    assert rows[-1]["reward"] > 0.9
    assert rows[0]["reward"] < 0.3
    assert rows[-1]["ended_share"] > 0.9


def test_the_answer_followed_by_eos_is_the_optimum() -> None:
    assert score_answers([], ["ball", "ball dog", "park", ""], [ITEMS[0]] * 4) == [1.0, 0.5, 0.0, 0.0]
