"""A small encoder-decoder that has learned nothing, with a tokenizer for the toy preference."""

from pathlib import Path

import pytest

from rl.from_scratch import build_small_t5, train_tokenizer
from tests.reward_models.families import FAMILIES, save_family
from tests.reward_models.pairs import TEXTS


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    tokenizer = train_tokenizer(TEXTS)
    build_small_t5(tokenizer, seed=0, width=32, layers=1, heads=2, dropout=0.1).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each other family under its name."""
    folder = tmp_path_factory.mktemp("families")
    for family in FAMILIES:
        save_family(family, folder / family)
    return folder
