"""The one holder of what is known of all targets."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from exporter.model import Failure, PollResult, Target
from exporter.state.records import TargetRecord, advance
from exporter.state.statuses import ALWAYS, admitted, folded

FAILURES_KEPT = 1000
"""Of all targets together: what AWS said may be 500 characters, and a whole fleet may fail."""


class Snapshot:
    """Holds the records of all targets. Each is swapped whole: no reader sees half a poll."""

    def __init__(self) -> None:
        """Start without targets."""
        self._known: dict[Target, TargetRecord] = {}
        self._failures: deque[PollResult] = deque(maxlen=FAILURES_KEPT)
        self._pending: int | None = None
        self._statuses = ALWAYS

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
        following = advance(previous, self._folded(result))
        self._known[result.target] = following
        if following.failure is not None:
            self._failures.append(result)
        if previous.last is None and self._pending is not None:
            self._pending -= 1
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
        """Whether every target has been polled at least once; not before it is known which."""
        return self._pending == 0

    def _folded(self, result: PollResult) -> PollResult:
        """Return a result with the statuses that have a name, and what it brings of new ones."""
        if isinstance(result.outcome, Failure):
            return result
        self._statuses = admitted(self._statuses, result.outcome)
        answer = folded(self._statuses, result.outcome)
        return result if answer is result.outcome else replace(result, outcome=answer)
