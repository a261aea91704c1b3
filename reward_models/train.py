"""Train the preference model on votes: Bradley-Terry on the vote fractions, or the paper's good/bad classification."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from annotation.records import Preference
from annotation.run_folders import RunFolder
from reward_models.dataset import PairSplits, cut_batches, vote_fraction
from reward_models.model import Layout, PreferenceModel, Reading, ScoreSettings, load_base_model, save_model

Loss = Literal["bradley-terry", "classification"]


@dataclass(frozen=True, slots=True)
class RewardModelConfig:
    """centring: weight of (s_a + s_b)², which pins the scores' arbitrary zero (TRL's default is .01).

    language_weight: of the preferred completions' cross-entropy, which keeps the decoder a judge of language: without
    it a model that saw few malformed texts overrates them (Yang et al. 2024, arXiv 2406.10216). None in layout
    `encoder`.
    temperature_ratio: the reward's temperature as a share of the scores' standard deviation.
    max_tokens: see `ScoreSettings`.
    """

    base_model: str
    layout: Layout = "decoder-mean"
    loss: Loss = "bradley-terry"
    learning_rate: float = 6e-4
    batch: int = 16
    epochs: int = 12
    patience: int = 4
    warmup_steps: int = 20
    weight_decay: float = 0.01
    gradient_norm: float = 1.0
    centring: float = 0.01
    language_weight: float = 1.0
    temperature_ratio: float = 0.5
    dropout: float = 0.1
    max_tokens: int = 0
    seed: int = 0


def train_reward_model(config: RewardModelConfig, splits: PairSplits, folder: RunFolder) -> dict[str, Any]:
    """Train on the train split, stop by the validation split's log loss; save the best epoch in `folder/model`."""
    torch.manual_seed(config.seed)
    model = load_base_model(config.base_model, ScoreSettings(layout=config.layout, max_tokens=config.max_tokens))
    # First of all, so that a completion that is too long ends the run before it has begun.
    prompts_cut = model.count_cut(*splits.texts)
    set_dropout(model, config.dropout)
    best, best_loss, best_epoch = copy.deepcopy(model.state_dict()), log_loss(model, splits.validation), 0
    folder.log({"epoch": 0, "validation_log_loss": best_loss})
    for epoch, train_loss in enumerate(_run_epochs(config, model, splits.train), start=1):
        validation_loss = log_loss(model, splits.validation)
        folder.log({"epoch": epoch, "train_loss": train_loss, "validation_log_loss": validation_loss})
        if validation_loss < best_loss:
            best, best_loss, best_epoch = copy.deepcopy(model.state_dict()), validation_loss, epoch
        if epoch - best_epoch >= config.patience:
            break
    model.load_state_dict(best)
    calibrate_score(model, splits.validation, config.temperature_ratio)
    save_model(model, folder.path / "model")
    summary = {
        "pairs": len(splits.train),
        "pairs_left_out": splits.left_out,
        "prompts_cut": prompts_cut,
        "max_tokens": model.settings.max_tokens,
        "best_epoch": best_epoch,
        "validation_log_loss": best_loss,
    }
    folder.write_summary(summary)
    return summary


def set_dropout(model: torch.nn.Module, share: float) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = share


def _run_epochs(config: RewardModelConfig, model: PreferenceModel, pairs: Sequence[Preference]) -> Iterator[float]:
    """Train for up to `config.epochs`; yields the mean loss after each."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    steps = config.epochs * -(-len(pairs) // config.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate_factor(step, steps, config))
    generator = torch.Generator().manual_seed(config.seed)
    with tqdm(total=steps, desc="reward model", unit="step") as progress:
        for _ in range(config.epochs):
            model.train()
            order = torch.randperm(len(pairs), generator=generator).tolist()
            losses = []
            for rows in cut_batches(order, config.batch):
                loss = pair_loss(model, [pairs[row] for row in rows], config)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_norm)
                optimiser.step()
                schedule.step()
                losses.append(loss.item())
                progress.update()
            yield sum(losses) / len(losses)


def learning_rate_factor(step: int, steps: int, config: RewardModelConfig) -> float:
    """Linear warm-up, then linear decay to zero at the last of `steps`."""
    return min((step + 1) / config.warmup_steps, (steps - step) / max(1, steps - config.warmup_steps))


def pair_loss(model: PreferenceModel, pairs: Sequence[Preference], config: RewardModelConfig) -> Tensor:
    """Mean loss over `pairs`, with the vote fractions as soft targets."""
    reading = read_pairs(model, pairs)
    scores_a, scores_b = reading.scores.chunk(2)
    targets = torch.tensor([vote_fraction(pair) for pair in pairs], device=scores_a.device)
    if config.loss == "bradley-terry":
        # P(a is chosen) = σ(s_a − s_b); cross-entropy against the share of votes for a.
        loss = F.binary_cross_entropy_with_logits(scores_a - scores_b, targets)
    else:
        # The paper's: each completion is good with the probability of being chosen, bad otherwise.
        loss_a = F.binary_cross_entropy_with_logits(scores_a, targets)
        loss = (loss_a + F.binary_cross_entropy_with_logits(scores_b, 1 - targets)) / 2
    loss = loss + config.centring * (scores_a + scores_b).square().mean()
    if config.language_weight:
        preferred = torch.cat([targets, 1 - targets])
        loss = loss + config.language_weight * (preferred * reading.response_losses()).sum() / len(pairs)
    return loss


def read_pairs(model: PreferenceModel, pairs: Sequence[Preference]) -> Reading:
    """One forward pass over the a completions, then the b completions."""
    prompts = [pair.prompt for pair in pairs]
    return model.read(prompts * 2, [pair.completion_a for pair in pairs] + [pair.completion_b for pair in pairs])


def score_pairs(model: PreferenceModel, pairs: Sequence[Preference]) -> tuple[Tensor, Tensor]:
    """Scores (B,) of the a completions, and of the b completions."""
    scores_a, scores_b = read_pairs(model, pairs).scores.chunk(2)
    return scores_a, scores_b


@torch.no_grad()
def log_loss(model: PreferenceModel, pairs: Sequence[Preference], batch: int = 128) -> float:
    """Mean cross-entropy in nats of σ(s_a − s_b) against the vote fractions."""
    model.eval()
    total = 0.0
    for rows in cut_batches(pairs, batch):
        scores_a, scores_b = score_pairs(model, rows)
        targets = torch.tensor([vote_fraction(pair) for pair in rows], device=scores_a.device)
        total += F.binary_cross_entropy_with_logits(scores_a - scores_b, targets, reduction="sum").item()
    return total / len(pairs)


@torch.no_grad()
def calibrate_score(model: PreferenceModel, pairs: Sequence[Preference], temperature_ratio: float) -> None:
    """Set the mean and temperature with which the score becomes a reward, from the completions of `pairs`."""
    model.eval()
    scores = torch.cat([part for rows in cut_batches(pairs, 128) for part in score_pairs(model, rows)])
    spread = float(scores.std())
    model.settings = replace(
        model.settings, mean=float(scores.mean()), temperature=max(spread * temperature_ratio, 1e-6)
    )
