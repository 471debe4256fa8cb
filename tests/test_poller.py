"""The poller's threads: concurrency, surprises, and stopping, over reads that tests control."""

import random
import threading
from collections.abc import Callable, Iterator
from math import inf

import pytest

from exporter.clock import Clock, SystemClock
from exporter.model import Answer, AwsError, Failure, PollResult, Target
from exporter.poller import Pace, Poller
from exporter.restarts import Upkeep
from exporter.schedule import Due, Schedule
from tests.processes import until

TARGETS = [Target(f"{number:012d}", "eu-west-1") for number in range(20)]


class Log:
    """Remembers events, and counts restarts."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.restarts = 0

    def restarted(self) -> None:
        """Count a restart."""
        self.restarts += 1

    def exception(self, event: str, **_: object) -> None:
        """Note an event."""
        self.events.append(event)


class Reads:
    """Reads that hang until they are let go, and remember how many there were at once."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.lock = threading.Lock()
        self.under_way: list[Target] = []
        self.most = 0
        self.overlapped = False
        self.count = 0

    def read(self, target: Target, deadline: float) -> Answer:
        """Hang until let go."""
        del deadline
        with self.lock:
            self.overlapped |= target in self.under_way
            self.under_way.append(target)
            self.most = max(self.most, len(self.under_way))
            self.count += 1
        self.go.wait(30)
        with self.lock:
            self.under_way.remove(target)
        return Answer(enabled=True)


Make = Callable[..., Poller]


@pytest.fixture
def log() -> Log:
    """A log that remembers."""
    return Log()


@pytest.fixture
def make(log: Log) -> Iterator[Make]:
    """A maker of pollers that are stopped at the end."""
    made: list[Poller] = []

    def build(
        read: Callable[[Target, float], Answer],
        record: Callable[[PollResult], None] = lambda _: None,
        *,
        interval: float = 300.0,
        concurrency: int = 4,
        patience: float = inf,
        schedule: type[Schedule] = Schedule,
        clock: Clock | None = None,
        thread: Callable[..., threading.Thread] = threading.Thread,
    ) -> Poller:
        poller = Poller(
            schedule=schedule(interval, concurrency, random.Random(1)),
            pace=Pace(interval, concurrency, 60.0, patience),
            clock=clock or SystemClock(),
            read=read,
            record=record,
            upkeep=Upkeep(log, log.restarted, thread),
        )
        made.append(poller)
        return poller

    yield build
    for poller in made:
        poller.stop(5.0)


def test_polls_every_target_with_no_more_than_the_concurrency(make: Make) -> None:
    """All targets are polled, four at a time."""
    reads, results = Reads(), list[PollResult]()
    poller = make(reads.read, results.append)
    poller.set_targets(TARGETS)
    poller.start()
    until(lambda: reads.most == 4, "four polls at once")
    reads.go.set()
    until(lambda: len(results) == len(TARGETS), "every target polled")
    assert reads.most == 4
    assert {result.target for result in results} == set(TARGETS)


def test_a_poll_that_waits_too_long_for_a_worker_fails(make: Make) -> None:
    """All workers hang: of the others nobody knows any more what AWS would say, and it is said."""
    reads, results = Reads(), list[PollResult]()
    reads.go.set()
    poller = make(reads.read, results.append, interval=0.2, concurrency=2, patience=0.1)
    poller.set_targets(TARGETS)
    poller.start()
    until(lambda: len(results) >= len(TARGETS), "a first round")
    reads.go.clear()
    until(lambda: len(reads.under_way) == 2, "both workers to hang")
    hanging = set(reads.under_way)
    del results[:]
    others = set(TARGETS) - hanging
    until(lambda: {each.target for each in results} >= others, "the others to fail")
    assert {each.target for each in results} == others
    assert {each.outcome for each in results} == {
        Failure("Deadline", "no worker was free for 0.1 s: others hang")
    }
    assert reads.most == 2
    reads.go.set()
    until(lambda: results[-1].outcome == Answer(enabled=True), "an answer again")


def test_a_first_poll_may_wait_as_long_as_it_takes(make: Make) -> None:
    """A first round is long where there are many targets: none of them has failed."""
    reads, results = Reads(), list[PollResult]()
    poller = make(reads.read, results.append, interval=0.2, concurrency=2, patience=0.01)
    poller.set_targets(TARGETS)
    poller.start()
    until(lambda: poller.lag() > 0.2, "a first poll to wait")
    reads.go.set()
    until(lambda: len(results) >= len(TARGETS), "the first round")
    first = {each.target: each.outcome for each in reversed(results)}
    assert set(first.values()) == {Answer(enabled=True)}


