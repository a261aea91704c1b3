"""How a trained model is read without this project: a few lines of plain transformers for each layout.

The lines stand in a card to be copied, so they are complete, for one text at a time, and without what batches need.
"""

from reward_models.model import PreferenceModel

HERE = "path/to/this/folder"

WITH_PREFLOOP = f"""\
from pathlib import Path
from reward_models.scoring import load_scorer

scorer = load_scorer(Path("{HERE}"))
scores = scorer(["a prompt"], ["a completion"])  # nats, one for each completion
"""

LOAD = """\
import torch
from transformers import {loader}, AutoTokenizer

folder = "{folder}"
tokenizer = AutoTokenizer.from_pretrained(folder)
model = {loader}.from_pretrained(folder, dtype=torch.float32).eval()


def encode(text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@torch.no_grad()
def score(prompt, completion):
"""

ENCODER_DECODER = """\
    end, start = tokenizer.eos_token_id, model.config.decoder_start_token_id
    inputs, response = {inputs}, {response}
    logits = model(input_ids=torch.tensor([inputs]), decoder_input_ids=torch.tensor([response])).logits[0]
"""
VERDICTS = """\
    verdicts = logits[:, encode("{good}")[0]] - logits[:, encode("{bad}")[0]]
    return verdicts{read}.item()
"""
LIKELIHOOD = """\
    tokens = torch.tensor([*encode(completion), end])
    log_likelihood = logits{places}.log_softmax(-1).gather(1, tokens[:, None]).sum().item()
    return {scale!r} * log_likelihood + {offset!r}
"""
DECODER_ONLY = """\
    end = tokenizer.eos_token_id
    ids = [*{first}, *encode(prompt), *{separator}, *encode(completion), end]
"""
LAST_STATE = """\
    state = model.base_model(torch.tensor([ids])).last_hidden_state[0, -1]
    return model.score(state).item()
"""
POOLED = """\
    return model(**tokenizer(prompt, completion, return_tensors="pt")).logits.item()
"""


def write_usage(model: PreferenceModel) -> str:
    """A `score(prompt, completion)` for the model's family and layout."""
    layout, family = model.settings.layout, model.family
    if layout == "scalar":
        loader = "AutoModelForSequenceClassification"
    else:
        loader = "AutoModelForSeq2SeqLM" if family == "encoder-decoder" else "AutoModelForCausalLM"
    body = POOLED
    if family == "encoder-decoder":
        body = _read_encoder_decoder(model)
    elif family == "decoder-only":
        body = _read_decoder_only(model)
    return LOAD.format(loader=loader, folder=HERE) + body


def _read_encoder_decoder(model: PreferenceModel) -> str:
    settings = model.settings
    is_encoder_alone = settings.layout == "encoder"
    head = ENCODER_DECODER.format(
        inputs="[*encode(prompt), end, *encode(completion), end]" if is_encoder_alone else "[*encode(prompt), end]",
        response="[start]" if is_encoder_alone else "[start, *encode(completion), end]",
    )
    if settings.layout == "likelihood":
        return head + _read_likelihood(model, places="[:-1]")
    read = {"encoder": "[0]", "decoder": "[-1]", "decoder-mean": "[1:].mean()"}[settings.layout]
    return head + VERDICTS.format(good=settings.good, bad=settings.bad, read=read)


def _read_decoder_only(model: PreferenceModel) -> str:
    head = DECODER_ONLY.format(first=model.first_ids, separator=model.separator_ids)
    if model.settings.layout == "scalar":
        return head + LAST_STATE
    logits = "    logits = model(torch.tensor([ids])).logits[0]\n"
    # The logits before a token say it: those of the completion begin one place early and leave the end's own out.
    return head + logits + _read_likelihood(model, places="[-len(encode(completion)) - 2 : -1]")


def _read_likelihood(model: PreferenceModel, places: str) -> str:
    settings = model.settings
    return LIKELIHOOD.format(places=places, scale=settings.likelihood_scale, offset=settings.likelihood_offset)
