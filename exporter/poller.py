"""Runs the schedule: worker threads that poll what is due and hand every result on.

Knows when and how long, not what is read (`read`) or what becomes of it (`record`).
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import inf
from queue import SimpleQueue

from exporter.clock import Clock
from exporter.model import Answer, AwsError, Failure, PollResult, Target
from exporter.restarts import Restarts, Upkeep
from exporter.schedule import Schedule

Read = Callable[[Target, float], Answer]
"""Reads a target before a monotonic deadline; raises AwsError."""

_RESTAFF_SECONDS = 5.0
"""After a thread could not be started, until that is tried again."""

_LOOKS = 4
"""For polls that wait too long, in the time that they may."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, how many at once, and how long at most (seconds)."""

    interval: float
    concurrency: int
    timeout: float
    patience: float = inf
    """After so many seconds without a worker a poll that is due has failed."""


@dataclass(slots=True)
class _Workers:
    """The threads, how many of them are to stay, and how many of those wait for work."""

    threads: list[threading.Thread] = field(default_factory=list)
    size: int = 0
    free: int = 0
    try_again_at: float = 0.0
    """The monotonic time before which no further thread is started."""


class Poller:
    """Polls targets on a schedule, each never more than once at a time.

    Nothing that a target, or what becomes of its results, brings up ends the polling: threads that
    crash begin anew, and the target that one of them had is scheduled again.
    """

    def __init__(
        self,
        *,
        schedule: Schedule,
        pace: Pace,
        clock: Clock,
        read: Read,
        record: Callable[[PollResult], None],
        upkeep: Upkeep,
    ) -> None:
        """Make a poller that does not run yet."""
        self._schedule, self._pace, self._clock = schedule, pace, clock
        self._read, self._record, self._upkeep = read, record, upkeep
        self._condition = threading.Condition()
        self._work: SimpleQueue[Target | None] = SimpleQueue()
        self._workers = _Workers()
        self._lost: list[Target] = []
        self._look_at = -inf
        self._dispatching = Restarts("dispatcher", upkeep, self._pause)
        self._polling = Restarts("poll", upkeep, self._pause)
        self._dispatcher = upkeep.thread(target=self._run, name="poller", daemon=True)
        self._stopping = False

    def start(self) -> None:
        """Start the threads. They are daemons: a hung one cannot keep the process from ending."""
        with self._condition:
            self._staff()
        self._dispatcher.start()

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
            self._look_at = -inf
            self._schedule.set_pace(pace.interval, pace.concurrency, self._clock.monotonic())
            self._condition.notify_all()

    def alive(self) -> bool:
        """Tell whether polling goes on: some thread dispatches, some poll, and not to crash."""
        hopeless = self._dispatching.hopeless or self._polling.hopeless
        workers = any(thread.is_alive() for thread in self._workers.threads)
        return self._dispatcher.is_alive() and workers and not hopeless

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
        except Exception as error:
            # The last line of defence: one target's surprise must not end the polling of all.
            self._upkeep.log.exception(
                "poll_crashed", account=target.account_id, region=target.region
            )
            outcome = Failure("other", f"{type(error).__name__} in the exporter itself")
        ended = self._clock.monotonic()
        return PollResult(target, self._clock.now(), ended - started, outcome)

    def _run(self) -> None:
        self._dispatching.keep(self._dispatch)
        for _ in self._workers.threads:
            self._work.put(None)

    def _dispatch(self) -> None:
        while not self._stopping:
            target = self._next()
            if target is not None:
                self._work.put(target)
            self._fail_overdue()
            self._dispatching.worked()

    def _fail_overdue(self) -> None:
        """Have polls fail that wait too long for a worker: others hang, and nobody asks AWS.

        Only this thread starts polls, so none of these can begin meanwhile.
        """
        now = self._clock.monotonic()
        if now < self._look_at:
            return
        with self._condition:
            patience = self._pace.patience
            self._look_at = now + patience / _LOOKS
            waiting = self._schedule.overdue(now - patience)
        failure = Failure("Deadline", f"no worker was free for {patience:g} s: others hang")
        for target in waiting:
            self._hand_on(PollResult(target, self._clock.now(), 0.0, failure))

    def _next(self) -> Target | None:
        """Wait until a poll is due and a worker is free for it.

        None where polling stops, or where it is time to look for polls that wait too long.
        """
        with self._condition:
            while not self._stopping:
                self._staff()
                self._find_again()
                now = self._clock.monotonic()
                due = self._schedule.take(now) if self._workers.free > 0 else None
                if due is not None:
                    self._workers.free -= 1
                    return due.target
                if now >= self._look_at:
                    return None
                self._condition.wait(self._patience(now))
        return None

    def _patience(self, now: float) -> float | None:
        """Give the seconds after which to look again; None where only a change calls for it."""
        wait = self._schedule.wait(now) if self._workers.free > 0 else inf
        wait = min(wait, self._look_at - now)
        if self._workers.size < self._pace.concurrency:
            wait = min(wait, max(self._workers.try_again_at - now, 0.0))
        return None if wait == inf else wait

    def _staff(self) -> None:
        """Have as many workers as polls at once; those too many end after their poll."""
        workers = self._workers
        while workers.size > self._pace.concurrency:
            workers.size -= 1
            workers.free -= 1
            self._work.put(None)
        if workers.size == self._pace.concurrency or self._clock.monotonic() < workers.try_again_at:
            return
        workers.threads[:] = [thread for thread in workers.threads if thread.is_alive()]
        try:
            while workers.size < self._pace.concurrency:
                self._start_worker(f"poll-{workers.size}")
        except (RuntimeError, MemoryError):
            # A limit on threads or memory: those that run go on, and more may be had later.
            workers.try_again_at = self._clock.monotonic() + _RESTAFF_SECONDS
            self._upkeep.log.exception(
                "worker_not_started", workers=workers.size, next_try_seconds=_RESTAFF_SECONDS
            )

    def _start_worker(self, name: str) -> None:
        thread = self._upkeep.thread(target=self._polling.keep, args=(self._serve,), name=name)
        thread.daemon = True
        thread.start()
        self._workers.threads.append(thread)
        self._workers.size += 1

    def _serve(self) -> None:
        self._note_free()
        while (target := self._work.get()) is not None:
            self._serve_one(target)
            self._note_free()
            self._polling.worked()

    def _note_free(self) -> None:
        with self._condition:
            self._workers.free += 1
            self._condition.notify()

    def _serve_one(self, target: Target) -> None:
        is_done = False
        try:
            result = self.poll(target)
            self._hand_on(result)
            with self._condition:
                self._schedule.done(result, self._clock.monotonic())
            is_done = True
        finally:
            if not is_done:
                self._lost.append(target)

    def _find_again(self) -> None:
        """Schedule targets that a crash took out of the schedule."""
        while self._lost:
            self._schedule.abandon(self._lost[-1], self._clock.monotonic())
            self._lost.pop()

    def _pause(self, seconds: float) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._stopping, seconds)

    def _hand_on(self, result: PollResult) -> None:
        try:
            self._record(result)
        except Exception:
            self._upkeep.log.exception(
                "record_crashed", account=result.target.account_id, region=result.target.region
            )
