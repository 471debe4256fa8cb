"""Keeps the process' long-lived coroutines running, and tells how late their loop comes round.

Knows nothing of what they do.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf

from exporter.background import is_cancelled, until_next
from exporter.clock import Clock
from exporter.log import Log

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_STEADY = 60.0
"""Seconds after which what crashed before is forgiven."""

_HOPELESS = 6
"""Crashes in a row, three seconds with their pauses, after which nobody should count on it."""

_LAG_BUSY, _LAG_IDLE = 0.05, 1.0
"""Seconds between two looks at how late the loop is: to look costs more than an idle exporter."""

_LAG_LOOKS = 600


@dataclass(slots=True)
class _Kept:
    """A coroutine that is kept running."""

    task: asyncio.Task[None] | None = None
    crashes: int = 0
    """In a row."""
    since: float = inf
    """When it was last started, in monotonic seconds; infinity while it does not run."""


class Supervisor:
    """Starts coroutines again that end with an error: one surprise must not end the polling.

    Each crash is logged with its traceback and counted. Of a new process nobody could say whether
    it would fare better, and it would know nothing at first; where one crashes again and again,
    `healthy` tells, and the orchestrator decides.
    """

    def __init__(
        self,
        log: Log,
        count: Callable[[], object],
        clock: Clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Log crashes, and `count` them; `sleep` before each start after one."""
        self._log, self._count, self._clock, self._sleep = log, count, clock, sleep
        self._kept: dict[str, _Kept] = {}

    @property
    def healthy(self) -> bool:
        """Whether nothing crashes again and again."""
        return all(
            each.crashes < _HOPELESS or self._is_steady(each) for each in self._kept.values()
        )

    def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run until it returns; in place of what was kept under this name."""
        before = self._kept.get(name)
        if before and before.task:
            before.task.cancel()
        kept = self._kept[name] = _Kept()
        kept.task = asyncio.create_task(self._run(name, kept, run), name=name)

    async def stop(self) -> None:
        """End everything."""
        tasks = [kept.task for kept in self._kept.values() if kept.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, name: str, kept: _Kept, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            kept.since = self._clock.monotonic()
            try:
                return await run()
            except BaseException:
                # The last line of defence. Not of Exception alone: a panic in Rust is none.
                if is_cancelled():
                    raise
                pause = self._note_crash(name, kept)
            await self._sleep(pause)

    def _note_crash(self, name: str, kept: _Kept) -> float:
        """Tell of a crash; return the seconds until the next start, doubling from one to one."""
        kept.crashes = 1 if self._is_steady(kept) else kept.crashes + 1
        kept.since = inf
        pause = min(_FIRST_PAUSE * 2.0 ** (kept.crashes - 1), _LONGEST_PAUSE)
        # What tells of it may fail for the same reason.
        with contextlib.suppress(Exception):
            self._count()
            self._log.exception("worker_crashed", worker=name, next_try_seconds=pause)
        return pause

    def _is_steady(self, kept: _Kept) -> bool:
        return self._clock.monotonic() - kept.since >= _STEADY


class LoopLag:
    """How late the event loop comes round: what holds it holds polls, scrapes and probes alike."""

    def __init__(self, busy: Callable[[], bool]) -> None:
        """Look often only while the loop is `busy`."""
        self._busy = busy
        self._delays = deque([0.0], maxlen=_LAG_LOOKS)

    def seconds(self) -> float:
        """Return the longest delay of the last half minute, or of ten idle minutes."""
        return max(self._delays)

    async def watch(self) -> None:
        """Measure, until this is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            pause = _LAG_BUSY if self._busy() else until_next(_LAG_IDLE)
            due = loop.time() + pause
            await asyncio.sleep(pause)
            self._delays.append(loop.time() - due)
