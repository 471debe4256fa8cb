"""The latest known truth of every target: pure `(previous, result) -> next`, and one holder of it.

Staleness lives here alone. Knows nothing of AWS or of how values are shown.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from exporter.model import Answer, Failure, Invitation, PollResult, Target


class State(Enum):
    """What is known of a target; the values are those of the `state` label."""

    PENDING = "pending"
    OK = "ok"
    NOT_ENABLED = "not_enabled"
    FAILING = "failing"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that is known of one target. Times are Unix seconds, 0 before the first."""

    target: Target
    last: PollResult | None = None
    last_success: float = 0.0
    answer: Answer | None = None
    """The last answer, however old; `current` says whether it still counts."""
    listed: tuple[Invitation, ...] | None = None
    """The last list of invitations that AWS gave, for the audit trail alone."""

    @property
    def failure(self) -> Failure | None:
        """Give why the last poll failed, if it did."""
        outcome = self.last.outcome if self.last else None
        return outcome if isinstance(outcome, Failure) else None

    def state(self, now: float, stale_after: float) -> State:
        """Tell the target's state at a time."""
        if self.last is None:
            return State.PENDING
        if self.failure is None:
            return State.OK if self.answer and self.answer.enabled else State.NOT_ENABLED
        return State.STALE if now >= self.goes_stale(stale_after) else State.FAILING

    def current(self, now: float, stale_after: float) -> Answer | None:
        """Give the answer that still counts: none before the first, none of a stale target."""
        return None if self.state(now, stale_after) is State.STALE else self.answer

    def goes_stale(self, stale_after: float) -> float:
        """Give the time from which the last good answer is too old; infinity if never.

        Only a failing target grows stale: a healthy one is as fresh as its interval.
        """
        if self.failure is None or self.answer is None:
            return float("inf")
        return self.last_success + stale_after


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to an invitation between two answers."""

    event: str
    target: Target
    invitation: Invitation
    previous_status: str = ""
    first_poll: bool = False


def advance(previous: Knowledge, result: PollResult) -> Knowledge:
    """Take a poll's result in. A failure changes nothing of what AWS last said."""
    outcome = result.outcome
    if isinstance(outcome, Failure):
        return replace(previous, last=result)
    # The old object where nothing changed: readers compare by identity, and memory is shared.
    answer = previous.answer if previous.answer == outcome else outcome
    kept = replace(result, outcome=answer) if answer is not None else result
    listed = answer.invitations if answer and answer.enabled else previous.listed
    return Knowledge(previous.target, kept, result.ended, answer, listed)


def changes(previous: Knowledge, following: Knowledge) -> Iterator[Change]:
    """Tell what happened to invitations from one knowledge to the next."""
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
        invitation.invitation_id or (invitation.inviter_account_id, invitation.invited_at): invitation
        for invitation in invitations
    }


class Snapshot:
    """Holds the knowledge of all targets. Each is swapped whole: no reader sees half a poll."""

    def __init__(self) -> None:
        """Start without targets."""
        self._lock = threading.Lock()
        self._known: dict[Target, Knowledge] = {}
        self._changed: set[Target] = set()
        self._pending = 0

    def retain(self, targets: Iterable[Target]) -> None:
        """Know exactly these targets from now on: new ones as pending, others not at all."""
        with self._lock:
            wanted = {target: self._known.get(target) or Knowledge(target) for target in targets}
            self._changed |= wanted.keys() ^ self._known.keys()
            self._known = wanted
            self._pending = sum(knowledge.last is None for knowledge in wanted.values())

    def record(self, result: PollResult) -> tuple[Knowledge, Knowledge] | None:
        """Take a result in; give the knowledge before and after, or None if the target is gone."""
        with self._lock:
            previous = self._known.get(result.target)
            if previous is None:
                return None
            following = advance(previous, result)
            self._known[result.target] = following
            self._changed.add(result.target)
            self._pending -= previous.last is None
            return previous, following

    def get(self, target: Target) -> Knowledge | None:
        """Give what is known of a target, if it is one."""
        return self._known.get(target)

    def all(self) -> tuple[Knowledge, ...]:
        """Give what is known of all targets."""
        with self._lock:
            return tuple(self._known.values())

    def take_changes(self) -> set[Target]:
        """Give the targets that changed, came or went since this was last asked."""
        with self._lock:
            changed, self._changed = self._changed, set()
            return changed

    @property
    def polled(self) -> bool:
        """Whether every target has been polled at least once."""
        return self._pending == 0
