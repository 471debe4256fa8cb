"""The command line: from argv to a command and an exit code, without a process."""

import asyncio
import io
import os
import random
import re
import socket
from collections.abc import Iterator
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
from exporter.settings import Settings, load
from exporter.settings.keys import FLAGS
from tests import fleets, inprocess
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World
from tests.processes import PATIENCE

ROOT = Path(__file__).parents[2]


class Terminal:
    """Runs the command line, and keeps what it says."""

    def __init__(self, **environ: str) -> None:
        """Have nothing but these variables."""
        self.environ, self.out, self.err = environ, "", ""

    def run(self, *argv: str, stopped: bool = False) -> int:
        """Run a command, with a signal to stop as soon as it runs its loop; give its exit code."""
        done = inprocess.command(self.environ, *argv, stopped=stopped)
        self.out += done.stdout
        self.err += done.stderr
        return done.returncode


@pytest.fixture
def terminal() -> Terminal:
    """A terminal whose AWS environment names a region."""
    return Terminal(AWS_REGION="eu-west-1")


@pytest.mark.parametrize(
    "argv", [["--help"], ["-h", "--nonsense"], *([name, "--help"] for name in COMMANDS)]
)
def test_help(terminal: Terminal, argv: list[str]) -> None:
    """It fits a terminal, and stands in the documentation as it is."""
    assert terminal.run(*argv) == 0
    assert f"```text\n{terminal.out}```\n" in (ROOT / "docs" / "cli.md").read_text()
    assert max(map(len, terminal.out.splitlines())) <= 100
    assert terminal.err == ""


def test_version(terminal: Terminal) -> None:
    """Name and version, on standard output."""
    assert terminal.run("--version") == 0
    assert (terminal.out, terminal.err) == (f"macie-invitations-exporter {__version__}\n", "")


def flags_of(*argv: str) -> dict[str, str]:
    """Return the settings that a command line names."""
    return dict(parse(argv).flags)


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
    assert flags_of("check", *words) == flags_of(*words) == flags


@given(st.dictionaries(st.sampled_from([*FLAGS]), st.text(), max_size=5))
def test_any_value_arrives_as_it_is(given_flags: dict[str, str]) -> None:
    """Behind the first equals sign nothing has a meaning of its own."""
    assert flags_of("check", *(f"--{n}={text}" for n, text in given_flags.items())) == given_flags


def test_check(terminal: Terminal) -> None:
    """The effective configuration of flags and of the AWS environment; no network is needed."""
    assert terminal.run("check", "--poll.interval", "1m") == 0
    assert terminal.out.startswith("poll:\n  interval: 1m\n")
    assert "\n  regions:\n  - eu-west-1\n" in terminal.out
    assert terminal.out.endswith("\n# web: http\n")
    assert terminal.err == ""


def test_check_says_all_that_is_wrong(terminal: Terminal, tmp_path: Path) -> None:
    """Of the settings and of the web file together."""
    web, file = tmp_path / "web.yml", tmp_path / "exporter.yaml"
    web.write_text("rate_limit: {burst: many}")
    file.write_text(f"web: {{config_file: {web}}}\nlog: {{level: loud}}")
    assert terminal.run("check", f"--config.file={file}") == 2
    assert terminal.err == (
        f'log.level = "loud" (from {file}): must be debug, info, warning or error\n'
        f"rate_limit.burst (from {web}): must be a whole number\n"
    )


def test_check_for_an_organization_of_a_size(terminal: Terminal) -> None:
    """Nobody is asked how many accounts there are, so whoever knows says it."""
    organization = ("--aws.organization.role-name=reader", "--aws.regions=eu-west-1,us-east-1")
    assert terminal.run("check", *organization, "--assume-accounts=500") == 0
    assert (
        "\n"
        "# targets: 1000 (500 accounts of the organization are assumed)\n"
        "# series: about 55500, and those of the exporter itself\n"
        "# AWS API calls an hour: about 12750\n"
        "# each account that is discovered: 2 targets, about 111 series and 26 calls an hour\n"
    ) in terminal.out
    assert terminal.run("check", "--assume-accounts=500") == 2
    assert terminal.run("check", *organization, "--assume-accounts=many") == 2
    assert terminal.err == (
        "--assume-accounts = 500: no accounts are discovered, since aws.organization is not set\n"
        "--assume-accounts = many: must be like 500\n"
    )


UNEXPECTED = "unexpected; the command comes first, then --KEY=VALUE"


