"""The one exception that a user of the command line is meant to read."""

from collections.abc import Mapping
from typing import Any


class InputError(Exception):
    """Input that cannot be used: one sentence that names the culprit and what was expected.

    Commands print the sentence and exit with code 2; nothing half-written stays behind.
    """


class CheckFailedError(InputError):
    """Input that was asked to be checked and did not pass: `result` holds what the check counted, and is printed."""

    def __init__(self, message: str, result: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.result = result
