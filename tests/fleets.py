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

    def say(name: str, value: float, **labels: str) -> None:
        series[name, frozenset({**here, **labels}.items())] = float(value)

    for account, region in targets:
        here = {"aws_account_id": account, "aws_region": region}
        enabled = world.macie_enabled(account, region)
        say("macie_enabled", enabled)
        for status in KNOWN_STATUSES if enabled else ():
            of_status = {"relationship_status": status}
            invitations = world.invitations(account, region)
            listed = [each for each in invitations if each.relationship_status == status]
            ages = Counter(dict.fromkeys(BUCKETS, 0))
            ages.update(_bucket(each.invited_at) for each in listed)
            for bucket, number in ages.items():
                say("macie_invitations", number, **of_status, age_bucket=bucket)
            strangers = [each for each in listed if each.account_id not in TRUSTED]
            say("macie_untrusted_invitations", len(strangers), **of_status)
            times = [each.invited_at.timestamp() for each in listed if each.invited_at]
            for name, which in (("oldest", min), ("newest", max)) if times else ():
                say(f"macie_invitation_{name}_timestamp_seconds", which(times), **of_status)
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
