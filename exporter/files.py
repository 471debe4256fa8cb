"""Reads files that others write, perhaps this very moment: bounded in size and in time."""

import contextlib
import errno
import hashlib
import os
import select
import stat
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
    # Without O_NONBLOCK, a pipe would keep who opens it until somebody else opens it too.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    end, ready, whole = time.monotonic() + patience, select.poll(), bytearray()
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 -- raises for a directory
        ready.register(file, select.POLLIN)
        while len(whole) <= largest:
            if not ready.poll(max(end - time.monotonic(), 0.0) * 1000):
                raise TimeoutError(errno.ETIMEDOUT, f"it did not end within {patience:g} s")
            part = file.read(_CHUNK)
            if not part:
                return bytes(whole)
            whole += part
    raise OSError(errno.EFBIG, f"larger than {largest // 1024} KiB")


class _Seen(NamedTuple):
    """A file as it was found; `written` changes each time that somebody writes to it."""

    digest: bytes = b""
    """Of its content; empty where that cannot be read."""
    written: tuple[int, ...] = ()
    at: float = 0.0
    """When it was last written to, in Unix seconds by the clock of where it lies."""


class Files:
    """Reads files, and notices when one of them would read otherwise, or is written to."""

    def __init__(self, largest: int) -> None:
        """Take how many bytes each may have."""
        self._largest = largest
        self._seen: dict[Path, _Seen] = {}

    def __call__(self, path: Path) -> bytes:
        """Return a file's content; raises OSError."""
        self._seen[path] = _Seen()
        # Before it is read: what is written to it from now on shows.
        self._seen[path] = found = _found(path)
        content = read_whole(path, self._largest)
        self._seen[path] = found._replace(digest=hashlib.sha256(content).digest())
        return content

    def changed(self) -> bool:
        """Return whether any of them has another content than when it was read."""
        return any(self._now(path).digest != seen.digest for path, seen in self._seen.items())

    def written(self) -> bool:
        """Return whether anybody has written to any of them since it was read."""
        return any(self._now(path) != seen for path, seen in self._seen.items())

    def last_written(self) -> float:
        """Return when the newest of them was last written to, in Unix seconds."""
        return max((seen.at for seen in self._seen.values()), default=0.0)

    def _now(self, path: Path) -> _Seen:
        again = Files(self._largest)
        with contextlib.suppress(OSError):
            again(path)
        return again._seen[path]


def _found(path: Path) -> _Seen:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a file: what comes through a pipe is there once")
    # The second of the two times cannot be set by who writes.
    times = found.st_mtime_ns, found.st_ctime_ns
    written = (found.st_dev, found.st_ino, found.st_size, *times)
    return _Seen(written=written, at=max(times) / 1e9)


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
        if now() - files.last_written() >= _OLD_SECONDS:
            return made, files
        wait(_SETTLED_SECONDS)
        if not files.written():
            return made, files
    seconds = _READINGS * _SETTLED_SECONDS
    raise TimeoutError(errno.ETIMEDOUT, f"it was written to for {seconds:g} s on end")
