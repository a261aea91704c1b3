"""Direct preference optimisation, after Rafailov et al. 2023 (arXiv 2305.18290): a policy from preference pairs alone.

The paper's eq. 7, with log-probabilities summed over a response's tokens, EOS included. Departures: AdamW in place of
RMSprop, as everywhere here, and dropout off in the policy as in the reference, so that their ratio is 1 at the start.
Shapes: B pairs; the last dimension of (B, 2) is chosen, rejected.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.optim import AdamW
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.errors import InputError
from annotation.run_folders import RunFolder, expect_no_run, open_run, plain
from rl.fitting import (
    drop_checkpoint,
    expect_positive,
    load_checkpoint,
    save_checkpoint,
    take_step,
)
from rl.logbook import EVALUATIONS, append_row, read_rows, rewind_logs
from rl.policy import available_device, load_policy, save_policy
from rl.preference_pairs import EncodedPair, TrainingPairs, encode_splits, load_pairs
from rl.sequences import collate, is_causal, response_log_probs

INITIAL = "initial"
LOG_EVERY = 10


@dataclass(frozen=True, slots=True)
class DpoConfig:
    """reference: `initial` for the policy that training starts from, or a checkpoint.

    beta: of the KL penalty that the loss stands for. label_smoothing: the share of labels taken to be wrong
    (conservative DPO). learning_rate: the paper's 1e-6 is for models of billions of weights. warmup_share: of all
    steps; the paper's 150 steps are more than a small export has. batch: pairs a step. microbatch: pairs held in
    memory at a time; a step's gradient is summed over them. checkpoint_every: steps.
    """

    base_model: str
    reference: str = INITIAL
    beta: float = 0.1
    label_smoothing: float = 0.0
    learning_rate: float = 1e-5
    warmup_share: float = 0.1
    weight_decay: float = 1e-6
    gradient_norm: float = 0.5
    epochs: int = 3
    batch: int = 64
    microbatch: int = 32
    checkpoint_every: int = 200
    seed: int = 0


@dataclass(slots=True)
class DpoLearner:
    """The policy and all that changes in a run.

    reference: log π_0 of each split's pairs, (N, 2), computed once. finished: steps so far. recent: log-ratios of the
    steps since the last logged row.
    """

    policy: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    optimiser: AdamW
    reference: dict[str, Tensor] = field(default_factory=dict)
    finished: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    recent: list[Tensor] = field(default_factory=list)

    def parts(self) -> dict[str, Any]:
        return {"policy": self.policy, "optimiser": self.optimiser}


# The objective


def implicit_margins(log_ratios: Tensor, beta: float) -> Tensor:
    """β · [log π/π_0 of the chosen − log π/π_0 of the rejected], (B,), from the log-ratios (B, 2)."""
    return beta * (log_ratios[:, 0] - log_ratios[:, 1])


def dpo_losses(log_ratios: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """−log σ of the margin, (B,): eq. 7. With smoothing ε, its mean over labels of which a share ε is wrong."""
    margins = implicit_margins(log_ratios, beta)
    return -(1 - label_smoothing) * logsigmoid(margins) - label_smoothing * logsigmoid(-margins)


def describe(log_ratios: Tensor, config: DpoConfig) -> dict[str, float]:
    """Means over pairs; a pair without a margin counts half in the accuracy."""
    log_ratios = log_ratios.double()
    margins = implicit_margins(log_ratios, config.beta)
    return {
        "loss": float(dpo_losses(log_ratios, config.beta, config.label_smoothing).mean()),
        "accuracy": float(((margins > 0).double() + 0.5 * (margins == 0).double()).mean()),
        "margin": float(margins.mean()),
        "chosen_log_ratio": float(log_ratios[:, 0].mean()),
        "rejected_log_ratio": float(log_ratios[:, 1].mean()),
    }


def pair_log_probs(model: PreTrainedModel, pairs: Sequence[EncodedPair], pad: int) -> Tensor:
    """log π of chosen and rejected, (B, 2), by one forward pass over both."""
    examples = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    batch = collate(examples, causal=is_causal(model), pad=pad, device=model.device)
    return response_log_probs(model, batch).view(2, -1).T


@torch.no_grad()
def score_pairs(
    model: PreTrainedModel, pairs: Sequence[EncodedPair], pad: int, size: int, *, show_progress: bool = False
) -> Tensor:
    """log π of all pairs, (N, 2), `size` of like length at a time: the same pairs always meet in the same batch, so
    that equal weights give equal bits."""
    scores = torch.empty(len(pairs), 2, device=model.device)
    batches = list(microbatches(pairs, range(len(pairs)), size))
    for rows in tqdm(batches, "reference", unit="batch", disable=not show_progress):
        scores[rows] = pair_log_probs(model, [pairs[row] for row in rows], pad)
    return scores


def microbatches(pairs: Sequence[EncodedPair], rows: Sequence[int], size: int) -> Iterator[list[int]]:
    """`rows`, `size` at a time, those of like length together, to save padding."""
    order = sorted(rows, key=lambda row: pairs[row].size)
    return (order[start : start + size] for start in range(0, len(order), size))


# Training


def train_dpo(
    config: DpoConfig,
    source: Path,
    output: Path,
    *,
    resume: bool = False,
    device: str | None = None,
    show_progress: bool = True,
) -> dict[str, Any]:
    """Tune config.base_model on the preference pairs in `source`; writes the run folder `output`, with the last policy
    in `output/policy` and that of the least validation loss in `output/best`, and returns its summary."""
    check_config(config)
    expect_no_run(output, resumable=True, resume=resume)
    device = device or available_device()
    loaded = load_pairs(source)
    policy, tokenizer = load_policy(config.base_model, device)
    reference = policy if config.reference == INITIAL else load_reference(config, policy, tokenizer)
    data = encode_splits(loaded, source, (policy, reference), tokenizer)
    optimiser = AdamW(policy.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    learner = DpoLearner(policy, tokenizer, optimiser)
    with open_run(
        output,
        config={"preferences": source, "dpo": config},
        inputs=input_paths(config, source),
        seed=config.seed,
        device=device,
        resumable=True,
        resume=resume,
    ) as run:
        must_match = plain(config) | {"device": device, "data_sha256": data.sha256()}
        if not restore(learner, must_match, run.path):
            learner.reference = score_reference(reference, data, tokenizer, config, show_progress)
        del reference  # its scores are all that is needed from here on
        rewind_logs(run.path, learner.finished, counter="step")
        if learner.finished == 0:
            evaluate(learner, data, config, run.path)
        run_steps(learner, data, config, run, must_match, show_progress)
        return finish(learner, data, run)


def check_config(config: DpoConfig) -> None:
    """InputError for a value that no run could use."""
    expect_positive(config, "beta", "learning_rate", "gradient_norm", "epochs", "batch", "microbatch")
    expect_positive(config, "checkpoint_every")
    if not 0 <= config.label_smoothing < 0.5:
        raise InputError(f"label_smoothing: expected a number from 0 to below 0.5, found {config.label_smoothing}.")
    if not 0 <= config.warmup_share <= 1:
        raise InputError(f"warmup_share: expected a number from 0 to 1, found {config.warmup_share}.")


def input_paths(config: DpoConfig, source: Path) -> list[Path]:
    """What the run reads, as far as it lies on this machine (a model may also have a hub name)."""
    paths = (source, Path(config.base_model), None if config.reference == INITIAL else Path(config.reference))
    return [path for path in paths if path is not None and path.exists()]


def load_reference(config: DpoConfig, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """π_0 from its checkpoint; InputError if it does not read the policy's tokens."""
    reference, its_tokenizer = load_policy(config.reference, str(policy.device))
    if is_causal(reference) != is_causal(policy) or its_tokenizer.get_vocab() != tokenizer.get_vocab():
        raise InputError(
            f"reference {config.reference}: its kind or its vocabulary differs from {config.base_model}'s."
        )
    return reference


