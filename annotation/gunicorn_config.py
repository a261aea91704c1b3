"""Gunicorn's hooks, for `server.py`."""

import os
import signal
import sys
import threading
from typing import Any

from annotation import shared_counters

# Made here, before the server forks its processes, so that all of them count in the same place.
COUNTERS = shared_counters.COUNTERS

# Addresses are shorter than this, and so is a cookie with a session.
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190


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
