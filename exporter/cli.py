"""From argv to a command and an exit code. Testable without a process."""

import argparse
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TextIO

from exporter import __version__
from exporter.clock import Stop, SystemClock
from exporter.settings import ConfigurationError, Settings, load
from exporter.settings.flags import Flag, flags

if TYPE_CHECKING:
    from exporter.core import Ports
    from exporter.log import Log

OK, FAILED, MISUSED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class World:
    """What a command gets from the process it runs in."""

    environ: Mapping[str, str]
    stdout: TextIO
    stderr: TextIO
    stop: Stop


Command = Callable[[argparse.Namespace, World], int]


def main(argv: Sequence[str], world: World) -> int:
    """Run a command; give the process's exit code."""
    parser = _parser()
    arguments, unknown = parser.parse_known_args(_with_values(argv))
    try:
        arguments.flags = [*_given(arguments), *_unknown_flags(unknown, parser)]
        return COMMANDS[arguments.command][0](arguments, world)
    except ConfigurationError as error:
        for line in error.lines:
            world.stderr.write(f"{line}\n")
        return MISUSED


def run() -> NoReturn:
    """Run as the process: its arguments, environment, streams and signals."""
    from exporter.daemon import stop_on_signals  # noqa: PLC0415 -- after --help and errors of usage

    stop = Stop()
    stop_on_signals(stop.set, stop.is_set)
    code = main(sys.argv[1:], World(os.environ, sys.stdout, sys.stderr, stop))
    sys.exit(code)


def serve(arguments: argparse.Namespace, world: World) -> int:
    """Poll in the background and serve the metrics, until told to stop."""
    # boto3 and the web server take half a second to import: not for `--help` or a wrong flag.
    from exporter.daemon import Daemon  # noqa: PLC0415
    from exporter.web.server import AddressInUseError  # noqa: PLC0415

    settings, region = _configuration(arguments, world)
    ports = _ports(settings, world)
    _warn_of_many_series(settings, ports.log)
    try:
        daemon = Daemon(settings, ports, default_region=region)
    except AddressInUseError as error:
        world.stderr.write(f"{error}\n")
        return FAILED
    daemon.run()
    return OK


def once(arguments: argparse.Namespace, world: World) -> int:
    """Poll every target once, print the exposition; exit 0 only if every target answered."""
    from exporter.core import Core  # noqa: PLC0415 -- as in `serve`

    settings, region = _configuration(arguments, world)
    core = Core(settings, _ports(settings, world), default_region=region)
    core.start()
    finished = core.wait_until_ready()
    world.stdout.write(core.exposition.text().decode() + core.telemetry.text().decode())
    world.stdout.flush()
    core.stop(1.0)
    failed = any(knowledge.failure for knowledge in core.snapshot.all())
    return OK if finished and not failed else FAILED


def check(arguments: argparse.Namespace, world: World) -> int:
    """Print the effective configuration and what it means, without using the network."""
    from exporter.check import report  # noqa: PLC0415 -- as in `serve`

    settings, region = _configuration(arguments, world)
    world.stdout.write(report(settings, region))
    return OK


def demo(arguments: argparse.Namespace, world: World) -> int:
    """Run with an embedded AWS and a believable organisation; no credentials needed."""
    from exporter.demo.command import run as run_demo  # noqa: PLC0415 -- needs the extra `demo`

    given = dict(arguments.flags)
    address = given.pop("web.listen-address", ":10058")
    extra = [f"--{name}={value}" for name, value in given.items()]
    return run_demo(address, extra, world.stdout)


COMMANDS: Mapping[str, tuple[Command, str]] = {
    "serve": (serve, "poll in the background and serve the metrics (the default)"),
    "once": (once, "poll everything once and print the metrics"),
    "check": (check, "print the effective configuration and what it means; no network"),
    "demo": (demo, "run with an embedded AWS; no credentials needed"),
}


def _configuration(arguments: argparse.Namespace, world: World) -> tuple[Settings, str]:
    """Load the settings and the AWS environment's region. Raises ConfigurationError."""
    from exporter.aws import environment  # noqa: PLC0415 -- as in `serve`

    settings = load(arguments.flags, world.environ)
    try:
        region = environment.region(world.environ)
    except environment.EnvironmentError as error:
        raise ConfigurationError([f"AWS environment: {error}"]) from error
    accounts = settings.aws.accounts
    everywhere = settings.aws.regions or (accounts and all(account.regions for account in accounts))
    if not region and not everywhere:
        message = "aws.regions: not set, and the AWS environment names no region: set it, or AWS_REGION"
        raise ConfigurationError([message])
    first = next((r for r in (*settings.aws.regions, *(r for a in accounts for r in a.regions))), "")
    return settings, region or first


def _ports(settings: Settings, world: World) -> "Ports":
    from exporter.core import Ports  # noqa: PLC0415 -- as in `serve`
    from exporter.log import Lines  # noqa: PLC0415

    lines = Lines(world.stderr, level=settings.log.level, form=settings.log.format)
    return Ports(SystemClock(), world.stop, lines.log, random.Random())  # noqa: S311 -- jitter


def _warn_of_many_series(settings: Settings, log: "Log") -> None:
    from exporter.check import estimated, too_many  # noqa: PLC0415 -- as in `serve`
    from exporter.estimate import MANY_SERIES  # noqa: PLC0415

    numbers = estimated(settings)
    if numbers.series > MANY_SERIES:
        log.warning("many_series", series=numbers.series, targets=numbers.targets, hint=too_many(numbers))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="macie-invitations-exporter",
        description="Prometheus exporter for the Amazon Macie invitations that accounts received.",
        epilog="Every flag is also a key of the YAML file (--config.file) and an environment "
        "variable: --poll.interval, poll.interval, MACIE_EXPORTER_POLL__INTERVAL.",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = "\n".join(f"{name}: {text}" for name, (_, text) in COMMANDS.items())
    parser.add_argument("command", nargs="?", choices=list(COMMANDS), default="serve", help=commands)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    groups: dict[str, argparse._ArgumentGroup] = {}
    for flag in flags():
        section = flag.name.partition(".")[0]
        group = groups.setdefault(section, parser.add_argument_group(section))
        _add(group, flag)
    return parser


def _add(group: "argparse._ArgumentGroup", flag: Flag) -> None:
    shown = f"{flag.help} [{flag.default}]" if flag.default else flag.help
    group.add_argument(
        f"--{flag.name}",
        dest=flag.name,
        metavar=flag.kind,
        help=shown.replace("%", "%%"),
        default=argparse.SUPPRESS,
    )


def _with_values(argv: Sequence[str]) -> list[str]:
    """Write `--switch` as `--switch=true`, so that every flag has a value."""
    switches = {f"--{flag.name}" for flag in flags() if flag.is_switch}
    return [f"{word}=true" if word in switches else word for word in argv]


def _given(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in vars(arguments).items() if name not in {"command", "flags"})


def _unknown_flags(
    words: Sequence[str], parser: argparse.ArgumentParser
) -> Iterator[tuple[str, str]]:
    """Pass unknown flags on as settings, whose loader names the nearest known key."""
    for word in words:
        if word.startswith("--"):
            name, _, value = word.removeprefix("--").partition("=")
            yield name, value
        elif not words or not words[0].startswith("--"):
            parser.error(f"unexpected argument {word!r}")
