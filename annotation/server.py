"""The app under gunicorn, for as long as a `with` block lasts.

The server dies with its parent, whatever kills that: it holds the reading end of a pipe (its standard input) and
leaves when the pipe closes (see `gunicorn_config.py`). So no run leaves an orphan behind.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from annotation.databases import environment_of
from annotation.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 10


@contextlib.contextmanager
def running_server(
    database: Path | str,
    port: int = 0,
    log: Path | None = None,
    workers: int = 2,
    threads: int = 2,
    application: str = "annotation.wsgi",
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Serve the app on `database` at a loopback address, which is yielded; `port` 0 takes a free one.

    The database, a SQLite file or a DATABASE_URL, must have been migrated. `environment` is laid over this process's
    own. The server's output goes to `log`
    (default: beside the SQLite file, or runs/server.log).
    """
    log = log or _default_log(database)
    with socket.socket() as listener, log.open("ab") as output:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(f"port {port} of 127.0.0.1 cannot be used ({error.strerror}); choose another.") from None
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "gunicorn", application, "--config", "python:annotation.gunicorn_config"]
        command += ["--bind", f"fd://{listener.fileno()}", "--worker-class", "gthread"]
        command += [
            "--workers",
            str(workers),
            "--threads",
            str(threads),
            "--keep-alive",
            "30",
            "--log-level",
            "warning",
        ]
        process = _start(
            command, listener.fileno(), environment_of(database) | dict(environment or {}), output.fileno()
        )
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        _stop(process)


def _default_log(database: Path | str) -> Path:
    if isinstance(database, Path):
        return database.with_name(database.name + ".server.log")
    log = ROOT / "runs" / "server.log"
    log.parent.mkdir(exist_ok=True)
    return log


def _start(
    command: list[str], socket_number: int, variables: Mapping[str, str], output: int
) -> subprocess.Popen[bytes]:
    environment = os.environ | variables | {"DJANGO_SETTINGS_MODULE": "annotation.settings"}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        pass_fds=[socket_number],
        start_new_session=True,  # Ctrl-C reaches this process first, which then stops the server in order
    )


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=5).close()
            return
        except OSError:  # not up yet
            time.sleep(0.05)
    raise InputError(f"the server did not start; {log} tells why.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finally:
        assert process.stdin is not None, "opened as a pipe"
        process.stdin.close()
