"""Who may import whom, held by reading every module's imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("annotation", "analysis", "reward_models", "rl")
SHARED = {
    "annotation.records", "annotation.record_readers", "annotation.near_duplicates", "annotation.rankings",
    "annotation.ranked_pairs",
    "annotation.errors", "annotation.configuration", "annotation.run_folders", "annotation.text_files",
    "annotation.wording",
}  # fmt: skip
# How any model is trained; they know nothing of RL, and reward models are trained so too.
TRAINING = {"rl.fitting", "rl.logbook", "rl.processes", "rl.trackers"}
STANDARD_ENOUGH = {"yaml", "pyarrow", "tqdm"}  # beside the standard library, in the shared modules
JUDGE = "rl.tasks.commongen_mini.judge"
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    """Dotted names of all that `path` imports, wherever in the file it does."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; expected absolute ones"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def top_levels(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def is_shared(name: str) -> bool:
    return any(name == shared or name.startswith(f"{shared}.") for shared in SHARED)


def is_composition(path: Path) -> bool:
    return "management" in path.relative_to(ROOT).parts


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_package_may(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    if is_composition(path):
        return
    names = {name for name in imported_modules(path) if not is_shared(name) and name != "annotation"}
    if package == "reward_models":
        names = {name for name in names if not any(name == known or name.startswith(f"{known}.") for known in TRAINING)}
        names -= {"rl"}
    others = top_levels(names) & set(PACKAGES) - {package}
    allowed = {"analysis"} if package == "annotation" else set()
    assert others <= allowed, f"{path} imports {sorted(others - allowed)}"
    if package != "annotation":
        assert "django" not in top_levels(names), f"{path} imports Django"
    else:
        assert not {"torch", "transformers"} & top_levels(names), f"{path} imports torch: web processes load it"


@pytest.mark.parametrize("module", sorted(SHARED))
def test_a_shared_module_needs_next_to_nothing(module: str) -> None:
    import sys

    names = imported_modules(ROOT / (module.replace(".", "/") + ".py"))
    outside = {name for name in top_levels(names) if name not in sys.stdlib_module_names} - {"annotation"}
    assert outside <= STANDARD_ENOUGH
    assert all(is_shared(name) for name in names if name.startswith("annotation."))


@pytest.mark.parametrize("module", sorted(TRAINING))
def test_what_reward_models_share_with_rl_knows_nothing_of_either(module: str) -> None:
    names = {name for name in imported_modules(ROOT / (module.replace(".", "/") + ".py")) if not is_shared(name)}
    own = {name for name in names if name.partition(".")[0] in PACKAGES and name != "annotation"}
    assert all(any(name == known or name.startswith(f"{known}.") for known in TRAINING) for name in own)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_management_knows_the_gold_judge(path: Path) -> None:
    if not is_composition(path):
        assert JUDGE not in imported_modules(path)


def test_the_rules_see_a_forbidden_import(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(f"def late():\n    import django.db\n    from {JUDGE} import load_judge\n")
    assert {"django.db", JUDGE} <= imported_modules(module)
