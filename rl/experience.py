"""Experience: what an iteration has seen before it learns, and the shares of several processes put together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from rl.measure import Measures
from rl.processes import gather, interleave, process_count
from rl.rollout import Rollout
from rl.support import Support


@dataclass(frozen=True, slots=True)
class Experience:
    """A rollout, its rewards r_t (B, T), and what is known of its tokens."""

    rollout: Rollout
    rewards: Tensor
    measures: Measures


def gather_experience(own: Experience, *, pads_left: bool) -> Experience:
    """The whole iteration's rows, in the order of its items, from each process's share of them.

    pads_left: where prompts are padded, as rl.policy.encode_prompts does it.
    """
    if process_count() == 1:
        return own
    device = own.rewards.device
    parts: list[Experience] = gather(_map_tensors(own, Tensor.cpu))
    order = interleave([len(part.rollout) for part in parts])
    return _map_tensors(join(parts, order, pads_left=pads_left), lambda tensor: tensor.to(device))


def join(parts: Sequence[Experience], order: Tensor, *, pads_left: bool) -> Experience:
    """The parts' rows, padded to a common width, in the given order."""
    rollouts = [part.rollout for part in parts]
    first = rollouts[0]
    support = None
    if first.support is not None:
        bits = [rollout.support.bits for rollout in rollouts if rollout.support is not None]
        support = replace(first.support, bits=_stack(bits, fill=255)[order])  # all tokens in slots that do not count
    measures: dict[str, Any] = {
        field.name: _stack([getattr(part.measures, field.name) for part in parts])[order]
        for field in fields(Measures)
        if getattr(parts[0].measures, field.name) is not None
    }
    rollout = Rollout(
        prompt_ids=_stack([rollout.prompt_ids for rollout in rollouts], pads_left=pads_left)[order],
        is_prompt=_stack([rollout.is_prompt for rollout in rollouts], pads_left=pads_left)[order],
        response_ids=_stack([rollout.response_ids for rollout in rollouts])[order],
        is_response=_stack([rollout.is_response for rollout in rollouts])[order],
        log_probs=_stack([rollout.log_probs for rollout in rollouts])[order],
        support=support,
        is_renormalised=first.is_renormalised,
    )
    return Experience(rollout, _stack([part.rewards for part in parts])[order], Measures(**{"values": None} | measures))


def _stack(parts: Sequence[Tensor], *, fill: int = 0, pads_left: bool = False) -> Tensor:
    """(B, W, …) tensors of different widths W, one under the other."""
    width = max(part.shape[1] for part in parts)
    padded = []
    for part in parts:
        filler = part.new_full((part.shape[0], width - part.shape[1], *part.shape[2:]), fill)
        padded.append(torch.cat([filler, part] if pads_left else [part, filler], dim=1))
    return torch.cat(padded)


def _map_tensors(content: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A (nested) dataclass with every tensor changed."""
    if isinstance(content, Tensor):
        return change(content)
    if isinstance(content, Experience | Rollout | Measures | Support):
        return replace(
            content, **{field.name: _map_tensors(getattr(content, field.name), change) for field in fields(content)}
        )
    return content
