"""Gunicorn's hooks, for `server.py`."""

import os
import signal
import sys
import threading
from typing import Any


def on_starting(server: Any) -> None:
    """Leave when standard input, a pipe that the parent holds open, comes to its end."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def post_fork(server: Any, worker: Any) -> None:
    """Let threads take turns often: a short transaction must not wait 5 ms after each statement for a page's turn."""
    sys.setswitchinterval(0.0005)


def _leave_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
