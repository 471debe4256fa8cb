"""What of a poll is worth a line: the security team's trail of invitations, and what failed."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from exporter.error_codes import hint_of
from exporter.log import Log
from exporter.model import NO_TRUST, Failure, Invitation, Target, Trust
from exporter.state import TargetRecord


class Audit:
    """Logs what changed between two records of a target."""

    def __init__(self, log: Log, trust: Callable[[], Trust] = lambda: NO_TRUST) -> None:
        """Write to a log; `trust` tells who may invite."""
        self._log, self._trust = log, trust

    def note(self, previous: TargetRecord, following: TargetRecord) -> None:
        """Log the difference that a poll made."""
        self._note_changes(previous, following)
        self._note_outcome(following.target, previous.failure, following.failure)
        self._note_enabled(previous, following)

    def _note_changes(self, previous: TargetRecord, following: TargetRecord) -> None:
        """Log what happened to invitations, each with what was last seen of it."""
        if following.listed is previous.listed or following.listed is None:
            return
        target, first = following.target, previous.listed is None
        before, after = _by_identity(previous.listed or ()), _by_identity(following.listed)
        for identity, invitation in after.items():
            old = before.get(identity)
            if old is None:
                self._note_received(target, invitation, first_poll=first)
            elif old.relationship_status != invitation.relationship_status:
                fields = {**_fields(target, invitation), "previous_status": old.relationship_status}
                self._log.info("invitation_status_changed", **fields)
        for identity, invitation in before.items():
            if identity not in after:
                self._log.info("invitation_gone", **_fields(target, invitation))

    def _note_received(self, target: Target, invitation: Invitation, *, first_poll: bool) -> None:
        """Log a new invitation; warn of one from somebody unknown."""
        fields = _fields(target, invitation)
        if first_poll:
            # Not necessarily new: it was there when this process first looked.
            fields["first_poll"] = True
        trusted = self._trust().trusts(invitation.inviter_account_id)
        if trusted is not None:
            fields["trusted"] = trusted
        level = self._log.warning if trusted is False else self._log.info
        level("invitation_received", **fields)

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
        level("poll_failed", **_where(target), **failure.fields(), hint=hint_of(failure))


def _where(target: Target) -> dict[str, object]:
    return {"account": target.account_id, "region": target.region}


def _fields(target: Target, invitation: Invitation) -> dict[str, object]:
    return _where(target) | {
        "inviter": invitation.inviter_account_id,
        "invitation_id": invitation.invitation_id,
        "status": invitation.relationship_status,
        "invited_at": _iso(invitation.invited_at),
    }


def _by_identity(invitations: Iterable[Invitation]) -> Mapping[object, Invitation]:
    """Key invitations by id; by inviter and time where AWS gave none."""
    return {
        each.invitation_id or (each.inviter_account_id, each.invited_at): each
        for each in invitations
    }


def _iso(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _enabled(record: TargetRecord) -> bool | None:
    return record.answer.enabled if record.answer else None
