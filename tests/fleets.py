"""A fleet of accounts in the embedded AWS, and what the exporter has to say of it."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.model import KNOWN_STATUSES
from tests.embedded_aws.world import Invitation, World

HUB = "100000000000"
REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-east-2")
BUCKETS = {
    "00d-01d": timedelta(0),
    "01d-07d": timedelta(days=1),
    "07d-30d": timedelta(days=7),
    "30d-90d": timedelta(days=30),
    "90d-inf": timedelta(days=90),
}
TRUSTED = ("900000000001", "900000000002")
STRANGER = "900000000009"

Key = tuple[str, frozenset[tuple[str, str]]]


def accounts(count: int) -> list[str]:
    """Return account ids, the first of them with leading zeros."""
    return [f"{number:012d}" for number in range(1, count + 1)]


def fleet(count: int, *, seed: int = 7) -> World:
    """Make a hub and `count` accounts, each target with its own invitations."""
    rng = random.Random(seed)
    world = World(HUB, regions=REGIONS)
    for account in accounts(count):
        world.add_account(account, f"account {account}")
        for region in REGIONS:
            for number in range(rng.choice((0, 1, 2, 3, 30, 61))):
                world.invite(account, region, _invitation(rng, f"{account}-{region}-{number}"))
    return world


def _invitation(rng: random.Random, identity: str) -> Invitation:
    low = rng.choice(list(BUCKETS.values()))
    # Well inside of the bucket, so that the test's own duration changes no age.
    age = low + timedelta(hours=rng.randint(1, 20))
    # Whole seconds, since the wire carries milliseconds.
    when = None if rng.random() < 0.05 else datetime.now(UTC).replace(microsecond=0) - age
    return Invitation(identity, rng.choice((*TRUSTED, STRANGER)), rng.choice(KNOWN_STATUSES), when)


def configuration(world: World, count: int, **metrics: object) -> dict[str, Any]:
    """Configure static accounts with a role each, in every region."""
    return {
        "poll": {"interval": "10s"},
        "aws": {
            "regions": list(REGIONS),
            "accounts": [
                {"id": account, "role_arn": world.role_arn(account)} for account in accounts(count)
            ],
        },
        "metrics": {"trusted_inviters": list(TRUSTED), **metrics},
    }


def truth(world: World, targets: Iterable[tuple[str, str]]) -> dict[Key, float]:
    """Say what the exposition must hold of invitations, made from the world alone."""
    series: dict[Key, float] = {}
    for account, region in targets:
        labels = {"aws_account_id": account, "aws_region": region}
        enabled = world.macie_enabled(account, region)
        series[_key("macie_enabled", labels)] = float(enabled)
        if enabled:
            series |= _of_target(labels, world.invitations(account, region))
    return series


def _of_target(labels: Mapping[str, str], invitations: Iterable[Invitation]) -> dict[Key, float]:
    counts = Counter({(status, bucket): 0 for status in KNOWN_STATUSES for bucket in BUCKETS})
    untrusted = Counter(dict.fromkeys(KNOWN_STATUSES, 0))
    times: dict[str, list[float]] = {}
    for invitation in invitations:
        status = invitation.relationship_status
        counts[status, _bucket(invitation.invited_at)] += 1
        untrusted[status] += invitation.account_id not in TRUSTED
        if invitation.invited_at is not None:
            times.setdefault(status, []).append(invitation.invited_at.timestamp())
    series = {
        _key("macie_invitations", labels, relationship_status=status, age_bucket=bucket): float(n)
        for (status, bucket), n in counts.items()
    }
    for status, number in untrusted.items():
        series[_key("macie_untrusted_invitations", labels, relationship_status=status)] = float(
            number
        )
    for status, moments in times.items():
        for name, moment in (("oldest", min(moments)), ("newest", max(moments))):
            family = f"macie_invitation_{name}_timestamp_seconds"
            series[_key(family, labels, relationship_status=status)] = moment
    return series


def of_invitations(series: Mapping[Key, float]) -> dict[Key, float]:
    """Pick from a scrape what `truth` speaks of."""
    names = {
        "macie_invitations",
        "macie_untrusted_invitations",
        "macie_invitation_oldest_timestamp_seconds",
        "macie_invitation_newest_timestamp_seconds",
        "macie_enabled",
    }
    return {key: value for key, value in series.items() if key[0] in names}


def _bucket(when: datetime | None) -> str:
    if when is None:
        return "unknown"
    age = datetime.now(UTC) - when
    return max((low, name) for name, low in BUCKETS.items() if low <= age)[1]


def _key(name: str, labels: Mapping[str, str], **more: str) -> Key:
    return name, frozenset({**labels, **more}.items())
