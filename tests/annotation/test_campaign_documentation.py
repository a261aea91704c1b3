"""docs/campaigns.md names every key of a campaign, its items and its template, and gives the defaults of the code."""

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from annotation.campaign_files import ROW_TYPES, CampaignConfig
from annotation.task_templates import TASKS_FOLDER, Example, Question, load_template

TEXT = (Path(__file__).parent.parent.parent / "docs" / "campaigns.md").read_text(encoding="utf-8")
TASKS = sorted(path.parent.name for path in TASKS_FOLDER.glob("*/template.yaml"))


def documented(heading: str) -> dict[str, str]:
    """Default by key, in the first table below `heading`."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([\w.\[\]]+)` \| (.*?) \|", section, flags=re.MULTILINE))


def default_of(field: "dataclasses.Field[object]") -> str:
    if field.default is dataclasses.MISSING:
        return "required"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return "empty" if value == "" else f"`{yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}`"


def keys_of(schema: type) -> dict[str, str]:
    """Default by key, as the document writes them."""
    return {field.name: default_of(field) for field in dataclasses.fields(schema)}  # type: ignore[arg-type]


def test_every_setting_is_documented_with_its_default() -> None:
    assert documented("Settings") == keys_of(CampaignConfig)


def test_every_column_of_every_kind_is_documented() -> None:
    lines = TEXT.split("\n| column |")[1].split("\n\n")[0].splitlines()
    kinds = [kind.strip() for kind in lines[0].split("|") if kind.strip()]
    columns: dict[str, set[str]] = {kind: set() for kind in kinds}
    for line in lines[2:]:
        names, *cells = line.strip("|").split("|")
        for kind, cell in zip(kinds, cells, strict=True):
            columns[kind] |= set(re.findall(r"`(\w+)`", names)) if cell.strip() else set()
    assert columns == {
        kind: {field.name for field in dataclasses.fields(row_type)}  # type: ignore[arg-type]
        for kind, row_type in ROW_TYPES.items()
    }


@pytest.mark.parametrize("task", TASKS)
def test_every_template_can_be_loaded_and_teaches_by_example(task: str) -> None:
    template = load_template(task)
    assert template.examples and all(isinstance(example, Example) for example in template.examples)
    assert all(isinstance(question, Question) for question in template.questions)
    expected = {"likert": {1}, "pairwise": {2}, "ranking": set(range(2, 7)), "best_worst": set(range(3, 7))}
    assert {len(example.completions) for example in template.examples} <= expected[template.kind]
