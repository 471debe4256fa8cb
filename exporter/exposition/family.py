"""What a row of the metric table is made of, and what its samples are got from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from exporter.exposition.tally import Tally
from exporter.model import Account, Answer, Invitation, Target
from exporter.snapshot import Knowledge, State

TARGET_LABELS = ("aws_account_id", "aws_region")

Sample = tuple[tuple[str, ...], float]
"""Values of a family's own labels (those of the target aside), in their order, and the number."""


class Group(Enum):
    """What a family's samples are made from, and so when they have to be made anew."""

    ANSWER = "answer"
    """A target's last answer that counts: until the next that differs, or an age edge."""
    POLL = "poll"
    """A target's last poll: until the next."""
    OUTCOME = "outcome"
    """Whether a target's last poll failed, and how: until that changes."""
    INVITATION = "invitation"
    """All single invitations together, since a cap holds over all of them."""
    ACCOUNT = "account"
    """The accounts that discovery found."""
    FLEET = "fleet"
    """The exporter as a whole: at every scrape."""
    TELEMETRY = "telemetry"
    """Counted by `exporter.telemetry` while it happens."""


PER_TARGET = frozenset({Group.ANSWER, Group.POLL, Group.OUTCOME})
"""The groups whose families have a cell for each target."""


@dataclass(frozen=True, slots=True)
class Family:
    """A row of the table.

    Labels are in the order of their names, as the client library writes them; those of telemetry in
    the order in which they are counted.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    group: Group
    samples: Callable[[Any], Sequence[Sample]] = lambda _: ()
    """Takes what the group says: a TargetView, a pair of target and invitation, an Account or a
    FleetView."""


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
class WebConfig:
    """How the last reading of the web configuration file went; times in Unix seconds."""

    successful: bool
    last_success: float
    certificate_expiry: float | None
    """When the server's certificate ends; None without TLS."""


@dataclass(frozen=True, slots=True)
class Build:
    """What this exporter was built from."""

    version: str
    revision: str
    python_version: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """The exporter as a whole, as of a scrape; times and durations in seconds."""

    interval: float
    lag: float
    reload: Reload
    build: Build
    targets_known: bool = True
    shard_index: int = 0
    shard_total: int = 1
    discovery: Discovery | None = None
    web: WebConfig | None = None


@dataclass(frozen=True, slots=True)
class FleetView:
    """The fleet, with what the rendering itself knows."""

    fleet: Fleet
    states: Mapping[State, int]
    dropped: int
    folded: int


def tallied(
    pick: Callable[[Tally], Mapping[tuple[str, ...], float]],
) -> Callable[[TargetView], Sequence[Sample]]:
    """Take samples from a target's counts, if it has any that count."""
    return lambda view: tuple(pick(view.tally).items()) if view.tally else ()


def by_status(
    pick: Callable[[Tally], Mapping[str, float]],
) -> Callable[[TargetView], Sequence[Sample]]:
    """Take samples by relationship status from a target's counts."""
    return lambda view: (
        [((status,), value) for status, value in pick(view.tally).items()] if view.tally else ()
    )


def enabled(view: TargetView) -> Sequence[Sample]:
    """Tell whether AWS says that Macie is enabled."""
    return () if view.answer is None else (((), float(view.answer.enabled)),)


def success(view: TargetView) -> Sequence[Sample]:
    """Tell whether the last poll got an answer."""
    return () if view.knowledge.last is None else (((), float(view.knowledge.failure is None)),)


def ended(view: TargetView) -> Sequence[Sample]:
    """Tell when the last poll ended."""
    return () if view.knowledge.last is None else (((), view.knowledge.last.ended),)


def last_success(view: TargetView) -> Sequence[Sample]:
    """Tell when the last poll that got an answer ended."""
    return (((), view.knowledge.last_success),)


def duration(view: TargetView) -> Sequence[Sample]:
    """Tell how long the last poll took."""
    return () if view.knowledge.last is None else (((), view.knowledge.last.duration),)


def error(view: TargetView) -> Sequence[Sample]:
    """Tell why the last poll failed, if it did."""
    failure = view.knowledge.failure
    return () if failure is None else (((failure.code,), 1.0),)


def single(pair: tuple[Target, Invitation]) -> Sequence[Sample]:
    """Tell when an invitation was sent; these labels are all of the family's."""
    target, invitation = pair
    if invitation.invited_at is None:
        return ()
    labels = (
        target.account_id,
        target.region,
        invitation.invitation_id,
        invitation.inviter_account_id,
        invitation.relationship_status,
    )
    return ((labels, invitation.invited_at),)


def account(which: Account) -> Sequence[Sample]:
    """Name an account."""
    return (((which.name, which.id), 1.0),)


def states(view: FleetView) -> Sequence[Sample]:
    """Count targets by state, once anything is known of what there is to poll."""
    if not view.fleet.targets_known:
        return ()
    return [((state.value,), float(view.states.get(state, 0))) for state in State]


def build(view: FleetView) -> Sequence[Sample]:
    """Tell what the exporter was built from."""
    of = view.fleet.build
    return (((of.python_version, of.revision, of.version), 1.0),)


def fleet(pick: Callable[[FleetView], float]) -> Callable[[FleetView], Sequence[Sample]]:
    """Take the one sample of a family without labels."""
    return lambda view: (((), float(pick(view))),)


def discovery(pick: Callable[[Discovery], float]) -> Callable[[FleetView], Sequence[Sample]]:
    """Take a sample of how discovery is doing, where there is any."""
    return lambda view: (
        () if view.fleet.discovery is None else (((), float(pick(view.fleet.discovery))),)
    )


def web(pick: Callable[[WebConfig], float | None]) -> Callable[[FleetView], Sequence[Sample]]:
    """Take a sample of the web configuration file, where there is one and it says so much."""

    def samples(view: FleetView) -> Sequence[Sample]:
        value = None if view.fleet.web is None else pick(view.fleet.web)
        return () if value is None else (((), float(value)),)

    return samples
