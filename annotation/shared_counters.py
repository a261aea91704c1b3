"""Counters in memory that the processes of one server share.

They are kept in a file without a name, mapped into memory. A process that forks others after importing this module (see
`gunicorn_config.py`) shares it with them; nothing is left when the last one ends.
"""

import fcntl
import hashlib
import mmap
import os
import struct
import tempfile
import threading
import time
from dataclasses import dataclass

ROWS, CELLS = 2, 1 << 15
CELL = struct.Struct("<II")  # end of the window in seconds since 1970, and the count


@dataclass(frozen=True, slots=True)
class Count:
    """What a key has come to in its window, which ends in `seconds_left`."""

    count: int
    seconds_left: int


class SharedCounters:
    """Counts by key, in windows that begin with a key's first count.

    A count-min sketch (Cormode and Muthukrishnan 2005): the memory is the same for any number of keys. Keys that share
    a cell in every row are counted together, so that a count may be too high, never too low; which keys do is different
    at every start.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the process lives
        self._file.truncate(ROWS * CELLS * CELL.size)
        self._memory = mmap.mmap(self._file.fileno(), 0)
        self._salt = os.urandom(16)
        self._lock = threading.Lock()  # the lock on the file is between processes, not between threads

    def count(self, key: str, window_s: int, *, add: int = 1, now: float | None = None) -> Count:
        """The count of `key` after adding to it; `add=0` only reads."""
        now = time.time() if now is None else now
        with self._lock:
            # Unlike a semaphore in shared memory, this lock is released by the death of a process that holds it.
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                counts = [self._count_in(offset, window_s, add, now) for offset in self._offsets(key)]
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
        return min(counts, key=lambda each: each.count)

    def _offsets(self, key: str) -> list[int]:
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=4 * ROWS).digest()
        cells = struct.unpack(f"<{ROWS}I", digest)
        return [(row * CELLS + cell % CELLS) * CELL.size for row, cell in enumerate(cells)]

    def _count_in(self, offset: int, window_s: int, add: int, now: float) -> Count:
        end, count = CELL.unpack_from(self._memory, offset)
        if end <= now:
            end, count = int(now) + window_s, 0
        count = min(count + add, 2**32 - 1)
        CELL.pack_into(self._memory, offset, end, count)
        return Count(count, max(1, int(end - now) + 1))


COUNTERS = SharedCounters()
