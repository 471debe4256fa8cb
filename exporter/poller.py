"""Polls what is due: one task per poll, so many at once, each within its deadline.

Knows when and how long, not what is read (`read`) or what becomes of it (`record`).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import inf

from exporter.background import is_cancelled
from exporter.clock import Clock
from exporter.error_codes import OTHER
from exporter.log import Log
from exporter.model import Answer, AwsError, Failure, PollResult, Target
from exporter.schedule import Schedule

Read = Callable[[Target], Awaitable[Answer]]
"""Reads a target; raises AwsError."""

_AT_A_TIME = 16
"""Polls that begin, or fail, in one turn of the loop: milliseconds, until others have theirs.

All that may be under way would be a tenth of a second, again and again, in which no scrape is
answered.
"""

_CHANGED_AT_A_TIME = 1_000
"""Targets that the schedule hears of in one turn: two milliseconds, and 36 for twenty thousand."""

_NO_PLACE = "no place was free for {:g} s: others hang, or are too many"

_LOOKS = 4
"""For polls that wait too long, in the time that they may."""

_LOOK_SECONDS = 5.0
"""At the most from one look to the next, since a reload may shorten that time."""


@dataclass(frozen=True, slots=True)
class PollOptions:
    """How often, how many at once, and how long at most (seconds)."""

    interval: float
    concurrency: int
    timeout: float
    patience: float = inf
    """After so many seconds without a place a poll that is due has failed."""


class Poller:
    """Polls targets on a schedule, each never more than once at a time."""

    def __init__(
        self,
        *,
        schedule: Schedule,
        options: PollOptions,
        clock: Clock,
        read: Read,
        record: Callable[[PollResult], None],
        log: Log,
    ) -> None:
        """Take what to poll with; nothing runs yet."""
        self._schedule, self._options, self._clock = schedule, options, clock
        self._read, self._record, self._log = read, record, log
        self._polls: set[asyncio.Task[None]] = set()
        self._changes: deque[tuple[Sequence[Target], Sequence[Target]]] = deque()
        """Targets that are gone, and that are new, which the schedule does not know of yet."""
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Start polls as they fall due, until this is cancelled."""
        while True:
            self._changed.clear()
            if self._changes:
                self._schedule.change_targets(*self._changes[0], self._clock.monotonic())
                # Not before, so that what an error cut off is done again.
                self._changes.popleft()
            self._start_due()
            is_free = len(self._polls) < self._options.concurrency
            wait = self._schedule.wait(self._clock.monotonic()) if is_free else inf
            wait = 0.0 if self._changes else wait
            with suppress(TimeoutError):
                async with asyncio.timeout(None if wait == inf else wait):
                    await self._changed.wait()

    async def fail_overdue(self) -> None:
        """Have polls fail that wait too long for a place: others hang, and nobody asks AWS."""
        while True:
            patience = self._options.patience
            await asyncio.sleep(min(patience / _LOOKS, _LOOK_SECONDS))
            since = self._clock.monotonic() - patience
            for number, target in enumerate(self._schedule.overdue(since), start=1):
                # It may have had its place meanwhile.
                if self._schedule.is_overdue(target, since):
                    failure = Failure("Deadline", _NO_PLACE.format(patience))
                    self._record(PollResult(target, self._clock.now(), 0.0, failure))
                if number % _AT_A_TIME == 0:
                    await asyncio.sleep(0)

    async def stop(self) -> None:
        """Cut the polls that are under way."""
        for poll in self._polls:
            poll.cancel()
        await asyncio.gather(*self._polls, return_exceptions=True)

    def change_targets(self, gone: Sequence[Target], new: Sequence[Target]) -> None:
        """Poll some targets no more, and others from now on: so many in one turn of the loop."""
        for at in range(0, max(len(gone), len(new)), _CHANGED_AT_A_TIME):
            until = at + _CHANGED_AT_A_TIME
            self._changes.append((gone[at:until], new[at:until]))
        self._changed.set()

    def set_options(self, options: PollOptions) -> None:
        """Change interval, concurrency and timeout; polls under way keep theirs."""
        self._options = options
        self._schedule.set_pace(options.interval, options.concurrency, self._clock.monotonic())
        self._changed.set()

    def poll_soon(self, targets: Collection[Target]) -> None:
        """Poll these now: what kept them from their answers is no more."""
        self._schedule.poll_soon(targets, self._clock.monotonic())
        self._changed.set()

    @property
    def busy(self) -> bool:
        """Whether polls are under way."""
        return bool(self._polls)

    def lag(self) -> float:
        """Return how late the latest polls started, in seconds."""
        return self._schedule.lag(self._clock.monotonic())

    def next_polls(self) -> Mapping[Target, float]:
        """Return the seconds until each target's next poll; without those that are under way."""
        now = self._clock.monotonic()
        return {target: max(at - now, 0.0) for target, at in self._schedule.next_polls()}

    async def poll(self, target: Target) -> PollResult:
        """Poll a target now. Whatever goes wrong is a result, not an exception."""
        started = self._clock.monotonic()
        outcome: Answer | Failure
        try:
            async with asyncio.timeout(self._options.timeout):
                outcome = await self._read(target)
        except TimeoutError as error:
            what = getattr(error.__cause__, "__notes__", ["AWS"])[0]
            outcome = Failure("Deadline", f"poll.timeout passed while waiting for {what}")
        except AwsError as error:
            outcome = error.failure
        except BaseException as error:
            # The last line of defence: one target's surprise must not end the polling of all, and
            # a panic in Rust is no Exception.
            if is_cancelled():
                raise
            self._log.exception("poll_crashed", account=target.account_id, region=target.region)
            outcome = Failure("other", f"{type(error).__name__} in the exporter itself")
        return PollResult(target, self._clock.now(), self._clock.monotonic() - started, outcome)

    def _start_due(self) -> None:
        free = self._options.concurrency - len(self._polls)
        for _ in range(min(free, _AT_A_TIME)):
            target = self._schedule.pop_due(self._clock.monotonic())
            if target is None:
                return
            poll = asyncio.create_task(self._poll_and_record(target))
            self._polls.add(poll)
            poll.add_done_callback(partial(self._ended, target))

    async def _poll_and_record(self, target: Target) -> None:
        result = await self.poll(target)
        self._record(result)
        code = result.outcome.code if isinstance(result.outcome, Failure) else None
        self._schedule.finish(target, code, self._clock.monotonic())

    def _ended(self, target: Target, poll: asyncio.Task[None]) -> None:
        self._polls.discard(poll)
        self._changed.set()
        error = None if poll.cancelled() else poll.exception()
        if error is not None:
            # Whatever went wrong, as when memory ran out just then: its turn has to come again.
            self._schedule.finish(target, OTHER, self._clock.monotonic())
            where = {"account": target.account_id, "region": target.region}
            self._log.exception("record_crashed", exc_info=error, **where)
