"""Rewards: plain batch callables over prompts, completions and records. None has to be a module.

A reward is called with the prompts and completions of a batch and a record for each: the item, with its references
and concepts, and the response's tokens. It returns one entry for each completion: a number for the whole response, or
a number for each of its tokens.

The preference scorer comes from outside: a callable of the same signature that returns logits and names the mean and
the temperature with which they are calibrated.
"""

import importlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from annotation.errors import InputError
from rl.config import RewardConfig, RewardTerm
from rl.mdp import place_on_last_token
from rl.metrics.coverage import count_missing
from rl.metrics.meteor import meteor
from rl.rollout import Rollout
from rl.tasks.items import Item


@dataclass(frozen=True, slots=True)
class Record(Item):
    """An item and the response to it. token_ids: with EOS, if it ended with one; has_ended: whether it did."""

    token_ids: tuple[int, ...] = ()
    has_ended: bool = True


Entry = float | Sequence[float]
Reward = Callable[[Sequence[str], Sequence[str], Sequence[Any]], Iterable[Entry]]


class PreferenceScorer(Protocol):
    """A reward model: logits, higher for the completion that people would choose."""

    @property
    def mean(self) -> float: ...

    @property
    def temperature(self) -> float: ...

    def __call__(
        self, prompts: Sequence[str], completions: Sequence[str], records: Sequence[Item], /
    ) -> Iterable[float]: ...


def build_reward(config: RewardConfig, scorer: PreferenceScorer | None) -> Reward:
    """The reward that the configuration names; InputError if it needs a scorer and there is none."""
    terms = config.terms or (RewardTerm(config.name),)
    parts = [(term.weight, _find_reward(term.name, scorer)) for term in terms]
    reward = parts[0][1] if len(parts) == 1 and parts[0][0] == 1 else sum_rewards(parts)
    return penalise_missing_eos(reward, config.missing_eos_penalty) if config.missing_eos_penalty else reward


def _find_reward(name: str, scorer: PreferenceScorer | None) -> Reward:
    if name in _METRICS:
        return _METRICS[name]
    if name in _PREFERENCES:
        if scorer is None:
            raise InputError(
                f"reward {name}: expected a reward model in reward.preference_model or several in "
                "reward.preference_models."
            )
        return _PREFERENCES[name](scorer)
    if ":" in name:
        return _import_reward(name)
    known = ", ".join((*_METRICS, *_PREFERENCES))
    raise InputError(f"reward {name!r}: expected one of {known}, or your own as module:function.")


def _import_reward(name: str) -> Reward:
    module, _, function = name.partition(":")
    try:
        reward: Reward = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"reward {name!r} cannot be imported ({error}); expected module:function.") from None
    if not callable(reward):
        raise InputError(f"reward {name!r} is not callable; expected a function of prompts, completions and records.")
    return reward


def score_meteor(prompts: Sequence[str], completions: Sequence[str], records: Sequence[Item]) -> list[float]:
    """METEOR against the item's references."""
    return [meteor(text, item.references) for text, item in zip(completions, records, strict=True)]


def score_coverage(prompts: Sequence[str], completions: Sequence[str], records: Sequence[Item]) -> list[float]:
    """1 / (1 + missing concepts)."""
    return [_coverage_factor(text, item) for text, item in zip(completions, records, strict=True)]


def score_meteor_coverage(prompts: Sequence[str], completions: Sequence[str], records: Sequence[Item]) -> list[float]:
    """METEOR + ½ / (1 + missing concepts): the composite below with a preference that says nothing."""
    scores = score_meteor(prompts, completions, records)
    rows = zip(scores, completions, records, strict=True)
    return [score + 0.5 * _coverage_factor(text, item) for score, text, item in rows]


def score_preference(scorer: PreferenceScorer) -> Reward:
    """σ((s − mean)/temperature) of the reward model's logit s."""

    def score_calibrated(prompts: Sequence[str], completions: Sequence[str], records: Sequence[Item]) -> list[float]:
        logits = compute_rewards(scorer, prompts, completions, records)
        return [_sigmoid((logit - scorer.mean) / scorer.temperature) for logit in logits]

    return score_calibrated


def score_meteor_preference(scorer: PreferenceScorer) -> Reward:
    """METEOR + σ((s − mean)/temperature) / (1 + missing concepts), after the paper's section on preferences.

    σ keeps the preference in (0, 1): divided by (1 + missing) a z-score, where negative, would rise.
    """
    score_calibrated = score_preference(scorer)

    def score_composite(prompts: Sequence[str], completions: Sequence[str], records: Sequence[Item]) -> list[float]:
        preferences = compute_rewards(score_calibrated, prompts, completions, records)
        scores = score_meteor(prompts, completions, records)
        rows = zip(scores, preferences, completions, records, strict=True)
        return [score + preference * _coverage_factor(text, item) for score, preference, text, item in rows]

    return score_composite


_METRICS: dict[str, Reward] = {
    "meteor": score_meteor,
    "coverage": score_coverage,
    "meteor_coverage": score_meteor_coverage,
}
_PREFERENCES: dict[str, Callable[[PreferenceScorer], Reward]] = {
    "preference": score_preference,
    "meteor_preference": score_meteor_preference,
}
# What a reward must find in every item. Where no concept is wanted none is missing: coverage would then pay every
# completion the same, while meteor_preference is METEOR and the preference, as it should be.
_NEEDS: dict[str, tuple[str, ...]] = {
    "meteor": ("references",),
    "coverage": ("concepts",),
    "meteor_coverage": ("references", "concepts"),
    "meteor_preference": ("references",),
}


