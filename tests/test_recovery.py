"""What is repaired comes back within one interval, and costs STS little until then."""

import time
from collections.abc import Iterator
from datetime import datetime
from math import ceil

import pytest

from exporter.settings import Settings, load
from tests import fleets
from tests.daemons import REGION, Running, polling, running
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World
from tests.processes import until

INTERVAL = 4.0
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
    return polling(load(flags, {}, REGION), interval=INTERVAL)


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


def recovered(made: Running) -> list[float]:
    """Return when targets recovered, in Unix seconds by their lines in the log."""
    lines = (line for line in made.log.splitlines() if "event=poll_recovered" in line)
    return [datetime.fromisoformat(line.split()[0].partition("=")[2]).timestamp() for line in lines]


def test_a_repaired_role_is_back_within_an_interval_in_all_its_regions(world: World) -> None:
    """The first poll that gets a session has the others follow at once.

    Until then it costs at most one AssumeRole an interval, however many regions there are. The
    other account's polls tell intervals: they are as late as the machine.
    """
    world.break_role(world.role_arn(ACCOUNT))
    started = time.monotonic()
    with running(settings_of(world)) as made:
        until(made.daemon.ready, "the first round")
        assert failing(made) == {(ACCOUNT, region) for region in fleets.REGIONS}
        until(lambda: assumed(world, ACCOUNT) >= 3, "a third attempt")
        before = assumed(world, ACCOUNT)
        # Polls may begin a bit early: an attempt is due after most of an interval.
        assert before <= 1 + ceil((time.monotonic() - started) / (0.95 * INTERVAL))
        world.mend_role(world.role_arn(ACCOUNT))
        before, polls = assumed(world, ACCOUNT), others(world)
        until(lambda: not failing(made), "the account to come back")
        assert max(now - then for now, then in zip(others(world), polls, strict=True)) <= 2
        assert assumed(world, ACCOUNT) <= before + 1
        assert len(recovered(made)) == len(fleets.REGIONS)
        assert max(recovered(made)) - min(recovered(made)) < INTERVAL / 2


def others(world: World) -> list[int]:
    """Return how often the other account was polled, for each region."""
    return [world.served(OTHER, region) for region in fleets.REGIONS]
