"""The exporter's commands in this process: all of one but its signals, descriptors and end.

To start one as a process costs a second of processor time: that is for what only a process shows.
"""

import asyncio
import contextlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from unittest.mock import patch

from exporter.commands import Process, main
from tests.processes import PATIENCE, Scraped, environment


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def command(variables: Mapping[str, str], *words: str, stopped: bool = False) -> Done:
    """Run a command of the exporter to its end; or have it stopped once it runs its loop."""
    (done,) = commands(variables, words, stopped=stopped)
    return done


def commands(
    variables: Mapping[str, str], *each: Sequence[str], stopped: bool = False
) -> list[Done]:
    """Run commands of the exporter to their ends, at once: they wait more than they work.

    What is written past the streams that they are given is on each one's standard error.
    """
    past = io.StringIO()

    def run(words: Sequence[str]) -> Done:
        out, err = io.StringIO(), io.StringIO()
        process = Process(environment(variables), out, err)
        if stopped:
            process = replace(process, handle_stop=lambda stop: stop())
        code = main(words, process)
        return Done(code, out.getvalue(), err.getvalue())

    with _only(variables, past, past), ThreadPoolExecutor(len(each)) as pool:
        ended = list(pool.map(run, each))
    return [replace(done, stderr=done.stderr + past.getvalue()) for done in ended]


@dataclass
class Served(Scraped):
    """An exporter that serves from a thread."""

    future: "Future[int]"
    stream: io.StringIO
    _signals: list[tuple[asyncio.AbstractEventLoop, Callable[[], object]]] = field(
        default_factory=list
    )
    """What stops, and what reloads, once it runs its loop."""

    @property
    def log(self) -> str:
        """Everything logged so far."""
        return self.stream.getvalue()

    def has_ended(self) -> bool:
        """Return whether it has ended."""
        return self.future.done()

    def hang_up(self) -> None:
        """Have it reload, as SIGHUP does."""
        _, (loop, reload) = self._signals
        loop.call_soon_threadsafe(reload)

    def stop(self) -> int:
        """Stop it, as SIGTERM does, and wait for the end; return the exit code."""
        if not self.has_ended():
            loop, stop = self._signals[0]
            with contextlib.suppress(RuntimeError):  # It has ended meanwhile.
                loop.call_soon_threadsafe(stop)
        return self.future.result(PATIENCE)


@contextlib.contextmanager
def running(variables: Mapping[str, str], flags: Sequence[str] = ()) -> Iterator[Served]:
    """Run the exporter until the block ends.

    Where several run at once, they have the AWS of the last.
    """
    out, err = io.StringIO(), io.StringIO()
    signals: list[tuple[asyncio.AbstractEventLoop, Callable[[], object]]] = []

    def handle(called: Callable[[], object] | None) -> None:
        if called is not None:
            signals.append((asyncio.get_running_loop(), called))

    process = Process(environment(variables), out, err, handle_hangup=handle, handle_stop=handle)
    words = ("serve", "--web.listen-address=127.0.0.1:0", *flags)
    with _only(variables, out, err), ThreadPoolExecutor(1) as pool:
        served = Served(pool.submit(main, words, process), err, signals)
        try:
            assert served.port
            yield served
        finally:
            served.stop()


@contextlib.contextmanager
def _only(variables: Mapping[str, str], out: io.StringIO, err: io.StringIO) -> Iterator[None]:
    """Have a process's environment until the block ends: botocore reads it for itself.

    Its streams too: whoever writes past those that a command is given.
    """
    with (
        patch.dict(os.environ, environment(variables), clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        yield