def test_a_target_never_overlaps_itself_at_the_shortest_pace(make: Make) -> None:
    """With polls due faster than they end, each target still has one at a time."""
    reads, results = Reads(), list[PollResult]()
    reads.go.set()
    poller = make(reads.read, results.append, interval=0.005)
    poller.start()
    poller.set_targets(TARGETS[:2])
    until(lambda: len(results) > 100, "a hundred polls")
    assert not reads.overlapped


def test_a_failure_is_a_result(make: Make) -> None:
    """What AWS refuses becomes the result, with its code and request id."""

    def refuse(target: Target, deadline: float) -> Answer:
        del target, deadline
        raise AwsError("AccessDeniedException", "no", "request-1")

    result = make(refuse).poll(TARGETS[0])
    assert result.outcome == Failure("AccessDeniedException", "no", "request-1")


def test_a_surprise_in_one_poll_is_logged_and_ends_no_worker(make: Make, log: Log) -> None:
    """A bug that one target's answer brings to light leaves the others polled."""
    results: list[PollResult] = []

    def surprise(target: Target, deadline: float) -> Answer:
        del deadline
        if target == TARGETS[0]:
            raise ZeroDivisionError
        return Answer(enabled=True)

    poller = make(surprise, results.append, concurrency=1)
    poller.set_targets(TARGETS)
    poller.start()
    until(lambda: len(results) == len(TARGETS), "every target polled")
    outcomes = {result.target: result.outcome for result in results}
    assert outcomes[TARGETS[0]] == Failure("other", "ZeroDivisionError in the exporter itself")
    assert log.events == ["poll_crashed"]
    assert poller.alive()


def test_a_surprise_while_recording_is_logged_and_ends_no_worker(make: Make, log: Log) -> None:
    """Polling goes on when what becomes of a result fails."""
    reads = Reads()
    reads.go.set()

    def record(_: PollResult) -> None:
        raise ZeroDivisionError

    poller = make(reads.read, record, concurrency=1)
    poller.set_targets(TARGETS)
    poller.start()
    until(lambda: len(log.events) == len(TARGETS), "every result noted")
    assert set(log.events) == {"record_crashed"}
    assert poller.alive()


def test_stop_starts_nothing_more_and_tells_whether_all_ended(make: Make) -> None:
    """Polls under way may end; with a hanging one the answer is no, and it comes in time."""
    reads = Reads()
    poller = make(reads.read)
    poller.set_targets(TARGETS)
    poller.start()
    until(lambda: reads.most == 4, "four polls at once")
    assert not poller.stop(0.05)
    reads.go.set()
    assert poller.stop(5.0)
    assert reads.count == 4
    assert not poller.alive()


def test_concurrency_can_grow_and_shrink_while_polling(make: Make) -> None:
    """After a reload as many polls run at once as the new setting says."""
    reads, results = Reads(), list[PollResult]()
    poller = make(reads.read, results.append, concurrency=2)
    poller.set_pace(Pace(300.0, 2, 60.0))
    poller.start()
    poller.set_targets(TARGETS)
    until(lambda: reads.most == 2, "two polls at once")
    poller.set_pace(Pace(300.0, 6, 60.0))
    until(lambda: reads.most == 6, "six polls at once")
    poller.set_pace(Pace(300.0, 1, 60.0))
    reads.go.set()
    until(lambda: len(results) == len(TARGETS), "every target polled")
    poller.set_pace(Pace(300.0, 3, 60.0))
    assert poller.alive()


def test_lag_and_next_poll_are_told_in_seconds_from_now(make: Make) -> None:
    """A target under way has no next poll; one that was polled has it within the interval."""
    reads = Reads()
    poller = make(reads.read)
    poller.set_targets(TARGETS[:1])
    poller.start()
    until(lambda: reads.most == 1, "the poll under way")
    assert poller.next_polls() == {}
    reads.go.set()
    until(lambda: bool(poller.next_polls()), "the poll done")
    assert 0 <= poller.next_polls()[TARGETS[0]] <= 300
    assert 0 <= poller.lag() < 30


def answer(target: Target, deadline: float) -> Answer:
    """Answer at once."""
    del target, deadline
    return Answer(enabled=True)


def test_concurrency_can_shrink_twice_during_a_poll(make: Make) -> None:
    """No more workers are sent away than there are too many."""
    reads, results = Reads(), list[PollResult]()
    poller = make(reads.read, results.append)
    poller.set_targets(TARGETS)
    poller.start()
    until(lambda: reads.most == 4, "four polls at once")
    for _ in range(3):
        poller.set_pace(Pace(300.0, 1, 60.0))
    reads.go.set()
    until(lambda: len(results) == len(TARGETS), "every target polled")
    assert poller.alive()


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, KeyboardInterrupt])
def test_what_ends_a_worker_begins_it_anew(
    make: Make, log: Log, error: type[BaseException]
) -> None:
    """Counted and told; the only worker polls the others, and later this target too."""
    results: list[PollResult] = []
    raised: list[Target] = []

    def fatal(target: Target, deadline: float) -> Answer:
        del deadline
        if target == TARGETS[0] and not raised:
            raised.append(target)
            raise error
        return Answer(enabled=True)

    poller = make(fatal, results.append, concurrency=1, interval=0.5)
    poller.set_targets(TARGETS)
    poller.start()
    until(lambda: {one.target for one in results} == set(TARGETS), "every target polled")
    assert (log.events, log.restarts) == (["worker_crashed"], 1)
    assert poller.alive()


