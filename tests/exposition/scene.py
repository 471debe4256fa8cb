"""A snapshot that is fed by hand, and the exposition made of it."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from exporter.ages import AgeBuckets
from exporter.exposition.cache import Cache
from exporter.exposition.table import Build, Discovery, Fleet, Reload, WebConfig
from exporter.exposition.tally import Options
from exporter.model import Account, Answer, Failure, Invitation, PollResult, Target
from exporter.snapshot import Snapshot
from tests.clocks import ManualClock

NOW = 1_700_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR
STALE_AFTER = 900.0

EDGES = (timedelta(days=1), timedelta(days=7), timedelta(days=30), timedelta(days=90))

PAYMENTS = Target("111122223333", "eu-west-1")
AUDIT = Target("000000000042", "us-east-1")

_FIXED = (
    "#",
    "macie_exporter_poll",
    "macie_exporter_invitations_folded",
    "macie_exporter_discovery",
    "macie_exporter_config",
    "macie_exporter_web",
    "macie_exporter_shard",
    "macie_exporter_build",
)


def options(
    *,
    zero_fill: str = "none",
    trusted: Iterable[str] = (),
    most: int = 0,
    edges: Sequence[timedelta] = EDGES,
) -> Options:
    """Give options that show as little as possible, but for what is asked for."""
    return Options(AgeBuckets(edges), zero_fill, frozenset(trusted), most)


def invitation(
    name: str = "i1",
    status: str = "Invited",
    at: float | None = NOW - DAY / 2,
    inviter: str = "999988887777",
) -> Invitation:
    """Make an invitation; half a day old, if nothing else is asked for."""
    return Invitation(inviter, name, status, at)


class Scene:
    """Targets that answer and fail as a test says, at the time that it says."""

    def __init__(
        self,
        *targets: Target,
        shows: Options | None = None,
        accounts: tuple[Account, ...] = (),
        discovery: Discovery | None = None,
    ) -> None:
        """Know some targets, not yet polled."""
        self.clock = ManualClock(NOW)
        self.shows = shows or options()
        self.stale_after = STALE_AFTER
        self.accounts = accounts
        self.discovery = discovery
        self.snapshot = Snapshot()
        self.snapshot.retain(targets)
        self.cache = self.another_cache()

    def another_cache(self) -> Cache:
        """Make a cache that has rendered nothing yet."""
        return Cache(
            self.snapshot,
            options=self.shows,
            stale_after=self.stale_after,
            now=self.clock.now,
            fleet=self.fleet,
            accounts=lambda: self.accounts,
        )

    def reloaded(self, shows: Options, stale_after: float = STALE_AFTER) -> None:
        """Have somebody reload the configuration."""
        self.shows, self.stale_after = shows, stale_after
        self.cache.show(shows, stale_after)

    def answered(self, target: Target, *invitations: Invitation) -> None:
        """Have a poll end now that lists these invitations."""
        self.polled(target, Answer(enabled=True, invitations=invitations))

    def not_enabled(self, target: Target) -> None:
        """Have a poll end now with the answer that Macie is not enabled."""
        self.polled(target, Answer(enabled=False))

    def failed(self, target: Target, code: str = "ThrottlingException") -> None:
        """Have a poll end now without an answer."""
        self.polled(target, Failure(code, "as the test wants it"))

    def polled(self, target: Target, outcome: Answer | Failure) -> None:
        """Have a poll end now."""
        self.snapshot.record(PollResult(target, self.clock.now(), 0.25, outcome))

    def text(self) -> str:
        """Give the exposition as of now."""
        return self.cache.text().decode()

    def lines(self) -> str:
        """Give the exposition's samples that depend on targets, without their headers."""
        # Not splitlines(): a label may hold what that takes for the end of a line.
        lines = self.text().split("\n")
        return "\n".join(line for line in lines if not line.startswith(_FIXED))

    def invitations(self) -> str:
        """Give the samples that tell of invitations."""
        shown = ("macie_invitation", "macie_untrusted")
        return "".join(f"{line}\n" for line in self.lines().split("\n") if line.startswith(shown))

    def fleet(self) -> Fleet:
        """Give what is said of the exporter as a whole."""
        return Fleet(
            interval=300.0,
            lag=0.5,
            reload=Reload(successful=True, last_success=NOW - DAY, config_hash=42.0),
            build=Build("1.2.3", "abcdef0", "3.13.1"),
            discovery=self.discovery,
            web=WebConfig(successful=False, last_success=NOW - DAY, certificate_expiry=NOW + DAY),
        )
