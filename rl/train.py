"""Training a policy: collect, reward, advantage, update, evaluate, save."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from annotation.run_folders import RunFolder, open_run
from rl.advantages import estimate_advantages, explained_variance, whiten
from rl.config import TrainingConfig, check_config, input_paths
from rl.kl import adapt_coefficient, penalised_rewards
from rl.learner import CHECKPOINT, Learner, build_learner, restore_checkpoint, save_checkpoint
from rl.logbook import EVALUATIONS, read_rows, rewind_logs
from rl.measure import Measures, measure
from rl.monitor import find_warnings
from rl.nlpo import is_refresh_due, refresh_interval, refresh_masking_policy
from rl.policy import available_device, encode_prompts, save_policy
from rl.rewards import PreferenceScorer, Reward, build_reward, compute_rewards
from rl.rollout import Rollout, sample_responses
from rl.sampling import Noise, number_repeats
from rl.tasks.items import Item, Task
from rl.update import Lessons, update
from rl.validation import validate

Row = dict[str, Any]


def train(
    config: TrainingConfig,
    task: Task,
    output: Path,
    *,
    scorer: PreferenceScorer | None = None,
    reward: Reward | None = None,
    resume: bool = False,
    device: str | None = None,
    show_progress: bool = True,
) -> Row:
    """Tune config.base_model by NLPO or PPO; writes the run folder `output` and returns its summary.

    scorer: the preference model that config.reward may need. reward: any reward, in the place of config.reward's.
    """
    check_config(config)
    reward = reward or build_reward(config.reward, scorer)
    device = device or available_device()
    learner = build_learner(config, device)
    check_prompts(learner, config, task)
    with open_run(
        output,
        config=config,
        inputs=input_paths(config),
        seed=config.seed,
        device=device,
        resumable=True,
        resume=resume,
    ) as run:
        restore_checkpoint(learner, config, run.path)
        rows = rewind_logs(run.path, learner.finished)
        if learner.finished == 0:
            validate(learner, config, task.validation, run.path)
        bar = tqdm(
            range(learner.finished, config.iterations),
            total=config.iterations,
            initial=learner.finished,
            desc=config.algorithm,
            disable=not show_progress,
        )
        for _ in bar:
            rows.append(run_iteration(learner, config, task.train, reward))
            rows[-1]["warnings"] = find_warnings(rows)
            run.log(rows[-1])
            report(rows, bar)
            save_and_evaluate(learner, config, task.validation, run)
        return finish(learner, config, rows, run)


def check_prompts(learner: Learner, config: TrainingConfig, task: Task) -> None:
    """InputError, before anything is written, if a prompt does not fit the model."""
    prompts = [item.prompt for item in (*task.train, *task.validation[: config.evaluation.items])]
    for start in range(0, len(prompts), 1024):
        encode_prompts(learner.policy, learner.tokenizer, prompts[start : start + 1024], config.horizon)


def run_iteration(learner: Learner, config: TrainingConfig, items: Sequence[Item], reward: Reward) -> Row:
    """One rollout and its updates; the row that is logged."""
    started = time.monotonic()
    chosen = choose_items(items, config, learner.finished)
    rollout = collect(learner, config, chosen)
    collected = time.monotonic()
    scores = compute_rewards(reward, [item.prompt for item in chosen], rollout.completions(learner.tokenizer), chosen)
    rewarded = time.monotonic()
    measures = measure(learner, rollout, config.sampler.temperature)
    lessons = teach(rollout, scores, measures, learner.kl_coefficient, config)
    row = describe(learner, lessons, scores, measures) | update(learner, lessons, config)
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
    """The iteration's items, from shuffled passes over the data: a function of seed and iteration alone."""
    first = iteration * config.prompts
    orders: dict[int, list[int]] = {}
    chosen = []
    for place in range(first, first + config.prompts):
        data_pass, offset = divmod(place, len(items))
        if data_pass not in orders:
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + data_pass)
            orders[data_pass] = torch.randperm(len(items), generator=generator).tolist()
        chosen.append(items[orders[data_pass][offset]])
    return chosen


def collect(learner: Learner, config: TrainingConfig, items: Sequence[Item]) -> Rollout:
    """One response for each item from the behaviour policy: π_θ, masked by π_ψ under NLPO."""
    return sample_responses(
        learner.policy,
        learner.tokenizer,
        [item.prompt for item in items],
        horizon=config.horizon,
        noise=Noise(config.seed, learner.finished),
        keys=number_repeats([item.item for item in items]),
        sampler=config.sampler,
        support_model=learner.masking_policy,
        top_mass=config.nlpo.top_mass,
    )


