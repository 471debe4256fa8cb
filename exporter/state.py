"""The latest known truth of every target: pure `(previous, result) -> next`, and one holder of it.

Staleness lives here alone. Knows nothing of AWS or of how values are shown.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from exporter.history import remember
from exporter.model import Answer, Failure, Invitation, PollResult, Target
from exporter.statuses import Statuses

FAILURES_KEPT = 1000
"""Of all targets together: what AWS said may be 500 characters, and a whole fleet may fail."""


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
    """The last answer, however old; `current` says whether it still counts."""
    listed: tuple[Invitation, ...] | None = None
    """The last list of invitations that AWS gave, for the audit trail alone."""
    polls: bytes = b""
    """The last polls, as `exporter.history` packs them."""

    @property
    def failure(self) -> Failure | None:
        """Return why the last poll failed, if it did."""
        outcome = self.last.outcome if self.last else None
        return outcome if isinstance(outcome, Failure) else None

    def state(self, now: float, stale_after: float) -> TargetState:
        """Return the target's state at a time."""
        if self.failure is not None:
            return TargetState.STALE if now >= self.goes_stale(stale_after) else TargetState.FAILING
        if self.answer is None:
            return TargetState.PENDING
        return TargetState.OK if self.answer.enabled else TargetState.NOT_ENABLED

    def current(self, now: float, stale_after: float) -> Answer | None:
        """Return the answer that still counts: none before the first, none of a stale target."""
        return self.as_of(now, stale_after)[1]

    def as_of(self, now: float, stale_after: float) -> tuple[TargetState, Answer | None]:
        """Return the state at a time, and the answer that then still counts."""
        state = self.state(now, stale_after)
        return state, None if state is TargetState.STALE else self.answer

    def goes_stale(self, stale_after: float) -> float:
        """Return the time from which the target is stale; infinity if never.

        Only a failing target grows stale: a healthy one is as fresh as its interval. One that has
        never answered does so once it has failed for as long.
        """
        if self.failure is None:
            return float("inf")
        return (self.last_success if self.answer else self.failing_since) + stale_after


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to an invitation between two answers."""

    event: str
    target: Target
    invitation: Invitation
    previous_status: str = ""
    first_poll: bool = False


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


def changes(previous: TargetRecord, following: TargetRecord) -> Iterator[Change]:
    """Return what happened to invitations from one record to the next."""
    if following.listed is previous.listed or following.listed is None:
        return
    before = _by_identity(previous.listed or ())
    after = _by_identity(following.listed)
    for identity, invitation in after.items():
        old = before.get(identity)
        if old is None:
            first = previous.listed is None
            yield Change("invitation_received", following.target, invitation, first_poll=first)
        elif old.relationship_status != invitation.relationship_status:
            status = old.relationship_status
            yield Change("invitation_status_changed", following.target, invitation, status)
    for identity, invitation in before.items():
        if identity not in after:
            yield Change("invitation_gone", following.target, invitation)


def _by_identity(invitations: Iterable[Invitation]) -> Mapping[object, Invitation]:
    """Key invitations by id; by inviter and time where AWS gave none."""
    return {
        invitation.invitation_id
        or (invitation.inviter_account_id, invitation.invited_at): invitation
        for invitation in invitations
    }


class Snapshot:
    """Holds the records of all targets. Each is swapped whole: no reader sees half a poll."""

    def __init__(self) -> None:
        """Start without targets."""
        self._known: dict[Target, TargetRecord] = {}
        self._failures: deque[PollResult] = deque(maxlen=FAILURES_KEPT)
        self._pending: int | None = None
        self._statuses = Statuses()

    def retain(self, targets: Iterable[Target]) -> None:
        """Know exactly these targets from now on: new ones as pending, others not at all."""
        self._known = {
            target: self._known.get(target) or TargetRecord(target) for target in targets
        }
        self._pending = sum(knowledge.last is None for knowledge in self._known.values())

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
        self._statuses = self._statuses.admitting(result.outcome)
        answer = self._statuses.folded(result.outcome)
        return result if answer is result.outcome else replace(result, outcome=answer)
