"""What the documentation promises about files and commands is there."""

from pathlib import Path

import pytest
from django.core.management import get_commands

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
