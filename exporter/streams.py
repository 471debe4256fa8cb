"""Standard streams that may be closed, full or gone, which must not change what a command does."""

import contextlib
import io
import os
import sys
from typing import Self, TextIO

_STANDARD = (0, 1, 2)


def standard_streams() -> tuple[TextIO, TextIO]:
    """Return standard output and standard error, on /dev/null where they are closed.

    Otherwise a socket would get their number, and what is written to them. Both are UTF-8 whatever
    the locale, as expositions, YAML and JSON are; what has no UTF-8 is written as its escape.
    """
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    out = sys.stdout if sys.stdout is not None else os.fdopen(1, "w")
    err = sys.stderr if sys.stderr is not None else os.fdopen(2, "w")
    for stream in (out, err):
        if isinstance(stream, io.TextIOWrapper):  # Whatever else was put there says how it writes.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    return out, err


class delivered:  # noqa: N801 -- reads as what holds after the block
    """Whether everything was written to standard output; says so on standard error where not.

    OSError leaves the block only from there: sockets and files are handled where they are used.
    """

    def __init__(self, out: TextIO, err: TextIO) -> None:
        """Take the streams."""
        self._out, self._err = out, err
        self.failed = False

    def __enter__(self) -> Self:
        """Begin to write."""
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        """Write what is held back; swallow a failure to write, after saying so."""
        mine = error if isinstance(error, OSError) else None
        lost = mine or _flush(self._out)
        if lost is not None:
            self.failed = True
            with contextlib.suppress(OSError, ValueError):
                self._err.write(f"cannot write the output: {lost.strerror}\n")
        _flush(self._out)
        _flush(self._err)
        return mine is not None


def _flush(stream: TextIO) -> OSError | None:
    """Write what is held back.

    Where that fails the stream is put on /dev/null: the interpreter's own last try would change the
    exit code.
    """
    try:
        stream.flush()
    except OSError as error:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        return error
    return None
