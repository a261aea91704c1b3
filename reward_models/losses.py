"""What a reward model minimises on pairs, with the workers' votes as soft targets."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from annotation.records import Preference
from reward_models.config import RewardModelConfig
from reward_models.dataset import vote_fraction
from reward_models.model import PreferenceModel, Reading


def pair_loss(
    model: PreferenceModel, pairs: Sequence[Preference], config: RewardModelConfig, degrees: Mapping[str, float]
) -> Tensor:
    """Mean loss over `pairs`.

    degrees: of pairs by their name, from -1 (b is as much better as can be said) to 1, for margins by strength.
    """
    reading = read_pairs(model, pairs, with_language=bool(config.language_weight))
    scores_a, scores_b = reading.scores.chunk(2)
    targets = torch.tensor([vote_fraction(pair) for pair in pairs], device=scores_a.device)
    margins = torch.tensor([_margin(pair, config, degrees) for pair in pairs], device=scores_a.device)
    loss = preference_loss(scores_a, scores_b, targets, margins, config.loss)
    loss = loss + (config.centring or 0.0) * (scores_a + scores_b).square().mean()
    if config.language_weight:
        preferred = torch.cat([targets, 1 - targets])
        loss = loss + config.language_weight * (preferred * reading.response_losses).sum() / len(pairs)
    return loss


def preference_loss(scores_a: Tensor, scores_b: Tensor, targets: Tensor, margins: Tensor, loss: str) -> Tensor:
    """Mean cross-entropy in nats against the share of votes for a; all (B,).

    bradley-terry: P(a is chosen) = σ(s_a − s_b − m). With one vote for a this is −log σ(s_a − s_b − m), the loss of
    Touvron et al. 2023 (arXiv 2307.09288, eq. 2); margins are above 0 where a is better.
    classification, the paper's: each completion is good with the probability of being chosen; a margin is split.
    """
    if loss == "bradley-terry":
        return F.binary_cross_entropy_with_logits(scores_a - scores_b - margins, targets)
    loss_a = F.binary_cross_entropy_with_logits(scores_a - margins / 2, targets)
    return (loss_a + F.binary_cross_entropy_with_logits(scores_b + margins / 2, 1 - targets)) / 2


def _margin(pair: Preference, config: RewardModelConfig, degrees: Mapping[str, float]) -> float:
    """Nats, above 0 where a is better."""
    if config.margin_by == "strength":
        return config.margin * degrees.get(pair.pair, 0.0)
    votes = pair.votes_a + pair.votes_b + pair.votes_tie + pair.votes_both_bad
    return config.margin * (pair.votes_a - pair.votes_b) / votes


def read_pairs(model: PreferenceModel, pairs: Sequence[Preference], *, with_language: bool = False) -> Reading:
    """One forward pass over the a completions, then the b completions."""
    prompts = [pair.prompt for pair in pairs]
    completions = [pair.completion_a for pair in pairs] + [pair.completion_b for pair in pairs]
    return model.read(prompts * 2, completions, with_language=with_language)


def score_pairs(model: PreferenceModel, pairs: Sequence[Preference]) -> tuple[Tensor, Tensor]:
    """Scores (B,) of the a completions, and of the b completions."""
    scores_a, scores_b = read_pairs(model, pairs).scores.chunk(2)
    return scores_a, scores_b
