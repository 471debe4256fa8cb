"""One target's invitations, counted for its series as of a time."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf

from exporter.exposition.age_buckets import AgeBuckets
from exporter.model import KNOWN_STATUSES, NO_TRUST, Invitation, Trust

Counts = dict[tuple[str, ...], int]
Times = dict[tuple[str, ...], float]
"""In Unix seconds."""

_FILLED = {"all": KNOWN_STATUSES, "invited": ("Invited",), "none": ()}


@dataclass(frozen=True, slots=True)
class Options:
    """What is counted, and how: the settings under `metrics`."""

    buckets: AgeBuckets
    zero_fill: str = "all"
    trust: Trust = NO_TRUST
    max_invitation_series: int = 0
    """Most series of single invitations; 0 where they are not wanted."""
    max_inviter_series: int = 1000
    """Most series of untrusted inviters."""
    account_labels: tuple[str, ...] = ()
    """Keys of the labels of accounts that are shown."""
    administrator: bool = False
    """Whether it is asked who administers an account in fact."""

    @property
    def filled_statuses(self) -> tuple[str, ...]:
        """The statuses whose counts are shown even when they are 0."""
        return _FILLED[self.zero_fill]


@dataclass(slots=True)
class InvitationCounts:
    """Counts and times by their labels. Built by `count_invitations`, and only read from then on.

    The labels are the status, and before it what a field says.
    """

    listed: Counts = field(default_factory=dict)
    """By age bucket."""
    untrusted: Counts = field(default_factory=dict)
    untrusted_inviters: Times = field(default_factory=dict)
    """When the oldest invitation was sent, by inviter; 0 where that is unreadable."""
    oldest: Times = field(default_factory=dict)
    newest: Times = field(default_factory=dict)
    valid_until: float = inf
    """When the first invitation enters its next age bucket, in Unix seconds."""


def count_invitations(
    invitations: Iterable[Invitation], options: Options, now: float
) -> InvitationCounts:
    """Return the counts by status and age as of `now` (Unix seconds)."""
    listed, untrusted = _zeros(options)
    counts = InvitationCounts(listed.copy(), untrusted.copy())
    for invitation in invitations:
        invited_at = invitation.invited_at
        status = (invitation.relationship_status,)
        key = (options.buckets.label(invited_at, now), *status)
        counts.listed[key] = counts.listed.get(key, 0) + 1
        if options.trust.trusts(invitation.inviter_account_id) is False:
            counts.untrusted[status] = counts.untrusted.get(status, 0) + 1
            inviter = (invitation.inviter_account_id, *status)
            times = (counts.untrusted_inviters.get(inviter), invited_at)
            counts.untrusted_inviters[inviter] = min(filter(None, times), default=0.0)
        if invited_at is not None:
            counts.oldest[status] = min(invited_at, counts.oldest.get(status, invited_at))
            counts.newest[status] = max(invited_at, counts.newest.get(status, invited_at))
            crossing = options.buckets.next_crossing(invited_at, now)
            counts.valid_until = min(counts.valid_until, crossing)
    return counts


@lru_cache(maxsize=8)
def _zeros(options: Options) -> tuple[Counts, Counts]:
    """Return the counts that are shown even when they are 0: by age bucket, and without."""
    statuses, buckets = options.filled_statuses, options.buckets.labels
    by_bucket: Counts = {(bucket, status): 0 for status in statuses for bucket in buckets}
    return by_bucket, {(status,): 0 for status in statuses}
