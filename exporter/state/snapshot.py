"""The one holder of what is known of all targets."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from heapq import nsmallest

from exporter.model import (
    KNOWN_STATUSES,
    OTHER_STATUS,
    UNKNOWN_STATUS,
    Failure,
    PollResult,
    Target,
)
from exporter.state.records import TargetRecord, advance

FAILURES_KEPT = 1000
"""Of all targets together: what AWS said may be 500 characters, and a whole fleet may fail."""

MOST_STATUSES = len(KNOWN_STATUSES) + 2 + 32
"""AWS may add some to those that its API reference lists, but what comes is not ours to choose."""


class Snapshot:
    """Holds the records of all targets. Each is swapped whole: no reader sees half a poll."""

    def __init__(self) -> None:
        """Start without targets."""
        self._known: dict[Target, TargetRecord] = {}
        self._failures: deque[PollResult] = deque(maxlen=FAILURES_KEPT)
        self._pending = 0
        self._statuses = {*KNOWN_STATUSES, UNKNOWN_STATUS, OTHER_STATUS}
        """Those that have a name of their own; it stays theirs, and so do their series."""

    def change(self, gone: Iterable[Target], new: Iterable[TargetRecord]) -> None:
        """Forget some targets, and know others from now on, by records that are pending."""
        for target in gone:
            record = self._known.pop(target, None)
            self._pending -= record is not None and record.last is None
        for pending in new:
            self._pending += self._known.setdefault(pending.target, pending) is pending

    def record(self, result: PollResult) -> tuple[TargetRecord, TargetRecord] | None:
        """Take a result in; return the record before and after, None if the target is gone."""
        previous = self._known.get(result.target)
        if previous is None:
            return None
        following = advance(previous, self._named(result))
        self._known[result.target] = following
        if following.failure is not None:
            self._failures.append(result)
        self._pending -= previous.last is None
        return previous, following

    def get(self, target: Target) -> TargetRecord | None:
        """Return what is known of a target, if it is one."""
        return self._known.get(target)

    def all(self) -> tuple[TargetRecord, ...]:
        """Return what is known of all targets."""
        return tuple(self._known.values())

    def failures(self, target: Target) -> tuple[PollResult, ...]:
        """Return a target's failed polls that are among the latest of all targets."""
        return tuple(result for result in self._failures if result.target == target)

    @property
    def polled(self) -> bool:
        """Whether every target has been polled at least once."""
        return self._pending == 0

    def _named(self, result: PollResult) -> PollResult:
        """Return a result whose statuses all have a name; those beyond the first are `other`.

        Of one answer those whose letters come first: in which order AWS lists them says nothing.
        """
        answer = result.outcome
        if isinstance(answer, Failure):
            return result
        new = {each.relationship_status for each in answer.invitations} - self._statuses
        room = MOST_STATUSES - len(self._statuses)
        if new and room:
            self._statuses |= set(nsmallest(room, new))
        if new <= self._statuses:
            return result
        listed = tuple(
            each
            if each.relationship_status in self._statuses
            else replace(each, relationship_status=OTHER_STATUS)
            for each in answer.invitations
        )
        return replace(result, outcome=replace(answer, invitations=listed))
