"""Whether the tests notice mistakes: each is put into a copy of the repository, and the tests that guard it must fail.

The checkout is never changed. The tests pass on the unchanged copy first, so that one that is broken for another reason
proves nothing; and a mutation counts as caught only if a test ran and failed, not if it could not be run.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.rl.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parent.parent.parent
COPIED = ("annotation", "analysis", "reward_models", "rl", "tests", "manage.py", "pyproject.toml")
NEWER_S = 1000.0
# The copy and its runner are made once: all of them go to one of pytest's processes.
pytestmark = pytest.mark.xdist_group("mutations")
each_mutation = pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "-"))


@dataclass(frozen=True, slots=True)
class Workshop:
    """A copy of the tree, and the process that runs tests on it (tests/rl/mutation_runner.py)."""

    root: Path
    runner: subprocess.Popen[str]

    def run(self, tests: Sequence[str], *, keeps_bytecode: bool = False) -> dict[str, Any]:
        """The runner's answer, with the log's end in `log`."""
        assert self.runner.stdin is not None
        assert self.runner.stdout is not None
        log = self.root.parent / "log.txt"
        request = {
            "tests": [f"tests/rl/{test}" for test in tests],
            "log": str(log),
            "scratch": str(self.root.parent / "scratch"),
            "keeps_bytecode": keeps_bytecode,
        }
        self.runner.stdin.write(json.dumps(request) + "\n")
        self.runner.stdin.flush()
        line = self.runner.stdout.readline()
        assert line, "the runner has ended; its complaint is on standard error"
        answer: dict[str, Any] = json.loads(line)
        assert not answer.get("strangers"), f"not from the copy: {answer['strangers']}"
        return answer | {"log": log.read_text()[-3000:]}

    @contextlib.contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """The copy with the mistake in it. Times differ, since bytecode is told by its source's time and size."""
        path = self.root / mutation.file
        source, time = path.read_text(encoding="utf-8"), path.stat().st_mtime
        path.write_text(source.replace(mutation.snippet, mutation.replacement), encoding="utf-8")
        os.utime(path, (time + NEWER_S, time + NEWER_S))
        try:
            yield
        finally:
            path.write_text(source, encoding="utf-8")
            os.utime(path, (time, time))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    root = tmp_path_factory.mktemp("mutations") / "copy"
    copy_tree(root)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-P", str(root / "tests/rl/mutation_runner.py"), str(root)]
    with subprocess.Popen(
        command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as runner:
        yield Workshop(root, runner)
        assert runner.stdin is not None
        runner.stdin.close()
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def unchanged(workshop: Workshop) -> dict[str, Any]:
    """What all the tests together answer on the copy as it is."""
    return workshop.run(sorted({test for each in MUTATIONS for test in each.tests}), keeps_bytecode=True)


def copy_tree(root: Path) -> None:
    root.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, root / name)


@pytest.mark.slow
def test_without_a_mistake_all_of_them_pass(unchanged: dict[str, Any]) -> None:
    assert unchanged["status"] == pytest.ExitCode.OK, unchanged["log"]


@pytest.mark.slow
@each_mutation
def test_a_mistake_is_noticed(mutation: Mutation, workshop: Workshop, unchanged: dict[str, Any]) -> None:
    assert unchanged["status"] == pytest.ExitCode.OK, "see test_without_a_mistake_all_of_them_pass"
    with workshop.mutated(mutation):
        answer = workshop.run(mutation.tests)
    assert answer["status"] != pytest.ExitCode.OK, f"survived: {mutation.name} ({mutation.file})"
    assert answer["status"] == pytest.ExitCode.TESTS_FAILED, f"no test could be run: {answer}"
    assert answer["phase"] == "call", f"not the test failed but what it needs: {answer}"
    # Any other error would say that the replacement is no sound code, not that a number is wrong.
    assert answer["message"].startswith(("assert ", "AssertionError")), f"no assertion failed: {answer}"


@each_mutation
def test_what_is_mutated_stands_once_in_its_file(mutation: Mutation) -> None:
    """Where this fails the source has moved: bring the snippet in tests/rl/mutations.py up to date."""
    count = (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.snippet)
    assert count == 1, f"{mutation.file} has {mutation.snippet!r} {count} times, expected once"
