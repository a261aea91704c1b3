"""Rows of hand-written statements as instances of models.

What `raw()` does, without finding out on each call which column is which field and how it is converted.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.models.sql import Query

M = TypeVar("M", bound=models.Model)
Converter = Callable[[Any, Any, Any], Any]


def list_columns(model: type[models.Model], table: str, without: str = "") -> str:
    """The columns of `model` for a SELECT from `table`, in the order that `build` expects."""
    return ", ".join(f'{table}."{field.column}"' for field in _stored(model, without))


def build(model: type[M], row: Sequence[Any], without: str = "") -> tuple[M, Sequence[Any]]:
    """The instance that the beginning of `row` holds, and the rest of the row. The field left out is read when asked
    for.
    """
    fields = _stored(model, without)
    values = list(row[: len(fields)])
    for place, (converters, expression) in _converters(model, without, connection.vendor).items():
        for convert in converters:
            values[place] = convert(values[place], expression, connection)
    return model.from_db(DEFAULT_DB_ALIAS, [field.attname for field in fields], values), row[len(fields) :]


@cache
def _stored(model: type[models.Model], without: str) -> list[Any]:
    return [field for field in model._meta.concrete_fields if field.name != without]


@cache
def _converters(model: type[models.Model], without: str, vendor: str) -> dict[int, tuple[list[Converter], Any]]:
    """By place in the row, for a database of this kind."""
    compiler = Query(model).get_compiler(DEFAULT_DB_ALIAS)
    columns = [field.get_col(model._meta.db_table) for field in _stored(model, without)]
    return compiler.get_converters(columns)
