"""The poller's threads: concurrency, surprises, and stopping, over reads that tests control."""

import random
import threading
from collections.abc import Callable, Iterator

import pytest

from exporter.clock import SystemClock
from exporter.model import Answer, AwsError, Failure, PollResult, Target
from exporter.poller import Pace, Poller
from exporter.schedule import Schedule
from tests.processes import until

TARGETS = [Target(f"{number:012d}", "eu-west-1") for number in range(20)]


class Log:
    """Remembers events."""

    def __init__(self) -> None:
        self.events: list[str] = []

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
    ) -> Poller:
        poller = Poller(
            schedule=Schedule(interval, concurrency, random.Random(1)),
            pace=Pace(interval, concurrency, 60.0),
            clock=SystemClock(),
            read=read,
            record=record,
            log=log,
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
