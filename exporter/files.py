"""Reads files that others write, perhaps this very moment: bounded in size and in time."""

import errno
import os
import select
import time
from pathlib import Path

PATIENCE_SECONDS = 5.0
"""For what comes through a pipe, as from a shell's `<(…)`: nobody may ever write to it."""

_CHUNK = 64 * 1024


def read_whole(path: Path, largest: int, patience: float = PATIENCE_SECONDS) -> bytes:
    """Give a file's content.

    Raises OSError, also where it is larger than `largest` bytes or has no end within `patience`
    seconds.
    """
    # Without O_NONBLOCK, a pipe would keep who opens it until somebody else opens it too.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 -- raises for a directory
        return _read(file.fileno(), largest, patience)


def _read(descriptor: int, largest: int, patience: float) -> bytes:
    end = time.monotonic() + patience
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    whole = bytearray()
    while len(whole) <= largest:
        if not ready.poll(max(end - time.monotonic(), 0.0) * 1000):
            raise TimeoutError(errno.ETIMEDOUT, f"it did not end within {patience:g} s")
        part = os.read(descriptor, _CHUNK)
        if not part:
            return bytes(whole)
        whole += part
    raise OSError(errno.EFBIG, f"larger than {largest // 1024} KiB")
