"""Event loops for tests: around a test, and in a thread, to be looked at from outside."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

P = ParamSpec("P")
PATIENCE = 60.0


def in_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in an event loop; it has to end in time."""

    @wraps(test)
    def run(*given: P.args, **named: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*given, **named), PATIENCE))

    return run


class Loop:
    """Runs until it is closed."""

    def __init__(self) -> None:
        """Start it."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Call something in the loop; return what it returns, once that has come."""

        async def doing() -> Any:
            made = work()
            return await made if inspect.isawaitable(made) else made

        return asyncio.run_coroutine_threadsafe(doing(), self._loop).result(seconds)

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self._loop.is_closed()

    def close(self) -> None:
        """End it, and all that runs in it."""
        if self.is_closed:
            return
        self.do(_end_the_others)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


async def _end_the_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
