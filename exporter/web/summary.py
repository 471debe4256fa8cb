"""What the whole fleet comes to: the verdict, and what it rests on. Pure; knows no HTTP."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from exporter.model import KNOWN_STATUSES, PENDING_STATUSES
from exporter.sharding import shard_of
from exporter.state import TargetState
from exporter.web.status import ADMINISTRATING, Relation, Status, TargetRow

TROUBLED = (TargetState.STALE, TargetState.FAILING)
"""The states in which somebody has to do something."""

_LAG_SHARE = 0.5
"""Of the interval: polls that start later than that are too late."""


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
        for each in map(row.status.relation, row.related()):
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


_OVER = frozenset(KNOWN_STATUSES) - {*PENDING_STATUSES, *ADMINISTRATING}
"""Statuses of which AWS says that nobody waits for an answer, and nobody administers."""

FailureGroup = Sequence[TargetRow]
"""Targets of one account that fail alike, in the order of their regions."""


def failure_groups(rows: Iterable[TargetRow]) -> list[FailureGroup]:
    """Return what fails, account by account: the widest first."""

    def alike(row: TargetRow) -> tuple[str, str]:
        return (row.target.account_id, row.failure.code if row.failure else "")

    failing = sorted((row for row in rows if row.failure), key=lambda r: (*alike(r), r.target))
    groups = [list(of) for _, of in groupby(failing, key=alike)]
    return sorted(groups, key=len, reverse=True)


@dataclass(frozen=True, slots=True)
class Summary:
    """The fleet in a line."""

    states: Mapping[TargetState, int]
    pending: int
    """Invitations that wait for an answer."""
    oldest_pending: float | None
    oldest: TargetRow | None
    """Of the targets that AWS has answered for, the one that it did longest ago."""
    unknown: int
    """Targets of which nothing is known now: they may have invitations beyond those counted."""
    administrators_asked: bool
    """Whether any target's administrator in fact is known."""

    @property
    def targets(self) -> int:
        """How many targets there are."""
        return sum(self.states.values())

    @property
    def polled(self) -> int:
        """How many have been polled."""
        return self.targets - self.states[TargetState.PENDING]

    @property
    def troubled(self) -> int:
        """How many cannot be polled."""
        return sum(self.states[state] for state in TROUBLED)


def counted(rows: Iterable[TargetRow]) -> Mapping[TargetState, int]:
    """Return how many targets are in each state."""
    counts = Counter(row.state for row in rows)
    return {state: counts[state] for state in TargetState}


def summary(rows: Sequence[TargetRow]) -> Summary:
    """Return how many targets are in each state, and what is oldest."""
    oldest = (row.oldest_pending for row in rows)
    return Summary(
        counted(rows),
        sum(row.pending or 0 for row in rows),
        min((time for time in oldest if time is not None), default=None),
        min(
            (row for row in rows if row.last_success),
            key=lambda row: row.record.last_success,
            default=None,
        ),
        sum(row.answer is None for row in rows),
        any(row.administrator for row in rows),
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first page's heading, and whether it is good, bad, warn or busy."""

    level: str
    text: str


def late(status: Status) -> bool:
    """Return whether polls start too late."""
    return status.lag > _LAG_SHARE * status.settings.poll.interval.total_seconds()


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
    if (
        status.inventory.failure
        or not (status.reload.successful and status.healthy)
        or late(status)
    ):
        yield Verdict("bad", "Something is wrong")
    if not status.inventory.known:
        yield Verdict("busy", "Looking for what there is to poll")
    if not fleet.targets:
        yield Verdict("busy", "There is nothing to poll")
    if fleet.unknown:
        yield Verdict("busy", f"The first round is under way: {fleet.polled} of {of_all} polled")
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
    if {status for each in unknown for status in each.statuses} <= _OVER:
        return Verdict("warn", "Invitations of unknown accounts are still to be deleted")
    return Verdict("bad", "Unknown accounts have sent invitations")


def absence_reasons(account_id: str, status: Status) -> Iterator[str]:
    """Yield why an account has no such target here, as far as the configuration tells."""
    if account := status.accounts.get(account_id):
        yield f"the account is polled in {', '.join(account.regions)} alone"
        return
    settings = status.settings
    organization, shard = settings.aws.organization, settings.shard
    mine = shard_of(account_id, shard.total)
    if mine != shard.index:
        yield f"shard {mine} of {shard.total} would poll it; this is shard {shard.index}"
    if not status.inventory.known:
        yield "what there is to poll is not known yet"
    if organization is None:
        yield "it is not among aws.accounts, and no organization is configured"
        return
    if account_id in organization.exclude_accounts:
        yield "aws.organization.exclude_accounts names it"
        return
    if status.inventory.failure is not None:
        yield "the last discovery through AWS Organizations failed"
    under = " under aws.organization.include_ous" if organization.include_ous else ""
    yield f"AWS Organizations does not list it as an active account{under}"
