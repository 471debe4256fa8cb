"""Runs the schedule: worker threads that poll what is due and hand every result on.

Knows when and how long, not what is read (`read`) or what becomes of it (`record`).
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Protocol

from exporter.clock import Clock
from exporter.model import Answer, AwsError, Failure, PollResult, Target
from exporter.schedule import Schedule

Read = Callable[[Target, float], Answer]
"""Reads a target before a monotonic deadline; raises AwsError."""


class Log(Protocol):
    """Where events go."""

    def exception(self, event: str, **fields: object) -> object:
        """Log an error that should not happen, with its traceback."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, how many at once, and how long at most (seconds)."""

    interval: float
    concurrency: int
    timeout: float


@dataclass(slots=True)
class _Workers:
    """The threads, and how many of them wait for work."""

    threads: list[threading.Thread] = field(default_factory=list)
    free: int = 0


class Poller:
    """Polls targets on a schedule, each never more than once at a time."""

    def __init__(
        self,
        *,
        schedule: Schedule,
        pace: Pace,
        clock: Clock,
        read: Read,
        record: Callable[[PollResult], None],
        log: Log,
    ) -> None:
        """Make a poller that does not run yet."""
        self._schedule, self._pace, self._clock, self._log = schedule, pace, clock, log
        self._read, self._record = read, record
        self._condition = threading.Condition()
        self._work: SimpleQueue[Target | None] = SimpleQueue()
        self._workers = _Workers()
        self._dispatcher = threading.Thread(target=self._dispatch, name="poller", daemon=True)
        self._stopping = False

    def start(self) -> None:
        """Start the threads. They are daemons: a hung one cannot keep the process from ending."""
        self._dispatcher.start()
        with self._condition:
            self._staff()

    def stop(self, timeout: float) -> bool:
        """Start nothing more; wait so many seconds for polls under way; tell whether all ended."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        threads = (self._dispatcher, *self._workers.threads)
        end = self._clock.monotonic() + timeout
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(end - self._clock.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in threads)

    def set_targets(self, targets: Collection[Target]) -> None:
        """Poll exactly these targets from now on."""
        with self._condition:
            self._schedule.set_targets(targets, self._clock.monotonic())
            self._condition.notify_all()

    def set_pace(self, pace: Pace) -> None:
        """Change interval, concurrency and timeout; polls under way keep theirs."""
        with self._condition:
            self._pace = pace
            self._schedule.set_pace(pace.interval, pace.concurrency, self._clock.monotonic())
            if self._dispatcher.ident is not None:
                self._staff()
            else:
                self._condition.notify_all()

    def alive(self) -> bool:
        """Tell whether polling goes on: the dispatcher and at least one worker live."""
        return self._dispatcher.is_alive() and any(t.is_alive() for t in self._workers.threads)

    def lag(self) -> float:
        """Tell how late the latest polls started, in seconds."""
        with self._condition:
            return self._schedule.lag(self._clock.monotonic())

    def next_polls(self) -> Mapping[Target, float]:
        """Give the seconds until each target's next poll; without those that are under way."""
        with self._condition:
            due = self._schedule.next_polls()
        now = self._clock.monotonic()
        return {target: max(at - now, 0.0) for target, at in due}

    def poll(self, target: Target) -> PollResult:
        """Poll a target now, in this thread. Whatever goes wrong is a result, not an exception."""
        started = self._clock.monotonic()
        try:
            outcome: Answer | Failure = self._read(target, started + self._pace.timeout)
        except AwsError as error:
            outcome = error.failure
        except Exception as error:  # noqa: BLE001 -- logged with its traceback
            # The last line of defence: one target's surprise must not end the polling of all.
            self._log.exception("poll_crashed", account=target.account_id, region=target.region)
            outcome = Failure("other", f"{type(error).__name__} in the exporter itself")
        ended = self._clock.monotonic()
        return PollResult(target, self._clock.now(), ended - started, outcome)

    def _staff(self) -> None:
        """Have as many workers as polls at once; those too many end after their poll."""
        threads = self._workers.threads
        threads[:] = [thread for thread in threads if thread.is_alive()]
        for number in range(len(threads), self._pace.concurrency):
            thread = threading.Thread(target=self._serve, name=f"poll-{number}", daemon=True)
            threads.append(thread)
            self._workers.free += 1
            thread.start()
        for _ in range(self._pace.concurrency, len(threads)):
            self._workers.free -= 1
            self._work.put(None)
        self._condition.notify_all()

    def _dispatch(self) -> None:
        while True:
            with self._condition:
                due = None
                while not self._stopping:
                    now = self._clock.monotonic()
                    due = self._schedule.take(now) if self._workers.free > 0 else None
                    if due is not None:
                        break
                    wait = self._schedule.wait(now) if self._workers.free > 0 else None
                    self._condition.wait(None if wait in {None, float("inf")} else wait)
                if due is None:
                    break
                self._workers.free -= 1
            self._work.put(due.target)
        for _ in self._workers.threads:
            self._work.put(None)

    def _serve(self) -> None:
        while (target := self._work.get()) is not None:
            result = self.poll(target)
            self._hand_on(result)
            with self._condition:
                self._schedule.done(result, self._clock.monotonic())
                self._workers.free += 1
                self._condition.notify()

    def _hand_on(self, result: PollResult) -> None:
        try:
            self._record(result)
        except Exception:  # noqa: BLE001 -- as above
            self._log.exception(
                "record_crashed", account=result.target.account_id, region=result.target.region
            )
