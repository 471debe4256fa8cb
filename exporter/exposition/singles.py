"""Single invitations: the newest of all targets, as many as the cap allows."""

import heapq
from collections.abc import Iterable

from exporter.model import Answer, Invitation, Target

Single = tuple[Target, Invitation]


def newest(answers: Iterable[tuple[Target, Answer | None]], most: int) -> tuple[list[Single], int]:
    """Give the newest invitations, in the order of their labels, and how many more there are.

    What has no readable time has no series. What AWS lists twice has one: of the same labels
    Prometheus takes one sample only.
    """
    found = {
        _labels((target, invitation)): (target, invitation)
        for target, answer in answers
        if answer is not None
        for invitation in answer.invitations
        if invitation.invited_at is not None
    }
    kept = heapq.nlargest(most, found.values(), key=_by_time)
    return sorted(kept, key=_labels), len(found) - len(kept)


def _labels(single: Single) -> tuple[str, ...]:
    target, invitation = single
    return (
        target.account_id,
        target.region,
        invitation.invitation_id,
        invitation.inviter_account_id,
        invitation.relationship_status,
    )


def _by_time(single: Single) -> tuple[float, tuple[str, ...]]:
    """Order by time, then by labels: so the cap keeps the same ones each time."""
    return single[1].invited_at or 0.0, _labels(single)
