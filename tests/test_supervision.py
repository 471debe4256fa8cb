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
        self.events: list[tuple[str, object]] = []
        self.counted = 0
        self.pauses: list[float] = []
        self.may_start = asyncio.Semaphore(0)
        self.supervisor = Supervisor(self, self.count, self.clock, self.pause)

    def count(self) -> None:
        """Count a crash."""
        self.counted += 1

    async def pause(self, seconds: float) -> None:
        """Wait until the test lets it start again."""
        self.pauses.append(seconds)
        await self.may_start.acquire()
        self.clock.advance(seconds)

    def exception(self, event: str, **fields: object) -> None:
        """Note an event."""
        self.events.append((event, fields["worker"]))

    debug = info = warning = error = exception

    async def crashed(self, times: int) -> None:
        """Wait for so many crashes in all."""
        await eventually(lambda: len(self.pauses) == times, f"{times} crashes")


@pytest.fixture
def bench() -> Bench:
    """A supervisor at work."""
    return Bench()


@pytest.mark.parametrize("error", SURPRISES)
@in_a_loop
async def test_what_ends_with_an_error_is_started_again(
    error: type[BaseException], bench: Bench
) -> None:
    """Told with its traceback, counted, and started after a pause; whatever the error is."""
    starts: list[int] = []
    done = asyncio.Event()

    async def work() -> None:
        starts.append(1)
        if len(starts) == 1:
            raise error
        done.set()

    bench.supervisor.keep("poller", work)
    await bench.crashed(1)
    assert (bench.events, bench.counted) == ([("worker_crashed", "poller")], 1)
    assert bench.supervisor.healthy
    bench.may_start.release()
    await asyncio.wait_for(done.wait(), 10)


@in_a_loop
async def test_pauses_double_and_it_is_unhealthy_until_it_is_steady(bench: Bench) -> None:
    """Six crashes in a row leave no hope; a minute without one brings it back."""
    works, working = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        if not works.is_set():
            raise ZeroDivisionError
        working.set()
        await asyncio.Event().wait()

    bench.supervisor.keep("poller", work)
    healthy = []
    for number in range(1, 9):
        await bench.crashed(number)
        healthy.append(bench.supervisor.healthy)
        bench.may_start.release()
    assert healthy == [True] * 5 + [False] * 3
    assert bench.pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    await bench.crashed(9)
    works.set()
    bench.may_start.release()
    await asyncio.wait_for(working.wait(), 10)
    assert not bench.supervisor.healthy
    bench.clock.advance(60)
    assert bench.supervisor.healthy


@in_a_loop
async def test_a_crash_after_long_work_begins_anew(bench: Bench) -> None:
    """What crashed before a steady minute is forgiven."""

    async def work() -> None:
        if len(bench.pauses) == 3:
            bench.clock.advance(60)
        raise ZeroDivisionError

    bench.supervisor.keep("poller", work)
    for number in range(1, 5):
        await bench.crashed(number)
        bench.may_start.release()
    assert bench.pauses[:4] == [0.1, 0.2, 0.4, 0.1]


@in_a_loop
async def test_what_tells_of_a_crash_may_crash_too(bench: Bench) -> None:
    """For the same reason, such as too little memory: it is started again all the same."""

    def fail() -> None:
        raise MemoryError

    starts: list[int] = []

    async def work() -> None:
        starts.append(1)
        raise MemoryError

    supervisor = Supervisor(bench, fail, bench.clock, lambda _: asyncio.sleep(0))
    supervisor.keep("poller", work)
    await eventually(lambda: len(starts) > 2, "a third start")
    await supervisor.stop()


@in_a_loop
async def test_what_returns_is_done_and_what_is_kept_anew_replaces_the_old(bench: Bench) -> None:
    """Nothing runs twice under one name, and a stop ends all."""
    ended: list[str] = []

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
    assert (bench.events, bench.supervisor.healthy) == ([], True)
