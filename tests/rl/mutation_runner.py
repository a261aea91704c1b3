"""A process that imports the large libraries once and then forks: each child runs some tests on a copy of the tree.

python -P tests/rl/mutation_runner.py ROOT, with one JSON request a line on standard input and one JSON answer a line on
standard output (see `tests.rl.test_mutations`). Nothing of this repository is imported before a fork, so that every
child reads its modules from ROOT as it finds it then. ROOT may change between two requests.
"""

import gc
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

OURS = ("annotation", "analysis", "reward_models", "rl", "tests")
LIBRARIES = (
    "django.core.management",
    "hypothesis.extra.numpy",
    "torch._dynamo",  # imported by the first optimiser otherwise
    "torch.utils.tensorboard",
    "transformers.models.auto.modeling_auto",
    "transformers.models.bart.modeling_bart",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.llama.modeling_llama",
    "transformers.models.t5.modeling_t5",
)


class FirstFailure:
    """A pytest plugin that remembers which test failed first, in which phase and with what."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.seen:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = str(report.longrepr) if crash is None else crash.message
            self.seen = {"test": report.nodeid, "phase": report.when or "", "message": message.splitlines()[0]}


def run_tests(root: Path, tests: list[str], scratch: Path) -> dict[str, Any]:
    """Pytest's exit status on the tree at `root`, its first failure, and where modules of ours came from instead."""
    os.chdir(root)
    sys.path.insert(0, str(root))
    failure = FirstFailure()
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={scratch}"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # plugins were imported before the fork
    status = pytest.main([*tests, *options], plugins=[failure])
    return {"status": int(status), "strangers": find_strangers(root), **failure.seen}


def find_strangers(root: Path) -> list[str]:
    """Loaded modules of our packages that lie outside `root`; there must be none."""
    loaded = [(name, getattr(module, "__file__", None)) for name, module in list(sys.modules.items())]
    return [
        name
        for name, file in loaded
        if name.partition(".")[0] in OURS and file and not Path(file).resolve().is_relative_to(root)
    ]


def answer_from_fork(root: Path, request: dict[str, Any]) -> dict[str, Any]:
    """The answer of a fork that leaves nothing else behind but its log; status -1 if it ended without one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with Path(request["log"]).open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            sys.dont_write_bytecode = not request["keeps_bytecode"]
            answer = run_tests(root, request["tests"], Path(request["scratch"]))
            sys.stdout.flush()
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return json.loads(text) if text else {"status": -1, "message": f"no answer; the child's wait status is {status}"}


def main() -> None:
    root = Path(sys.argv[1]).resolve()
    for library in LIBRARIES:
        importlib.import_module(library)
    importlib.import_module("torch").set_num_threads(1)
    gc.freeze()  # so that a child's collector does not copy what the libraries left
    for line in sys.stdin:
        print(json.dumps(answer_from_fork(root, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
