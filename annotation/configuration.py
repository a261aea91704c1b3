"""YAML files become frozen dataclasses; a key or a value that does not fit is named.

Besides `annotation.records` this is one of the few modules that every package may import, so it needs
nothing but the standard library and PyYAML.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from annotation.errors import InputError

Schema = TypeVar("Schema")


def load_config(schema: type[Schema], path: Path, overrides: Sequence[str] = ()) -> Schema:
    """The YAML file at `path`, with `key.inner=value` overrides laid over it, as a `schema` instance."""
    content = read_yaml_mapping(path)
    for override in overrides:
        apply_override(content, override)
    return build_config(schema, content, source=str(path))


def read_yaml_mapping(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a YAML configuration.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; expected a YAML configuration file.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected `key: value` lines at the top level, found {type(content).__name__}.")
    return content


def apply_override(content: dict[str, Any], override: str) -> None:
    """Lay one `key.inner=value` over `content`; the value is read as YAML."""
    dotted, equals, value = override.partition("=")
    if not equals or not dotted:
        raise InputError(f"--set {override!r}: expected key=value, for example optimiser.learning_rate=1e-4.")
    *parents, leaf = dotted.split(".")
    for parent in parents:
        inner = content.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise InputError(f"--set {override!r}: {parent!r} holds a value, not a group of keys.")
        content = inner
    try:
        content[leaf] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"--set {override!r}: the value is not valid YAML: {reason}.") from None


def build_config(schema: type[Schema], content: Mapping[str, Any], source: str) -> Schema:
    """A `schema` instance from `content`; errors name `source` and the key."""
    hints = typing.get_type_hints(schema)
    fields = {field.name: field for field in dataclasses.fields(schema)}  # type: ignore[arg-type]
    for key in content:
        if key not in fields:
            raise InputError(f"{source}: unknown key {key!r}; {_suggestion(str(key), fields)}")
    values = {key: _convert(hints[key], value, f"{source}: {key}") for key, value in content.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise InputError(f"{source}: the key {name!r} is missing.")
    return schema(**values)


def _suggestion(key: str, fields: Mapping[str, Any]) -> str:
    nearest = difflib.get_close_matches(key, fields, n=1, cutoff=0.5)
    return f"did you mean {nearest[0]!r}?" if nearest else f"valid keys are {', '.join(fields)}."


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: expected a group of keys, found {value!r}.")
        return build_config(typing.cast(type, hint), value, source=where)
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(hint, value, where)
    if origin is typing.Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise InputError(f"{where}: expected one of {', '.join(map(str, choices))}, found {value!r}.")
        return value
    if origin is tuple:
        return _convert_tuple(hint, value, where)
    return _convert_scalar(hint, value, where)


def _convert_union(hint: Any, value: Any, where: str) -> Any:
    """`X | None`: an absent value stays None, anything else is an X. `int | str`: a value is taken as it is."""
    inner = [choice for choice in typing.get_args(hint) if choice is not types.NoneType]
    if len(inner) == 1:
        return None if value is None else _convert(inner[0], value, where)
    if type(value) in inner:
        return value
    raise InputError(f"{where}: expected {' or '.join(map(_name, inner))}, found {value!r}.")


def _convert_tuple(hint: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(f"{where}: expected a list, found {value!r}.")
    inner = typing.get_args(hint)[0]
    return tuple(_convert(inner, entry, f"{where}[{index}]") for index, entry in enumerate(value))


def _convert_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-4, without a point, as a string
        except ValueError:
            pass
    elif hint is Path and isinstance(value, str):
        return Path(value)
    elif isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise InputError(f"{where}: expected {_name(hint)}, found {value!r}.")


def _name(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}
    return names.get(hint, str(hint))
