"""What waits elsewhere: work on threads that hold up no exit, and tasks that several wait for."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

T = TypeVar("T")

TURN = 0.01
"""Seconds of work after which the others of the loop have their turn."""


async def in_daemon(work: Callable[[], T]) -> T:
    """Return what some work returns, done on a thread of its own.

    Not on an executor's: those are joined when the interpreter ends, and work that hangs, such as
    looking up a name, would hold it. Whoever is cancelled leaves the thread to itself.
    """
    ended: Future[T] = Future()
    ended.set_running_or_notify_cancel()

    def run() -> None:
        try:
            ended.set_result(work())
        except BaseException as error:  # noqa: BLE001 -- raised again where it is waited for
            ended.set_exception(error)

    threading.Thread(target=run, name="in-daemon", daemon=True).start()
    return await asyncio.wrap_future(ended)


def until_next(seconds: float) -> float:
    """Return the time until the loop's clock is a multiple of so many seconds.

    Whoever looks at something again and again waits so long: an idle process, which pays for each
    time that it wakes up, does so once for all of them.
    """
    return seconds - asyncio.get_running_loop().time() % seconds


class Turn:
    """Keeps long work in the loop from holding up others."""

    def __init__(self, seconds: float = TURN) -> None:
        """Let the others have their turn after so many seconds of work."""
        self._seconds, self._ends = seconds, time.monotonic() + seconds

    async def pause(self) -> None:
        """Let others have their turn, where this one has been long."""
        if time.monotonic() >= self._ends:
            await asyncio.sleep(0)
            self._ends = time.monotonic() + self._seconds


def is_cancelled() -> bool:
    """Return whether the present task is to end, rather than what it waited for has ended."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Shared(Generic[T]):
    """A coroutine that is run once at a time, for all who wait for what it returns."""

    def __init__(self, run: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Take what makes the coroutine; nothing runs yet."""
        self._run = run
        self._task: asyncio.Task[T] | None = None

    def start(self) -> asyncio.Task[T]:
        """Begin, unless it is under way; return the task."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
            # Nobody may be left to wait for it: its error is not to be complained of.
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._task

    async def result(self) -> T:
        """Return what it returns; whoever is cancelled meanwhile leaves it to the others."""
        return await asyncio.shield(self.start())

    def cancel(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
