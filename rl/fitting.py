"""What trainings do alike: an optimiser step, and checkpoints from which a run goes on exactly.

Nothing here knows what is trained: policies, by imitation or DPO, or reward models.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from annotation.errors import InputError

CHECKPOINT = "checkpoint.pt"


def take_step(
    model: nn.Module, optimiser: Optimizer, *, loss: float, learning_rate: float, gradient_norm: float, where: str
) -> float:
    """One optimiser step on the gradient that the model holds; its norm before clipping.

    InputError, before a weight has changed, if the loss or its gradient is not finite.
    """
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), gradient_norm))
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise InputError(f"{where}: the loss or its gradient is not a finite number; lower the learning rate.")
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
    optimiser.step()
    return norm


def expect_positive(config: Any, *names: str) -> None:
    """InputError for a setting that is not a number above 0."""
    for name in names:
        value = getattr(config, name)
        if not (value > 0 and math.isfinite(value)):
            raise InputError(f"{name}: expected a number above 0, found {value}.")


def random_state(device: str) -> dict[str, Tensor]:
    """The state of the generators that dropout draws from."""
    state = {"cpu": torch.get_rng_state()}
    return state | {"cuda": torch.cuda.get_rng_state(device)} if device != "cpu" else state


def set_random_state(state: Mapping[str, Tensor], device: str) -> None:
    torch.set_rng_state(state["cpu"])
    if device != "cpu":
        torch.cuda.set_rng_state(state["cuda"], device)


def save_checkpoint(
    folder: Path, config: Mapping[str, Any], parts: Mapping[str, Any], position: Mapping[str, Any]
) -> None:
    """Write all that an exact resume needs.

    config: plain values that must be the same when the run is resumed. parts: what has a state_dict.
    position: plain values and tensors, which `load_checkpoint` gives back.
    """
    content = {
        "config": dict(config),
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "position": dict(position),
    }
    scratch = folder / (CHECKPOINT + ".partial")
    torch.save(content, scratch)
    scratch.replace(folder / CHECKPOINT)  # a kill while writing leaves the older checkpoint whole


def load_checkpoint(folder: Path, config: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Bring `parts` to where the checkpoint in `folder` was taken; its position, None if the run had not got to one."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    content = _read(path)
    refuse_changes(content["config"], config, path)
    try:
        for name, part in parts.items():
            part.load_state_dict(content["parts"][name])
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} does not hold the state of this model; remove the folder to start again.") from error
    position: dict[str, Any] = content["position"]
    return position


def drop_checkpoint(folder: Path) -> None:
    """A finished run has nothing to resume."""
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        # On the CPU, where random states have to be; load_state_dict moves the rest to its device.
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its unpickler or zip reader happens to raise
        raise InputError(f"{path} cannot be read as a checkpoint; remove the folder to start the run again.") from error
    if not isinstance(content, dict) or content.keys() != {"config", "parts", "position"}:
        raise InputError(f"{path} is no checkpoint of this command; remove the folder to start the run again.")
    return content


def refuse_changes(saved: Mapping[str, Any], present: Mapping[str, Any], path: Path) -> None:
    """InputError for the first setting that differs from what `path` was made with."""
    for key, value in present.items():
        if saved.get(key) != value:
            then, now = (_shorten(entry) for entry in (saved.get(key), value))
            raise InputError(
                f"{path} was made with {key} = {then}, this run has {now}; resume with the same configuration and data."
            )


def _shorten(value: Any) -> str:
    """The beginning of a sha256 tells two apart."""
    text = str(value)
    return f"{text[:8]}…" if len(text) == 64 and " " not in text else text
