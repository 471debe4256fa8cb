"""The whole daemon against the embedded AWS, over real HTTP with real boto3."""

import json
import random
import re
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.configuration import Configuration
from exporter.exposition.families import TARGET_LABELS
from exporter.settings import Settings, load
from exporter.sharding import shard_of
from tests import daemons, fleets, processes
from tests.daemons import values
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Fault, Invitation, World
from tests.faulty import FaultyServer, send_and_hang
from tests.inprocess import command, running
from tests.processes import Series, measured, no_aws, until

DENIED = Fault(403, "AccessDeniedException", "User: {caller} is not authorized")


@pytest.fixture
def world() -> World:
    """Ten accounts in four regions."""
    return fleets.fleet(10)


@pytest.fixture
def aws(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedAws]:
    """The embedded AWS that holds them, which the environment names."""
    with EmbeddedAws(world) as embedded:
        for name, value in embedded.environment().items():
            monkeypatch.setenv(name, value)
        yield embedded


def written(path: Path, configuration: dict[str, Any]) -> str:
    """Write a configuration file; give the flag that names it."""
    file = path / "exporter.yaml"
    file.write_text(json.dumps(configuration))
    return f"--config.file={file}"


def error_codes(series: Series) -> dict[tuple[str, str], str]:
    """Return the error code of every failing target."""
    found = values(series, "macie_poll_error_info", *TARGET_LABELS, "error_code")
    return {(account, region): code for account, region, code in found}


def all_targets(count: int) -> list[tuple[str, str]]:
    """Return every target of a fleet."""
    return [(account, region) for account in fleets.accounts(count) for region in fleets.REGIONS]


def test_the_exposition_is_what_aws_holds(world: World, aws: EmbeddedAws, tmp_path: Path) -> None:
    """Series by series, with 40 targets of which one fails, four have no role, and one no Macie."""
    targets = all_targets(10)
    denied, off = random.Random(3).sample(targets[:16], 2)
    world.fail(*denied, DENIED)
    world.disable_macie(*off)
    # A role is broken too: that account's targets all fail, and say that it is the role.
    broken = fleets.accounts(10)[4]
    world.break_role(world.role_arn(broken))
    expected = {(broken, region): "AccessDenied" for region in fleets.REGIONS}
    expected |= {denied: "AccessDeniedException"}
    flag = written(tmp_path, fleets.configuration(world, 10))
    with running(aws.environment(), [flag, "--poll.stale-after=1h"]) as exporter:
        exporter.wait_until_ready()
        series = exporter.series()
    answered = [target for target in targets if target not in expected]
    assert fleets.of_invitations(series) == fleets.truth(world, answered)
    assert error_codes(series) == expected
    succeeded = values(series, "macie_poll_success", *TARGET_LABELS)
    assert succeeded == {target: float(target not in expected) for target in targets}
    states = {"pending": 0, "ok": 34, "not_enabled": 1, "failing": 5, "stale": 0}
    assert values(series, "macie_exporter_targets", "state") == {(s,): n for s, n in states.items()}


@pytest.mark.usefixtures("aws")
def test_the_exposition_follows_aws(world: World) -> None:
    """Invitations that come, change and go show at the next poll, and in the audit trail."""
    account, region = fleets.accounts(1)[0], "eu-west-1"
    accounts = f'[{{"id": "{account}", "role_arn": "{world.role_arn(account)}"}}]'
    flags = [
        ("aws.accounts", accounts),
        ("aws.regions", region),
        ("metrics.trusted-inviters", ",".join(fleets.TRUSTED)),
    ]
    with daemons.running(daemons.polling(load(flags, {}, region), interval=0.5)) as daemon:

        def follows(event: str) -> str:
            until(lambda: event in daemon.log, event)
            truth = fleets.truth(world, [(account, region)])
            assert fleets.of_invitations(daemon.series()) == truth
            return next(line for line in reversed(daemon.log.splitlines()) if event in line)

        follows("first_round_done")
        now = datetime.now(UTC).replace(microsecond=0)
        world.invite(account, region, Invitation("new-one", fleets.STRANGER, "Invited", now))
        follows("invitation_id=new-one")
        world.set_status(account, region, "new-one", "Enabled")
        changed = follows("invitation_status_changed")
        assert f"inviter={fleets.STRANGER}" in changed
        assert "previous_status=Invited" in changed
        world.delete_invitation(account, region, "new-one")
        follows("event=invitation_gone")


@pytest.mark.usefixtures("aws")
def test_an_aws_that_falls_silent_leaves_no_old_value(world: World, tmp_path: Path) -> None:
    """Nor of targets that get no place, as those before them hang for longer than a round."""
    accounts = fleets.accounts(3)
    targets = all_targets(len(accounts))
    file = written(tmp_path, fleets.configuration(world, len(accounts)))
    flags = [("config.file", file.partition("=")[2]), ("poll.concurrency", "2")]
    made = load(flags, {}, "eu-west-1")
    made = daemons.polling(made, interval=1, timeout=1, stale_after=3)
    expected = fleets.truth(world, targets)
    hold = threading.Event()
    with daemons.running(made) as daemon:
        until(lambda: fleets.of_invitations(daemon.series()) == expected, "every value")
        for target in targets:
            world.fail(*target, Fault(500, "x", "", hold=hold))

        def all_are_silent() -> bool:
            series = daemon.series()
            return error_codes(series).keys() == set(targets) and not fleets.of_invitations(series)

        until(all_are_silent, "every value to go")
        assert set(error_codes(daemon.series()).values()) <= {"Deadline", "ReadTimeout"}
        hold.set()
        for target in targets:
            world.heal(*target)
        until(lambda: fleets.of_invitations(daemon.series()) == expected, "the values return")


