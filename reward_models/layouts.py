"""How a score is read from a model: the layouts, which kinds of models have them, and the settings that are kept.

One score s(x, y) for a prompt x and a completion y, in nats, higher for what people prefer:

- `encoder`, the paper's: prompt and completion in the encoder, logit("good") − logit("bad") at the first decoder step;
- `decoder`: the prompt in the encoder, the completion in the decoder, the same difference after its EOS. A small model
  that was trained to write completions can learn this one; it learns nothing from the one above;
- `decoder-mean`: as `decoder`, with a verdict after every token of the completion, EOS included, and their mean as the
  score. A flaw is then heard where it stands, and no single state decides about a text unlike those judged;
- `likelihood`: log π(y | x), summed over the completion's tokens, EOS included, and scaled: the policy as its own
  judge, as in DPO without a reference (Rafailov et al. 2023). A model that writes needs no new words for this;
- `scalar`: a new linear head on the last state of a decoder-only model, or on an encoder's pooled state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from annotation.errors import InputError

Layout = Literal["encoder", "decoder", "decoder-mean", "likelihood", "scalar"]
Family = Literal["encoder-decoder", "decoder-only", "encoder-only"]
# What each family can do; the first is its default.
LAYOUTS: Mapping[Family, tuple[Layout, ...]] = {
    "encoder-decoder": ("likelihood", "decoder-mean", "decoder", "encoder"),
    "decoder-only": ("scalar", "likelihood"),
    "encoder-only": ("scalar",),
}
# Where prompt and completion stand in one input.
SHARED: Mapping[Family, tuple[Layout, ...]] = {
    "encoder-decoder": ("encoder",),
    "decoder-only": LAYOUTS["decoder-only"],
    "encoder-only": LAYOUTS["encoder-only"],
}
VERDICTS = ("encoder", "decoder", "decoder-mean")
READS_LANGUAGE = ("decoder", "decoder-mean", "likelihood")
# Modules that a language model does not have: what turns its states into one number.
HEADS = {"score", "classifier", "pre_classifier", "pooler", "head"}


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """How the score is read, and its mean and spread on completions like those that people judged.

    good, bad: the verdicts, one token each. likelihood_scale: nats of score for a nat of log-likelihood;
    likelihood_offset: nats added to it, so that an untrained model's scores have the mean 0.
    mean, temperature: σ((s − mean) / temperature) is the preference as a reward in (0, 1).
    max_tokens: of the encoder's input and of the decoder's; 0: as many as the base model was made for.
    """

    layout: Layout
    good: str = "good"
    bad: str = "bad"
    likelihood_scale: float = 0.5
    likelihood_offset: float = 0.0
    mean: float = 0.0
    temperature: float = 1.0
    max_tokens: int = 0


def family_of(config: Any, name: str) -> Family:
    """The family of a model from its transformers configuration; InputError for one that is of none."""
    if config.is_encoder_decoder:
        return "encoder-decoder"
    # BERT and its kin can be made to write, so they stand among the causal ones too.
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False):
        return "encoder-only"
    if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "decoder-only"
    raise InputError(f"{name} is a {config.model_type} model; expected one that reads or writes text.")


def choose_layout(wanted: Layout | None, family: Family, name: str) -> Layout:
    """`wanted`, or the family's default; InputError if the family has no such layout."""
    if wanted is None:
        return LAYOUTS[family][0]
    if wanted not in LAYOUTS[family]:
        able = " or ".join(_with_article(other) for other, layouts in LAYOUTS.items() if wanted in layouts)
        raise InputError(
            f"{name} is {_with_article(family)} model, which layout {wanted} cannot read; expected {able} model, "
            f"or layout {' or '.join(LAYOUTS[family])}."
        )
    return wanted


def _with_article(family: Family) -> str:
    return f"{'a' if family == 'decoder-only' else 'an'} {family}"


def is_head(name: str) -> bool:
    """Whether a module or weight of this dotted name belongs to a scalar head."""
    return not HEADS.isdisjoint(name.split("."))
