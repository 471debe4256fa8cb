"""A believable organisation, and how it changes while the demo runs; the same for the same seed."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from exporter.demo.world import (
    DEFAULT_REGIONS,
    DEFAULT_ROLE,
    Fault,
    Invitation,
    World,
)
from exporter.model import KNOWN_STATUSES

HUB: Final = "111111111111"
ADMINISTRATOR: Final = "012345678901"
FORMER_ADMINISTRATOR: Final = "000011112222"
TRUSTED_INVITERS: Final = (ADMINISTRATOR, FORMER_ADMINISTRATOR)
STRANGER: Final = "660066006600"
PASSING_STRANGER: Final = "990099009900"

_HUB_NAME: Final = "management"
_MEMBERS: Final = (
    (ADMINISTRATOR, "security-tooling", "Security"),
    (FORMER_ADMINISTRATOR, "log-archive", "Security"),
    ("333344445555", "payments", "Production"),
    ("444455556666", "data-lake", "Production"),
    ("555566667777", "checkout", "Production"),
    ("007700770077", "customer-support", "Production"),
    ("666677778888", "machine-learning", "Production"),
    ("777788889999", "payments-staging", "Staging"),
    ("888899990000", "web-staging", "Staging"),
    ("090909090909", "sandbox", "Sandbox"),
    ("121212121212", "legacy-erp", "Sandbox"),
)
_PAYMENTS: Final = ("333344445555", "us-east-1")
_DATA_LAKE: Final = ("444455556666", "eu-west-1")
BUSY: Final = ("666677778888", "us-east-1")
THROTTLED: Final = ("555566667777", "eu-west-1")
NOT_ENABLED: Final = ("090909090909", "eu-central-1")
DENIED: Final = ("121212121212", "us-east-1")

# One age within each of the default buckets, whose edges are 1, 7, 30 and 90 days.
_AGES: Final = (
    timedelta(hours=5),
    timedelta(days=3, hours=7),
    timedelta(days=17),
    timedelta(days=55),
    timedelta(days=204),
)
_PENDING: Final = ("Invited", "Created", "EmailVerificationInProgress")
_SETTLED: Final = ("Removed", "Resigned", "EmailVerificationFailed")
_BUSY_INVITATIONS: Final = 60
_MOST_INVITATIONS: Final = 200
_SEED: Final = 20


def build(now: datetime, seed: int = _SEED) -> World:
    """Make the organisation as it is at `now`."""
    rng = random.Random(seed)  # noqa: S311 - a story, no secret
    world = World(HUB, hub_name=_HUB_NAME)
    _add_members(world)
    for account, region in world.targets():
        for invitation in _history(rng, now):
            world.invite(account, region, invitation)
    _add_exhibits(world, rng, now)
    _add_troubles(world)
    return world


def configuration(hub: str = HUB) -> dict[str, object]:
    """Return the exporter's configuration that covers the organisation, as in its YAML file."""
    members = [
        {"id": account, "name": name, "role_arn": f"arn:aws:iam::{account}:role/{DEFAULT_ROLE}"}
        for account, name, _ in _MEMBERS
    ]
    return {
        "aws": {
            "accounts": [{"id": hub, "name": _HUB_NAME}, *members],
            "regions": list(DEFAULT_REGIONS),
        },
        "metrics": {
            "trusted_inviters": list(TRUSTED_INVITERS),
            "per_invitation": {"enabled": True},
        },
        "poll": {"interval": "10s"},
    }


def _add_members(world: World) -> None:
    """Add the accounts, in units of which two lie within a third."""
    workloads = world.add_unit("Workloads")
    parents = {
        "Security": world.add_unit("Security"),
        "Sandbox": world.add_unit("Sandbox"),
        "Production": world.add_unit("Production", workloads),
        "Staging": world.add_unit("Staging", workloads),
    }
    for account, name, unit in _MEMBERS:
        world.add_account(account, name, parents[unit])


def _history(rng: random.Random, now: datetime) -> Iterator[Invitation]:
    """Yield what most targets have: the administrator's accepted invitation, and some others."""
    yield _invitation(rng, ADMINISTRATOR, "Enabled", now - _AGES[-1] * rng.uniform(0.6, 2))
    for _ in range(rng.randrange(3)):
        status = rng.choice((*_PENDING, *_SETTLED))
        yield _invitation(rng, FORMER_ADMINISTRATOR, status, now - rng.choice(_AGES))


def _add_exhibits(world: World, rng: random.Random, now: datetime) -> None:
    """Add what a visitor should find: every status, every age, pages, and strangers."""
    for index, status in enumerate(KNOWN_STATUSES):
        invited_at = now - _AGES[index % len(_AGES)]
        invitation = _invitation(rng, FORMER_ADMINISTRATOR, status, invited_at)
        world.invite(HUB, DEFAULT_REGIONS[1], invitation)
    for age in _AGES:
        invitation = _invitation(rng, ADMINISTRATOR, "Invited", now - age)
        world.invite(HUB, DEFAULT_REGIONS[0], invitation)
    for index in range(_BUSY_INVITATIONS):
        status = rng.choice(_SETTLED)
        invitation = _invitation(rng, FORMER_ADMINISTRATOR, status, now - timedelta(days=index))
        world.invite(*BUSY, invitation)
    world.invite(*_PAYMENTS, _invitation(rng, STRANGER, "Invited", now - _AGES[2]))
    world.invite(*_DATA_LAKE, _invitation(rng, STRANGER, "Invited", now - _AGES[0]))


