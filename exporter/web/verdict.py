"""What the whole fleet comes to: the verdict, and what it rests on. Pure; knows no HTTP."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exporter.model import KNOWN_STATUSES
from exporter.settings.fields import ACCOUNT_ID
from exporter.sharding import shard_of
from exporter.state import TargetState
from exporter.web.status import Relation, Status, TargetRow

TROUBLED = (TargetState.STALE, TargetState.FAILING)
"""The states in which somebody has to do something."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """An account that is not known to be trusted, and how it stands to the targets."""

    account_id: str
    name: str
    """Empty where it is not known."""
    accounts: Sequence[str]
    """The names of the accounts that are meant, or their ids."""
    targets: int
    administers: int
    """Targets whose data it sees already."""
    pending: int
    """Targets where its invitation waits for an answer."""
    statuses: Mapping[str, int]
    """How many targets have its invitations in each status."""
    since: float | None
    """When the oldest was sent, in Unix seconds."""


def strangers(rows: Iterable[TargetRow]) -> list[Stranger]:
    """Return who is not trusted, or who nobody can tell whether to: administrators first."""
    found: dict[str, list[tuple[TargetRow, Relation]]] = {}
    for row in rows:
        for each in row.related():
            if not each.trusted:
                found.setdefault(each.account_id, []).append((row, each))
    return sorted(
        (_stranger(relations) for relations in found.values()),
        key=lambda each: (not each.administers, not each.pending, -each.targets, each.account_id),
    )


def _stranger(found: Sequence[tuple[TargetRow, Relation]]) -> Stranger:
    targets = {row.target: row.account for row, _ in found}
    statuses = {(row.target, each.status or "Enabled") for row, each in found}
    sent = (each.invited_at for _, each in found)
    return Stranger(
        found[0][1].account_id,
        found[0][1].name,
        accounts=sorted({account.name or account.id for account in targets.values()}),
        targets=len(targets),
        administers=len({row.target for row, each in found if each.administers}),
        pending=len({row.target for row, each in found if each.pending}),
        statuses=dict(sorted(Counter(status for _, status in statuses).items())),
        since=min((time for time in sent if time is not None), default=None),
    )


FailureGroup = Sequence[TargetRow]
"""Targets of one account that fail alike, in the order of their regions."""


def failure_groups(rows: Iterable[TargetRow]) -> list[FailureGroup]:
    """Return what fails, account by account: the widest first."""
    groups: dict[tuple[str, str], list[TargetRow]] = {}
    for row in sorted(rows, key=lambda row: row.target):
        if row.failure:
            groups.setdefault((row.target.account_id, row.failure.code), []).append(row)
    return sorted(groups.values(), key=len, reverse=True)


@dataclass(frozen=True, slots=True)
class Summary:
    """The fleet in a line."""

    targets: int
    states: Mapping[TargetState, int]
    """How many targets are in each state; in the others are none."""
    pending: int
    """Invitations that wait for an answer."""
    oldest_pending: float | None
    oldest: TargetRow | None
    """Of the targets that AWS has answered for, the one that it did longest ago."""
    unknown: int
    """Targets of which nothing is known now: they may have invitations beyond those counted."""

    @property
    def troubled(self) -> int:
        """How many cannot be polled."""
        return sum(self.states[state] for state in TROUBLED)


def summary(rows: Sequence[TargetRow]) -> Summary:
    """Return how many targets are in each state, and what is oldest."""
    oldest = (row.oldest_pending for row in rows)
    answered = (row for row in rows if row.last_success)
    return Summary(
        targets=len(rows),
        states=Counter(row.state for row in rows),
        pending=sum(row.pending or 0 for row in rows),
        oldest_pending=min((time for time in oldest if time is not None), default=None),
        oldest=min(answered, key=lambda row: row.record.last_success, default=None),
        unknown=sum(row.answer is None for row in rows),
    )


class Verdict(NamedTuple):
    """The first page's heading, and whether it is good, bad, warn or busy."""

    level: str
    text: str


def verdict(status: Status, fleet: Summary, unknown: Sequence[Stranger]) -> Verdict:
    """Return what is worst. All is well only where nothing could hide that it is not."""
    return next(_findings(status, fleet, unknown))


def _findings(status: Status, fleet: Summary, unknown: Sequence[Stranger]) -> Iterator[Verdict]:
    of_all = f"{fleet.targets} target{'' if fleet.targets == 1 else 's'}"
    if status.settings.shard.total > 1:
        of_all += " of this shard"
    if status.trust.tells and unknown:
        yield _of_strangers(unknown)
    if fleet.troubled:
        yield Verdict("bad", f"{fleet.troubled} of {of_all} cannot be polled")
    if status.wrong:
        yield Verdict("bad", "Something is wrong")
    if not status.inventory.known:
        yield Verdict("busy", "Looking for what there is to poll")
    if not fleet.targets:
        yield Verdict("busy", "There is nothing to poll")
    if fleet.unknown:
        polled = fleet.targets - fleet.states[TargetState.PENDING]
        yield Verdict("busy", f"The first round is under way: {polled} of {of_all} polled")
    if not status.trust.tells:
        yield Verdict("warn", "Whether unknown accounts invite cannot be told")
    yield Verdict("good", f"All is well: {of_all} answered, and no unknown account invites")


def _of_strangers(unknown: Sequence[Stranger]) -> Verdict:
    administrators = sum(each.administers > 0 for each in unknown)
    asking = sum(each.pending > 0 for each in unknown)
    if administrators == 1:
        return Verdict("bad", "An unknown account is the Macie administrator")
    if administrators:
        return Verdict("bad", f"{administrators} unknown accounts are Macie administrators")
    if asking == 1:
        return Verdict("bad", "An unknown account asks to become the Macie administrator")
    if asking:
        return Verdict("bad", f"{asking} unknown accounts ask to become the Macie administrator")
    # A status that AWS adds may mean anything.
    settled = {status for each in unknown for status in each.statuses} <= {*KNOWN_STATUSES}
    return Verdict("warn" if settled else "bad", "Unknown accounts have sent invitations")


def absence_reasons(account_id: str, status: Status) -> Iterator[str]:
    """Yield why an account has no such target here, as far as the configuration tells."""
    if account := status.accounts.get(account_id):
        yield f"the account is polled in {', '.join(account.regions)} alone"
        return
    if not ACCOUNT_ID.fullmatch(account_id):
        yield f"{account_id} is no account id, which has 12 digits"
        return
    organization, shard = status.settings.aws.organization, status.settings.shard
    mine = shard_of(account_id, shard.total)
    if mine != shard.index:
        yield f"shard {mine} of {shard.total} would poll it; this is shard {shard.index}"
    if not status.inventory.known:
        yield "what there is to poll is not known yet"
    if organization is None:
        yield "it is not among aws.accounts, and no organization is configured"
    elif account_id in organization.exclude_accounts:
        yield "aws.organization.exclude_accounts names it"
    elif status.inventory.failure:
        yield "the last discovery through AWS Organizations failed"
    elif status.inventory.known:
        under = " under aws.organization.include_ous" if organization.include_ous else ""
        yield f"AWS Organizations does not list it as an active account{under}"
