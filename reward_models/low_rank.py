"""LoRA (Hu et al. 2021, arXiv 2106.09685): low-rank additions to the linear layers of a model that stays as it is.

They are put into the network itself, which keeps its class, and are added to its weights in the end: the trained model
is a plain checkpoint like any other.
"""

import torch
from transformers import PreTrainedModel

from annotation.errors import InputError
from reward_models.layouts import is_head


def add_low_rank(network: PreTrainedModel, rank: int) -> None:
    """Freeze the network but for additions of this rank to every linear layer inside it, and its scalar head, which is
    new and small and trained whole."""
    from peft import LoraConfig, inject_adapter_in_model  # takes seconds to import

    settings = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", exclude_modules=_heads_in(network))
    try:
        inject_adapter_in_model(settings, network)
    except ValueError as error:
        raise InputError(f"LoRA cannot be added to a {network.config.model_type} model: {error}") from None
    for name, weight in network.named_parameters():
        if is_head(name):
            weight.requires_grad_(True)


def _heads_in(network: PreTrainedModel) -> list[str]:
    """Names of the layers that are no part of the trunk: heads, and the output layer that turns states into words."""
    output = network.get_output_embeddings()
    return [name for name, module in network.named_modules() if module is output or is_head(name)]


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