def _add_troubles(world: World) -> None:
    """Add a target without Macie, one that may not be read and one that is throttled for now."""
    world.disable_macie(*NOT_ENABLED)
    message = (
        "User: {caller} is not authorized to perform: macie2:ListInvitations because no "
        "identity-based policy allows the macie2:ListInvitations action"
    )
    world.fail(*DENIED, Fault(403, "AccessDeniedException", message))
    _throttle(world)


def _invitation(rng: random.Random, inviter: str, status: str, invited_at: datetime) -> Invitation:
    return Invitation(f"{rng.getrandbits(128):032x}", inviter, status, invited_at)


@dataclass(frozen=True, slots=True)
class Movement:
    """Small changes of the organisation, one every `interval` seconds, until stopped."""

    clock: Callable[[], datetime]
    interval: float = 5.0
    seed: int = _SEED

    def run(self, world: World, stop: threading.Event) -> None:
        """Change the world until `stop` is set; made to be a thread's target."""
        rng = random.Random(self.seed)  # noqa: S311 - a story, no secret
        while not stop.wait(self.interval):
            self.step(world, rng, self.clock())

    def step(self, world: World, rng: random.Random, now: datetime) -> None:
        """Change one thing; which one follows from `rng` and the world alone."""
        rng.choice(_STEPS)(world, rng, now)


def _somewhere(world: World, rng: random.Random) -> tuple[str, str]:
    """Choose a target that an onlooker can see change."""
    hidden = {BUSY, NOT_ENABLED, DENIED}
    return rng.choice([one for one in world.targets() if one[0] != HUB and one not in hidden])


def _found(world: World, **wanted: tuple[str, ...]) -> list[tuple[str, str, Invitation]]:
    """Return (account, region, invitation) of all whose attributes are among the wanted ones.

    What `build` put somewhere for visitors to find is left out, so that it stays.
    """
    return [
        (account, region, invitation)
        for account, region in world.targets()
        if account != HUB and (account, region) != BUSY
        for invitation in world.invitations(account, region)
        if all(getattr(invitation, name) in values for name, values in wanted.items())
    ]


def _arrive(world: World, rng: random.Random, now: datetime) -> None:
    """Let a trusted account invite, unless plenty of invitations are there."""
    if len(_found(world)) < _MOST_INVITATIONS:
        inviter = rng.choice(TRUSTED_INVITERS)
        world.invite(*_somewhere(world, rng), _invitation(rng, inviter, "Invited", now))


def _accept(world: World, rng: random.Random, now: datetime) -> None:  # noqa: ARG001 - a step
    """Let one trusted invitation be accepted, after resigning from the administrator before.

    An account has one administrator:
    https://docs.aws.amazon.com/macie/latest/user/accounts-mgmt-invitations-members.html
    """
    pending = _found(world, relationship_status=_PENDING, account_id=TRUSTED_INVITERS)
    if pending:
        account, region, accepted = rng.choice(pending)
        for other in world.invitations(account, region):
            if other.relationship_status == "Enabled":
                world.set_status(account, region, other.invitation_id, "Resigned")
        world.set_status(account, region, accepted.invitation_id, "Enabled")


def _leave(world: World, rng: random.Random, now: datetime) -> None:  # noqa: ARG001 - a step
    """Let one settled invitation be deleted."""
    settled = _found(world, relationship_status=_SETTLED, account_id=TRUSTED_INVITERS)
    if settled:
        account, region, invitation = rng.choice(settled)
        world.delete_invitation(account, region, invitation.invitation_id)


def _stray(world: World, rng: random.Random, now: datetime) -> None:
    """Let an untrusted account invite, or go away again if it did."""
    present = _found(world, account_id=(PASSING_STRANGER,))
    if present:
        account, region, invitation = present[0]
        world.delete_invitation(account, region, invitation.invitation_id)
    else:
        invitation = _invitation(rng, PASSING_STRANGER, "Invited", now)
        world.invite(*_somewhere(world, rng), invitation)


def _strain(world: World, rng: random.Random, now: datetime) -> None:  # noqa: ARG001 - a step
    """Let one target be throttled for its next calls, more of them than a client retries."""
    world.heal(*THROTTLED)
    _throttle(world)


def _throttle(world: World) -> None:
    message = "Rate exceeded"
    world.fail(*THROTTLED, Fault(429, "ThrottlingException", message, times=4))


_STEPS: Final[tuple[Callable[[World, random.Random, datetime], None], ...]] = (
    _arrive,
    _accept,
    _leave,
    _stray,
    _strain,
)
