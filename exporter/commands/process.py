"""The process as others see it: its signals, and streams that may be closed, full or gone."""

import asyncio
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import TextIO


def standard_streams() -> tuple[TextIO, TextIO]:
    """Return standard output and standard error, on /dev/null where they are closed.

    Otherwise a socket would get their number, and what is written to them. Both are UTF-8 whatever
    the locale, as expositions, YAML and JSON are; what has no UTF-8 is written as its escape.
    """
    for number in (0, 1, 2):
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


def delivered(work: Callable[[], int], out: TextIO, err: TextIO) -> int | None:
    """Return what some work returns; None where not all of its output could be written.

    That is said on standard error. OSError leaves the work only from there: sockets and files are
    handled where they are used.
    """
    code: int | None
    try:
        code = work()
        out.flush()
    except OSError as error:
        code = None
        with contextlib.suppress(OSError, ValueError):
            err.write(f"cannot write the output: {error.strerror}\n")
    for stream in (out, err):
        _let_go(stream)
    return code


def _let_go(stream: TextIO) -> None:
    """Put a stream that cannot be written to on /dev/null.

    The interpreter's own last try would change the exit code.
    """
    try:
        stream.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def handle_stop(stop: Callable[[], object], end: Callable[[int], object] = os._exit) -> None:
    """Have SIGTERM and SIGINT call `stop` in the running loop; a second one ends the process."""
    asked = False

    def on_stop(number: int) -> None:
        nonlocal asked
        if asked:
            end(128 + number)
        asked = True
        stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop, number)


def handle_hangup(reload: Callable[[], object] | None = None) -> None:
    """Have SIGHUP, which was held back until now, reload; without that it does as it did before.

    That is to end the process, whose terminal is gone: or nothing, as under nohup.
    """
    if reload is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