def test_a_poll_that_hangs_fails_before_its_values_are_too_old() -> None:
    """Whatever the timeout: until it fails, the last good values are shown as current."""
    flags = [("poll.interval", "10s"), ("poll.timeout", "1h"), ("poll.stale-after", "20s")]
    assert Configuration(load(flags, {}), "eu-west-1").poll.timeout == 20
    assert Configuration(load([], {}), "eu-west-1").poll.timeout == 60


def test_a_credential_chain_that_hangs_holds_no_poll(tmp_path: Path) -> None:
    """With IRSA and an STS that accepts and never answers: polls end in time, and say why."""
    token = tmp_path / "token"
    token.write_text("a.b.c")
    with FaultyServer(send_and_hang()) as sts:
        variables = {
            "AWS_ENDPOINT_URL": sts.url,
            "AWS_ROLE_ARN": f"arn:aws:iam::{fleets.HUB}:role/exporter",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
            "AWS_REGION": "eu-west-1",
        }
        accounts = f'--aws.accounts=[{{"id": "{fleets.HUB}"}}]'
        with running(variables, ["--poll.timeout=2s", accounts]) as exporter:
            exporter.wait_until_ready()
            assert error_codes(exporter.series()) == {(fleets.HUB, "eu-west-1"): "Deadline"}
            [told] = [line for line in exporter.lines if "event=poll_failed" in line]
            assert "waiting for the exporter's own credentials" in told
            assert exporter.stop() == 0
    assert "event=stopped" in exporter.log


def test_starts_before_its_network(tmp_path: Path) -> None:
    """A daemon that cannot reach STS keeps running, says so, is not ready, and asks again."""
    with running(no_aws(tmp_path)) as exporter:
        until(lambda: exporter.log.count("event=discovery_failed") > 1, "asked again")
        assert "error_code=EndpointConnectionError" in exporter.log
        answer = exporter.request("/-/ready")
        assert answer.status == 503
        assert answer.body == b"Waiting for discovery, which failed: EndpointConnectionError.\n"
        assert exporter.request("/-/healthy").status == 200
        metrics = exporter.metrics()
        assert "macie_poll_success{" not in metrics
        # By which MacieNothingPolled knows it.
        assert "macie_exporter_build_info{" in metrics
        assert "macie_exporter_targets{" not in metrics
        assert "_series_dropped 0" not in metrics


@pytest.mark.parametrize("aws", [{"organization": {"role_name": "reader"}}, {}])
def test_a_reload_to_what_is_not_known_yet_counts_no_targets(
    aws: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard without accounts has 0 targets; where AWS has to say which, they are unknown."""
    for name, value in no_aws(tmp_path).items():
        monkeypatch.setenv(name, value)
    account, role = "000000000001", "arn:aws:iam::000000000001:role/reader"
    index = 1 - shard_of(account, 2)
    shard = {"shard": {"index": index, "total": 2}}
    accounts = {"accounts": [{"id": account, "role_arn": role}]}
    with daemons.running(Settings.model_validate({**shard, "aws": accounts})) as daemon:
        until(daemon.daemon.ready, "nothing to poll")
        assert set(values(daemon.series(), "macie_exporter_targets", "state").values()) == {0.0}
        daemon.reload(Settings.model_validate({**shard, "aws": aws}))
        until(lambda: "event=discovery_failed" in daemon.log, "nobody says what there is")
        assert not values(daemon.series(), "macie_exporter_targets", "state")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_in_order_while_aws_hangs(
    number: signal.Signals, world: World, aws: EmbeddedAws, tmp_path: Path
) -> None:
    """With exit code 0, and without what the polls under way wait for, which never comes."""
    hold = threading.Event()
    for target in all_targets(3):
        world.fail(*target, Fault(500, "x", "", hold=hold))
    flag = written(tmp_path, fleets.configuration(world, 3))
    with processes.running({**aws.environment(), **measured()}, [flag]) as exporter:
        until(lambda: sum(world.calls().values()) > 0, "polls hang")
        assert exporter.stop(number) == 0
        hold.set()
    assert "event=stopped" in exporter.log


def test_a_second_signal_stops_at_once(aws: EmbeddedAws) -> None:
    """The process ends by it, whatever the first one waits for."""
    with processes.running({**aws.environment(), **measured()}) as exporter:
        exporter.wait_until_ready()
        # Both are there when it wakes up: the first has no time to end it in order.
        for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM):
            exporter.send(number)
        assert exporter.stop(signal.SIGCONT) in {128 + signal.SIGINT, 128 + signal.SIGTERM}
    assert "event=stopped" not in exporter.log


def test_once_does_not_wait_for_aws_to_come_back(tmp_path: Path) -> None:
    """Where nothing can be found out, it says so and ends with exit code 1."""
    done = command(no_aws(tmp_path), "once", "--log.level=error")
    assert done.returncode == 1
    assert re.fullmatch(
        r"not every target was found \((\w+): .+\): the command doctor says what to do\n",
        done.stderr,
    )
    assert "macie_invitations{" not in done.stdout