def restore(learner: DpoLearner, must_match: dict[str, Any], folder: Path) -> bool:
    """Go on from the run's checkpoint; False if it has not got to one."""
    position = load_checkpoint(folder, must_match, learner.parts())
    if position is None:
        return False
    learner.finished, learner.best_loss = position["finished"], position["best_loss"]
    learner.best_epoch, learner.recent = position["best_epoch"], position["recent"]
    learner.reference = {name: scores.to(learner.policy.device) for name, scores in position["reference"].items()}
    return True


def score_reference(
    reference: PreTrainedModel,
    data: TrainingPairs,
    tokenizer: PreTrainedTokenizerBase,
    config: DpoConfig,
    show_progress: bool,
) -> dict[str, Tensor]:
    """log π_0 of every pair, once and for all: the reference is frozen and has no dropout."""
    pad, size = tokenizer.pad_token_id, config.microbatch
    splits = {"train": data.train, "validation": data.validation}
    return {
        split: score_pairs(reference, pairs, pad, size, show_progress=show_progress) for split, pairs in splits.items()
    }


def run_steps(
    learner: DpoLearner,
    data: TrainingPairs,
    config: DpoConfig,
    run: RunFolder,
    must_match: dict[str, Any],
    show_progress: bool,
) -> None:
    """All steps that are left, with an evaluation after each epoch."""
    an_epoch = steps_an_epoch(data, config)
    total = config.epochs * an_epoch
    batches = islice(draw_batches(len(data.train), config), learner.finished, None)
    bar = tqdm(batches, "dpo", total, initial=learner.finished, unit="step", disable=not show_progress)
    for rows in bar:
        row = fit_batch(learner, data, rows, config, total)
        ends_epoch = learner.finished % an_epoch == 0
        if learner.finished % LOG_EVERY == 0 or ends_epoch:
            row |= describe(torch.cat(learner.recent), config)
            learner.recent.clear()
            run.log(row)
            bar.set_postfix({name: f"{row[name]:.3f}" for name in ("loss", "accuracy", "margin")})
        if ends_epoch:
            evaluate(learner, data, config, run.path)
        if learner.finished % config.checkpoint_every == 0:
            save(learner, must_match, run.path)


