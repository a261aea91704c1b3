"""Where a study works, the demo among them: its folder, its stages' results, and the real commands that it runs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from annotation.databases import environment_of
from annotation.errors import InputError
from annotation.run_folders import plain, write_json
from rl.management.demo.experiment import ROOT, Experiment, Study

# One a process: a second thread gains small models nothing, and with another number sums differ in their last bits.
THREADS = 1
# How many commands run at once.
CORES = 2
POLL_S = 0.1

Result = dict[str, Any]
Command = Sequence[str | Path]
Decided = TypeVar("Decided", bound=Study, covariant=True)
Given = TypeVar("Given", bound=Study)


@dataclass(frozen=True, slots=True)
class Workplace(Generic[Decided]):
    """A study's folder, and what it decided. Each stage writes its numbers to `results/STAGE.json`, last."""

    folder: Path
    experiment: Decided
    say: Callable[[str], None]

    @property
    def database(self) -> Path:
        return self.folder / "annotation.sqlite3"

    def result_file(self, stage: str) -> Path:
        return self.folder / "results" / f"{stage}.json"

    def result(self, stage: str) -> Result:
        """The numbers of a finished stage."""
        content: Result = json.loads(self.result_file(stage).read_text(encoding="utf-8"))
        return content

    def numbers(self, stage: str) -> Result:
        """What a finished stage found: its result without its time and the line that was shown."""
        return {key: value for key, value in self.result(stage).items() if key not in ("seconds", "line")}

    def run_stage(self, stage: str, title: str, work: Callable[["Workplace[Decided]"], Result]) -> None:
        """Do a stage, or skip it if its result is there: so an interrupted study goes on where it stopped."""
        if self.result_file(stage).exists():
            self.say(f"✓ {title} (done before)")
            return
        self.say(f"▸ {title}")
        started = time.monotonic()
        numbers = work(self)
        seconds = round(time.monotonic() - started, 1)
        self.result_file(stage).parent.mkdir(parents=True, exist_ok=True)
        partial = self.result_file(stage).with_suffix(".partial")
        write_json(partial, numbers | {"seconds": seconds})
        partial.rename(self.result_file(stage))
        self.say(f"  {numbers.get('line', 'done')}  [{seconds:.0f} s]")

    def run(self, *command: str | Path) -> None:
        """Run one `manage.py` command, its progress bar on the screen."""
        self.run_together(command)

    def run_together(self, *commands: Command) -> None:
        """Run commands in their order, two at once, one core each; if one fails, end the others."""
        waiting, running = list(commands), dict[int, tuple[Command, subprocess.Popen[bytes]]]()
        try:
            while waiting or running:
                for place in set(range(CORES)) - set(running):
                    if waiting:
                        command = waiting.pop(0)
                        running[place] = command, self._start(command, {"TQDM_POSITION": str(place)})
                time.sleep(POLL_S)
                running = {place: row for place, row in running.items() if not _has_succeeded(*row)}
        finally:
            for _, process in running.values():
                if process.poll() is None:
                    process.terminate()
                    process.wait()

    def succeeds(self, *command: str | Path) -> bool:
        """Whether a command that only asks answers with success."""
        return subprocess.run(self._words(command), env=self._variables({}), capture_output=True).returncode == 0

    def _start(self, command: Command, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        self.say("  $ python manage.py " + " ".join(map(str, command)))
        return subprocess.Popen(self._words(command), env=self._variables(environment), stdout=subprocess.DEVNULL)

    def _words(self, command: Command) -> list[str]:
        return [sys.executable, "-W", "ignore", str(ROOT / "manage.py"), *map(str, command)]

    def _variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        variables = dict(os.environ)
        if not sys.stderr.isatty():
            variables.setdefault("TQDM_MININTERVAL", "10")  # a bar that is redrawn fills a log
        own = environment_of(self.database) | {"OMP_NUM_THREADS": str(THREADS)}
        return variables | own | dict(environment)


Workshop = Workplace[Experiment]  # the demo's


def _has_succeeded(command: Command, process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended, well; InputError if it has failed."""
    if process.poll() not in (None, 0):
        raise InputError(f"stopped: `manage.py {command[0]}` failed (its message is above).")
    return process.returncode == 0


def open_workshop(folder: Path, experiment: Given, say: Callable[[str], None], kind: str = "demo") -> Workplace[Given]:
    """A new workplace, or the one in `folder` if it decided the same; InputError if it did not.

    kind: what an error calls the study.
    """
    record = folder / "experiment.json"
    # Through JSON, so that what was written and what is at hand have the same form.
    wanted = json.loads(json.dumps(plain(experiment)))
    if record.exists():
        if json.loads(record.read_text(encoding="utf-8")) != wanted:
            raise InputError(f"{folder} holds a {kind} with other settings; name another --output or remove it first.")
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} exists and is not a {kind}'s; name another --output or remove it first.")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(record, wanted)
    return Workplace(folder, experiment, say)


def expect_new(folder: Path, *, resume: bool) -> None:
    """InputError if a bench has begun in `folder`, or something else is there, and it is not to go on."""
    if not resume and folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; pass --resume to go on with a bench, or name another --output.")
