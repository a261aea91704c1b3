"""What the documentation promises about files and commands is there."""

import ast
import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from annotation.task_templates import TASKS_FOLDER, TaskTemplate, load_template

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = ("annotation", "analysis", "reward_models", "rl")
OURS = sorted(name for name, app in get_commands().items() if app in PACKAGES)
MODULES = sorted(
    path.relative_to(ROOT / package).as_posix()
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__init__.py" and "migrations" not in path.parts
)


@pytest.mark.parametrize("command", OURS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"`{command} " in README or f"`{command}`" in README


@pytest.mark.parametrize("module", MODULES)
def test_every_file_is_in_the_readme(module: str) -> None:
    assert f"| `{module}` |" in README


def test_every_document_that_the_readme_links_to_exists() -> None:
    for name in ("docs/decisions.md", "docs/benchmarks.md", "CHANGELOG.md", "docs/report.png"):
        assert name in README
        assert (ROOT / name).is_file(), name


DOCUMENTS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}


@pytest.mark.parametrize("document", sorted(DOCUMENTS))
def test_every_document_is_linked_from_the_readme(document: str) -> None:
    assert f"](docs/{document})" in README


# Names in the code that documents refer to, as `rl/kl.py:adapt_coefficient` or `rl/books.py:Books.enter`. They are
# looked up in the source as it stands, without importing it.

CODE_NAME = re.compile(r"`((?:annotation|analysis|reward_models|rl)/[\w/]+\.py):([\w.]+)[^`]*`")
CODE_NAMES = sorted({(*found, name) for name, text in DOCUMENTS.items() for found in CODE_NAME.findall(text)})


@pytest.mark.parametrize(("module", "dotted", "document"), CODE_NAMES)
def test_every_name_in_the_code_that_a_document_refers_to_exists(module: str, dotted: str, document: str) -> None:
    assert (ROOT / module).is_file(), f"docs/{document} names {module}:{dotted}, and there is no such file"
    scope: ast.AST = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    for name in dotted.split("."):
        inside = definitions(scope)
        assert name in inside, f"docs/{document} names {module}:{dotted}, but {module} does not define {name} there"
        scope = inside[name]


# Tests that documents refer to, as `tests/rl/test_kl.py::test_beta_stays_without_a_target`.

TEST_NAME = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
TEST_NAMES = sorted({(*found, name) for name, text in DOCUMENTS.items() for found in TEST_NAME.findall(text)})


@pytest.mark.parametrize(("file", "test", "document"), TEST_NAMES)
def test_every_test_that_a_document_refers_to_exists(file: str, test: str, document: str) -> None:
    assert (ROOT / file).is_file(), f"docs/{document} names {file}::{test}, and there is no such file"
    assert test.startswith("test_"), f"docs/{document} names {file}::{test}, which pytest does not run"
    found = definitions(ast.parse((ROOT / file).read_text(encoding="utf-8"))).get(test)
    assert isinstance(found, ast.FunctionDef), f"docs/{document} names {file}::{test}, but {file} has no such test"


def test_documents_do_refer_to_tests() -> None:
    assert len(TEST_NAMES) > 50  # or the pattern has stopped finding them


def test_documents_do_refer_to_the_code() -> None:
    assert len(CODE_NAMES) > 100  # or the pattern has stopped finding them


def definitions(scope: ast.AST) -> dict[str, ast.AST]:
    """What stands directly in a module or class: functions, classes, fields and constants."""
    found: dict[str, ast.AST] = {}
    for node in getattr(scope, "body", ()):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found.update({target.id: node for target in targets if isinstance(target, ast.Name)})
    return found


# Keys of the trainings and their defaults: docs/configuration.md has a table for each command.

REQUIRED = "required"
ROW = re.compile(r"^\| `([\w.\[\]]+)` \| `?([^`|]+)`? \|", re.MULTILINE)
STATED_DEFAULT = re.compile(r"`([\w.]+)`\s\(([^()`\s]+)\)")


@pytest.mark.parametrize("command", ["train_policy", "train_supervised", "train_dpo"])
def test_every_key_of_a_training_is_documented_with_its_default(command: str) -> None:
    section = DOCUMENTS["configuration.md"].split(f"\n## {command}\n")[1].split("\n## ")[0]
    documented, expected = dict(ROW.findall(section)), dict(keys_of(configuration(command)))
    assert documented.keys() == expected.keys()
    wrong = {key: text for key, text in documented.items() if not says(text.strip(), expected[key])}
    assert wrong == {}, f"the code's: { {key: expected[key] for key in wrong} }"


def test_the_defaults_that_the_algorithms_are_described_with_are_the_codes() -> None:
    expected = dict(keys_of(configuration("train_policy")))
    stated = [entry for entry in STATED_DEFAULT.findall(DOCUMENTS["algorithms.md"]) if entry[0] in expected]
    assert len(stated) > 40  # or the pattern has stopped finding them
    assert [(key, text) for key, text in stated if not says(text, expected[key])] == []


def configuration(command: str) -> type:
    from rl.config import TrainingConfig  # torch takes seconds to import
    from rl.dpo import DpoConfig
    from rl.supervised import SupervisedConfig

    return {"train_policy": TrainingConfig, "train_supervised": SupervisedConfig, "train_dpo": DpoConfig}[command]


def keys_of(schema: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key with its default, those of nested dataclasses dotted; `[]` marks a key of a list's entries."""
    hints = typing.get_type_hints(schema)
    for field in dataclasses.fields(schema):
        key, nested = prefix + field.name, (hints[field.name], *typing.get_args(hints[field.name]))
        groups = [hint for hint in nested if isinstance(hint, type) and dataclasses.is_dataclass(hint)]
        is_list = typing.get_origin(hints[field.name]) is tuple
        if is_list or not groups:
            yield key, REQUIRED if field.default is dataclasses.MISSING else field.default
        for group in groups:
            yield from keys_of(group, f"{key}[]." if is_list else f"{key}.")


def test_every_key_of_a_task_template_is_documented_with_its_default() -> None:
    section = DOCUMENTS["tasks.md"].split("\n## The keys of `template.yaml`\n")[1].split("\n## ")[0]
    documented, expected = dict(ROW.findall(section)), dict(keys_of(TaskTemplate))
    assert documented.keys() == expected.keys()
    words = {"empty": "''", "none": "[]"}
    wrong = {key: text for key, text in documented.items() if not says(words.get(text.strip(), text), expected[key])}
    assert wrong == {}, f"the code's: { {key: expected[key] for key in wrong} }"


@pytest.mark.parametrize("task", sorted(path.parent.name for path in TASKS_FOLDER.glob("*/template.yaml")))
def test_every_task_is_documented_with_its_questions(task: str) -> None:
    (row,) = re.findall(rf"^\| `{task}` \|.*$", DOCUMENTS["tasks.md"], re.MULTILINE)
    for question in load_template(task).questions:
        assert f"`{question.name}`" in row


def says(text: str, default: Any) -> bool:
    """Whether a document's text for a default means it; numbers may be written in any way."""
    if isinstance(default, float):
        return re.fullmatch(r"[\d.e+-]+", text) is not None and float(text) == default
    return bool(yaml.safe_load(text) == (list(default) if isinstance(default, tuple) else default))
