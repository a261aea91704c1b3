"""Training a policy: collect, reward, measure, advantage, update; every iteration is entered in the run's books."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from annotation.errors import InputError
from annotation.run_folders import expect_no_run
from rl.advantages import explained_variance
from rl.books import open_books
from rl.config import TrainingConfig, check_config
from rl.experience import Experience, gather_experience
from rl.kl import adapt_coefficient
from rl.learner import Learner, build_learner
from rl.lessons import Lessons, teach
from rl.mdp import returns_to_go
from rl.measure import measure
from rl.policy import available_device, encode_prompts
from rl.processes import join_processes, own_device, own_share, process_count
from rl.rewards import PreferenceScorer, Reward, build_reward, expect_scorable, make_records, token_rewards
from rl.rollout import Rollout, sample_responses
from rl.sampling import Noise, number_repeats
from rl.tasks.items import Item, Task
from rl.trackers import check_tracking
from rl.update import update
from rl.validation import check_best_by

Row = dict[str, Any]


def train(
    config: TrainingConfig,
    task: Task,
    output: Path,
    *,
    scorer: PreferenceScorer | None = None,
    reward: Reward | None = None,
    write_report: Callable[[Path], None] | None = None,
    resume: bool = False,
    device: str | None = None,
    show_progress: bool = True,
) -> Row:
    """Tune config.base_model by config.algorithm; writes the run folder `output` and returns its summary.

    scorer: the preference model that config.reward may need. reward: any reward, in the place of config.reward's.
    write_report: called with the folder when all else in it is written.
    """
    check_config(config)
    expect_no_run(output, resumable=True, resume=resume)
    check_tracking(config.tracking)
    check_best_by(config, task.validation)
    if reward is None:
        reward = build_reward(config.reward, scorer)
        expect_scorable(config.reward, (*task.train, *task.validation[: config.evaluation.items]))
    join_processes()
    check_shares(config)
    device = device or own_device(available_device())
    learner = build_learner(config, device)
    check_prompts(learner, config, task)
    with open_books(
        learner, config, task.validation, reward, output, resume=resume, device=device, show_progress=show_progress
    ) as books:
        while learner.finished < config.iterations:
            books.enter(run_iteration(learner, config, task.train, reward))
        return books.close(write_report)


def check_shares(config: TrainingConfig) -> None:
    """InputError if a process would have nothing to sample."""
    rows = config.prompts * config.samples_per_prompt
    if rows < process_count():
        raise InputError(
            f"prompts × samples_per_prompt: {rows} responses an iteration for {process_count()} processes; "
            "each needs one at least."
        )


def check_prompts(learner: Learner, config: TrainingConfig, task: Task) -> None:
    """InputError, before anything is written, if a prompt does not fit the model."""
    prompts = [item.prompt for item in (*task.train, *task.validation[: config.evaluation.items])]
    for start in range(0, len(prompts), 1024):
        encode_prompts(learner.policy, learner.tokenizer, prompts[start : start + 1024], config.horizon)


def run_iteration(learner: Learner, config: TrainingConfig, items: Sequence[Item], reward: Reward) -> Row:
    """One rollout and its updates; the row that is logged."""
    started = time.monotonic()
    chosen = choose_items(items, config, learner.finished)
    own = collect(learner, config, chosen)
    collected = time.monotonic()
    rewards = reward_responses(reward, own, own_share(chosen), learner)
    rewarded = time.monotonic()
    measures = measure(learner, own, config.sampler.temperature)
    is_causal = not learner.policy.config.is_encoder_decoder
    seen = gather_experience(Experience(own, rewards, measures), pads_left=is_causal)
    lessons = teach(scale_rewards(seen, learner, config), learner.kl_coefficient, config)
    row = describe(learner, config, lessons, seen) | update(learner, lessons, config)
    learner.kl_coefficient = adapt_coefficient(learner.kl_coefficient, row["kl_sampled"], config.kl.target)
    learner.finished += 1
    row["refreshed"] = refresh_if_due(learner, config)
    ended = time.monotonic()
    return row | {
        "tokens_per_s": round(row["tokens"] / (ended - started), 1),
        "collect_s": round(collected - started, 4),
        "reward_s": round(rewarded - collected, 4),
        "update_s": round(ended - rewarded, 4),
    }


def choose_items(items: Sequence[Item], config: TrainingConfig, iteration: int) -> list[Item]:
    """The iteration's items, from shuffled passes over the data: a function of seed and iteration alone.

    Each stands there samples_per_prompt times in a row.
    """
    first = iteration * config.prompts
    orders: dict[int, list[int]] = {}
    chosen: list[Item] = []
    for place in range(first, first + config.prompts):
        data_pass, offset = divmod(place, len(items))
        if data_pass not in orders:
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + data_pass)
            orders[data_pass] = torch.randperm(len(items), generator=generator).tolist()
        chosen += [items[orders[data_pass][offset]]] * config.samples_per_prompt
    return chosen


def collect(learner: Learner, config: TrainingConfig, items: Sequence[Item]) -> Rollout:
    """A response for each item from the behaviour policy: π_θ, filtered by the sampler, masked by π_ψ under NLPO.

    Of several processes each writes its share; whose share an item is in does not change its response.
    """
    return sample_responses(
        learner.policy,
        learner.tokenizer,
        [item.prompt for item in own_share(items)],
        horizon=config.horizon,
        noise=Noise(config.seed, learner.finished),
        keys=own_share(number_repeats([item.item for item in items])),
        sampler=config.sampler,
        mask=learner.mask,
    )


def reward_responses(reward: Reward, rollout: Rollout, items: Sequence[Item], learner: Learner) -> Tensor:
    """r_t (B, T) as the reward gives them."""
    records = make_records(items, rollout, learner.tokenizer.eos_token_id)
    return token_rewards(reward, rollout.completions(learner.tokenizer), records, rollout)


def scale_rewards(seen: Experience, learner: Learner, config: TrainingConfig) -> Experience:
    """r_t over the running standard deviation of the responses' rewards, this rollout's included, where asked for."""
    if not config.reward.is_scaled:
        return seen
    learner.reward_scale.include(seen.rewards.sum(dim=1).tolist())
    return replace(seen, rewards=seen.rewards / learner.reward_scale.deviation)


def describe(learner: Learner, config: TrainingConfig, lessons: Lessons, seen: Experience) -> Row:
    """The rollout's figures, before anything is learned from it; rewards as the reward gave them."""
    is_response, rewards, measures = seen.rollout.is_response, seen.rewards, seen.measures
    lengths = is_response.sum(dim=1)
    totals = rewards.double().sum(dim=1)
    ended = (seen.rollout.response_ids == learner.tokenizer.eos_token_id) & is_response
    row = {
        "iteration": learner.finished + 1,
        "reward": float(totals.mean()),
        "reward_sd": float(totals.std(unbiased=False)),
        "discounted_return": float(returns_to_go(rewards, is_response, config.discount)[:, 0].mean()),
        "kl_coefficient": learner.kl_coefficient,
        **measures.means(is_response),
        "length_tokens": float(lengths.double().mean()),
        "ended_share": float(ended.any(dim=1).double().mean()),
        "tokens": int(lengths.sum()),
    }
    if measures.values is not None and lessons.returns is not None:
        row["explained_variance"] = explained_variance(measures.values, lessons.returns, is_response)
    return row


def refresh_if_due(learner: Learner, config: TrainingConfig) -> bool:
    """π_ψ ← π_θ between iterations, every µ."""
    if learner.mask is None or not learner.mask.is_refresh_due(learner.finished, config.iterations):
        return False
    learner.mask.refresh(learner.policy)
    return True
