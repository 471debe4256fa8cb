"""What the pages show: everything known at one moment, as frozen values. Pure; knows no HTTP."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.error_codes import hint_of
from exporter.exposition.fleet import Reload, WebConfig
from exporter.model import (
    NO_ADMINISTRATOR,
    PENDING_STATUSES,
    Account,
    Administrator,
    Answer,
    Failure,
    Inventory,
    Invitation,
    Target,
    Trust,
)
from exporter.settings import Settings
from exporter.state import TargetRecord, TargetState

ADMINISTRATING = ("Enabled", "Paused")
"""Relationship statuses of an invitation whose inviter is the administrator."""

_LAG_SHARE = 0.5
"""Of the interval: polls that start later than that are too late."""


@dataclass(frozen=True, slots=True)
class Status:
    """Everything known at one moment. Times in Unix seconds."""

    now: float
    settings: Settings
    known: Sequence[TargetRecord]
    accounts: Mapping[str, Account]
    due: Mapping[Target, float]
    """When each target is polled next; without those whose poll is under way."""
    inventory: Inventory
    reload: Reload
    lag: float
    """How many seconds late the latest polls started."""
    healthy: bool
    trust: Trust
    web: WebConfig | None = None
    """None without a web file."""

    @property
    def wrong(self) -> bool:
        """Whether something is wrong with the exporter itself, or with what it is told."""
        are_refused = not self.reload.successful or (self.web and not self.web.successful)
        return bool(self.inventory.failure or self.late or are_refused or not self.healthy)

    @property
    def late(self) -> bool:
        """Whether polls start too late."""
        return self.lag > _LAG_SHARE * self.settings.poll.interval.total_seconds()

    def rows(self) -> list["TargetRow"]:
        """Return every target as a row of the table, in no particular order."""
        stale_after = self.settings.poll.stale_after.total_seconds()
        return [TargetRow(self, each, *each.as_of(self.now, stale_after)) for each in self.known]


@dataclass(frozen=True, slots=True)
class Relation:
    """An account that invites a target, or administers it in fact."""

    account_id: str
    name: str
    """Empty where it is not known."""
    status: str
    invited_at: float | None
    """Unix seconds; None where AWS does not say."""
    trusted: bool | None
    """None where nobody has said yet who is trusted."""
    invitation_id: str = ""
    in_fact: bool = False
    """Whether Macie itself names it as the administrator: that is no invitation."""

    @property
    def administers(self) -> bool:
        """Whether the account sees the target's data already."""
        return self.in_fact or self.status in ADMINISTRATING

    @property
    def pending(self) -> bool:
        """Whether it waits for an answer."""
        return not self.in_fact and self.status in PENDING_STATUSES

    @property
    def urgency(self) -> tuple[bool, bool, bool, float]:
        """What to sort by: the unknown first, then administrators, who waits, and the newest."""
        return (
            self.trusted is True,
            not self.administers,
            not self.pending,
            -(self.invited_at or 0.0),
        )


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target as the table shows it; what takes time to make is made when it is asked for."""

    status: Status
    record: TargetRecord
    state: TargetState
    answer: Answer | None
    """The answer that still counts; None: nothing is known now."""

    @property
    def target(self) -> Target:
        """The account and the region."""
        return self.record.target

    @property
    def account(self) -> Account:
        """The account, with its name, role and labels."""
        account_id = self.target.account_id
        return self.status.accounts.get(account_id) or Account(account_id)

    @property
    def next_poll(self) -> float | None:
        """Unix seconds; None while a poll is under way."""
        return self.status.due.get(self.target)

    @property
    def last_success(self) -> float | None:
        """When AWS last answered, in Unix seconds; None if it never did."""
        return self.record.last_success or None

    @property
    def failure(self) -> Failure | None:
        """Why the last poll failed, if it did."""
        return self.record.failure

    @property
    def hint(self) -> str:
        """What mends the failure; empty where there is none."""
        return hint_of(self.failure) if self.failure else ""

    @property
    def listed(self) -> tuple[Invitation, ...] | None:
        """The invitations; None if unknown."""
        return self.answer.invitations if self.answer and self.answer.enabled else None

    @property
    def invitations(self) -> Mapping[str, int] | None:
        """How many invitations have each status, in the order of its letters; None if unknown."""
        if self.listed is None:
            return None
        counts = Counter(each.relationship_status for each in self.listed)
        return dict(sorted(counts.items()))

    @property
    def pending(self) -> int | None:
        """How many invitations wait for an answer; None if unknown."""
        return None if self.listed is None else len(self._waiting())

    @property
    def oldest_pending(self) -> float | None:
        """When the oldest invitation that waits was sent, in Unix seconds; None without."""
        return min((time for time in self._waiting() if time is not None), default=None)

    def _waiting(self) -> list[float | None]:
        listed = self.listed or ()
        return [each.invited_at for each in listed if each.relationship_status in PENDING_STATUSES]

    @property
    def untrusted(self) -> int | None:
        """How many invitations are of inviters that are not trusted; None if unknown."""
        trust = self.status.trust
        if self.listed is None or not trust.tells:
            return None
        return sum(trust.trusts(each.inviter_account_id) is False for each in self.listed)

    @property
    def administrator(self) -> Administrator | None:
        """The administrator in fact; NO_ADMINISTRATOR if there is none, None if unknown.

        Or not asked for: what is still known of it from before goes with the setting, at once.
        """
        asked = self.status.settings.metrics.administrator.enabled
        return self.answer.administrator if asked and self.answer else None

    def related(self) -> Iterator[Relation]:
        """Yield who asks to administer the target, and who does."""
        names, trusts = self.status.inventory.names, self.status.trust.trusts
        for each in self.listed or ():
            of = each.inviter_account_id
            known = names.get(of, ""), each.relationship_status, each.invited_at
            yield Relation(of, *known, trusts(of), each.invitation_id)
        one = self.administrator
        if one and one != NO_ADMINISTRATOR:
            of = one.account_id
            known = names.get(of, ""), one.relationship_status, None
            yield Relation(of, *known, trusts(of), in_fact=True)

    def relations(self) -> list[Relation]:
        """Return them, the most urgent first."""
        return sorted(self.related(), key=lambda each: each.urgency)
