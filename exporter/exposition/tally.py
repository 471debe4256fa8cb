"""One target's invitations, counted for its series as of a time."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from exporter.ages import AgeBuckets
from exporter.model import KNOWN_STATUSES, Invitation

_FILLED = {"all": KNOWN_STATUSES, "invited": ("Invited",), "none": ()}


@dataclass(frozen=True, slots=True)
class Options:
    """What is counted, and how: the settings under `metrics`."""

    buckets: AgeBuckets
    zero_fill: str = "all"
    trusted: frozenset[str] = frozenset()
    max_invitation_series: int = 0
    """Most series of single invitations; 0 where they are not wanted."""

    @property
    def filled_statuses(self) -> tuple[str, ...]:
        """Give the statuses whose counts are shown even when they are 0."""
        return _FILLED[self.zero_fill]


@dataclass(slots=True)
class Tally:
    """Counts and times by status. Built once by `tally`, and only read from then on."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    """By age bucket and status."""
    untrusted: dict[str, int] = field(default_factory=dict)
    oldest: dict[str, float] = field(default_factory=dict)
    newest: dict[str, float] = field(default_factory=dict)
    valid_until: float = float("inf")
    """When the first invitation enters its next age bucket, in Unix seconds."""


def tally(invitations: Iterable[Invitation], options: Options, now: float) -> Tally:
    """Count invitations by status and age as of `now` (Unix seconds)."""
    result = Tally()
    for status in options.filled_statuses:
        result.untrusted[status] = 0
        for bucket in options.buckets.labels:
            result.counts[bucket, status] = 0
    for invitation in invitations:
        _count(invitation, result, options.buckets, options.trusted, now)
    return result


def _count(
    invitation: Invitation, into: Tally, buckets: AgeBuckets, trusted: Container[str], now: float
) -> None:
    status, invited_at = invitation.relationship_status, invitation.invited_at
    key = (buckets.label(invited_at, now), status)
    into.counts[key] = into.counts.get(key, 0) + 1
    if invitation.inviter_account_id not in trusted:
        into.untrusted[status] = into.untrusted.get(status, 0) + 1
    if invited_at is not None:
        into.oldest[status] = min(invited_at, into.oldest.get(status, invited_at))
        into.newest[status] = max(invited_at, into.newest.get(status, invited_at))
        into.valid_until = min(into.valid_until, buckets.next_crossing(invited_at, now))