def expect_scorable(config: RewardConfig, items: Iterable[Item]) -> None:
    """InputError if the configured reward reads something that an item does not have."""
    names = [term.name for term in config.terms] or [config.name]
    needs = [(name, need) for name in names for need in _NEEDS.get(name, ())]
    for item in items:
        for name, need in needs:
            if not getattr(item, need):
                raise InputError(
                    f"reward {name}: item {item.item!r} has no {need}; expected {need} with every prompt, or a reward "
                    "that reads none."
                )


def sum_rewards(parts: Sequence[tuple[float, Reward]]) -> Reward:
    """Σ weight · reward. Rewards of whole responses and of tokens may be mixed: the former fall on the last token."""

    def score_sum(prompts: Sequence[str], completions: Sequence[str], records: Sequence[Record]) -> list[Entry]:
        totals: list[Entry] = [0.0] * len(completions)
        for weight, reward in parts:
            entries = check_entries(reward, completions, reward(prompts, completions, records))
            totals = [_add(total, entry, weight) for total, entry in zip(totals, entries, strict=True)]
        return totals

    return score_sum


def penalise_missing_eos(reward: Reward, penalty: float) -> Reward:
    """The reward less `penalty` for a response that the horizon cut off."""

    def score_ended(prompts: Sequence[str], completions: Sequence[str], records: Sequence[Record]) -> list[Entry]:
        entries = check_entries(reward, completions, reward(prompts, completions, records))
        return [
            entry if record.has_ended else _add(entry, penalty, -1.0)
            for entry, record in zip(entries, records, strict=True)
        ]

    return score_ended


def _add(first: Entry, second: Entry, weight: float) -> Entry:
    """first + weight · second; a single number counts on the last token."""
    if isinstance(first, Sequence) or isinstance(second, Sequence):
        length = len(first) if isinstance(first, Sequence) else len(second)  # type: ignore[arg-type]
        return [a + weight * b for a, b in zip(_spread(first, length), _spread(second, length), strict=True)]
    return first + weight * second


def _spread(entry: Entry, length: int) -> Sequence[float]:
    return entry if isinstance(entry, Sequence) else [0.0] * (length - 1) + [entry]


def compute_rewards(
    reward: Reward, prompts: Sequence[str], completions: Sequence[str], records: Sequence[Item]
) -> list[float]:
    """One number for each completion, tokens summed; InputError, naming the reward, if what it returns is unusable."""
    entries = check_entries(reward, completions, reward(prompts, completions, records))
    return [sum(entry) if isinstance(entry, Sequence) else entry for entry in entries]


def token_rewards(reward: Reward, completions: Sequence[str], records: Sequence[Record], rollout: Rollout) -> Tensor:
    """r_t (B, T) of a rollout; a response's single number falls on its last token."""
    entries = check_entries(reward, completions, reward([record.prompt for record in records], completions, records))
    whole = torch.tensor([0.0 if isinstance(entry, Sequence) else entry for entry in entries])
    rewards = place_on_last_token(whole, rollout.is_response.cpu())
    for row, entry in enumerate(entries):
        if isinstance(entry, Sequence):
            rewards[row] = _token_row(reward, completions[row], entry, rollout.is_response[row].cpu())
    return rewards.to(rollout.is_response.device)


def _token_row(reward: Reward, completion: str, entry: Sequence[float], is_response: Tensor) -> Tensor:
    length = int(is_response.sum())
    if len(entry) != length:
        raise InputError(
            f"the reward {name_of(reward)} gave {len(entry)} numbers to the {length} tokens of {completion[:80]!r}; "
            "expected one each."
        )
    return torch.nn.functional.pad(torch.tensor(entry), (0, len(is_response) - length))


def make_records(items: Sequence[Item], rollout: Rollout, eos: int) -> list[Record]:
    """The items with the tokens of the responses to them."""
    records = []
    lengths = rollout.is_response.sum(dim=1).tolist()
    for item, ids, length in zip(items, rollout.response_ids.tolist(), lengths, strict=True):
        tokens = tuple(ids[:length])
        records.append(Record(item.item, item.prompt, item.references, item.concepts, tokens, tokens[-1] == eos))
    return records


def check_entries(reward: Reward, completions: Sequence[str], returned: Iterable[Entry]) -> list[Entry]:
    """One finite entry for each completion, or an InputError that names the reward."""
    entries = [_plain_entry(reward, entry) for entry in returned]
    if len(entries) != len(completions):
        raise InputError(
            f"the reward {name_of(reward)} returned {len(entries)} scores for {len(completions)} completions; "
            "expected one each."
        )
    for entry, completion in zip(entries, completions, strict=True):
        for score in entry if isinstance(entry, Sequence) else (entry,):
            if not math.isfinite(score):
                raise InputError(
                    f"the reward {name_of(reward)} gave {score} to {completion[:80]!r}; expected a number."
                )
    return entries


def _plain_entry(reward: Reward, entry: Any) -> Entry:
    """Tensors and arrays, of one number or of one a token, as Python numbers."""
    try:
        plain = entry.tolist() if hasattr(entry, "tolist") else entry
        return [float(score) for score in plain] if isinstance(plain, Sequence) else float(plain)
    except (TypeError, ValueError):
        raise InputError(
            f"the reward {name_of(reward)} returned {entry!r}; expected a number, or a number for each token."
        ) from None


def name_of(reward: Reward) -> str:
    return getattr(reward, "__name__", type(reward).__name__)


def _coverage_factor(text: str, item: Item) -> float:
    return 1 / (1 + count_missing(text, item.concepts))


def _sigmoid(logit: float) -> float:
    return 0.5 * (1 + math.tanh(logit / 2))
