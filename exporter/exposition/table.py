"""The metric table: every family, what it means, its labels, and how to get its samples.

The one place to add a metric. The exposition, the README and the checks of dashboards and rules are
made from it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from exporter.exposition.tally import Tally
from exporter.model import Account, Answer, Invitation, Target
from exporter.snapshot import Knowledge, State

TARGET_LABELS = ("aws_account_id", "aws_region")

Sample = tuple[tuple[str, ...], float]
"""Values of a family's own labels (those of the target aside), in their order, and the number."""


class Group(Enum):
    """What a family's samples are made from, and so when they have to be made anew."""

    ANSWER = "answer"
    """A target's last answer and its state: until the next that differs, or an age edge."""
    POLL = "poll"
    """A target's last poll: until the next."""
    INVITATION = "invitation"
    """All single invitations together, since a cap holds over all of them."""
    ACCOUNT = "account"
    """The accounts that discovery found."""
    FLEET = "fleet"
    """The exporter as a whole: at every scrape."""
    TELEMETRY = "telemetry"
    """Counted by `exporter.telemetry` while it happens."""


@dataclass(frozen=True, slots=True)
class TargetView:
    """A target as its samples see it. No answer: nothing is known that still counts."""

    knowledge: Knowledge
    answer: Answer | None
    tally: Tally | None


@dataclass(frozen=True, slots=True)
class Discovery:
    """How discovery through AWS Organizations is doing; times in Unix seconds."""

    success: bool
    last_success: float


@dataclass(frozen=True, slots=True)
class Reload:
    """How the last loading of the configuration went; times in Unix seconds."""

    successful: bool
    last_success: float
    config_hash: float


@dataclass(frozen=True, slots=True)
class Build:
    """What this exporter was built from."""

    version: str
    revision: str
    python_version: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """The exporter as a whole, as of a scrape."""

    interval: float
    lag: float
    reload: Reload
    build: Build
    shard_index: int = 0
    shard_total: int = 1
    discovery: Discovery | None = None


@dataclass(frozen=True, slots=True)
class FleetView:
    """The fleet, with what the rendering itself knows."""

    fleet: Fleet
    states: Mapping[State, int]
    dropped: int