@pytest.mark.parametrize(
    ("argv", "lines"),
    [
        (["chek"], ["chek: unknown command; the nearest is check"]),
        (["help"], ["help: unknown command; there are serve, once, check, doctor, iam, demo"]),
        (["doctor", "--acount=1"], ["--acount: unknown; the nearest is --account"]),
        (["-v"], [f"-v: {UNEXPECTED}"]),
        (["--log.level=info", "check"], [f"check: {UNEXPECTED}"]),
        (["check", "a.yml", "-x"], [f"a.yml: {UNEXPECTED}", f"-x: {UNEXPECTED}"]),
        (
            ["check", "--log.level=info", "--log.level=info", "--no.such=1", "--no.such=2"],
            ["--log.level: given more than once", "--no.such: given more than once"],
        ),
        (["check", "--log.level=info", "--poll.interval"], ["--poll.interval: needs a value"]),
        # An empty option never means all: a variable of a script may have been empty.
        (["doctor", "--account"], ["--account: needs a value"]),
        (["doctor", "--account", "--format=json"], ["--account: needs a value"]),
        (["doctor", "--account="], ["--account: needs a value, as in --account=ID,..."]),
        (["doctor", "--account", ", "], ["--account: needs a value, as in --account=ID,..."]),
        (["doctor", "--format=xml"], ["--format = xml: must be like table|json"]),
    ],
)
def test_misuse(terminal: Terminal, argv: list[str], lines: list[str]) -> None:
    """Exit code 2 and one line for each mistake on standard error; nothing is run."""
    assert terminal.run(*argv) == 2
    assert terminal.err.splitlines()[: len(lines)] == lines
    assert terminal.out == ""


def test_misuse_and_wrong_settings_are_said_together() -> None:
    """Mistakes of all kinds in one go; what steers terminals is shown as what it is."""
    terminal = Terminal(MACIE_EXPORTER_POLL__INTERVAL="5")
    assert (
        terminal.run("chek", "x\x1b[2J", "--log.level=loud", "--log.format=json", "--fo\x9bo=") == 2
    )
    assert terminal.err == (
        "chek: unknown command; the nearest is check\n"
        f"x\\u001b[2J: {UNEXPECTED}\n"
        '"fo\\u009bo" (from --fo\\u009bo): unknown key; --help names those that there are\n'
        'poll.interval = "5" (from MACIE_EXPORTER_POLL__INTERVAL): a duration needs a unit, '
        "like 5s or 5m\n"
        'log.level = "loud" (from --log.level): must be debug, info, warning or error\n'
    )


@pytest.mark.parametrize("command", ["serve", "once", "check", "doctor", "iam", "demo"])
def test_wrong_settings(terminal: Terminal, command: str) -> None:
    """Every command refuses them before it does anything, with exit code 2."""
    assert terminal.run(command, "--poll.interval=1s") == 2
    assert terminal.err == 'poll.interval = "1s" (from --poll.interval): must be from 10s to 24h\n'
    assert terminal.out == ""


def test_no_region_at_all() -> None:
    """Neither configured nor in the AWS environment: said where nothing else is wrong.

    Who checks a file on another machine than the exporter's would hear of it beside each mistake.
    """
    wrong, lone = Terminal(), Terminal()
    assert wrong.run("check", "--log.level=loud") == 2
    assert wrong.err == (
        'log.level = "loud" (from --log.level): must be debug, info, warning or error\n'
    )
    assert lone.run("check") == 2
    assert lone.err == (
        "aws.regions: not set, and the AWS environment names no region: set one, as in "
        "--aws.regions=eu-west-1 or AWS_REGION=eu-west-1\n"
    )


def test_an_aws_profile_that_does_not_exist() -> None:
    """AWS's own configuration may be what is wrong; ours is looked at all the same."""
    terminal = Terminal(AWS_REGION="eu-west-1", AWS_PROFILE="nobody", AWS_CONFIG_FILE=os.devnull)
    assert terminal.run("check") == 2
    assert terminal.err == "the AWS environment: The config profile (nobody) could not be found\n"
    assert terminal.run("check", "--log.level=loud") == 2
    assert terminal.err.splitlines()[-1].startswith('log.level = "loud"')


@pytest.fixture
def aws(terminal: Terminal) -> Iterator[World]:
    """An embedded AWS with one member account, to which the terminal's environment points."""
    fleet = fleets.fleet(1)
    with EmbeddedAws(fleet) as running:
        terminal.environ |= running.environment()
        yield fleet


def _account(fleet: World, role: str) -> str:
    account = fleets.accounts(1)[0]
    arn = fleet.role_arn(account).rpartition("/")[0]
    return f'--aws.accounts=[{{"id": "{account}", "role_arn": "{arn}/{role}"}}]'