def teach(
    rollout: Rollout, scores: Sequence[float], measures: Measures, coefficient: float, config: TrainingConfig
) -> Lessons:
    """Scores and penalties become whitened advantages and returns."""
    rewards = penalised_rewards(
        torch.tensor(scores, device=measures.policy.device),
        measures.policy,
        measures.reference,
        rollout.is_response,
        coefficient,
    )
    advantages, returns = estimate_advantages(
        rewards, measures.values, rollout.is_response, discount=config.discount, gae_lambda=config.gae_lambda
    )
    return Lessons(rollout, whiten(advantages, rollout.is_response), returns)


def describe(learner: Learner, lessons: Lessons, scores: Sequence[float], measures: Measures) -> Row:
    rollout = lessons.rollout
    lengths = rollout.is_response.sum(dim=1)
    rewards = torch.tensor(scores, dtype=torch.float64)
    ended = (rollout.response_ids == learner.tokenizer.eos_token_id) & rollout.is_response
    return {
        "iteration": learner.finished + 1,
        "reward": float(rewards.mean()),
        "reward_sd": float(rewards.std(unbiased=False)),
        "kl_coefficient": learner.kl_coefficient,
        **measures.means(rollout.is_response),
        "explained_variance": explained_variance(measures.values, lessons.returns, rollout.is_response),
        "length_tokens": float(lengths.double().mean()),
        "ended_share": float(ended.any(dim=1).double().mean()),
        "tokens": int(lengths.sum()),
    }


def refresh_if_due(learner: Learner, config: TrainingConfig) -> bool:
    """π_ψ ← π_θ between iterations, every µ."""
    interval = refresh_interval(config.nlpo.refresh_every, config.iterations)
    if learner.masking_policy is None or not is_refresh_due(learner.finished, interval):
        return False
    refresh_masking_policy(learner.masking_policy, learner.policy)
    return True


def save_and_evaluate(learner: Learner, config: TrainingConfig, items: Sequence[Item], run: RunFolder) -> None:
    finished = learner.finished
    if finished in config.snapshots:
        save_policy(learner.policy, learner.tokenizer, run.path / "snapshots" / f"iteration-{finished:03d}")
    if finished % config.evaluation.every == 0 or finished == config.iterations:
        validate(learner, config, items, run.path)
    if finished % config.checkpoint_every == 0:
        save_checkpoint(learner, config, run.path)


def finish(learner: Learner, config: TrainingConfig, rows: Sequence[Row], run: RunFolder) -> Row:
    """Save the policy, write the summary, drop the checkpoint that nobody will resume."""
    save_policy(learner.policy, learner.tokenizer, run.path / "policy")
    evaluations = read_rows(run.path / EVALUATIONS)
    last = rows[-1]
    summary = {
        "algorithm": config.algorithm,
        "iterations": learner.finished,
        "reward_first": rows[0]["reward"],
        "reward_last": last["reward"],
        "kl_exact": last["kl_exact"],
        "kl_exact_per_sequence": last["kl_exact_per_sequence"],
        "kl_coefficient": learner.kl_coefficient,
        "entropy": last["entropy"],
        "tokens_per_s": sum(row["tokens_per_s"] for row in rows) / len(rows),
        "validation_before": evaluations[0],
        "validation_after": evaluations[-1],
        "warnings": sorted({warning for row in rows for warning in row["warnings"]}),
    }
    run.write_summary(summary)
    (run.path / CHECKPOINT).unlink(missing_ok=True)
    return summary


def report(rows: Sequence[Row], bar: Any) -> None:
    """The bar's figures, and each warning when it first appears."""
    last = rows[-1]
    bar.set_postfix(
        reward=f"{last['reward']:.3f}",
        kl=f"{last['kl_exact']:.3f}",
        entropy=f"{last['entropy']:.2f}",
        length=f"{last['length_tokens']:.1f}",
        tokens_per_s=f"{last['tokens_per_s']:.0f}",
    )
    for warning in last["warnings"]:
        if len(rows) < 2 or warning not in rows[-2]["warnings"]:
            bar.write(f"iteration {last['iteration']}: {warning}")
