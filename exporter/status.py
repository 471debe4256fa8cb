"""What the pages show: everything known at one moment, as frozen values. Pure; knows no HTTP."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from exporter.error_codes import hint_of
from exporter.exposition.fleet import Reload
from exporter.model import PENDING_STATUSES, Account, Answer, Failure, Target
from exporter.settings import Settings
from exporter.sharding import shard_of
from exporter.state import TargetRecord, TargetState
from exporter.trust import Trust

TROUBLED = (TargetState.STALE, TargetState.FAILING)
"""The states in which somebody has to do something."""


_PENDING = frozenset(PENDING_STATUSES)


@dataclass(frozen=True, slots=True)
class Search:
    """How looking for what there is to poll goes."""

    known: bool
    """Whether it is known what there is to poll."""
    repeats: bool
    """Whether that may change, so that it is looked for again and again."""
    last_success: float
    """Unix seconds, 0 before the first."""
    failure: Failure | None
    hint: str = ""
    """What mends the failure."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A policy to paste: where it belongs, its JSON, and the words in it to replace."""

    place: str
    json: str
    blanks: Mapping[str, str]
    """What is to be put in the place of which word."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do, and the statements for it, if it is a matter of those."""

    text: str
    statements: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """Everything known at one moment. Times in Unix seconds."""

    now: float
    settings: Settings
    known: Sequence[TargetRecord]
    accounts: Mapping[str, Account]
    due: Mapping[Target, float]
    """When each target is polled next; without those whose poll is under way."""
    search: Search
    reload: Reload
    lag: float
    """How many seconds late the latest polls started."""
    healthy: bool
    trust: Trust
    names: Mapping[str, str]
    """Names of accounts, polled or not, by id; an account without a name is not in it."""

    @property
    def stale_after(self) -> float:
        """Give the seconds after which a failing target's last answer no longer counts."""
        return self.settings.poll.stale_after.total_seconds()

    def rows(self) -> list["TargetRow"]:
        """Give every target as a row of the table, in no particular order."""
        return [self._row(knowledge) for knowledge in self.known]

    def row(self, target: Target) -> "TargetRow | None":
        """Give one target as a row, if it is one."""
        return next((self._row(known) for known in self.known if known.target == target), None)

    def _row(self, knowledge: TargetRecord) -> "TargetRow":
        target = knowledge.target
        account = self.accounts.get(target.account_id)
        state, answer = knowledge.as_of(self.now, self.stale_after)
        name = account.name if account else ""
        return TargetRow(knowledge, name, state, answer, self.due.get(target))


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target as the table shows it; what takes time to make is made when it is asked for."""

    knowledge: TargetRecord
    account_name: str
    state: TargetState
    answer: Answer | None
    """The answer that still counts; None: nothing is known now."""
    next_poll: float | None
    """Unix seconds; None while a poll is under way."""

    @property
    def account_id(self) -> str:
        """Give the account's id."""
        return self.knowledge.target.account_id

    @property
    def region(self) -> str:
        """Give the region."""
        return self.knowledge.target.region

    @property
    def last_success(self) -> float | None:
        """Give when AWS last answered, in Unix seconds; None if it never did."""
        return self.knowledge.last_success or None

    @property
    def failure(self) -> Failure | None:
        """Give why the last poll failed, if it did."""
        return self.knowledge.failure

    @property
    def hint(self) -> str:
        """Say what mends the failure; empty where there is none."""
        return hint_of(self.failure) if self.failure else ""

    @property
    def invitations(self) -> Mapping[str, int] | None:
        """Count the invitations by status, in the order of its letters; None if unknown."""
        if self.answer is None or not self.answer.enabled:
            return None
        counts = Counter(each.relationship_status for each in self.answer.invitations)
        return dict(sorted(counts.items()))

    @property
    def pending(self) -> int | None:
        """Count the invitations that wait for an answer; None if unknown."""
        return len(self._waiting()) if self.answer and self.answer.enabled else None

    @property
    def oldest_pending(self) -> float | None:
        """Give when the oldest invitation that waits was sent, in Unix seconds; None without."""
        return min((time for time in self._waiting() if time is not None), default=None)

    def _waiting(self) -> list[float | None]:
        listed = self.answer.invitations if self.answer else ()
        return [each.invited_at for each in listed if each.relationship_status in _PENDING]


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

    @property
    def targets(self) -> int:
        """Count the targets."""
        return sum(self.states.values())

    @property
    def polled(self) -> int:
        """Count the targets that have been polled."""
        return self.targets - self.states[TargetState.PENDING]


def counted(rows: Iterable[TargetRow]) -> Mapping[TargetState, int]:
    """Count the targets of each state."""
    counts = Counter(row.state for row in rows)
    return {state: counts[state] for state in TargetState}


def summary(rows: Sequence[TargetRow]) -> Summary:
    """Count the targets of each state, and find what is oldest."""
    oldest = (row.oldest_pending for row in rows)
    return Summary(
        counted(rows),
        sum(row.pending or 0 for row in rows),
        min((time for time in oldest if time is not None), default=None),
        min(
            (row for row in rows if row.last_success),
            key=lambda row: row.knowledge.last_success,
            default=None,
        ),
        sum(row.answer is None for row in rows),
    )


@dataclass(frozen=True, slots=True)
class Trouble:
    """Targets of one account that fail alike."""

    account_id: str
    account_name: str
    code: str
    hint: str
    regions: tuple[str, ...]


def troubles(rows: Iterable[TargetRow]) -> list[Trouble]:
    """Give what goes wrong, account by account: the widest first."""

    def alike(row: TargetRow) -> tuple[str, str]:
        return (row.account_id, row.failure.code if row.failure else "")

    failing = sorted((row for row in rows if row.failure), key=lambda r: (*alike(r), r.region))
    found = [_trouble(code, list(of)) for (_, code), of in groupby(failing, key=alike)]
    return sorted(found, key=lambda trouble: -len(trouble.regions))


def _trouble(code: str, rows: Sequence[TargetRow]) -> Trouble:
    first = rows[0]
    regions = tuple(row.region for row in rows)
    return Trouble(first.account_id, first.account_name, code, first.hint, regions)


def whys(account_id: str, status: Status) -> Iterator[str]:
    """Say why an account has no targets here, as far as the configuration tells."""
    settings = status.settings
    organization, shard = settings.aws.organization, settings.shard
    mine = shard_of(account_id, shard.total)
    if mine != shard.index:
        yield f"shard {mine} of {shard.total} would poll it; this is shard {shard.index}"
    if not status.search.known:
        yield "what there is to poll is not known yet"
    if organization is None:
        yield "it is not among aws.accounts, and no organization is configured"
        return
    if account_id in organization.exclude_accounts:
        yield "aws.organization.exclude_accounts names it"
        return
    if status.search.failure is not None:
        yield "the last discovery through AWS Organizations failed"
    under = " under aws.organization.include_ous" if organization.include_ous else ""
    yield f"AWS Organizations does not list it as an active account{under}"
