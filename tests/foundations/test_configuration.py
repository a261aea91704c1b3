"""YAML to dataclasses: what fits, and the sentence for what does not."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from annotation.configuration import load_config
from annotation.errors import InputError


@dataclass(frozen=True, slots=True)
class Inner:
    learning_rate: float = 1e-3
    steps: int = 10


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    kind: Literal["small", "large"] = "small"
    inner: Inner = field(default_factory=Inner)
    data: Path | None = None
    marks: tuple[int, ...] = ()
    flag: bool = False


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_nested_values_and_overrides_become_dataclasses(tmp_path: Path) -> None:
    path = write(tmp_path, "name: x\ninner: {learning_rate: 1e-4}\nmarks: [1, 2]\ndata: some/where\n")
    config = load_config(Outer, path, ["inner.steps=7", "kind=large", "flag=true"])
    assert config == Outer("x", "large", Inner(1e-4, 7), Path("some/where"), (1, 2), True)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: x\nkidn: large\n", "unknown key 'kidn'; did you mean 'kind'?"),
        ("name: x\ninner: {stepz: 3}\n", "inner: unknown key 'stepz'; did you mean 'steps'?"),
        ("kind: small\n", "the key 'name' is missing"),
        ("name: x\nkind: huge\n", "kind: expected one of small, large, found 'huge'"),
        ("name: x\ninner: {steps: many}\n", "steps: expected a whole number, found 'many'"),
        ("name: x\ninner: {steps: true}\n", "steps: expected a whole number, found True"),
        ("name: x\ninner: {learning_rate: fast}\n", "learning_rate: expected a number, found 'fast'"),
        ("name: x\ndata: 3\n", "data: expected a path, found 3"),
        ("name: x\nmarks: 3\n", "marks: expected a list, found 3"),
        ("name: x\ninner: 3\n", "inner: expected a group of keys, found 3"),
        ("- a\n- b\n", "expected `key: value` lines"),
        ("name: [x\n", "not valid YAML"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        load_config(Outer, write(tmp_path, text))
    assert sentence in str(error.value)
    assert "config.yaml" in str(error.value)


def test_a_missing_file_and_a_malformed_override_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_config(Outer, tmp_path / "absent.yaml")
    with pytest.raises(InputError, match="expected key=value"):
        load_config(Outer, write(tmp_path, "name: x\n"), ["name"])
    with pytest.raises(InputError, match="holds a value, not a group"):
        load_config(Outer, write(tmp_path, "name: x\n"), ["name.first=3"])
    with pytest.raises(InputError, match=r"--set 'marks=\[1': the value is not valid YAML"):
        load_config(Outer, write(tmp_path, "name: x\n"), ["marks=[1"])
