"""Text files that appear whole or not at all, and the lines of JSON lines.

Every package may import this module, so it needs nothing but the standard library.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from annotation.errors import InputError


def expect_new_file(output: Path) -> None:
    """InputError if `output` exists: to be asked before the work whose result goes there."""
    if output.exists():
        raise InputError(f"{output} exists already; name another --output or remove it first.")


def partial_path(output: Path) -> Path:
    """Where a file or a run's folder that will be `output` lies until it is whole."""
    return output.with_name(output.name + ".partial")


@contextlib.contextmanager
def write_whole(output: Path, newline: str | None = None) -> Iterator[TextIO]:
    """The stream to write to; the file appears when the block ends without an exception, and else there is none.

    InputError if `output` exists or its folder cannot be made.
    """
    expect_new_file(output)
    partial = partial_path(output)
    try:
        make_folder(output.parent)
        with partial.open("w", encoding="utf-8", newline=newline) as stream:
            yield stream
        partial.rename(output)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def make_folder(folder: Path) -> None:
    """InputError, not OSError, where no folder can be: below a file, or where this user may not write."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made ({error.strerror}); expected a folder to write to.") from None


def read_lines(path: Path) -> list[str]:
    """The lines of `path`. Only line ends part them: JSON texts may hold others that `str.splitlines` would split at,
    such as U+2028."""
    with path.open(encoding="utf-8-sig") as stream:
        return [line.removesuffix("\n") for line in stream]
