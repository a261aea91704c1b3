"""Models that cannot be used are refused in a sentence."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTModel

from annotation.errors import InputError
from reward_models.checkpoints import SETTINGS_FILE, load_base_model, load_model, save_model

WEIGHTS = "model.safetensors"


@pytest.fixture
def saved(base: Path, tmp_path: Path) -> Path:
    save_model(load_base_model(str(base)), tmp_path / "model")
    return tmp_path / "model"


def test_a_folder_without_a_model_or_without_its_settings_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent: no such folder; expected one that save_pretrained wrote"):
        load_base_model(str(tmp_path / "absent"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty holds no config\.json; expected what save_pretrained wrote\."):
        load_base_model(str(tmp_path / "empty"))
    shutil.copytree(base, tmp_path / "run" / "model")
    with pytest.raises(InputError, match=r"run holds no config\.json; did you mean .*run/model\?"):
        load_base_model(str(tmp_path / "run"))
    with pytest.raises(InputError, match="expected a model of train_reward_model"):
        load_model(base)
    with pytest.raises(InputError, match="expected a model of train_reward_model"):
        load_model(tmp_path / "absent")


def test_broken_weights_are_refused(saved: Path) -> None:
    content = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="weights cannot be read"):
        load_model(saved)
    (saved / WEIGHTS).unlink()
    with pytest.raises(InputError, match="weights cannot be read"):
        load_model(saved)


def test_a_checkpoint_that_lacks_weights_is_refused(saved: Path) -> None:
    weights = load_file(saved / WEIGHTS)
    del weights["encoder.block.0.layer.0.SelfAttention.q.weight"]
    save_file(weights, saved / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 weights of the model, the first is 'encoder.block.0"):
        load_model(saved)


def test_a_scalar_head_may_be_new_in_a_base_model_and_not_in_a_trained_one(families: Path, tmp_path: Path) -> None:
    save_model(load_base_model(str(families / "gpt2")), tmp_path / "model")
    assert load_model(tmp_path / "model").settings.layout == "scalar"
    weights = load_file(tmp_path / "model" / WEIGHTS)
    del weights["score.weight"]
    save_file(weights, tmp_path / "model" / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"the first is 'score\.weight'"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "cannot be read: Expecting"),
        ("[1]", "expected a JSON object, found list"),
        ('{"layout": "decoder", "colour": 1}', "unknown key 'colour'"),
        (
            '{"layout": "foo"}',
            "layout: expected one of encoder, decoder, .*scalar, found 'foo'",
        ),
        ('{"layout": "decoder", "good": 5}', "good: expected text, found 5"),
        ('{"layout": "decoder", "max_tokens": "x"}', "max_tokens: expected a whole number, found 'x'"),
        ('{"layout": "decoder", "temperature": 0}', "expected a finite mean and a temperature above 0"),
        ('{"layout": "decoder", "mean": NaN}', "expected a finite mean and a temperature above 0"),
    ],
)
def test_settings_that_cannot_be_read_are_refused(content: str, sentence: str, saved: Path) -> None:
    (saved / SETTINGS_FILE).write_text(content)
    with pytest.raises(InputError, match=f"{SETTINGS_FILE}.*{sentence}"):
        load_model(saved)


def test_a_model_without_a_tokenizer_or_without_language_is_refused(base: Path, tmp_path: Path) -> None:
    model = load_base_model(str(base))
    model.network.save_pretrained(tmp_path / "mute")
    with pytest.raises(InputError, match="has no tokenizer beside the model"):
        load_base_model(str(tmp_path / "mute"))
    config = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    ViTModel(config).save_pretrained(tmp_path / "seeing")
    with pytest.raises(InputError, match="is a vit model; expected one that reads or writes text"):
        load_base_model(str(tmp_path / "seeing"))


def test_a_model_with_fewer_embeddings_than_tokens_is_refused(saved: Path) -> None:
    tokenizer = load_model(saved).tokenizer
    tokenizer.add_tokens([f"word{number}" for number in range(100)])
    tokenizer.save_pretrained(saved)
    with pytest.raises(InputError, match="more than the model has embeddings"):
        load_model(saved)
