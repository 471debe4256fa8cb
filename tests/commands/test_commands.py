"""The command line: from argv to a command and an exit code, without a process."""

import asyncio
import io
import os
import random
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import __version__
from exporter.clock import SystemClock
from exporter.commands.arguments import parse
from exporter.commands.descriptions import COMMANDS
from exporter.commands.once import once
from exporter.configuration import Configuration, Ports
from exporter.log import Lines
from exporter.settings import load
from exporter.settings.keys import FLAGS
from tests import fleets
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World
from tests.inprocess import Done, command

ROOT = Path(__file__).parents[2]
REGION = {"AWS_REGION": "eu-west-1"}
ANYWHERE = "--web.listen-address=127.0.0.1:0"
ORGANIZATION = "--aws.organization.role-name=reader"


def printed(*argv: str) -> str:
    """Return what a command that succeeds prints; it complains of nothing."""
    done = command(REGION, *argv)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    "argv", [["--help"], ["-h", "--nonsense"], *([name, "--help"] for name in COMMANDS)]
)
def test_help(argv: list[str]) -> None:
    """It fits a terminal, and stands in the documentation as it is."""
    out = printed(*argv)
    assert f"```text\n{out}```\n" in (ROOT / "docs" / "cli.md").read_text()
    assert max(map(len, out.splitlines())) <= 100


def test_version() -> None:
    """Name and version, on standard output."""
    assert printed("--version") == f"macie-invitations-exporter {__version__}\n"


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (["--poll.interval", "1m"], {"poll.interval": "1m"}),
        (["--shard.index", "-1"], {"shard.index": "-1"}),
        (["--web.enable-lifecycle"], {"web.enable-lifecycle": "true"}),
        (["--web.enable-lifecycle=false"], {"web.enable-lifecycle": "false"}),
        # What every exporter on the exporter-toolkit has.
        (["--web.config.file=web.yml"], {"web.config-file": "web.yml"}),
        (["--web.config-file", "web_1.yml"], {"web.config-file": "web_1.yml"}),
    ],
)
def test_how_a_flag_may_be_written(words: list[str], flags: dict[str, str]) -> None:
    """With its value behind an equals sign or in the next word; a switch may have none."""
    assert dict(parse(["check", *words]).flags) == dict(parse(words).flags) == flags


@given(st.dictionaries(st.sampled_from([*FLAGS]), st.text(), max_size=5))
def test_any_value_arrives_as_it_is(given_flags: dict[str, str]) -> None:
    """Behind the first equals sign nothing has a meaning of its own."""
    words = [f"--{name}={text}" for name, text in given_flags.items()]
    assert dict(parse(["check", *words]).flags) == given_flags


UNEXPECTED = "unexpected; the command comes first, then --KEY=VALUE"
LOUD = 'log.level = "loud" (from --log.level): must be debug, info, warning or error'
NEEDS_A_VALUE = "--account: needs a value, as in --account=ID,..."
NOBODY = {**REGION, "AWS_PROFILE": "nobody", "AWS_CONFIG_FILE": os.devnull}
SECTIONS = "config, poll, aws, metrics, shard, web, log"
NO_REGION = (
    "aws.regions: not set, and the AWS environment names no region: set one, as in "
    "--aws.regions=eu-west-1 or AWS_REGION=eu-west-1"
)
NO_PROFILE = "the AWS environment: The config profile (nobody) could not be found"

REFUSED: tuple[tuple[Mapping[str, str], list[str], list[str]], ...] = (
    (REGION, ["chek"], ["chek: unknown command; the nearest is check"]),
    (
        REGION,
        ["help"],
        ["help: unknown command; there are serve, once, check, doctor, iam, demo"],
    ),
    (REGION, ["doctor", "--acount=1"], ["--acount: unknown; the nearest is --account"]),
    (REGION, ["-v"], [f"-v: {UNEXPECTED}"]),
    (REGION, ["--log.level=info", "check"], [f"check: {UNEXPECTED}"]),
    (REGION, ["check", "a.yml", "-x"], [f"a.yml: {UNEXPECTED}", f"-x: {UNEXPECTED}"]),
    (
        REGION,
        ["check", "--log.level=info", "--log.level=info"],
        ["--log.level: given more than once"],
    ),
    (REGION, ["check", "--log.level=info", "--poll.interval"], ["--poll.interval: needs a value"]),
    # An empty option never means all: a variable of a script may have been empty.
    (REGION, ["doctor", "--account"], ["--account: needs a value"]),
    (REGION, ["doctor", "--account", "--format=json"], ["--account: needs a value"]),
    (REGION, ["doctor", "--account="], [NEEDS_A_VALUE]),
    (REGION, ["doctor", "--account", ", "], [NEEDS_A_VALUE]),
    (REGION, ["doctor", "--format=xml"], ["--format = xml: must be table or json"]),
    (
        REGION,
        ["check", ORGANIZATION, "--assume-accounts=many"],
        ["--assume-accounts = many: must be like 500"],
    ),
    (
        REGION,
        ["check", "--assume-accounts=500"],
        ["--assume-accounts = 500: no accounts are discovered, since aws.organization is not set"],
    ),
    # What steers terminals is shown as what it is; mistakes of all kinds are said in one go.
    (
        {"MACIE_EXPORTER_LOG__FORMAT": "5"},
        ["chek", "x\x1b[2J", "--log.level=loud", "--fo\x9bo="],
        [
            "chek: unknown command; the nearest is check",
            f"x\\u001b[2J: {UNEXPECTED}",
            f'"fo\\u009bo" (from --fo\\u009bo): unknown key; there are {SECTIONS}',
            LOUD,
            'log.format = "5" (from MACIE_EXPORTER_LOG__FORMAT): must be logfmt or json',
        ],
    ),
    # Every command refuses wrong settings before it does anything.
    *((REGION, [name, "--log.level=loud"], [LOUD]) for name in COMMANDS),
    # That there is no region is said where nothing else is wrong: who checks a file on another
    # machine than the exporter's would hear of it beside each mistake.
    ({}, ["check", "--log.level=loud"], [LOUD]),
    ({}, ["check"], [NO_REGION]),
    # AWS's own configuration may be what is wrong; ours is looked at all the same.
    (NOBODY, ["check", "--log.level=loud"], [NO_PROFILE, LOUD]),
)


