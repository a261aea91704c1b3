"""The one exception that a user of the command line is meant to read."""


class InputError(Exception):
    """Input that cannot be used: one sentence that names the culprit and what was expected.

    Commands print the sentence and exit with code 2; nothing half-written stays behind.
    """