def save(learner: DpoLearner, must_match: dict[str, Any], folder: Path) -> None:
    """No random state: batches are a function of the seed, and nothing else is drawn."""
    names = ("finished", "best_loss", "best_epoch", "recent", "reference")
    save_checkpoint(folder, must_match, learner.parts(), {name: getattr(learner, name) for name in names})


def steps_an_epoch(data: TrainingPairs, config: DpoConfig) -> int:
    return -(-len(data.train) // config.batch)


def draw_batches(size: int, config: DpoConfig) -> Iterator[list[int]]:
    """Rows of each step's pairs over all epochs, each in a new order: a function of the seed."""
    for epoch in range(config.epochs):
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
        for rows in torch.randperm(size, generator=generator).split(config.batch):
            yield rows.tolist()


def fit_batch(
    learner: DpoLearner, data: TrainingPairs, rows: Sequence[int], config: DpoConfig, total: int
) -> dict[str, float]:
    """One step on the pairs at `rows`; where it stands in the run, its rate and its gradient's norm."""
    log_ratios = accumulate_gradient(learner, data.train, rows, config)
    learning_rate = config.learning_rate * warmup_factor(learner.finished, total, config)
    norm = take_step(
        learner.policy,
        learner.optimiser,
        loss=float(dpo_losses(log_ratios, config.beta, config.label_smoothing).mean()),
        learning_rate=learning_rate,
        gradient_norm=config.gradient_norm,
        where=f"step {learner.finished + 1}",
    )
    learner.finished += 1
    learner.recent.append(log_ratios)
    epoch = -(-learner.finished // steps_an_epoch(data, config))
    return {"step": learner.finished, "epoch": epoch, "learning_rate": learning_rate, "gradient_norm": norm}


def accumulate_gradient(
    learner: DpoLearner, pairs: Sequence[EncodedPair], rows: Sequence[int], config: DpoConfig
) -> Tensor:
    """Leave the gradient of the mean loss over `rows` in the policy; the log-ratios (B, 2) before the step."""
    learner.policy.zero_grad(set_to_none=True)
    parts = []
    for part in microbatches(pairs, rows, config.microbatch):
        log_probs = pair_log_probs(learner.policy, [pairs[row] for row in part], learner.tokenizer.pad_token_id)
        log_ratios = log_probs - learner.reference["train"][part]
        # Sums over the whole step's count, not means of parts: parts may differ in size.
        (dpo_losses(log_ratios, config.beta, config.label_smoothing).sum() / len(rows)).backward()
        parts.append(log_ratios.detach().cpu())
    return torch.cat(parts)


def warmup_factor(step: int, total: int, config: DpoConfig) -> float:
    """Linear over the first steps, then constant, as in the paper."""
    warmup_steps = max(1, round(config.warmup_share * total))
    return min(1.0, (step + 1) / warmup_steps)


def evaluate(learner: DpoLearner, data: TrainingPairs, config: DpoConfig, folder: Path) -> None:
    """Append the figures of the validation pairs; keep the policy if its loss is the least so far."""
    pad = learner.tokenizer.pad_token_id
    log_probs = score_pairs(learner.policy, data.validation, pad, config.microbatch)
    figures = describe(log_probs - learner.reference["validation"], config)
    if not math.isfinite(figures["loss"]):
        raise InputError(
            f"step {learner.finished}: the validation loss is not a finite number; lower the learning rate."
        )
    epoch = learner.finished // steps_an_epoch(data, config)
    append_row(folder / EVALUATIONS, {"step": learner.finished, "epoch": epoch} | figures)
    if figures["loss"] < learner.best_loss:
        learner.best_loss, learner.best_epoch = figures["loss"], epoch
        save_policy(learner.policy, learner.tokenizer, folder / "best")


def finish(learner: DpoLearner, data: TrainingPairs, run: RunFolder) -> dict[str, Any]:
    """Save the policy, write the summary, drop the checkpoint that nobody will resume."""
    save_policy(learner.policy, learner.tokenizer, run.path / "policy")
    evaluations = read_rows(run.path / EVALUATIONS)
    summary = {
        "pairs": {"train": len(data.train), "validation": len(data.validation)},
        "left_out": data.left_out,
        "steps": learner.finished,
        "validation_before": evaluations[0],
        "validation_after": evaluations[-1],
        "best_epoch": learner.best_epoch,
        "best_validation_loss": learner.best_loss,
    }
    run.write_summary(summary)
    drop_checkpoint(run.path)
    return summary
