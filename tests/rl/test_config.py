"""Training configurations."""

from pathlib import Path

import pytest

from annotation.configuration import build_config, load_config
from annotation.errors import InputError
from rl.config import TrainingConfig, check_config

CONFIG = Path(__file__).parents[2] / "rl" / "configs" / "commongen-mini-nlpo.yaml"


def build(**content: object) -> TrainingConfig:
    return build_config(TrainingConfig, {"base_model": "somewhere"} | content, "test.yaml")


def test_the_shipped_configuration_loads() -> None:
    check_config(load_config(TrainingConfig, CONFIG))


def test_the_defaults_are_the_designs() -> None:
    config = build()
    assert (config.discount, config.gae_lambda, config.clip) == (0.95, 0.95, 0.2)
    assert (config.nlpo.top_mass, config.nlpo.refresh_every) == (0.9, 20)
    assert (config.optimiser.weight_decay, config.optimiser.gradient_norm, config.optimiser.epochs) == (1e-6, 0.5, 5)
    assert config.reference == "initial"
    check_config(config)


def test_an_unknown_key_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown key 'top_mas'; did you mean 'top_mass'"):
        build(nlpo={"top_mas": 0.5})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"iterations": 0}, "iterations: expected a number above 0"),
        ({"nlpo": {"top_mass": 1.5}}, r"nlpo.top_mass: expected a number from 0 to 1, found 1.5"),
        ({"kl": {"coefficient": -1.0}}, r"kl.coefficient: expected a number of at least 0"),
        ({"optimiser": {"weight_decay": -1.0}}, r"optimiser.weight_decay: expected a number of at least 0"),
        ({"algorithm": "trpo", "trpo": {"backtrack_factor": 1.0}}, r"trpo.backtrack_factor: expected a number below 1"),
        ({"algorithm": "trpo", "entropy_coefficient": 0.1}, r"entropy_coefficient: expected 0 for trpo"),
        ({"snapshots": [3, 200]}, "snapshots: expected iterations from 1 to 100, found 200"),
    ],
)
def test_it_rejects_values_that_no_run_could_use(content: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_config(build(**content))
