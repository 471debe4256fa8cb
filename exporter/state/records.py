"""What is known of each target, and the one holder of it. Staleness lives here alone."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from heapq import nsmallest

from exporter.model import (
    KNOWN_STATUSES,
    OTHER_STATUS,
    UNKNOWN_STATUS,
    Answer,
    Failure,
    Invitation,
    PollResult,
    Target,
)
from exporter.state.history import remember

FAILURES_KEPT = 1000
"""Of all targets together: what AWS said may be 500 characters, and a whole fleet may fail."""

MOST_STATUSES = len(KNOWN_STATUSES) + 2 + 32
"""AWS may add some to those that its API reference lists, but what comes is not ours to choose."""


class TargetState(Enum):
    """What is known of a target; the values are those of the `state` label."""

    PENDING = "pending"
    OK = "ok"
    NOT_ENABLED = "not_enabled"
    FAILING = "failing"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """All that is known of one target. Times are Unix seconds, 0 before the first."""

    target: Target
    last: PollResult | None = None
    last_success: float = 0.0
    failing_since: float = 0.0
    """When the first poll failed of those that have failed ever since; 0 where the last did not."""
    answer: Answer | None = None
    """The last answer, however old; `as_of` says whether it still counts."""
    listed: tuple[Invitation, ...] | None = None
    """The last list of invitations that AWS gave, for the audit trail alone."""
    polls: bytes = b""
    """The last polls, as `exporter.state.history` packs them."""

    @property
    def failure(self) -> Failure | None:
        """Return why the last poll failed, if it did."""
        outcome = self.last.outcome if self.last else None
        return outcome if isinstance(outcome, Failure) else None

    def as_of(self, now: float, stale_after: float) -> tuple[TargetState, Answer | None]:
        """Return the state at a time, and the answer that then still counts: none if stale."""
        answer = self.answer
        if self.failure is not None:
            stale = now >= self.goes_stale(stale_after)
            return (TargetState.STALE, None) if stale else (TargetState.FAILING, answer)
        if answer is None:
            return TargetState.PENDING, None
        return TargetState.OK if answer.enabled else TargetState.NOT_ENABLED, answer

    def goes_stale(self, stale_after: float) -> float:
        """Return the time from which the target is stale; infinity if never.

        Only a failing target grows stale: a healthy one is as fresh as its interval. One that has
        never answered does so once it has failed for as long.
        """
        if self.failure is None:
            return float("inf")
        return (self.last_success if self.answer else self.failing_since) + stale_after


def advance(previous: TargetRecord, result: PollResult) -> TargetRecord:
    """Take a poll's result in. A failure changes nothing of what AWS last said."""
    outcome = result.outcome
    polls = remember(previous.polls, result)
    if isinstance(outcome, Failure):
        # A clock that was set back: a success that lies ahead would keep its answer as long again.
        success = min(previous.last_success, result.ended)
        since = min(previous.failing_since or result.ended, result.ended)
        return replace(
            previous, last=result, last_success=success, failing_since=since, polls=polls
        )
    # The old object where nothing changed: readers compare by identity, and memory is shared.
    known = previous.answer
    answer = known if known is not None and known == outcome else outcome
    kept = result if answer is outcome else replace(result, outcome=answer)
    listed = answer.invitations if answer.enabled else previous.listed
    return TargetRecord(
        previous.target, kept, result.ended, answer=answer, listed=listed, polls=polls
    )


class Snapshot:
    """Holds the records of all targets. Each is swapped whole: no reader sees half a poll."""

    def __init__(self) -> None:
        """Start without targets."""
        self._known: dict[Target, TargetRecord] = {}
        self._failures: deque[PollResult] = deque(maxlen=FAILURES_KEPT)
        self._pending = 0
        self._statuses = {*KNOWN_STATUSES, UNKNOWN_STATUS, OTHER_STATUS}
        """Those that have a name of their own; it stays theirs, and so do their series."""

    def retain(self, targets: Iterable[Target]) -> None:
        """Know exactly these targets from now on: new ones as pending, others not at all."""
        self._known = {
            target: self._known.get(target) or TargetRecord(target) for target in targets
        }
        self._pending = sum(record.last is None for record in self._known.values())

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
