"""The poller: concurrency, deadlines, surprises, and stopping, over reads that tests control."""

import asyncio
import io
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

import pytest

from exporter.clock import SystemClock
from exporter.log import Lines
from exporter.model import Answer, Failure, PollResult, Target
from exporter.poller import Poller, PollOptions
from exporter.schedule import Schedule
from tests.loops import in_a_loop
from tests.processes import eventually

TARGETS = [Target(f"{number:012d}", "eu-west-1") for number in range(20)]
ANSWER = Answer(enabled=True)


class Reads:
    """Reads that hang until they are let go, and remember how many there were at once."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.under_way: list[Target] = []
        self.most = 0
        self.count = 0
        self.cut = 0

    async def __call__(self, target: Target) -> Answer:
        """Hang until let go."""
        self.under_way.append(target)
        self.most = max(self.most, len(self.under_way))
        self.count += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cut += 1
            raise
        finally:
            self.under_way.remove(target)
        return ANSWER


async def answer(target: Target) -> Answer:
    """Answer at once."""
    del target
    return ANSWER


@dataclass
class Made:
    """A poller that runs, and what came of it."""

    poller: Poller
    log: io.StringIO
    results: list[PollResult] = field(default_factory=list)

    async def until_each_is_polled(self, *targets: Target) -> None:
        """Wait until there is a result of each of these targets, or of all."""
        wanted = set(targets or TARGETS)
        await eventually(lambda: wanted <= {each.target for each in self.results}, "every poll")

    def events(self) -> list[str]:
        """Return what was logged."""
        return re.findall(r"event=(\w+)", self.log.getvalue())

    def outcomes(self) -> dict[Target, Answer | Failure]:
        """Return each target's first outcome."""
        return {result.target: result.outcome for result in reversed(self.results)}


