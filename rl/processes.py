"""Several processes as one: started by `accelerate launch` or torchrun, on one machine or many.

Every process holds the whole learner and the same configuration. Each samples, rewards and measures its share of an
iteration's rows; the rows are then gathered, so that whitening and groups see all of them; each learns from its share
of every minibatch, and gradients are added up before anyone takes a step. So all learners stay equal, and any number
of processes does what one does, up to the order in which floating-point numbers are added. (With dropout on it does
something like it: each process draws its own rows' noise.)
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from annotation.errors import InputError

PATIENCE = timedelta(hours=6)  # the others wait while the first process evaluates; backends give up after minutes
Entries = TypeVar("Entries", bound=Any)  # a list or a tensor


def join_processes() -> None:
    """Meet the others, if a launcher has started several; nothing to do in a process on its own."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
        from accelerate import PartialState  # slow to import; it picks the device and the backend

        PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)


def process_count() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def process_number() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_main() -> bool:
    """Whether this process writes files and shows progress."""
    return process_number() == 0


def own_device(device: str) -> str:
    """The device of this process: with several GPUs on a machine, one each."""
    local_rank = os.environ.get("LOCAL_RANK")
    return f"cuda:{local_rank}" if device == "cuda" and local_rank is not None else device


def own_share(entries: Entries) -> Entries:
    """Every n-th entry of a sequence or row of a tensor, from this process's own place on."""
    return entries if process_count() == 1 else entries[process_number() :: process_count()]


def gather(own: Any) -> list[Any]:
    """What every process brings, in their order; tensors must be on the CPU."""
    if process_count() == 1:
        return [own]
    gathered: list[Any] = [None] * process_count()
    distributed.all_gather_object(gathered, own)
    return gathered


def interleave(sizes: Sequence[int]) -> Tensor:
    """Where each row of the whole stands when the processes' shares, of these sizes, are put one after the other."""
    starts = torch.tensor([0, *sizes]).cumsum(0)
    rows = torch.arange(sum(sizes))
    return starts[rows % len(sizes)] + rows // len(sizes)


@torch.no_grad()
def add_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by the sum over all processes; where none has one, there is none."""
    if process_count() == 1:
        return
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    flat = torch.cat([_gradient(parameter).reshape(-1) for parameter in trained])
    holders = flat.new_tensor([parameter.grad is not None for parameter in trained])
    distributed.all_reduce(flat)
    distributed.all_reduce(holders)
    parts = flat.split([parameter.numel() for parameter in trained])
    for parameter, part, count in zip(trained, parts, holders.tolist(), strict=True):
        parameter.grad = part.view_as(parameter).clone() if count else None


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def add_up(vector: Tensor) -> Tensor:
    """The sum over all processes."""
    if process_count() > 1:
        distributed.all_reduce(vector)
    return vector


def combine_figures(own: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The figures of all parts of all processes: shares of sums are added, of those called max_... the largest kept."""
    parts = [figures for figures_of_one in gather(list(own)) for figures in figures_of_one]
    return {
        name: max(part[name] for part in parts) if name.startswith("max_") else sum(part[name] for part in parts)
        for name in parts[0]
    }


def expect_alike(value: Any, what: str) -> None:
    """InputError, in every process, unless all bring the same value; what: they are, and what was expected."""
    values = gather(value)
    if any(other != values[0] for other in values):
        raise InputError(f"the processes have {', '.join(map(str, values))} {what}.")


def wait_for_all() -> None:
    if process_count() > 1:
        distributed.barrier()
