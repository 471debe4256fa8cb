"""The whole daemon, over real HTTP: it shows what AWS holds, whatever hangs, and stops in order."""

import asyncio
import json
import random
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.configuration import Configuration
from exporter.daemon import Daemon
from exporter.exposition.families import TARGET_LABELS
from exporter.settings import Settings, load
from tests import daemons, fleets, processes
from tests.clouds import embedded
from tests.daemons import values
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Fault, Invitation, World
from tests.faulty import FaultyServer, send_and_hang
from tests.inprocess import running
from tests.processes import Series, measured, no_aws, until

ACCOUNTS = 10
DENIED = Fault(403, "AccessDeniedException", "User: {caller} is not authorized")


@pytest.fixture
def world() -> World:
    """Ten accounts in four regions."""
    return fleets.fleet(ACCOUNTS)


@pytest.fixture
def aws(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedAws]:
    """The embedded AWS that holds them, which the environment names."""
    with embedded(world, monkeypatch) as running:
        yield running


@pytest.fixture
def file(world: World, tmp_path: Path) -> Path:
    """A configuration that polls them all."""
    path = tmp_path / "exporter.yaml"
    path.write_text(json.dumps(fleets.configuration(world, ACCOUNTS)))
    return path


def error_codes(series: Series) -> dict[tuple[str, str], str]:
    """Return the error code of every failing target."""
    found = values(series, "macie_poll_error_info", *TARGET_LABELS, "error_code")
    return {(account, region): code for account, region, code in found}


ALL = [(account, region) for account in fleets.accounts(ACCOUNTS) for region in fleets.REGIONS]


def test_the_exposition_is_what_aws_holds(world: World, aws: EmbeddedAws, file: Path) -> None:
    """Series by series, with 40 targets of which one fails, four have no role, and one no Macie.

    The trail tells of each invitation; who is not trusted is a warning.
    """
    denied, off = random.Random(3).sample(ALL[:16], 2)
    world.fail(*denied, DENIED)
    world.disable_macie(*off)
    # A role is broken too: that account's targets all fail, and say that it is the role.
    broken = fleets.accounts(ACCOUNTS)[4]
    world.break_role(world.role_arn(broken))
    expected = {(broken, region): "AccessDenied" for region in fleets.REGIONS}
    expected |= {denied: "AccessDeniedException"}
    flags = [f"--config.file={file}", "--poll.stale-after=1h"]
    with running(aws.environment(), flags) as exporter:
        exporter.wait_until_ready()
        series = exporter.series()
    answered = [target for target in ALL if target not in expected]
    assert fleets.of_invitations(series) == fleets.truth(world, answered)
    assert error_codes(series) == expected
    succeeded = values(series, "macie_poll_success", *TARGET_LABELS)
    assert succeeded == {target: float(target not in expected) for target in ALL}
    states = {"pending": 0, "ok": 34, "not_enabled": 1, "failing": 5, "stale": 0}
    assert values(series, "macie_exporter_targets", "state") == {(s,): n for s, n in states.items()}
    received = [line for line in exporter.lines if "event=invitation_received" in line]
    listed = [len(world.invitations(*target)) for target in answered if target != off]
    assert len(received) == sum(listed)
    for line in received:
        strange = f"inviter={fleets.STRANGER}" in line
        assert ("level=warning" in line, "trusted=false" in line) == (strange, strange)


@pytest.mark.usefixtures("aws")
def test_accounts_come_and_go_all_at_once() -> None:
    """Nobody who looks sees a part of them, nor takes those that are left for all there are.

    Once other settings are said to be taken on, a scrape shows the new ones.
    """
    listed = [[f"{number:012d}" for number in range(start, start + 200)] for start in (0, 100)]

    def polled(ids: list[str]) -> Settings:
        role = "arn:aws:iam::{}:role/none"
        accounts = [{"id": each, "role_arn": role.format(each)} for each in ids]
        return Settings.model_validate({"aws": {"accounts": accounts, "regions": ["eu-west-1"]}})

    seen: set[frozenset[str]] = set()

    async def look(daemon: Daemon) -> None:
        while frozenset(listed[1]) not in seen:
            seen.add(frozenset(each.target.account_id for each in daemon.snapshot.all()))
            await asyncio.sleep(0)

    with daemons.running(polled(listed[0])) as running:
        until(lambda: len(running.daemon.snapshot.all()) == len(listed[0]), "the first accounts")
        looking = running.loop.do(lambda: [asyncio.create_task(look(running.daemon))])

        async def reloaded() -> bytes:
            running.daemon.configure(Configuration(polled(listed[1]), daemons.REGION))
            await running.daemon.taken_on()
            return b"".join(await running.daemon.exposition.text())

        shown = re.findall(rb'last_success.*aws_account_id="(\d+)"', running.loop.do(reloaded))
        assert sorted(shown) == [each.encode() for each in listed[1]]
        running.loop.do(lambda: looking[0])
    assert seen == {frozenset(each) for each in listed}


@pytest.mark.usefixtures("aws")
def test_an_aws_that_falls_silent_leaves_no_old_value(world: World, file: Path) -> None:
    """Nor of targets that get no place, as those before them hang for longer than a round.

    What has changed meanwhile shows with the next answer, and the trail tells of it.
    """
    made = load([("config.file", str(file)), ("poll.concurrency", "2")], {}, "eu-west-1")
    made = daemons.polling(made, interval=1, timeout=3, stale_after=3)
    expected = fleets.truth(world, ALL)

    def asked() -> int:
        calls = world.calls().items()
        return sum(number for call, number in calls if call.operation == "ListInvitations")

    hold = threading.Event()
    with daemons.running(made) as daemon:
        until(lambda: fleets.of_invitations(daemon.series()) == expected, "every value")
        for target in ALL:
            world.fail(*target, Fault(500, "x", "", hold=hold))
        before = asked()

        def all_are_silent() -> bool:
            series = daemon.series()
            return error_codes(series).keys() == set(ALL) and not fleets.of_invitations(series)

        until(all_are_silent, "every value to go")
        assert set(error_codes(daemon.series()).values()) <= {"Deadline", "ReadTimeout"}
        # Most were never asked for: each would have hung as long as those that were.
        assert asked() < before + len(ALL)
        world.invite(*ALL[0], Invitation("new-one", fleets.STRANGER, "Invited", None))
        hold.set()
        for target in ALL:
            world.heal(*target)
        now = fleets.truth(world, ALL)
        until(lambda: fleets.of_invitations(daemon.series()) == now, "the values return")
        [told] = [line for line in daemon.log.splitlines() if "invitation_id=new-one" in line]
        assert "level=warning event=invitation_received" in told
        assert "first_poll" not in told


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_in_order_while_aws_hangs(
    number: signal.Signals, world: World, aws: EmbeddedAws, file: Path
) -> None:
    """With exit code 0, and without what the polls under way wait for, which never comes."""
    hold = threading.Event()
    for target in ALL:
        world.fail(*target, Fault(500, "x", "", hold=hold))
    variables = {**aws.environment(), **measured()}
    with processes.running(variables, [f"--config.file={file}"]) as exporter:
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
