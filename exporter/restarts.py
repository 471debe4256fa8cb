"""Begins anew what must not end: a part of the exporter that an error which nobody caught ended.

Knows nothing of what the parts do.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_TOO_MANY = 6
"""Crashes in a row, three seconds with their pauses, after which there is little hope."""


class Log(Protocol):
    """Where events go."""

    def exception(self, event: str, **fields: object) -> object:
        """Log an error that should not happen, with its traceback."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Where crashes are told and counted, and what threads are made of."""

    log: Log
    restarted: Callable[[], object]
    thread: Callable[..., threading.Thread] = threading.Thread


class _Nobody:
    def exception(self, event: str, **fields: object) -> None:
        pass


UNTOLD = Upkeep(_Nobody(), lambda: None)
"""For who keeps neither a log nor metrics."""


class Restarts:
    """Keeps one kind of part running, on however many threads.

    In the same thread: where memory or threads have run out, no other could be had.
    """

    def __init__(self, part: str, upkeep: Upkeep, wait: Callable[[float], object]) -> None:
        """Let `wait` seconds pass before each restart; it ends early where the process stops."""
        self._part, self._upkeep, self._wait = part, upkeep, wait
        self._lock = threading.Lock()
        self._in_a_row = 0

    def keep(self, run: Callable[[], None]) -> None:
        """Run until it returns; again whenever it raises."""
        while True:
            try:
                run()
            except BaseException:  # SystemExit too would end nothing but this thread.
                pause = self._next_pause()
                # Telling must not fail: memory may be what there is too little of.
                with contextlib.suppress(BaseException):
                    self._upkeep.restarted()
                    self._upkeep.log.exception(
                        "worker_crashed", worker=self._part, next_try_seconds=pause
                    )
            else:
                return
            self._wait(pause)

    def worked(self) -> None:
        """Note that the part did what it is for: what crashed before is forgiven."""
        if self._in_a_row:
            self._in_a_row = 0

    @property
    def hopeless(self) -> bool:
        """Whether the part crashes every time, without ever doing what it is for."""
        return self._in_a_row >= _TOO_MANY

    def _next_pause(self) -> float:
        """Note a crash; give the seconds until the restart, doubling from crash to crash."""
        with self._lock:
            self._in_a_row += 1
            return min(_FIRST_PAUSE * 2.0 ** (self._in_a_row - 1), _LONGEST_PAUSE)
