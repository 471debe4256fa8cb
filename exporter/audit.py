"""What of a poll is worth a line: the security team's trail of invitations, and what failed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.error_codes import hint_of
from exporter.log import Log
from exporter.model import NO_TRUST, Failure, Invitation, Target, Trust
from exporter.state import TargetRecord


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to an invitation between two answers."""

    event: str
    target: Target
    invitation: Invitation
    previous_status: str = ""
    first_poll: bool = False


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


class Audit:
    """Logs what changed between two records of a target."""

    def __init__(self, log: Log, trust: Callable[[], Trust] = lambda: NO_TRUST) -> None:
        """Write to a log; `trust` tells who may invite."""
        self._log, self._trust = log, trust

    def note(self, previous: TargetRecord, following: TargetRecord) -> None:
        """Log the difference that a poll made."""
        for change in changes(previous, following):
            self._note_change(change)
        self._note_outcome(following.target, previous.failure, following.failure)
        self._note_enabled(previous, following)

    def _note_change(self, change: Change) -> None:
        """Log what happened to an invitation; warn of a new one from somebody unknown."""
        fields, level = _fields(change), self._log.info
        if change.event == "invitation_received":
            trusted = self._trust().trusts(change.invitation.inviter_account_id)
            if trusted is not None:
                fields["trusted"] = trusted
                level = self._log.info if trusted else self._log.warning
        level(change.event, **fields)

    def _note_outcome(self, target: Target, before: Failure | None, after: Failure | None) -> None:
        if after is not None:
            repeated = before is not None and before.code == after.code
            self._failed(target, after, repeated=repeated)
        elif before is not None:
            self._log.info("poll_recovered", **_where(target), error_code=before.code)

    def _note_enabled(self, previous: TargetRecord, following: TargetRecord) -> None:
        """Warn when Macie was switched off: nothing watches that account's buckets any more."""
        before, after = _enabled(previous), _enabled(following)
        where = _where(following.target)
        match before, after:
            case None, False:
                self._log.info("macie_not_enabled", **where, first_poll=True)
            case True, False:
                self._log.warning("macie_not_enabled", **where)
            case False, True:
                self._log.info("macie_enabled", **where)
            case _:
                pass

    def _failed(self, target: Target, failure: Failure, *, repeated: bool) -> None:
        """Warn when a failure begins or changes; its repetitions are for those who look closely."""
        level = self._log.debug if repeated else self._log.warning
        level(
            "poll_failed",
            **_where(target),
            error_code=failure.code,
            aws_request_id=failure.request_id,
            error=failure.message,
            hint=hint_of(failure),
        )


def _where(target: Target) -> dict[str, object]:
    return {"account": target.account_id, "region": target.region}


def _fields(change: Change) -> dict[str, object]:
    invitation = change.invitation
    fields = _where(change.target) | {
        "inviter": invitation.inviter_account_id,
        "invitation_id": invitation.invitation_id,
        "status": invitation.relationship_status,
        "invited_at": _iso(invitation.invited_at),
    }
    if change.previous_status:
        fields["previous_status"] = change.previous_status
    if change.first_poll:
        # Not necessarily new: it was there when this process first looked.
        fields["first_poll"] = True
    return fields


def _iso(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _enabled(record: TargetRecord) -> bool | None:
    return record.answer.enabled if record.answer else None
