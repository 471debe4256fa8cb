"""When each target is due: a pure schedule over a given time. Knows no tasks and no AWS.

After a first round at once, each target has its own moment in every interval, by a stable hash, so
that polls are spread evenly. The cost of each step is that of a heap, whatever the number of
targets. Every time is in monotonic seconds.
"""

import heapq
import random
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from math import inf
from typing import NamedTuple

from exporter.error_codes import Retry, error_kind
from exporter.model import Target

_SLOW_CODES = frozenset({"ReadTimeout", "ConnectTimeout", "Deadline"})
_SLOW_SHARE = 4
_FIRST_BACK_OFF = 8
"""The first retry of a transient failure comes within this part of the interval."""


class Due(NamedTuple):
    """A poll to start: the time at which it should, and of what.

    A tuple, which the heap compares in C.
    """

    at: float
    order: int
    target: Target


@dataclass(slots=True)
class _Progress:
    """How a target is doing: changes with every poll."""

    due: Due | None
    """Its next poll; none while it is polled."""
    failures: int = 0
    slow: bool = False
    polled: bool = False
    gone: bool = False
    """Whether it is to be forgotten once its poll has ended."""


class Schedule:
    """Says which poll starts next.

    Targets whose last poll hung share a quarter of the places: however many of them there are,
    they cannot keep the others waiting.
    """

    def __init__(self, interval: float, concurrency: int, rng: random.Random) -> None:
        """Poll each target once an interval (seconds), at most `concurrency` at once."""
        self._interval, self._rng = interval, rng
        self._slow_limit = max(1, concurrency // _SLOW_SHARE)
        self._progress: dict[Target, _Progress] = {}
        self._slow: list[Due] = []
        self._others: list[Due] = []
        """Heaps of the polls to come; one that is not its target's `due` any more is outdated."""
        self._slow_running = 0
        self._count = 0
        self._last_lag = 0.0

    def change_targets(self, gone: Iterable[Target], new: Iterable[Target], now: float) -> None:
        """Forget some targets, and schedule others: these are due at once, accounts mixed."""
        for target in gone:
            progress = self._progress.get(target)
            # One that is polled stays until that has ended, or it might overlap itself.
            if progress and progress.due is None:
                progress.gone = True
            elif progress:
                del self._progress[target]
        # Not in a given order: the regions of one account would all wait for its AssumeRole.
        mixed = list(new)
        self._rng.shuffle(mixed)
        for target in mixed:
            under_way = self._progress.get(target)
            if under_way:
                under_way.gone = False
            else:
                self._progress[target] = _Progress(self._push(target, now))

    def set_pace(self, interval: float, concurrency: int, now: float) -> None:
        """Change the interval and the concurrency; what was never polled stays due at once."""
        self._slow_limit = max(1, concurrency // _SLOW_SHARE)
        if interval == self._interval:
            return
        self._interval = interval
        for target, progress in self._progress.items():
            if progress.polled and progress.due is not None:
                progress.due = self._push(target, self._slot(target, now), slow=progress.slow)

    def poll_soon(self, targets: Iterable[Target], now: float) -> None:
        """Have targets polled now: what kept them from their answers is no more."""
        for target in targets:
            progress = self._progress.get(target)
            if progress and progress.due and progress.due.at > now:
                progress.due = self._push(target, now, slow=progress.slow)

    def pop_due(self, now: float) -> Target | None:
        """Return a target whose poll is due, if there is one; it is under way until `finish`."""
        heap = min(self._open(), key=self._earliest)
        if not heap or heap[0].at > now:
            return None
        due = heapq.heappop(heap)
        progress = self._progress[due.target]
        progress.due = None
        self._slow_running += progress.slow
        self._last_lag = max(now - due.at, 0.0)
        return due.target

    def finish(self, target: Target, code: str | None, now: float) -> None:
        """Note that a poll has ended, with the code of its failure if it failed.

        Schedules the target's next.
        """
        progress = self._progress.get(target)
        if progress is None or progress.due is not None:
            return
        soon = code is not None and error_kind(code).retry is Retry.SOON
        failures = progress.failures + 1 if soon else 0
        at = self._slot(target, now)
        if soon:
            at = min(at, now + self._back_off(failures))
        slow = code in _SLOW_CODES
        # What may fail is done by now: until then the poll is under way, and can end again.
        due = self._push(target, at, slow=slow)
        self._slow_running -= progress.slow
        progress.due, progress.failures, progress.slow = due, failures, slow
        progress.polled = True
        if progress.gone:
            del self._progress[target]

    def overdue(self, moment: float) -> list[Target]:
        """Return the targets that have been polled, and whose next poll waits since a moment."""
        if min(self._earliest(self._slow), self._earliest(self._others)) > moment:
            return []
        return [target for target in self._progress if self.is_overdue(target, moment)]

    def is_overdue(self, target: Target, moment: float) -> bool:
        """Whether a target has been polled, and its next poll waits since a moment."""
        progress = self._progress.get(target)
        if progress is None or progress.due is None:
            return False
        return progress.polled and progress.due.at <= moment

    def wait(self, now: float) -> float:
        """Return the seconds until a poll is due; infinity while there is none to wait for."""
        return max(min(map(self._earliest, self._open())) - now, 0.0)

    def lag(self, now: float) -> float:
        """Return how late polls start: the last one that did, or the longest that still waits."""
        earliest = min(self._earliest(self._slow), self._earliest(self._others))
        return max(self._last_lag, now - earliest)

    def next_polls(self) -> list[tuple[Target, float]]:
        """Return the time of every target's next poll; without those that are under way."""
        # A list first: pages ask from a thread.
        return [
            (target, progress.due.at)
            for target, progress in list(self._progress.items())
            if progress.due is not None
        ]

    def _open(self) -> tuple[list[Due], ...]:
        """Return the heaps whose polls may start."""
        has_slow = self._slow and self._slow_running < self._slow_limit
        return (self._slow, self._others) if has_slow else (self._others,)

    def _earliest(self, heap: list[Due]) -> float:
        """Return when the first poll of a heap is due; infinity if there is none."""
        while heap:
            progress = self._progress.get(heap[0].target)
            if progress is not None and progress.due is heap[0]:
                return heap[0].at
            heapq.heappop(heap)
        return inf

    def _push(self, target: Target, at: float, *, slow: bool = False) -> Due:
        self._count += 1
        due = Due(at, self._count, target)
        heapq.heappush(self._slow if slow else self._others, due)
        return due

    def _slot(self, target: Target, now: float) -> float:
        """Return the target's next own moment after now."""
        phase = _phase(target)
        passed = (now - phase * self._interval) // self._interval
        return (passed + 1 + phase) * self._interval

    def _back_off(self, failures: int) -> float:
        """Return seconds until a failing target is tried again: doubling, half of it jitter."""
        longest = self._interval / _FIRST_BACK_OFF * 2.0 ** min(failures - 1, 16)
        return min(longest, self._interval) * (0.5 + 0.5 * self._rng.random())


def _phase(target: Target) -> float:
    """Return a target's place in the interval, 0 to 1, the same in every process."""
    digest = blake2b(f"{target.account_id}/{target.region}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
