"""What is known of one target: pure `(previous, result) -> next`. Staleness lives here alone."""

from dataclasses import dataclass, replace
from enum import Enum

from exporter.model import Answer, Failure, Invitation, PollResult, Target
from exporter.state.history import NO_POLLS, remember


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
    polls: bytes = NO_POLLS
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