@pytest.mark.parametrize(("environ", "argv", "lines"), REFUSED, ids=" ".join)
def test_what_is_refused(environ: Mapping[str, str], argv: list[str], lines: list[str]) -> None:
    """Exit code 2 and one line for each mistake on standard error; nothing is run."""
    said = "".join(f"{line}\n" for line in lines)
    assert command(environ, *argv) == Done(2, "", said)


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[World, Mapping[str, str]]]:
    """An embedded AWS with one member account, and the environment that points to it."""
    fleet = fleets.fleet(1)
    with EmbeddedAws(fleet) as running:
        yield fleet, {**REGION, **running.environment()}


def polled(aws: tuple[World, Mapping[str, str]], name: str, *flags: str) -> Done:
    """Run `once` on the member account, with a role of some name at the path of its own."""
    account = fleets.accounts(1)[0]
    arn = aws[0].role_arn(account).rpartition("/")
    listed = f'[{{"id": "{account}", "role_arn": "{arn[0]}/{name or arn[2]}"}}]'
    return command(aws[1], "once", f"--aws.accounts={listed}", "--log.level=error", *flags)


def test_once_prints_the_metrics(aws: tuple[World, Mapping[str, str]]) -> None:
    """Everything is polled once; exit code 0 says that every target answered."""
    done = polled(aws, "", "--aws.regions=eu-west-1,us-east-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\nmacie_poll_success{") == 2
    assert done.stdout.count("\nmacie_enabled{") == 2
    assert "\nmacie_exporter_aws_requests_total{" in done.stdout


def test_once_tells_of_a_target_that_failed(aws: tuple[World, Mapping[str, str]]) -> None:
    """The metrics are printed all the same; the exit code is 1, and why is said in any case."""
    done = polled(aws, "no-such-role")
    assert 'error_code="AccessDenied' in done.stdout
    assert (done.returncode, done.stderr) == (
        1,
        "1 of 1 target did not answer (AccessDenied): the command doctor says what to do\n",
    )


@pytest.mark.parametrize("name", ["serve", "once", "doctor"])
def test_an_account_that_the_credentials_do_not_belong_to(
    aws: tuple[World, Mapping[str, str]], name: str
) -> None:
    """Without a role it would show another account's numbers: it is refused at the start."""
    ids = f'[{{"id": "{fleets.HUB}", "role_name": "reader"}}, {{"id": "111122223333"}}]'
    said = (
        'aws.accounts[1].id = "111122223333": has no role, and the credentials are of account '
        f"{fleets.HUB}: it would show that account's numbers; give it role_name or role_arn\n"
    )
    flags = (f"--aws.accounts={ids}", ANYWHERE, "--log.level=error")
    assert command(aws[1], name, *flags) == Done(2, "", said)


def test_once_ends_when_it_is_stopped() -> None:
    """A signal ends it before every target has answered; that is a failure."""
    done = command(REGION, "once", "--log.level=error", stopped=True)
    assert (done.returncode, done.stderr) == (1, "stopped before every target was polled\n")


class FailingClock(SystemClock):
    """The machine's clock, whose time of day discovery cannot read."""

    def now(self) -> float:
        """Return the wall clock, or fail."""
        task = asyncio.current_task()
        if task is not None and task.get_name() == "discovery":
            raise RuntimeError("never seen before")
        return super().now()


def test_once_ends_when_its_discovery_crashes() -> None:
    """It says so, and does not wait for what is not found."""
    log = io.StringIO()
    ports = Ports(FailingClock(), Lines(log, level="info", form="logfmt"), random.Random(1))
    settings = load([("aws.accounts", '[{"id": "000000000001"}]')], {}, "eu-west-1")
    polling = once(Configuration(settings, "eu-west-1"), ports, lambda *_: None, lambda _: None)
    text, why_not = asyncio.run(polling)
    assert why_not.startswith("not every target was found")
    assert "event=discovery_crashed" in log.getvalue()
    assert "macie_poll_success{" not in text


def test_serve_is_the_default_and_ends_when_it_is_stopped() -> None:
    """It listens, warns of what is most likely not meant, and ends in order with exit code 0."""
    accounts = ",".join(f'{{"id": "{number:012d}", "role_name": "r"}}' for number in range(2000))
    done = command(REGION, ANYWHERE, f"--aws.accounts=[{accounts}]", stopped=True)
    assert done.returncode == 0
    events = re.findall(r" event=(\w+)", done.stderr)
    assert events[:3] == ["many_series", "listening", "trust_not_configured"]
    assert events[-1] == "stopped"
    assert "series=112000 targets=2000 hint=" in done.stderr


@pytest.mark.parametrize("name", ["serve", "demo"])
def test_an_address_that_is_taken(name: str) -> None:
    """One clear line, and exit code 1; the demo promises nothing before."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command(REGION, name, f"--web.listen-address=127.0.0.1:{port}")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(f".*{port}.*\n", done.stderr)
