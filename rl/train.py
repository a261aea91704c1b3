"""Training a policy: collect, reward, advantage, update, evaluate, save."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from annotation.run_folders import RunFolder, open_run, plain
from rl.advantages import explained_variance
from rl.config import TrainingConfig, check_config, input_paths
from rl.kl import adapt_coefficient
from rl.learner import CHECKPOINT, Learner, build_learner, restore_checkpoint, save_checkpoint
from rl.lessons import Lessons, teach
from rl.logbook import EVALUATIONS, read_rows, rewind_logs
from rl.mdp import returns_to_go
from rl.measure import Measures, measure
from rl.monitor import find_warnings
from rl.policy import available_device, encode_prompts, save_policy
from rl.rewards import PreferenceScorer, Reward, build_reward, make_records, token_rewards
from rl.rollout import Rollout, sample_responses
from rl.sampling import Noise, number_repeats
from rl.tasks.items import Item, Task
from rl.trackers import Trackers, check_tracking, open_trackers
from rl.update import update
from rl.validation import validate

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
    check_tracking(config.tracking)
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
        settings = plain(config)
        with open_trackers(config.tracking, run.path, output.name, settings, learner.finished) as trackers:
            if learner.finished == 0:
                evaluate(learner, config, task.validation, reward, run, trackers)
            bar = make_bar(learner, config, show_progress)
            for _ in bar:
                rows.append(run_iteration(learner, config, task.train, reward))
                record(rows, run, trackers, bar)
                evaluate_and_save(learner, config, task.validation, reward, run, trackers)
        summary = finish(learner, config, rows, run)
        if write_report is not None:
            write_report(run.path)
        return summary


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
    rewards = reward_responses(reward, rollout, chosen, learner)
    rewarded = time.monotonic()
    measures = measure(learner, rollout, config.sampler.temperature)
    lessons = teach(rollout, scale_rewards(rewards, rollout, learner, config), measures, learner.kl_coefficient, config)
    row = describe(learner, config, lessons, rewards, measures) | update(learner, lessons, config)
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
    """One response for each item from the behaviour policy: π_θ, filtered by the sampler, masked by π_ψ under NLPO."""
    return sample_responses(
        learner.policy,
        learner.tokenizer,
        [item.prompt for item in items],
        horizon=config.horizon,
        noise=Noise(config.seed, learner.finished),
        keys=number_repeats([item.item for item in items]),
        sampler=config.sampler,
        mask=learner.mask,
    )


def reward_responses(reward: Reward, rollout: Rollout, items: Sequence[Item], learner: Learner) -> Tensor:
    """r_t (B, T) as the reward gives them."""
    records = make_records(items, rollout, learner.tokenizer.eos_token_id)
    return token_rewards(reward, rollout.completions(learner.tokenizer), records, rollout)


def scale_rewards(rewards: Tensor, rollout: Rollout, learner: Learner, config: TrainingConfig) -> Tensor:
    """r_t over the running standard deviation of the responses' rewards, this rollout's included, where asked for."""
    if not config.reward.is_scaled:
        return rewards
    learner.reward_scale.include(rewards.masked_fill(~rollout.is_response, 0.0).sum(dim=1).tolist())
    return rewards / learner.reward_scale.deviation


def describe(learner: Learner, config: TrainingConfig, lessons: Lessons, rewards: Tensor, measures: Measures) -> Row:
    """The rollout's figures, before anything is learned from it."""
    is_response = lessons.rollout.is_response
    lengths = is_response.sum(dim=1)
    totals = rewards.double().sum(dim=1)
    ended = (lessons.rollout.response_ids == learner.tokenizer.eos_token_id) & is_response
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


def evaluate(
    learner: Learner,
    config: TrainingConfig,
    items: Sequence[Item],
    reward: Reward,
    run: RunFolder,
    trackers: Trackers,
) -> None:
    """Validate, and keep the policy in `best/` if it is the best so far by config.evaluation.best_by."""
    evaluation, samples = validate(learner, config, items, reward, run.path)
    trackers.log_evaluation(evaluation)
    trackers.log_samples(samples)
    score = evaluation["sampled"][config.evaluation.best_by]
    if learner.best_score is None or score > learner.best_score:
        learner.best_score = score
        save_policy(learner.policy, learner.tokenizer, run.path / "best")


def evaluate_and_save(
    learner: Learner,
    config: TrainingConfig,
    items: Sequence[Item],
    reward: Reward,
    run: RunFolder,
    trackers: Trackers,
) -> None:
    finished = learner.finished
    if finished in config.snapshots:
        save_policy(learner.policy, learner.tokenizer, run.path / "snapshots" / f"iteration-{finished:03d}")
    if finished % config.evaluation.every == 0 or finished == config.iterations:
        evaluate(learner, config, items, reward, run, trackers)
    if finished % config.checkpoint_every == 0:
        save_checkpoint(learner, config, run.path)


def finish(learner: Learner, config: TrainingConfig, rows: Sequence[Row], run: RunFolder) -> Row:
    """Save the policy, write the summary, drop the checkpoint that nobody will resume."""
    save_policy(learner.policy, learner.tokenizer, run.path / "policy")
    evaluations = read_rows(run.path / EVALUATIONS)
    last = rows[-1]
    scores = [row["sampled"][config.evaluation.best_by] for row in evaluations]
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
        "best": {
            "by": config.evaluation.best_by,
            "score": max(scores),
            "iteration": evaluations[scores.index(max(scores))]["iteration"],
        },
        "warnings": sorted({warning for row in rows for warning in row["warnings"]}),
    }
    run.write_summary(summary)
    (run.path / CHECKPOINT).unlink(missing_ok=True)
    return summary


def make_bar(learner: Learner, config: TrainingConfig, show_progress: bool) -> tqdm:
    return tqdm(
        range(learner.finished, config.iterations),
        total=config.iterations,
        initial=learner.finished,
        desc=config.algorithm,
        disable=not show_progress,
    )


def record(rows: Sequence[Row], run: RunFolder, trackers: Trackers, bar: Any) -> None:
    """The last row to the log, the trackers and the bar; each warning when it first appears."""
    last = rows[-1]
    last["warnings"] = find_warnings(rows)
    run.log(last)
    trackers.log_metrics(last)
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