def test_a_result_that_cannot_be_scheduled_loses_no_target(make: Make, log: Log) -> None:
    """Memory that runs out in between: the target's turn comes again."""

    class Full(Schedule):
        """A schedule that fails once, after it has begun to note a result."""

        has_failed = False

        def done(self, result: PollResult, now: float) -> None:
            """Note it, or half of it."""
            super().done(result, now)
            if not Full.has_failed:
                Full.has_failed = True
                raise MemoryError

    results: list[PollResult] = []
    poller = make(answer, results.append, concurrency=1, interval=0.2, schedule=Full)
    poller.set_targets(TARGETS[:1])
    poller.start()
    until(lambda: len(results) > 3, "polled again")
    assert (log.events, log.restarts) == (["worker_crashed"], 1)


class Broken(Schedule):
    """A schedule that gives no poll while it is broken."""

    is_broken = True

    def take(self, now: float) -> Due | None:
        """Fail, or give a poll that is due."""
        if Broken.is_broken:
            raise ZeroDivisionError
        return super().take(now)


def test_a_dispatcher_that_crashes_for_ever_is_not_alive_until_it_works(
    make: Make, log: Log
) -> None:
    """One crash is mended; where nothing works any more, the liveness probe has to know."""
    Broken.is_broken = True
    results: list[PollResult] = []
    poller = make(answer, results.append, schedule=Broken)
    poller.set_targets(TARGETS)
    poller.start()
    until(lambda: log.restarts > 0, "a restart")
    assert poller.alive()
    until(lambda: not poller.alive(), "no hope")
    Broken.is_broken = False
    until(lambda: len(results) == len(TARGETS), "every target polled")
    assert poller.alive()
    assert set(log.events) == {"worker_crashed"}


def test_a_log_that_fails_does_not_end_a_worker(make: Make, log: Log) -> None:
    """What tells of a crash may crash for the same reason."""

    def fail(event: str, **_: object) -> None:
        raise MemoryError(event)

    def fatal(target: Target, deadline: float) -> Answer:
        del deadline
        if target == TARGETS[0]:
            raise SystemExit
        return Answer(enabled=True)

    log.exception = fail  # type: ignore[method-assign]
    results: list[PollResult] = []
    poller = make(fatal, results.append, concurrency=1)
    poller.set_targets(TARGETS)
    poller.start()
    until(lambda: len(results) == len(TARGETS) - 1, "every other target polled")
    assert poller.alive()


class ShiftedClock(SystemClock):
    """Real time, put forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return super().monotonic() + self.ahead


def test_threads_that_cannot_be_started_are_started_later(make: Make, log: Log) -> None:
    """A limit on processes: polling goes on with those there are; the rest follow."""
    allowed = [2]
    clock = ShiftedClock()

    class Limited(threading.Thread):
        """A thread that starts only within the limit."""

        def start(self) -> None:
            """Start, or fail as Python does."""
            if allowed[0] == 0:
                raise RuntimeError("can't start new thread")
            allowed[0] -= 1
            super().start()

    reads = Reads()
    # One of the two is the dispatcher's.
    allowed[0] = 2
    poller = make(reads.read, thread=Limited, clock=clock, concurrency=1)
    poller.start()
    poller.set_targets(TARGETS)
    until(lambda: reads.most == 1, "one poll")
    poller.set_pace(Pace(300.0, 4, 60.0))
    until(lambda: log.events == ["worker_not_started"], "told")
    assert poller.alive()
    poller.set_targets(TARGETS)
    allowed[0] = 10
    clock.ahead = 6.0
    poller.set_targets(TARGETS)
    until(lambda: reads.most == 4, "four polls at once")
    assert log.events == ["worker_not_started"]
    reads.go.set()


def test_without_any_worker_polling_is_not_alive(make: Make, log: Log) -> None:
    """The dispatcher alone polls nothing."""

    class Forbidden(threading.Thread):
        """A worker's thread that cannot be started."""

        def start(self) -> None:
            """Fail, as Python does, but for the dispatcher."""
            if self.name != "poller":
                raise RuntimeError("can't start new thread")
            super().start()

    poller = make(answer, thread=Forbidden)
    poller.start()
    assert log.events == ["worker_not_started"]
    assert not poller.alive()
