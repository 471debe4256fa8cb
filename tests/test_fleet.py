"""A whole organization on the embedded AWS: its reloads, whom it trusts, and its roles."""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.exposition.families import TARGET_LABELS
from exporter.settings import Settings
from exporter.sharding import shard_of
from tests import daemons, fleets
from tests.clocks import ManualClock
from tests.clouds import embedded
from tests.daemons import values
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Fault, Invitation, World
from tests.inprocess import running
from tests.processes import Series, no_aws, until

HERE = "eu-west-1"
ACCOUNTS = fleets.accounts(8)
ORGANIZATION = {"organization": {"role_name": "macie-invitations-reader"}}
Write = Callable[[dict[str, Any]], str]


@pytest.fixture
def world() -> World:
    """An organization of eight members."""
    made = World(fleets.HUB, regions=fleets.REGIONS)
    for account in ACCOUNTS:
        made.add_account(account, f"account {account}")
    return made


@pytest.fixture
def aws(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedAws]:
    """The embedded AWS that holds them, which the environment names."""
    with embedded(world, monkeypatch) as running:
        yield running


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a configuration file; gives the flag that names it.

    Each target is polled once: by its turn in a day, the next time, the test has long ended.
    """
    path = tmp_path / "exporter.yaml"
    anyway = {"poll": {"interval": "24h"}, "web": {"enable_lifecycle": True}}

    def written(tree: dict[str, Any]) -> str:
        path.write_text(json.dumps({**anyway, **tree}))
        return f"--config.file={path}"

    return written


def accounts(*ids: str) -> dict[str, Any]:
    """Configure accounts with a role each, in every region."""
    listed = [{"id": each, "role_name": "macie-invitations-reader"} for each in ids]
    return {"aws": {"accounts": listed, "regions": [*fleets.REGIONS]}}


def targets(series: Series) -> list[tuple[str, ...]]:
    """Return the polled targets."""
    return sorted(values(series, "macie_poll_success", *TARGET_LABELS))


def shown(series: Series) -> list[tuple[str, ...]]:
    """Return the targets that are shown, polled or not."""
    return sorted(values(series, "macie_poll_last_success_timestamp_seconds", *TARGET_LABELS))


def all_of(*ids: str) -> list[tuple[str, ...]]:
    """Return accounts in every region."""
    return sorted((account, region) for account in ids for region in fleets.REGIONS)


def value(series: Series, name: str) -> float:
    """Return the value of a family of one series."""
    return series[name, frozenset()]


def resources() -> tuple[int, int]:
    """Count this process's threads and open files."""
    process = Path("/proc/self")
    return len(os.listdir(process / "task")), len(os.listdir(process / "fd"))  # noqa: PTH208


def test_reload_changes_what_is_configured(aws: EmbeddedAws, write: Write) -> None:
    """By SIGHUP and over HTTP; what is known of targets that remain stays known.

    Once a reload is answered, the targets are those of the new configuration.

    However often: no thread and no file is left over.
    """
    with running(aws.environment(), [write(accounts(*ACCOUNTS[:2]))]) as exporter:
        exporter.wait_until_ready()
        before = exporter.series()
        write({**accounts(*ACCOUNTS[1:3]), "metrics": {"zero_fill": "invited"}})
        exporter.hang_up()
        until(lambda: targets(exporter.series()) == all_of(*ACCOUNTS[1:3]), "new targets polled")
        after = exporter.series()
        target, kept = (ACCOUNTS[1], "us-east-1"), "macie_poll_timestamp_seconds"
        then, now = (values(each, kept, *TARGET_LABELS)[target] for each in (before, after))
        assert then == now
        zeros = values(after, "macie_invitations", "relationship_status")
        assert zeros == {("Invited",): 0}
        old, new = (value(each, "macie_exporter_config_hash") for each in (before, after))
        assert old != new
        for some in 5 * [ACCOUNTS, ACCOUNTS[:1]]:
            write({**accounts(*some), "metrics": {"zero_fill": "none"}})
            assert exporter.request("/-/reload", "POST").status == 200
            assert shown(exporter.series()) == all_of(*some)
        held = []
        for number in range(20):
            write({"web": {"telemetry_path": f"/{number}", "enable_lifecycle": True}})
            assert exporter.request("/-/reload", "POST").status == 200
            held.append(resources())
        assert exporter.request("/19").status == 200
        assert exporter.request("/metrics").status == 404
        threads, files = held[0]
        until(
            lambda: resources()[0] <= threads + 1 and resources()[1] <= files + 1,
            lambda: f"threads and files as at first: {held}",
        )


def test_a_wrong_file_changes_nothing(aws: EmbeddedAws, write: Write, tmp_path: Path) -> None:
    """500 with the reason, the reload metrics say so, and the old configuration goes on.

    An empty one is being written: its accounts would all go, to come back without what was known.
    """
    success = "macie_exporter_config_last_reload_successful"
    when = "macie_exporter_config_last_reload_success_timestamp_seconds"
    empty = "has no settings at its top; to have the defaults"
    with running(aws.environment(), [write({"aws": ORGANIZATION})]) as exporter:
        exporter.wait_until_ready()
        before = exporter.series()
        for content, why in (
            ("", empty),
            ("# exporter.yaml\n", empty),
            ("poll: {intervl: 5m}", "nearest is poll.interval"),
        ):
            (tmp_path / "exporter.yaml").write_text(content)
            answer = exporter.request("/-/reload", "POST")
            assert answer.status == 500
            assert why in answer.body.decode()
        after = exporter.series()
        assert (value(before, success), value(after, success)) == (1, 0)
        assert value(after, when) == value(before, when)
        assert targets(after) == targets(before)
        write({})
        assert exporter.request("/-/reload", "POST").status == 200
        assert value(exporter.series(), success) == 1


