"""Keeps the process' long-lived coroutines running. Knows nothing of what they do."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from exporter.log import Log

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_STEADY = 60.0
"""Seconds after which what crashed before is forgiven."""

_HOPELESS = 3
"""Crashes in a row after which nobody should count on it any more."""


class Supervisor:
    """Starts coroutines again that end with an error: one surprise must not end the polling.

    Each crash is logged with its traceback and counted. Of a new process nobody could say whether
    it would fare better, and it would know nothing at first; where one crashes again and again,
    `healthy` tells, and the orchestrator decides.
    """

    def __init__(self, log: Log, count: Callable[[], object]) -> None:
        """Log crashes, and `count` them."""
        self._log, self._count = log, count
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._crashes: dict[str, int] = {}

    @property
    def healthy(self) -> bool:
        """Whether nothing crashes again and again."""
        return all(crashes < _HOPELESS for crashes in self._crashes.values())

    def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run until it returns; in place of what was kept under this name."""
        if name in self._tasks:
            self._tasks[name].cancel()
        self._crashes[name] = 0
        self._tasks[name] = asyncio.create_task(self._run(name, run), name=name)

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            started = time.monotonic()
            try:
                return await run()
            except Exception:  # noqa: BLE001 -- the last line of defence
                steady = time.monotonic() - started >= _STEADY
                self._crashes[name] = 1 if steady else self._crashes[name] + 1
                pause = min(_FIRST_PAUSE * 2.0 ** (self._crashes[name] - 1), _LONGEST_PAUSE)
                self._count()
                self._log.exception("worker_crashed", worker=name, next_try_seconds=pause)
            await asyncio.sleep(pause)
