"""What the pages show: everything known at one moment, as frozen values. Pure; knows no HTTP."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.discovery.directory import hint
from exporter.error_codes import hint_of
from exporter.exposition.fleet import Reload
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

_PENDING = frozenset(PENDING_STATUSES)


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

    @property
    def names(self) -> Mapping[str, str]:
        """Names of accounts, polled or not, by id; an account without a name is not in it."""
        return self.inventory.names

    @property
    def discovery_hint(self) -> str:
        """What mends the last discovery; empty where it did not fail."""
        failure = self.inventory.failure
        return hint(failure) if failure else ""

    def rows(self) -> list["TargetRow"]:
        """Return every target as a row of the table, in no particular order."""
        return [self._row(known) for known in self.known]

    def row(self, target: Target) -> "TargetRow | None":
        """Return one target as a row, if it is one."""
        return next((self._row(known) for known in self.known if known.target == target), None)

    def _row(self, known: TargetRecord) -> "TargetRow":
        stale_after = self.settings.poll.stale_after.total_seconds()
        return TargetRow(self, known, *known.as_of(self.now, stale_after))

    def relation(self, of: Invitation | Administrator) -> "Relation":
        """Return what a target's invitation, or its administrator in fact, means to it."""
        account_id = of.account_id if isinstance(of, Administrator) else of.inviter_account_id
        return Relation(
            account_id,
            self.names.get(account_id, ""),
            of.relationship_status,
            None if isinstance(of, Administrator) else of.invited_at,
            self.trust.trusts(account_id),
            in_fact=isinstance(of, Administrator),
        )


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
    in_fact: bool
    """Whether Macie itself names it as the administrator."""

    @property
    def administers(self) -> bool:
        """Whether the account sees the target's data already."""
        return self.in_fact or self.status in ADMINISTRATING

    @property
    def pending(self) -> bool:
        """Whether it waits for an answer."""
        return not self.in_fact and self.status in _PENDING

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
        return [each.invited_at for each in listed if each.relationship_status in _PENDING]

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

    def related(self) -> Iterator[Invitation | Administrator]:
        """Yield what asks to administer the target, and what does."""
        yield from self.listed or ()
        if self.administrator and self.administrator != NO_ADMINISTRATOR:
            yield self.administrator

    def relations(self) -> list[Relation]:
        """Return the accounts behind that, the most urgent first."""
        return sorted(map(self.status.relation, self.related()), key=lambda each: each.urgency)
