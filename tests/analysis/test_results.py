"""Every statistic comes back in one form."""

import dataclasses
import importlib
import inspect
import pkgutil
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

import analysis
from analysis.findings import Finding
from analysis.intervals import mean_interval
from analysis.results import Result, latex_table

MODULES = [importlib.import_module(f"analysis.{module.name}") for module in pkgutil.iter_modules(analysis.__path__)]
# A class with a method tells where its numbers come from, so it is a result; a finding is one as the page shows it.
STATISTICS = sorted(
    {
        member
        for module in MODULES
        for _, member in inspect.getmembers(module, inspect.isclass)
        if dataclasses.is_dataclass(member)
        and member.__module__ == module.__name__
        and member is not Finding
        and "method" in {field.name for field in dataclasses.fields(member)}
    },
    key=lambda member: member.__name__,
)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_every_statistic_has_a_reading_and_the_forms_of_a_result(statistic: type[Any]) -> None:
    assert issubclass(statistic, Result)
    assert isinstance(statistic.reading, property) and statistic.reading is not Result.reading
    assert {"method", "warnings"} <= {field.name for field in dataclasses.fields(statistic)}


def test_a_plain_result_is_a_row_a_tabular_and_a_figure() -> None:
    result = mean_interval([1.0, 2.0, 4.0])
    row = result.to_frame().iloc[0]
    assert (row["estimate"], row["used"], row["reading"]) == (result.estimate, 3, result.reading)
    assert result.to_dict()["low"] == result.low
    assert "2.333" in result.to_latex() and r"\toprule" in result.to_latex()
    assert isinstance(result.plot(), Figure)


def test_latex_escapes_names_and_keeps_what_is_not_defined() -> None:
    table = pd.DataFrame({"system": ["a_b & 50%"], "mean": [float("nan")]})
    text = latex_table(table, caption="Means", label="tab:means")
    assert r"a\_b \& 50\%" in text and " -- " in text and r"\caption{Means}" in text
