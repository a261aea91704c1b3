"""LoRA (Hu et al. 2021, arXiv 2106.09685): low-rank additions to the linear layers of a model that stays as it is.

They are put into the network itself, which keeps its class, and are added to its weights in the end: the trained model
is a plain checkpoint like any other.
"""

import torch
from torch import nn
from transformers import PreTrainedModel

from annotation.errors import InputError

HEADS = ("score", "classifier")  # new and small: trained whole


def add_low_rank(network: PreTrainedModel, rank: int) -> None:
    """Freeze the network but for additions of this rank to every linear layer inside it, and a scalar head."""
    from peft import LoraConfig, inject_adapter_in_model  # takes seconds to import

    settings = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", exclude_modules=_heads_in(network))
    try:
        inject_adapter_in_model(settings, network)
    except ValueError as error:
        raise InputError(f"LoRA cannot be added to a {network.config.model_type} model: {error}") from None
    for name in HEADS:
        head = getattr(network, name, None)
        if isinstance(head, nn.Module):
            head.requires_grad_(True)


def _heads_in(network: PreTrainedModel) -> list[str]:
    """Names of the layers that are no part of the trunk: heads, and the output layer that turns states into words."""
    output = network.get_output_embeddings()
    return [name for name, module in network.named_modules() if module is output or name.split(".")[0] in HEADS]


@torch.no_grad()
def merge_low_rank(network: PreTrainedModel) -> None:
    """Add the low-rank additions to the weights, and leave the plain layers."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(network.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, attribute = name.rpartition(".")
            setattr(network.get_submodule(parent), attribute, module.get_base_layer())
    network.requires_grad_(True)