@dataclass(frozen=True, slots=True)
class Family:
    """A row of the table. Labels are sorted by name, as the client library writes them."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    group: Group
    samples: Callable[..., Iterable[Sample]] = lambda _: ()


def _tallied(pick: Callable[[Tally], Iterable[Sample]]) -> Callable[[TargetView], Iterable[Sample]]:
    def samples(view: TargetView) -> Iterable[Sample]:
        return pick(view.tally) if view.tally else ()

    return samples


def _by_status(pick: Callable[[Tally], Mapping[str, float]]) -> Callable[[TargetView], Iterable[Sample]]:
    return _tallied(lambda tally: [((status,), value) for status, value in pick(tally).items()])


def _enabled(view: TargetView) -> Iterator[Sample]:
    if view.answer is not None:
        yield (), float(view.answer.enabled)


def _success(view: TargetView) -> Iterator[Sample]:
    if view.knowledge.last is not None:
        yield (), float(view.knowledge.failure is None)


def _ended(view: TargetView) -> Iterator[Sample]:
    if view.knowledge.last is not None:
        yield (), view.knowledge.last.ended


def _duration(view: TargetView) -> Iterator[Sample]:
    if view.knowledge.last is not None:
        yield (), view.knowledge.last.duration


def _error(view: TargetView) -> Iterator[Sample]:
    if view.knowledge.failure is not None:
        yield (view.knowledge.failure.code,), 1.0


def _invitation(pair: tuple[Target, Invitation]) -> Iterator[Sample]:
    target, invitation = pair
    if invitation.invited_at is not None:
        labels = (
            target.account_id,
            target.region,
            invitation.invitation_id,
            invitation.inviter_account_id,
            invitation.relationship_status,
        )
        yield labels, invitation.invited_at


def _account(account: Account) -> Iterator[Sample]:
    yield (account.name, account.id), 1.0


def _states(view: FleetView) -> Iterator[Sample]:
    return (((state.value,), float(view.states.get(state, 0))) for state in State)


def _one(pick: Callable[[FleetView], float]) -> Callable[[FleetView], Iterable[Sample]]:
    return lambda view: [((), float(pick(view)))]


def _discovery(pick: Callable[[Discovery], float]) -> Callable[[FleetView], Iterable[Sample]]:
    def samples(view: FleetView) -> Iterator[Sample]:
        if view.fleet.discovery is not None:
            yield (), float(pick(view.fleet.discovery))

    return samples


def _build(view: FleetView) -> Iterator[Sample]:
    build = view.fleet.build
    yield (build.python_version, build.revision, build.version), 1.0


_BACKGROUND = "polled in the background, not at the scrape"
_STATUS = (*TARGET_LABELS, "relationship_status")

METRICS: tuple[Family, ...] = (
    Family(
        "macie_invitations",
        "gauge",
        ("age_bucket", *_STATUS),
        "Invitations to become a Macie member that the account has received and that are listed now, "
        f"by status and by age as of the scrape; {_BACKGROUND}.",
        Group.ANSWER,
        _tallied(lambda tally: tally.counts.items()),
    ),
    Family(
        "macie_invitation_oldest_timestamp_seconds",
        "gauge",
        _STATUS,
        f"When the oldest listed invitation was sent, in Unix seconds; absent without any; {_BACKGROUND}.",
        Group.ANSWER,
        _by_status(lambda tally: tally.oldest),
    ),
    Family(
        "macie_invitation_newest_timestamp_seconds",
        "gauge",
        _STATUS,
        f"When the newest listed invitation was sent, in Unix seconds; absent without any; {_BACKGROUND}.",
        Group.ANSWER,
        _by_status(lambda tally: tally.newest),
    ),
    Family(
        "macie_untrusted_invitations",
        "gauge",
        _STATUS,
        "Listed invitations whose inviter is not in metrics.trusted_inviters; exists only when that "
        f"list is set; {_BACKGROUND}.",
        Group.ANSWER,
        _by_status(lambda tally: tally.untrusted),
    ),
    Family(
        "macie_invitation_timestamp_seconds",
        "gauge",
        (*TARGET_LABELS, "invitation_id", "inviter_account_id", "relationship_status"),
        "When each listed invitation was sent, in Unix seconds; opt-in, the newest "
        f"metrics.per_invitation.max_series of them; {_BACKGROUND}.",
        Group.INVITATION,
        _invitation,
    ),
    Family(
        "macie_invitation_series_dropped",
        "gauge",
        (),
        "Invitations that metrics.per_invitation.max_series leaves without a series of their own.",
        Group.FLEET,
        _one(lambda view: view.dropped),
    ),
    Family(
        "macie_account_info",
        "gauge",
        ("account_name", "aws_account_id"),
        "The name of each polled account, for joins; always 1.",
        Group.ACCOUNT,
        _account,
    ),
    Family(
        "macie_enabled",
        "gauge",
        TARGET_LABELS,
        f"Whether AWS says that Macie is enabled (1) or not (0); absent while unknown; {_BACKGROUND}.",
        Group.ANSWER,
        _enabled,
    ),
    Family(
        "macie_poll_success",
        "gauge",
        TARGET_LABELS,
        "Whether the last poll of the target got an answer (1) or failed (0).",
        Group.POLL,
        _success,
    ),
    Family(
        "macie_poll_timestamp_seconds",
        "gauge",
        TARGET_LABELS,
        "When the last poll of the target ended, in Unix seconds.",
        Group.POLL,
        _ended,
    ),
    Family(
        "macie_poll_last_success_timestamp_seconds",
        "gauge",
        TARGET_LABELS,
        "When the last poll that got an answer ended, in Unix seconds; 0 before the first.",
        Group.POLL,
        lambda view: [((), view.knowledge.last_success)],
    ),
    Family(
        "macie_poll_duration_seconds",
        "gauge",
        TARGET_LABELS,
        "How long the last poll of the target took, its pages and retries included.",
        Group.POLL,
        _duration,
    ),
    Family(
        "macie_poll_error_info",
        "gauge",
        (*TARGET_LABELS, "error_code"),
        "Why the last poll of the target failed; 1, and only while it has.",
        Group.POLL,
        _error,
    ),
    Family(
        "macie_exporter_targets",
        "gauge",
        ("state",),
        "Targets by state: pending, ok, not_enabled, failing (last values still shown) or stale "
        "(values gone); the sum is all of them.",
        Group.FLEET,
        _states,
    ),
    Family(
        "macie_exporter_poll_interval_seconds",
        "gauge",
        (),
        "How often each target is to be polled (poll.interval).",
        Group.FLEET,
        _one(lambda view: view.fleet.interval),
    ),
    Family(
        "macie_exporter_poll_lag_seconds",
        "gauge",
        (),
        "How late the latest polls started; it grows when poll.concurrency is too low.",
        Group.FLEET,
        _one(lambda view: view.fleet.lag),
    ),
    Family(
        "macie_exporter_aws_requests_total",
        "counter",
        ("service", "operation", "aws_region"),
        "HTTP requests sent to AWS, retries included.",
        Group.TELEMETRY,
    ),
    Family(
        "macie_exporter_aws_request_errors_total",
        "counter",
        ("service", "operation", "aws_region", "error_code"),
        "HTTP requests to AWS that failed, by error code, retries included.",
        Group.TELEMETRY,
    ),
    Family(
        "macie_exporter_aws_request_duration_seconds",
        "histogram",
        ("service", "operation"),
        "How long HTTP requests to AWS took, retries counted one by one.",
        Group.TELEMETRY,
    ),
    Family(
        "macie_exporter_discovery_success",
        "gauge",
        (),
        "Whether the last discovery through AWS Organizations succeeded; absent without one.",
        Group.FLEET,
        _discovery(lambda discovery: discovery.success),
    ),
    Family(
        "macie_exporter_discovery_last_success_timestamp_seconds",
        "gauge",
        (),
        "When discovery through AWS Organizations last succeeded, in Unix seconds; 0 before that.",
        Group.FLEET,
        _discovery(lambda discovery: discovery.last_success),
    ),
    Family(
        "macie_exporter_config_last_reload_successful",
        "gauge",
        (),
        "Whether the last attempt to load the configuration succeeded.",
        Group.FLEET,
        _one(lambda view: view.fleet.reload.successful),
    ),
    Family(
        "macie_exporter_config_last_reload_success_timestamp_seconds",
        "gauge",
        (),
        "When the configuration in force was loaded, in Unix seconds.",
        Group.FLEET,
        _one(lambda view: view.fleet.reload.last_success),
    ),
    Family(
        "macie_exporter_config_hash",
        "gauge",
        (),
        "A hash of the configuration in force: equal where replicas are configured alike.",
        Group.FLEET,
        _one(lambda view: view.fleet.reload.config_hash),
    ),
    Family(
        "macie_exporter_shard_index",
        "gauge",
        (),
        "The number of this replica, from 0 (shard.index).",
        Group.FLEET,
        _one(lambda view: view.fleet.shard_index),
    ),
    Family(
        "macie_exporter_shard_total",
        "gauge",
        (),
        "How many replicas share the accounts (shard.total).",
        Group.FLEET,
        _one(lambda view: view.fleet.shard_total),
    ),
    Family(
        "macie_exporter_build_info",
        "gauge",
        ("python_version", "revision", "version"),
        "What this exporter was built from; always 1.",
        Group.FLEET,
        _build,
    ),
)
