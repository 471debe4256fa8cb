"""A snapshot that is fed by hand, and the exposition made of it."""

import asyncio
from collections.abc import Collection, Coroutine, Iterable
from datetime import timedelta

from exporter.background import TURN
from exporter.exposition.age_buckets import AgeBuckets
from exporter.exposition.counts import Options
from exporter.exposition.fleet import Build, Fleet, Reload, WebConfig
from exporter.exposition.own_metrics import OwnMetrics
from exporter.exposition.scrape import Exposition
from exporter.model import (
    Account,
    Answer,
    Failure,
    Inventory,
    Invitation,
    PollResult,
    Target,
    Trust,
)
from exporter.state import Snapshot, TargetRecord
from tests.clocks import ManualClock

NOW = 1_700_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR
STALE_AFTER = 900.0

EDGES = (timedelta(days=1), timedelta(days=7), timedelta(days=30), timedelta(days=90))

PAYMENTS = Target("111122223333", "eu-west-1")
AUDIT = Target("000000000042", "us-east-1")


def options(
    *,
    zero_fill: str = "none",
    trusted: Iterable[str] = (),
    most: int = 0,
    most_inviters: int = 1000,
    labels: tuple[str, ...] = (),
    administrator: bool = False,
) -> Options:
    """Return options that show as little as possible, but for what is asked for."""
    ids = frozenset(trusted)
    trust = Trust(configured=bool(ids), accounts=ids)
    return Options(AgeBuckets(EDGES), zero_fill, trust, most, most_inviters, labels, administrator)


def invitation(
    name: str = "i1",
    status: str = "Invited",
    at: float | None = NOW - DAY / 2,
    inviter: str = "999988887777",
) -> Invitation:
    """Make an invitation; half a day old, if nothing else is asked for."""
    return Invitation(inviter, name, status, at)


def finish(work: Coroutine[object, object, list[bytes]]) -> list[bytes]:
    """Let a scrape have turns until it has ended; without what a loop would cost."""
    while True:
        try:
            work.send(None)
        except StopIteration as end:
            return list(end.value)


class Scene:
    """Targets that answer and fail as a test says, at the time that it says."""

    def __init__(
        self,
        *targets: Target,
        shows: Options | None = None,
        accounts: tuple[Account, ...] = (),
        discovery: Inventory | None = None,
        turn: float = TURN,
    ) -> None:
        """Know some targets, not yet polled."""
        self.clock = ManualClock(NOW)
        self.shows = shows or options()
        self.stale_after = STALE_AFTER
        self.accounts = accounts
        self.discovery = discovery
        self.snapshot = Snapshot()
        self.exposition = Exposition(
            self.snapshot, self.shows, self.stale_after, self.clock.now, turn
        )
        self.own = OwnMetrics(self.fleet)
        self.found(*targets)

    def show(self) -> Coroutine[object, object, None]:
        """Show what there is."""
        return self.exposition.show(self.shows, self.stale_after, self.accounts)

    def found(self, *targets: Target) -> None:
        """Have discovery find exactly these."""
        self.retain(targets)
        asyncio.run(self.show())

    def retain(self, targets: Collection[Target]) -> None:
        """Know exactly these targets."""
        known = [record.target for record in self.snapshot.all()]
        gone = [target for target in known if target not in targets]
        new = (TargetRecord(target) for target in targets if target not in known)
        self.snapshot.change(gone, new)

    def anew(self, shows: Options | None = None, stale_after: float | None = None) -> Exposition:
        """Render what is known from nothing, by these settings or those in force."""
        by = (shows or self.shows, stale_after or self.stale_after)
        made = Exposition(self.snapshot, *by, self.clock.now)
        asyncio.run(made.show(*by, self.accounts))
        return made

    def reloaded(self, shows: Options) -> None:
        """Have somebody reload the configuration."""
        self.shows = shows
        asyncio.run(self.show())

    def answered(self, target: Target, *invitations: Invitation) -> None:
        """Have a poll end now that lists these invitations."""
        self.polled(target, Answer(enabled=True, invitations=invitations))

    def failed(self, target: Target, code: str = "ThrottlingException") -> None:
        """Have a poll end now without an answer."""
        self.polled(target, Failure(code, "as the test wants it"))

    def polled(self, target: Target, outcome: Answer | Failure) -> None:
        """Have a poll end now."""
        self.record(PollResult(target, self.clock.now(), 0.25, outcome))

    def record(self, result: PollResult) -> None:
        """Have a poll land that ended as it says."""
        self.snapshot.record(result)
        self.exposition.update(result.target)

    def text(self) -> str:
        """Return the exposition as of now; what is counted and the process are left out."""
        pieces = asyncio.run(self.exposition.text(self.own.text))
        return b"".join(pieces).decode().partition("# HELP macie_exporter_aws_requests")[0]

    def fleet(self) -> Fleet:
        """Return what is said of the exporter as a whole."""
        return Fleet(
            states=self.exposition.states,
            interval=300.0,
            lag=0.5,
            loop_lag=0.02,
            reload=Reload(last_success=NOW - DAY, config_hash=42.0),
            build=Build("1.2.3", "abcdef0", "3.13.1"),
            trust_configured=self.shows.trust.configured,
            discovered=self.discovery,
            web=WebConfig(NOW - DAY, certificate_expiry=NOW + DAY, refusal="wrong"),
        )
