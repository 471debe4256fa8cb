"""The command line: from argv to a command and an exit code, without a process."""

import asyncio
import io
import random
import re
import shlex
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

HERE = Path(__file__).parent
REGION = {"AWS_REGION": "eu-west-1"}
ANYWHERE = "--web.listen-address=127.0.0.1:0"


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
    assert f"```text\n{out}```\n" in (HERE.parents[1] / "docs" / "cli.md").read_text()
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


REFUSED = (HERE / "refused.txt").read_text().split("\n\n")


@pytest.mark.parametrize("refused", REFUSED, ids=lambda text: text.partition("\n")[0])
def test_what_is_refused(refused: str) -> None:
    """Exit code 2 and one line for each mistake on standard error; nothing is run.

    An empty option never means all: a variable of a script may have been empty. That there is no
    region is said where nothing else is wrong: who checks a file elsewhere has none, and knows it.
    """
    typed, _, said = refused.strip().partition("\n")
    words = shlex.split(typed.removeprefix("$").encode().decode("unicode_escape"))
    environ = dict(word.split("=", 1) for word in words if re.match("[A-Z_]+=", word))
    argv = words[len(environ) :]
    assert command({**REGION, **environ}, *argv) == Done(2, "", f"{said}\n")


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[World, Mapping[str, str]]]:
    """An embedded AWS with one member account, and the environment that points to it."""
    fleet = fleets.fleet(1)
    with EmbeddedAws(fleet) as running:
        yield fleet, {**REGION, **running.environment()}


def test_once_prints_the_metrics(aws: tuple[World, Mapping[str, str]]) -> None:
    """Everything is polled once; exit code 0 says that every target answered.

    Where one did not it is 1, and why is said in any case; the metrics are printed all the same.
    """
    world, environ = aws
    (account,) = fleets.accounts(1)
    role = world.role_arn(account)
    listed = f'--aws.accounts=[{{"id": "{account}", "role_arn": "{role}"}}]'
    words = ("once", listed, "--aws.regions=eu-west-1,us-east-1", "--log.level=error")
    done = command(environ, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\nmacie_poll_success{") == 2
    assert done.stdout.count("\nmacie_enabled{") == 2
    assert "\nmacie_exporter_aws_requests_total{" in done.stdout
    world.break_role(role)
    done = command(environ, *words)
    assert done.stdout.count('error_code="AccessDenied"} 1') == 2
    said = "2 of 2 targets did not answer (AccessDenied): the command doctor says what to do\n"
    assert (done.returncode, done.stderr) == (1, said)


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