def test_once_prints_the_metrics(terminal: Terminal, aws: World) -> None:
    """Everything is polled once; exit code 0 says that every target answered."""
    role = aws.role_arn(fleets.accounts(1)[0]).rpartition("/")[2]
    flags = (_account(aws, role), "--aws.regions=eu-west-1,us-east-1")
    assert terminal.run("once", *flags, "--log.level=error") == 0
    assert terminal.out.count("\nmacie_poll_success{") == 2
    assert terminal.out.count("\nmacie_enabled{") == 2
    assert "\nmacie_exporter_aws_requests_total{" in terminal.out
    assert terminal.err == ""


def test_once_tells_of_a_target_that_failed(terminal: Terminal, aws: World) -> None:
    """The metrics are printed all the same; the exit code is 1, and why is said in any case."""
    assert terminal.run("once", _account(aws, "no-such-role"), "--log.level=error") == 1
    assert 'error_code="AccessDenied' in terminal.out
    assert terminal.err == (
        "1 of 1 targets did not answer (AccessDenied): the command doctor says what to do\n"
    )


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("command", ["serve", "once", "doctor"])
def test_an_account_that_the_credentials_do_not_belong_to(terminal: Terminal, command: str) -> None:
    """Without a role it would show another account's numbers: it is refused at the start."""
    ids = f'[{{"id": "{fleets.HUB}", "role_name": "reader"}}, {{"id": "111122223333"}}]'
    flags = (f"--aws.accounts={ids}", "--web.listen-address=127.0.0.1:0", "--log.level=error")
    assert terminal.run(command, *flags) == 2
    assert terminal.err == (
        'aws.accounts[1].id = "111122223333": has no role, and the credentials are of account '
        f"{fleets.HUB}: it would show that account's numbers; give it role_name or role_arn\n"
    )
    assert terminal.out == ""


def test_once_ends_when_it_is_stopped(terminal: Terminal) -> None:
    """A signal ends it before every target has answered; that is a failure."""
    assert terminal.run("once", "--log.level=error", stopped=True) == 1
    assert terminal.err == "stopped before every target was polled\n"


class FailingClock(SystemClock):
    """The machine's clock, whose time of day discovery cannot read."""

    def now(self) -> float:
        """Return the wall clock, or fail."""
        task = asyncio.current_task()
        if task is not None and task.get_name() == "discovery":
            raise RuntimeError("never seen before")
        return super().now()


async def polled_once(settings: Settings, log: io.StringIO) -> tuple[str, str]:
    """Poll once, with a discovery that crashes for ever; within half a minute."""
    ports = Ports(FailingClock(), Lines(log, level="info", form="logfmt"), random.Random(1))
    configuration = Configuration(settings, "eu-west-1")
    polling = once(configuration, ports, lambda *_: None, lambda _: None)
    return await asyncio.wait_for(polling, PATIENCE)


def test_once_ends_when_its_discovery_crashes() -> None:
    """It says so, and does not wait for what is not found."""
    log = io.StringIO()
    settings = load([("aws.accounts", '[{"id": "000000000001"}]')], {}, "eu-west-1")
    text, why_not = asyncio.run(polled_once(settings, log))
    assert why_not.startswith("not every target was found")
    assert "event=discovery_crashed" in log.getvalue()
    assert "macie_poll_success{" not in text


def test_serve_is_the_default_and_ends_when_it_is_stopped(terminal: Terminal) -> None:
    """It listens, warns of what is most likely not meant, and ends in order with exit code 0."""
    accounts = ",".join(f'{{"id": "{number:012d}", "role_name": "r"}}' for number in range(2000))
    listening = "--web.listen-address=127.0.0.1:0"
    assert terminal.run(listening, f"--aws.accounts=[{accounts}]", stopped=True) == 0
    events = re.findall(r" event=(\w+)", terminal.err)
    assert events[:3] == ["many_series", "listening", "trust_not_configured"]
    assert events[-1] == "stopped"
    assert "series=112000 targets=2000 hint=" in terminal.err


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_an_address_that_is_taken(terminal: Terminal, command: str) -> None:
    """One clear line, and exit code 1; the demo promises nothing before."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert terminal.run(command, f"--web.listen-address=127.0.0.1:{port}") == 1
    assert len(terminal.err.splitlines()) == 1
    assert str(port) in terminal.err
    assert terminal.out == ""


def test_regions_that_only_aws_knows(terminal: Terminal) -> None:
    """With `auto` and no region in the environment, STS is asked in one that always exists."""
    lone = Terminal()
    assert lone.run("check", "--aws.regions=auto") == 0
    assert lone.out.split("allow_unknown")[0].endswith("regions: auto\n  ")
    assert terminal.run("check", "--aws.regions=auto") == 0
