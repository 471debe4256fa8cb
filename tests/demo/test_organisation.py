"""The demo's organisation: what a visitor finds at first, and how it goes on."""

import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from exporter.demo import organisation
from exporter.demo.organisation import (
    BUSY,
    DENIED,
    HUB,
    NOT_ENABLED,
    PASSING_STRANGER,
    THROTTLED,
    TRUSTED_INVITERS,
    Movement,
)
from exporter.demo.world import Invitation, World
from exporter.model import KNOWN_STATUSES

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EDGES = [timedelta(days=days) for days in (0, 1, 7, 30, 90, 100_000)]


@pytest.fixture
def world() -> World:
    """The organisation as it is when the demo starts."""
    return organisation.build(NOW)


def everything(world: World) -> list[tuple[str, str, Invitation]]:
    """Return all invitations with where they are."""
    return [
        (account, region, one)
        for account, region in world.targets()
        for one in world.invitations(account, region)
    ]


def move(world: World, seed: int, steps: int) -> Counter[str]:
    """Let an organisation change; returns how often each inviter was seen between the steps."""
    rng = random.Random(seed)
    seen: Counter[str] = Counter()
    for number in range(steps):
        Movement(lambda: NOW).step(world, rng, NOW + timedelta(seconds=5 * number))
        seen.update({one.account_id for _, _, one in everything(world)})
    return seen


def test_twelve_accounts_in_four_regions(world: World) -> None:
    """There are 48 targets, of which the configuration names every one."""
    aws = organisation.configuration()["aws"]
    assert isinstance(aws, dict)
    configured = {(one["id"], region) for one in aws["accounts"] for region in aws["regions"]}
    assert configured == set(world.targets())
    assert len(configured) == 48


def test_all_roles_but_the_hubs_own_are_real(world: World) -> None:
    """The hub reads itself with its own credentials, the others through a role that exists."""
    aws = organisation.configuration()["aws"]
    assert isinstance(aws, dict)
    hub, *members = aws["accounts"]
    assert (hub["id"], "role_arn" in hub) == (HUB, False)
    assert all(world.may_assume(one["role_arn"], None) for one in members)


def test_every_status_and_every_age_is_there(world: World) -> None:
    """Each status that AWS has, and an age within each default bucket, can be seen."""
    found = [one for _, _, one in everything(world)]
    ages = [NOW - one.invited_at for one in found if one.invited_at]
    assert {one.relationship_status for one in found} == set(KNOWN_STATUSES)
    assert all(any(low <= age < high for age in ages) for low, high in pairwise(EDGES))


def test_strangers_and_pages_and_troubles(world: World) -> None:
    """There is an untrusted invitation, more than one page, no Macie, a denial, a throttle."""
    inviters = {one.account_id for _, _, one in everything(world)}
    assert inviters - set(TRUSTED_INVITERS)
    assert len(world.invitations(*BUSY)) > 25
    assert not world.macie_enabled(*NOT_ENABLED)
    troubles = [world.take_fault("macie2", *target) for target in (DENIED, THROTTLED)]
    assert [one and one.code for one in troubles] == [
        "AccessDeniedException",
        "ThrottlingException",
    ]


def test_the_same_seed_tells_the_same_story() -> None:
    """Start and course follow from the seed alone."""
    first, second, other = (organisation.build(NOW, seed) for seed in (1, 1, 2))
    move(first, 7, 50)
    move(second, 7, 50)
    assert everything(first) == everything(second) != everything(other)


def test_it_goes_on_without_growing(world: World) -> None:
    """After hours things still happen, and what visitors should find is still there."""
    start = len(everything(world))
    seen = move(world, 3, 3000)
    assert 0 < seen[PASSING_STRANGER] < 3000
    assert len(everything(world)) < start + 200
    test_every_status_and_every_age_is_there(world)
    before = everything(world)
    move(world, 4, 20)
    assert everything(world) != before


def test_no_account_has_two_administrators(world: World) -> None:
    """Accepting an invitation ends the relationship that was there before."""
    move(world, 5, 500)
    enabled = Counter(
        (account, region)
        for account, region, one in everything(world)
        if account != HUB and one.relationship_status == "Enabled"
    )
    assert set(enabled.values()) == {1}


def test_the_thread_ends_when_told(world: World) -> None:
    """`run` takes a step at each interval, until the event is set."""
    stop = threading.Event()
    asked: list[datetime] = []

    def clock() -> datetime:
        asked.append(NOW)
        if len(asked) == 3:
            stop.set()
        return NOW

    Movement(clock, interval=0.0).run(world, stop)
    assert len(asked) == 3
