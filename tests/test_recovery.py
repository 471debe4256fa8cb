"""What is repaired comes back within one interval, and costs STS little until then."""

import time
from collections.abc import Iterator
from datetime import timedelta
from math import ceil

import pytest

from exporter.settings import Settings, load
from tests import fleets
from tests.daemons import REGION, Running, running
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World
from tests.processes import until

INTERVAL = 3.0
"""Seconds; shorter than settings would let anybody have it."""

ACCOUNT, OTHER = fleets.accounts(2)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two accounts with a role each, in an AWS that the environment points to."""
    made = World(fleets.HUB, regions=fleets.REGIONS)
    for account in (ACCOUNT, OTHER):
        made.add_account(account, account)
    with EmbeddedAws(made) as aws:
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        yield made


def settings_of(world: World) -> Settings:
    """Configure both accounts in every region, at this test's interval."""
    accounts = [
        f'{{"id": "{id_}", "role_arn": "{world.role_arn(id_)}"}}' for id_ in (ACCOUNT, OTHER)
    ]
    flags = [("aws.accounts", f"[{','.join(accounts)}]"), ("aws.regions", ",".join(fleets.REGIONS))]
    made = load(flags, {}, REGION)
    often = made.poll.model_copy(update={"interval": timedelta(seconds=INTERVAL)})
    return made.model_copy(update={"poll": often})


def failing(made: Running) -> set[tuple[str, str]]:
    """Return the targets whose last poll failed."""
    labels = [dict(labels) for name, labels in made.series() if name == "macie_poll_error_info"]
    return {(one["aws_account_id"], one["aws_region"]) for one in labels}


def assumed(world: World, account: str) -> int:
    """Count how often an account's role was asked for."""
    calls = world.calls().items()
    return sum(
        n for call, n in calls if (call.operation, call.account_id) == ("AssumeRole", account)
    )


def test_a_repaired_role_is_back_within_an_interval_in_all_its_regions(world: World) -> None:
    """And a broken one costs at most one AssumeRole an interval, however many regions there are."""
    world.break_role(world.role_arn(ACCOUNT))
    broken = {(ACCOUNT, region) for region in fleets.REGIONS}
    started = time.monotonic()
    with running(settings_of(world)) as made:
        until(made.daemon.ready, "the first round")
        until(lambda: assumed(world, ACCOUNT) >= 4, "a fourth attempt")
        # Polls may begin a bit early: an attempt is due after most of an interval.
        most = 1 + ceil((time.monotonic() - started) / (0.95 * INTERVAL))
        assert assumed(world, ACCOUNT) <= most
        assert failing(made) == broken
        before = assumed(world, ACCOUNT)
        world.mend_role(world.role_arn(ACCOUNT))
        mended = time.monotonic()
        until(lambda: not failing(made), "the account to come back")
        # Half an interval more, since the machine may be busy.
        assert time.monotonic() - mended < 1.5 * INTERVAL
        assert assumed(world, ACCOUNT) == before + 1


def test_the_regions_of_a_repaired_role_do_not_wait_for_their_own_moments(world: World) -> None:
    """The first poll that gets a session has the account's others follow at once."""
    world.break_role(world.role_arn(ACCOUNT))
    with running(settings_of(world)) as made:
        until(made.daemon.ready, "the first round")
        world.mend_role(world.role_arn(ACCOUNT))
        until(lambda: len(failing(made)) < len(fleets.REGIONS), "a region to come back")
        first = time.monotonic()
        until(lambda: not failing(made), "the others")
        assert time.monotonic() - first < INTERVAL / 3
