"""Preference models on disk: plain `save_pretrained` folders with the tokenizer, and how the score is read."""

import hashlib
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from annotation.configuration import build_config
from annotation.errors import InputError
from reward_models.layouts import Family, Layout, ScoreSettings, choose_layout, family_of, is_head
from reward_models.model import PreferenceModel

transformers_logging.disable_progress_bar()  # loading is quick; the bar on the screen is the training's

SETTINGS_FILE = "preference_model.json"
TOKENIZER_FILES = ("tokenizer*", "vocab*", "*.model")


def load_base_model(base_model: str, layout: Layout | None = None, *, max_tokens: int = 0) -> PreferenceModel:
    """An untrained preference model on the model at `base_model`, a folder or a hub name.

    layout: None for the default of the model's family. A scalar head is drawn from torch's random numbers.
    """
    config = _load_config(base_model)
    family = family_of(config, base_model)
    settings = ScoreSettings(layout=choose_layout(layout, family, base_model), max_tokens=max_tokens)
    return _assemble(base_model, config, family, settings, is_trained=False)


def load_model(folder: Path) -> PreferenceModel:
    """The preference model that `save_model` wrote."""
    settings = _read_settings(folder / SETTINGS_FILE)
    config = _load_config(str(folder))
    return _assemble(str(folder), config, family_of(config, str(folder)), settings, is_trained=True)


def save_model(model: PreferenceModel, folder: Path) -> None:
    """Anyone's transformers can read what this writes; only how the score is read stands in a file of ours."""
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    (folder / SETTINGS_FILE).write_text(json.dumps(asdict(model.settings), indent=2) + "\n", encoding="utf-8")


def sha256_of_weights(network: PreTrainedModel) -> str:
    """Of all weights, by name: what a resumed run must have begun with too."""
    digest = hashlib.sha256()
    for name, weight in network.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _assemble(path: str, config: Any, family: Family, settings: ScoreSettings, *, is_trained: bool) -> PreferenceModel:
    tokenizer = _load_tokenizer(path)
    network = _load_network(path, family, settings.layout, is_trained=is_trained)
    if settings.layout == "scalar" and network.config.pad_token_id is None:
        network.config.pad_token_id = tokenizer.pad_token_id  # without one the model's own forward takes one text
    embeddings: Any = network.get_input_embeddings()
    if len(tokenizer) > embeddings.num_embeddings:
        raise InputError(f"{path}: the tokenizer has {len(tokenizer)} tokens, more than the model has embeddings.")
    return PreferenceModel(network, tokenizer, settings)


def _load_config(path: str) -> Any:
    folder = Path(path)
    if not folder.is_dir() and path.startswith((".", "/", "~")):  # no hub has such names
        raise InputError(f"{path}: no such folder; expected one that save_pretrained wrote, or a name at a hub.")
    if folder.is_dir() and not (folder / "config.json").is_file():
        inner = folder / "model"
        hint = f"did you mean {inner}?" if (inner / "config.json").is_file() else "expected what save_pretrained wrote."
        raise InputError(f"{path} holds no config.json; {hint}")
    try:
        return AutoConfig.from_pretrained(path)
    except Exception as error:  # a value of the wrong kind has a class of error of its own
        raise InputError(f"{path} is not a model checkpoint that can be loaded: {_first_line(error)}") from None


def _load_tokenizer(path: str) -> PreTrainedTokenizerBase:
    folder = Path(path)
    if folder.is_dir() and not any(file for pattern in TOKENIZER_FILES for file in folder.glob(pattern)):
        # transformers would make an empty one of the model's kind up.
        raise InputError(f"{path} has no tokenizer beside the model; expected one written by save_pretrained.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
    except Exception as error:  # each file of a tokenizer fails in its own way
        raise InputError(f"{path} has no tokenizer that can be loaded: {_first_line(error)}") from None
    if tokenizer.eos_token_id is None and tokenizer.sep_token_id is None:
        raise InputError(f"{path}: the tokenizer has no token that ends a text; expected an EOS or a SEP token.")
    if tokenizer.eos_token_id is None:
        tokenizer.eos_token = tokenizer.sep_token  # a BERT's tokenizer beside a model that writes
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token  # GPT-2 has none; lengths, never ids, tell which slots count
    return tokenizer


def _load_network(path: str, family: Family, layout: Layout, *, is_trained: bool) -> PreTrainedModel:
    if layout == "scalar":
        loader: Any = AutoModelForSequenceClassification
        options: dict[str, Any] = {"num_labels": 1}
    else:
        loader = AutoModelForSeq2SeqLM if family == "encoder-decoder" else AutoModelForCausalLM
        options = {}
    told = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # a new head is no news; what else is missing is said below
    try:
        # Not the checkpoint's own precision: AdamW loses small steps in half precision, and T5 overflows.
        network, report = loader.from_pretrained(path, dtype=torch.float32, output_loading_info=True, **options)
    except Exception as error:  # each weight format has its own class of error for a broken file
        raise InputError(f"{path}: the model's weights cannot be read: {_first_line(error)}") from None
    finally:
        transformers_logging.set_verbosity(told)
    missing = sorted(report["missing_keys"])
    if layout == "scalar" and not is_trained:
        missing = [key for key in missing if not is_head(key)]
    missing += sorted(str(entry[0]) for entry in report["mismatched_keys"])
    if missing:
        raise InputError(
            f"{path}: the checkpoint lacks {len(missing)} weights of the model, the first is {missing[0]!r}; "
            "expected a whole one."
        )
    if family == "decoder-only" and layout == "scalar" and not hasattr(network, "score"):
        raise InputError(f"{path}: a {network.config.model_type} model's scalar head is not where it is expected.")
    loaded: PreTrainedModel = network
    return loaded


def _read_settings(path: Path) -> ScoreSettings:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path.parent} holds no {SETTINGS_FILE}; expected a model of train_reward_model.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(content).__name__}.")
    settings = build_config(ScoreSettings, content, source=str(path))
    if not (math.isfinite(settings.temperature) and settings.temperature > 0 and math.isfinite(settings.mean)):
        raise InputError(
            f"{path}: expected a finite mean and a temperature above 0, found {settings.mean} and "
            f"{settings.temperature}."
        )
    return settings


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:200]