@asynccontextmanager
async def polling(
    read: Callable[[Target], Awaitable[Answer]],
    *,
    interval: float = 300.0,
    concurrency: int = 4,
    timeout: float = 60.0,  # noqa: ASYNC109 -- the poller's own
    patience: float = inf,
    schedule: type[Schedule] = Schedule,
    record: Callable[[PollResult], object] = lambda _: None,
) -> AsyncIterator[Made]:
    """Poll until the block ends."""

    def note(result: PollResult) -> None:
        made.results.append(result)
        record(result)

    log = io.StringIO()
    poller = Poller(
        schedule=schedule(interval, concurrency, random.Random(1)),
        options=PollOptions(interval, concurrency, timeout, patience),
        clock=SystemClock(),
        read=read,
        record=note,
        log=Lines(log, level="debug", form="logfmt"),
    )
    made = Made(poller, log)
    running = [asyncio.create_task(poller.run()), asyncio.create_task(poller.fail_overdue())]
    try:
        yield made
        assert not any(task.done() for task in running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await poller.stop()


@in_a_loop
async def test_many_targets_come_and_go_some_at_a_time() -> None:
    """Of twenty thousand at once the schedule would hold the loop; in the end it has all."""
    many = [Target(f"{number:012d}", "eu-west-1") for number in range(2_500)]
    async with polling(Reads(), concurrency=1) as made:
        known = [len(made.poller.next_polls())]
        made.poller.change_targets((), many)
        made.poller.change_targets(many[:2_400], ())
        while known[-1] != len(many) - 1:
            await asyncio.sleep(0)
            known.append(len(made.poller.next_polls()))
        assert max(after - before for before, after in pairwise(known)) <= 1_000
        await eventually(lambda: len(made.poller.next_polls()) <= 100, "those that went")


@in_a_loop
async def test_polls_begin_a_few_at_a_time_and_a_stop_cuts_them() -> None:
    """Between them scrapes and probes have their turn, however many polls are due at once.

    After a stop nothing begins, and what was cut says nothing of its target.
    """
    many = [Target(f"{number:012d}", "eu-west-1") for number in range(200)]
    reads = Reads()
    async with polling(reads, concurrency=len(many)) as made:
        made.poller.change_targets((), many)
        begun = [0]
        while begun[-1] < len(many):
            await asyncio.sleep(0)
            begun.append(reads.count)
        assert max(after - before for before, after in pairwise(begun)) <= 16
        made.poller.poll_soon(many)
    assert (reads.cut, reads.count) == (len(many), len(many))
    assert not reads.under_way
    assert made.results == []


@in_a_loop
async def test_a_poll_ends_at_its_deadline() -> None:
    """Whatever it waits for, which is cut; its place goes to the next."""
    reads = Reads()
    async with polling(reads, timeout=0.05) as made:
        made.poller.change_targets((), TARGETS)
        await made.until_each_is_polled()
        assert set(made.outcomes().values()) == {
            Failure("Deadline", "poll.timeout passed while waiting for AWS")
        }
        assert reads.cut >= len(TARGETS)
        assert all(result.duration >= 0.05 for result in made.results)


@in_a_loop
async def test_polls_that_wait_too_long_for_a_place_fail_a_few_at_a_time() -> None:
    """Others hang in all of them: of the rest nobody knows any more what AWS would say.

    A whole fleet may have waited too long: between them scrapes and probes have their turn.
    """
    many = [Target(f"{number:012d}", "eu-west-1") for number in range(200)]
    reads = Reads()
    reads.go.set()
    async with polling(reads, interval=0.2, concurrency=2, patience=0.1) as made:
        made.poller.change_targets((), many)
        await made.until_each_is_polled(*many)
        reads.go.clear()
        await eventually(lambda: len(reads.under_way) == 2, "both places to be taken")
        others = set(many) - set(reads.under_way)
        made.results.clear()
        known, failed = [0], set[Target]()
        while failed != others:
            await asyncio.sleep(0)
            failed.update(each.target for each in made.results[known[-1] :])
            known.append(len(made.results))
        assert max(after - before for before, after in pairwise(known)) <= 16
        assert {each.outcome for each in made.results} == {
            Failure("Deadline", "no place was free for 0.1 s: others hang, or are too many")
        }
        assert reads.most == 2
        reads.go.set()
        await eventually(lambda: made.results[-1].outcome == ANSWER, "an answer again")


class Panic(BaseException):
    """As what bcrypt and cryptography raise where their Rust gives up."""


SURPRISES = (
    ZeroDivisionError,
    MemoryError,
    SystemExit,
    GeneratorExit,
    KeyboardInterrupt,
    asyncio.CancelledError,
    Panic,
)


@pytest.mark.parametrize("error", SURPRISES)
@in_a_loop
async def test_a_surprise_in_one_poll_is_its_result_and_ends_nothing(
    error: type[BaseException],
) -> None:
    """Logged; the others are polled, and this target too when its turn comes again."""
    surprised: list[Target] = []

    async def surprise(target: Target) -> Answer:
        if target == TARGETS[0] and not surprised:
            surprised.append(target)
            raise error
        return ANSWER

    async with polling(surprise, concurrency=1, interval=0.2) as made:
        made.poller.change_targets((), TARGETS)
        await made.until_each_is_polled()
        outcome = made.outcomes()[TARGETS[0]]
        assert outcome == Failure("other", f"{error.__name__} in the exporter itself")
        made.results.clear()
        await made.until_each_is_polled()
        assert set(made.outcomes().values()) == {ANSWER}
        assert made.events() == ["poll_crashed"]


@pytest.mark.parametrize("moment", ["recording", "before", "after"])
@in_a_loop
async def test_a_result_that_cannot_be_scheduled_loses_no_target(moment: str) -> None:
    """Memory that runs out, or a panic, while it is recorded too: the target's turn comes again."""
    failed = list[str]()

    def fail(at: str) -> None:
        if at == moment and not failed:
            failed.append(at)
            raise MemoryError if at != "recording" else Panic

    class Full(Schedule):
        def finish(self, target: Target, code: str | None, now: float) -> None:
            fail("before")
            super().finish(target, code, now)
            fail("after")

    async with polling(
        answer, concurrency=1, interval=0.1, schedule=Full, record=lambda _: fail("recording")
    ) as made:
        made.poller.change_targets((), TARGETS[:1])
        await eventually(lambda: len(made.results) > 3, "polled again")
        assert made.events() == ["record_crashed"]


@in_a_loop
async def test_concurrency_can_grow_and_shrink_while_polling() -> None:
    """As many polls run at once as the setting says, also after a reload; none is cut for it.

    A target under way has no next poll; one that was polled has it within the interval.
    """
    reads = Reads()
    async with polling(reads, concurrency=2) as made:
        made.poller.change_targets((), TARGETS)
        await eventually(lambda: reads.most == 2, "two polls at once")
        made.poller.set_options(PollOptions(300.0, 6, 60.0))
        await eventually(lambda: reads.most == 6, "six polls at once")
        assert made.poller.next_polls().keys() == {*TARGETS} - {*reads.under_way}
        made.poller.set_options(PollOptions(300.0, 1, 60.0))
        reads.most = 0
        reads.go.set()
        await made.until_each_is_polled()
        assert (reads.most, reads.cut, len(made.results)) == (1, 0, len(TARGETS))
        await eventually(lambda: len(made.poller.next_polls()) == len(TARGETS), "the last to end")
        assert all(0 <= seconds <= 300 for seconds in made.poller.next_polls().values())
