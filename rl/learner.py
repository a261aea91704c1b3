"""The learner: the models, optimisers and counters of one run, which a checkpoint holds and a resumed run restores."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim import AdamW
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.errors import InputError
from annotation.run_folders import plain
from rl.config import TrainingConfig
from rl.policy import freeze, load_policy, make_value_model

CHECKPOINT = "checkpoint.pt"


@dataclass(slots=True)
class Learner:
    """π_θ, π_0, V_φ and, for NLPO, π_ψ; the one mutable thing in a run. finished: iterations so far."""

    policy: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    reference: PreTrainedModel
    value_model: PreTrainedModel
    masking_policy: PreTrainedModel | None
    policy_optimiser: AdamW
    value_optimiser: AdamW
    kl_coefficient: float
    finished: int = 0


def build_learner(config: TrainingConfig, device: str) -> Learner:
    policy, tokenizer = load_policy(config.base_model, device)
    reference = freeze(policy if config.reference == "initial" else load_policy(config.reference, device)[0])
    if reference.get_output_embeddings().weight.shape[0] != policy.get_output_embeddings().weight.shape[0]:
        raise InputError(f"reference {config.reference}: its vocabulary differs from that of {config.base_model}.")
    value_model = make_value_model(reference).requires_grad_(True)
    settings = config.optimiser
    return Learner(
        policy=policy,
        tokenizer=tokenizer,
        reference=reference,
        value_model=value_model,
        masking_policy=freeze(policy) if config.algorithm == "nlpo" else None,
        policy_optimiser=AdamW(policy.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay),
        value_optimiser=AdamW(
            value_model.parameters(), lr=settings.value_learning_rate, weight_decay=settings.weight_decay
        ),
        kl_coefficient=config.kl.coefficient,
    )


def save_checkpoint(learner: Learner, config: TrainingConfig, folder: Path) -> None:
    """Everything that an exact resume needs. No random state: all randomness is keyed by seed and iteration."""
    content = {
        "config": plain(config),
        "finished": learner.finished,
        "kl_coefficient": learner.kl_coefficient,
        **{name: part.state_dict() for name, part in _parts(learner).items()},
    }
    scratch = folder / (CHECKPOINT + ".partial")
    torch.save(content, scratch)
    scratch.replace(folder / CHECKPOINT)  # a kill while writing leaves the older checkpoint whole


def restore_checkpoint(learner: Learner, config: TrainingConfig, folder: Path) -> None:
    """Bring the learner to where the checkpoint in `folder` was taken; nothing to do if the run had not got to one."""
    path = folder / CHECKPOINT
    if not path.exists():
        return
    try:
        content = torch.load(path, map_location=learner.policy.device, weights_only=True)
    except Exception as error:  # torch raises what its unpickler or zip reader happens to raise
        raise InputError(f"{path} cannot be read as a checkpoint; remove the folder to start the run again.") from error
    _refuse_changed_config(content["config"], plain(config), path)
    for name, part in _parts(learner).items():
        part.load_state_dict(content[name])
    learner.kl_coefficient = content["kl_coefficient"]
    learner.finished = content["finished"]


def _parts(learner: Learner) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "policy": learner.policy,
        "value_model": learner.value_model,
        "policy_optimiser": learner.policy_optimiser,
        "value_optimiser": learner.value_optimiser,
    }
    return parts if learner.masking_policy is None else parts | {"masking_policy": learner.masking_policy}


def _refuse_changed_config(saved: dict[str, Any], present: dict[str, Any], path: Path) -> None:
    for key, value in present.items():
        if saved.get(key) != value:
            raise InputError(
                f"{path} was made with {key} = {saved.get(key)}, this run has {value}; "
                "resume with the same configuration."
            )
