"""What keeps the long-lived coroutines running, over a clock and pauses of the tests' own."""

import asyncio

import pytest

from exporter.supervision import Supervisor
from tests.clocks import ManualClock
from tests.loops import in_a_loop
from tests.processes import eventually
from tests.test_poller import SURPRISES


class Bench:
    """A supervisor, and what it tells."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.told: list[object] = []
        self.pauses: list[float] = []
        self.may_start = asyncio.Semaphore(0)
        self.supervisor = Supervisor(self, lambda: self.told.append(1), self.clock, self.pause)

    async def pause(self, seconds: float) -> None:
        """Wait until the test lets it start again."""
        self.pauses.append(seconds)
        await self.may_start.acquire()
        self.clock.advance(seconds)

    def exception(self, event: str, **fields: object) -> None:
        """Note an event, and crash for the same reason, such as too little memory."""
        self.told.append((event, fields["worker"]))
        raise MemoryError

    debug = info = warning = error = exception

    async def crashed(self, times: int) -> None:
        """Wait for so many crashes in all."""
        await eventually(lambda: len(self.pauses) == times, f"{times} crashes")


@pytest.mark.parametrize("error", SURPRISES)
@in_a_loop
async def test_what_ends_with_an_error_is_started_again(error: type[BaseException]) -> None:
    """Counted, told, and started after a pause; whatever the error, and where telling fails too."""
    bench, done = Bench(), asyncio.Event()

    async def work() -> None:
        if not bench.told:
            raise error
        done.set()

    bench.supervisor.keep("poller", work)
    await bench.crashed(1)
    assert bench.told == [1, ("worker_crashed", "poller")]
    assert bench.supervisor.healthy
    bench.may_start.release()
    await asyncio.wait_for(done.wait(), 10)


@in_a_loop
async def test_pauses_double_and_it_is_unhealthy_until_it_is_steady() -> None:
    """Six crashes in a row leave no hope; a minute without one brings it back.

    What crashed before a steady minute is forgiven.
    """
    bench, works, may_crash = Bench(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        if len(bench.pauses) == 9:
            works.set()
            await may_crash.wait()
        raise ZeroDivisionError

    bench.supervisor.keep("poller", work)
    healthy = []
    for number in range(1, 10):
        await bench.crashed(number)
        healthy.append(bench.supervisor.healthy)
        bench.may_start.release()
    assert healthy == [True] * 5 + [False] * 4
    assert bench.pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    await asyncio.wait_for(works.wait(), 10)
    assert not bench.supervisor.healthy
    bench.clock.advance(60)
    assert bench.supervisor.healthy
    may_crash.set()
    await bench.crashed(10)
    assert bench.pauses[-1] == 0.1


@in_a_loop
async def test_what_returns_is_done_and_what_is_kept_anew_replaces_the_old() -> None:
    """Nothing runs twice under one name, and a stop ends all."""
    bench, ended = Bench(), list[str]()

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def returns() -> None:
        ended.append("returned")

    bench.supervisor.keep("done", returns)
    await eventually(lambda: ended == ["returned"], "the end")
    bench.supervisor.keep("discovery", lambda: work("first"))
    await asyncio.sleep(0)
    bench.supervisor.keep("discovery", lambda: work("second"))
    await eventually(lambda: ended == ["returned", "first"], "the replaced one to end")
    await bench.supervisor.stop()
    assert ended == ["returned", "first", "second"]
    assert (bench.told, bench.supervisor.healthy) == ([], True)
