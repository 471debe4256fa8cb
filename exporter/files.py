"""Reads files that others write, perhaps this very moment: bounded in size and in time."""

import errno
import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

PATIENCE_SECONDS = 5.0
"""For what comes through a pipe, as from a shell's `<(…)`: nobody may ever write to it."""

_CHUNK = 64 * 1024

_SETTLED_SECONDS = 2.0
"""How long a file has not been written to when it is taken for whole."""

_OLD_SECONDS = 60.0
"""What was last written to so long ago is whole at first sight: no two clocks differ that much."""

_READINGS = 5

Made = TypeVar("Made")


def read_whole(path: Path, largest: int, patience: float = PATIENCE_SECONDS) -> bytes:
    """Return a file's content.

    Raises OSError, also where it is larger than `largest` bytes or has no end within `patience`
    seconds.
    """
    end, ready, whole = time.monotonic() + patience, select.poll(), bytearray()
    # Path.open takes no opener; one that is given a descriptor leaves it open where it is a folder.
    with open(path, "rb", buffering=0, opener=_without_waiting) as file:
        ready.register(file, select.POLLIN)
        while len(whole) <= largest:
            if not ready.poll(max(end - time.monotonic(), 0.0) * 1000):
                raise TimeoutError(errno.ETIMEDOUT, f"it did not end within {patience:g} s")
            part = file.read(_CHUNK)
            if not part:
                return bytes(whole)
            whole += part
    raise OSError(errno.EFBIG, f"larger than {largest // 1024} KiB")


def _without_waiting(path: str, flags: int) -> int:
    """Open a file: a pipe would keep who opens it until somebody else opens it too."""
    return os.open(path, flags | os.O_NONBLOCK)


class Files:
    """Reads files, and notices when one of them is written to, or is another one."""

    def __init__(self, largest: int) -> None:
        """Take how many bytes each may have."""
        self._largest = largest
        self._seen: dict[Path, _Version] = {}

    def __call__(self, path: Path) -> bytes:
        """Return a file's content; raises OSError."""
        # Before it is read: what is written to it from now on shows.
        self._seen[path] = _version(path)
        if path.is_fifo():
            raise OSError(errno.EINVAL, "not a file: what comes through a pipe is there once")
        return read_whole(path, self._largest)

    def changed(self) -> bool:
        """Return whether any of them is another one than it was, or was written to."""
        return any(_version(path) != seen for path, seen in self._seen.items())

    def last_written(self) -> float:
        """Return when the newest of them was last written to, in Unix seconds."""
        return (
            max((max(seen.written, seen.changed) for seen in self._seen.values()), default=0) / 1e9
        )


class _Version(NamedTuple):
    """What is another one after each writing, in bytes and nanoseconds; 0 where there is no file.

    No inode: some file systems in user space give a file another one as time goes by.
    """

    place: str = ""
    """Where links lead: files that were made together may have the same size and times."""
    size: int = 0
    written: int = 0
    changed: int = 0
    """This time cannot be set by who writes."""


def _version(path: Path) -> _Version:
    try:
        place = os.path.realpath(path, strict=True)
        found = path.stat()
    except OSError:
        return _Version()
    return _Version(place, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def settled(
    make: Callable[[Files], Made],
    largest: int,
    now: Callable[[], float] = time.time,
    wait: Callable[[float], object] = time.sleep,
) -> tuple[Made, Files]:
    """Return what is made of files, and those, once nobody has written to them for a while.

    Half a file may well be one, with half of what it is to say. `now` gives Unix seconds. Raises
    OSError where somebody writes to them for too long.
    """
    for _ in range(_READINGS):
        files = Files(largest)
        made = make(files)
        if now() - files.last_written() < _OLD_SECONDS:
            wait(_SETTLED_SECONDS)
        # However old: somebody may have begun to write once its date had been looked at.
        if not files.changed():
            return made, files
    seconds = _READINGS * _SETTLED_SECONDS
    raise TimeoutError(errno.ETIMEDOUT, f"it was written to for {seconds:g} s on end")