@pytest.mark.parametrize("aws", [ORGANIZATION, {}], ids=["organization", "own account"])
def test_a_reload_to_what_is_not_known_yet_counts_no_targets(
    aws: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard without accounts has 0 targets; where AWS has to say which, they are unknown."""
    for name, text in no_aws(tmp_path).items():
        monkeypatch.setenv(name, text)
    shard = {"shard": {"index": 1 - shard_of(ACCOUNTS[0], 2), "total": 2}}
    with daemons.running(Settings.model_validate({**accounts(ACCOUNTS[0]), **shard})) as daemon:
        until(daemon.daemon.ready, "nothing to poll")
        assert set(values(daemon.series(), "macie_exporter_targets", "state").values()) == {0.0}
        assert daemon.value("macie_exporter_shard_index") == shard["shard"]["index"]
        assert daemon.value("macie_exporter_shards") == 2
        daemon.reload(Settings.model_validate({**shard, "aws": aws}))
        until(lambda: "event=discovery_failed" in daemon.log, "nobody says what there is")
        assert not values(daemon.series(), "macie_exporter_targets", "state")


@pytest.mark.usefixtures("aws")
def test_nobody_is_unknown_before_the_organization_is_known_nor_after_it_failed(
    world: World,
) -> None:
    """Whoever Organizations lists is trusted, and stays so."""
    denied = Fault(403, "AccessDeniedException", "no")
    sent = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    for inviter in (ACCOUNTS[0], fleets.STRANGER):
        world.invite(fleets.HUB, HERE, Invitation(inviter, inviter, "Invited", sent))
    world.fail(fleets.HUB, "*", denied, service="organizations")
    tree: dict[str, Any] = {
        "aws": {**ORGANIZATION, "accounts": [{"id": fleets.HUB}]},
        "metrics": {"zero_fill": "invited", "trust_organization": True},
    }

    def untrusted() -> dict[tuple[str, str], float]:
        return {
            (name, dict(labels).get("inviter_account_id", "")): value
            for (name, labels), value in exporter.series().items()
            if name.startswith("macie_untrusted")
            and dict(labels).get("aws_account_id", fleets.HUB) == fleets.HUB
        }

    with daemons.running(Settings.model_validate(tree)) as exporter:
        until(lambda: bool(values(exporter.series(), "macie_invitations")), "a first poll")
        assert exporter.value("macie_trust_configured") == 1
        assert untrusted() == {}
        world.heal(fleets.HUB, "*", service="organizations")
        until(lambda: bool(untrusted()), "the organization's accounts")
        known = {
            ("macie_untrusted_invitations", ""): 1.0,
            ("macie_untrusted_inviter_timestamp_seconds", fleets.STRANGER): sent.timestamp(),
            ("macie_untrusted_inviter_series_dropped", ""): 0.0,
        }
        assert untrusted() == known
        world.fail(fleets.HUB, "*", denied, service="organizations")
        tree["metrics"]["trusted_inviters"] = ["000000000099"]
        exporter.reload(Settings.model_validate(tree))
        until(lambda: exporter.value("macie_exporter_discovery_success") == 0, "a failure")
        assert untrusted() == known
    assert "level=warning event=invitation_received" not in exporter.log


def test_a_repaired_role_is_back_within_an_interval_in_all_its_regions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first poll that gets a session has the others follow at once.

    Until then it costs at most one AssumeRole an interval, however many regions there are.
    """
    clock, role = ManualClock(time.time()), world.role_arn(ACCOUNTS[0])
    settings = Settings.model_validate(accounts(ACCOUNTS[0]))
    interval = settings.poll.interval.total_seconds()
    world.break_role(role)

    def assumed() -> int:
        calls = world.calls().items()
        return sum(number for call, number in calls if call.operation == "AssumeRole")

    def failing() -> int:
        return len(values(made.series(), "macie_poll_error_info", "aws_region"))

    def next_poll() -> float:
        due = made.loop.do(made.daemon.status).due
        return min(due.values()) if len(due) == len(fleets.REGIONS) else 0.0

    def poll() -> None:
        clock.advance(next_poll() - clock.now() + 0.001)
        # It looks at the clock anew.
        made.reload(settings)
        until(lambda: next_poll() > clock.now(), "the polls that are due")

    with embedded(world, monkeypatch, clock), daemons.running(settings, clock) as made:
        until(lambda: next_poll() > clock.now(), "the first round")
        started = clock.now()
        for _ in range(3 * len(fleets.REGIONS)):
            poll()
        assert failing() == len(fleets.REGIONS)
        # Polls may begin a bit early: an attempt is due after most of an interval.
        assert 3 <= assumed() <= 1 + (clock.now() - started) / (0.95 * interval)
        world.mend_role(role)
        before, mended = assumed(), clock.now()
        while failing():
            poll()
        assert clock.now() - mended <= interval
        assert assumed() == before + 1
        successes = values(made.series(), "macie_poll_last_success_timestamp_seconds", "aws_region")
        assert successes == {(region,): clock.now() for region in fleets.REGIONS}
