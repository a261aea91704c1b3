"""The settings of a reward model's training, and what they are where a layout has needs of its own."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from annotation.errors import InputError
from reward_models.layouts import READS_LANGUAGE, Layout

Loss = Literal["bradley-terry", "classification"]
Precision = Literal["auto", "float32", "bfloat16"]
MarginBy = Literal["votes", "strength"]


@dataclass(frozen=True, slots=True)
class RewardModelConfig:
    """layout, centring, language_weight: None for what suits the model: see `resolve`.

    learning_rate: of AdamW; the default is for pretrained models and for LoRA, a small model from scratch takes 6e-4.
    batch: pairs a step; microbatch: pairs held in memory at a time (0: the batch), over which a step's gradient is
    summed; in several processes each takes its share of the batch. patience: epochs without a better validation loss
    before training stops.
    margin: nats by which a unanimous pair's scores must differ beyond what its votes ask for; margin_by: what a pair
    has of it, by the margin of its votes or by how much better the workers said that one is.
    centring: weight of (s_a + s_b)², which pins the scores' arbitrary zero (TRL's default is .01).
    language_weight: of the preferred completions' cross-entropy, which keeps the decoder a judge of language: without
    it a model that saw few malformed texts overrates them (Yang et al. 2024, arXiv 2406.10216).
    temperature_ratio: the reward's temperature as a share of the scores' standard deviation; it says how decided the
    reward is, which beside another term, such as METEOR, is how much of it is heard.
    lora_rank: 0 trains all weights, else low-rank additions to every linear layer. precision: auto is bfloat16 where
    the device has it. checkpoint_every: steps. max_tokens: see `ScoreSettings`.
    """

    base_model: str
    layout: Layout | None = None
    loss: Loss = "bradley-terry"
    learning_rate: float = 1e-4
    batch: int = 16
    microbatch: int = 0
    epochs: int = 12
    patience: int = 4
    warmup_steps: int = 20
    weight_decay: float = 0.01
    gradient_norm: float = 1.0
    margin: float = 0.0
    margin_by: MarginBy = "votes"
    centring: float | None = None
    language_weight: float | None = None
    temperature_ratio: float = 0.25
    dropout: float = 0.1
    max_tokens: int = 0
    lora_rank: int = 0
    precision: Precision = "auto"
    checkpoint_every: int = 200
    seed: int = 0


LANGUAGE_WEIGHTS = {"likelihood": 0.1, "decoder": 1.0, "decoder-mean": 1.0}


def resolve(config: RewardModelConfig, layout: Layout) -> RewardModelConfig:
    """`config` with nothing left open; InputError for what no run could use.

    What reads language goes on learning it, a likelihood with less weight. Its zero is what the base model says, so it
    is not centred.
    """
    centring = (0.0 if layout == "likelihood" else 0.01) if config.centring is None else config.centring
    language = LANGUAGE_WEIGHTS.get(layout, 0.0) if config.language_weight is None else config.language_weight
    config = replace(config, layout=layout, centring=centring, language_weight=language)
    for name in ("centring", "language_weight"):
        _expect(getattr(config, name) >= 0, config, name, "a number of at least 0")
    if layout not in READS_LANGUAGE:
        _expect(language == 0, config, "language_weight", f"0: layout {layout} reads no language")
    return config


def check_config(config: RewardModelConfig) -> None:
    """InputError for a value that no run could use, whatever the base model turns out to be."""
    for name in ("learning_rate", "batch", "epochs", "patience", "gradient_norm", "temperature_ratio"):
        _expect(getattr(config, name) > 0, config, name, "a number above 0")
    for name in ("microbatch", "warmup_steps", "weight_decay", "margin", "lora_rank"):
        _expect(getattr(config, name) >= 0, config, name, "a number of at least 0")
    _expect(config.checkpoint_every > 0, config, "checkpoint_every", "a number above 0")
    _expect(config.max_tokens >= 0, config, "max_tokens", "a number of at least 0 (0: the model's own)")
    _expect(0 <= config.seed < 2**32, config, "seed", "a number from 0 to 4,294,967,295")
    _expect(0 <= config.dropout < 1, config, "dropout", "a share from 0 to below 1")
    if config.margin_by == "strength" and not config.margin:
        raise InputError("margin_by: strength says what a pair has of the margin, which is 0; expected a margin too.")


def _expect(holds: bool, config: RewardModelConfig, name: str, expectation: str) -> None:
    value = getattr(config, name)
    if not (holds and math.isfinite(value)):
        raise InputError(f"{name}: expected {expectation}, found {value}.")
