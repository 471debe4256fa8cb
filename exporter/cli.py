"""From argv to a command and an exit code. Testable without a process."""

import asyncio
import contextlib
import os
import random
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TextIO

from exporter import __version__
from exporter.clock import SystemClock
from exporter.manual import NAME, PAGES, of_command, overview
from exporter.nearest import nearest
from exporter.settings import ConfigurationError, Settings, load
from exporter.settings.fields import AUTO
from exporter.settings.flags import Words, read
from exporter.signals import handle_hangup, handle_stop
from exporter.streams import delivered, standard_streams
from exporter.terminal import as_seen, progress, write
from exporter.visible import visible

if TYPE_CHECKING:
    from exporter.daemon import Configuration, Ports
    from exporter.log import Log

OK, FAILED, MISUSED = 0, 1, 2
_DEFAULT = "serve"
_RELOADING = frozenset({"serve"})
"""Commands that have something to reload: a hangup ends the others, as it does most programs."""
_HELP = frozenset({"-h", "--help"})
_VERSION = "--version"
_ANY_REGION = "us-east-1"
"""Where STS is asked when only AWS itself can say which regions there are."""


@dataclass(frozen=True, slots=True)
class World:
    """What a command gets from the process it runs in."""

    environ: Mapping[str, str]
    stdout: TextIO
    stderr: TextIO
    handle_hangup: Callable[[Callable[[], object] | None], object] = lambda _: None
    """Has a hangup, held back until then, reload; with None it ends the command."""
    handle_stop: Callable[[Callable[[], object]], object] = lambda _: None
    """Has signals stop a command in order, from when it runs its loop; until then they end it."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the command line says.

    A command, settings as (dotted kebab-case name, text), and the command's own options.
    """

    command: str
    flags: tuple[tuple[str, str], ...]
    options: Mapping[str, str]


def main(argv: Sequence[str], world: World) -> int:
    """Run a command; give the process's exit code."""
    words = read(argv)
    if not _HELP.isdisjoint(words.rest):
        asked = next((word for word in words.rest if word in PAGES), None)
        world.stdout.write(of_command(asked) if asked else overview())
        return OK
    if _VERSION in words.rest:
        world.stdout.write(f"{NAME} {__version__}\n")
        return OK
    try:
        arguments = _understood(words, world)
        if arguments.command not in _RELOADING:
            world.handle_hangup(None)
        return COMMANDS[arguments.command](arguments, world)
    except ConfigurationError as error:
        _complain(world, error.lines)
        return MISUSED


def run() -> NoReturn:
    """Run as the process: its arguments, environment, streams and signals."""
    out, err = standard_streams()
    world = World(os.environ, out, err, handle_hangup, handle_stop)
    with delivered(out, err) as delivery:
        code = main(sys.argv[1:], world)
    sys.exit(FAILED if delivery.failed else code)


def serve(arguments: Arguments, world: World) -> int:
    """Poll in the background and serve the metrics, until told to stop."""
    # boto3 and the web server take half a second to import: not for `--help` or a wrong flag.
    from exporter.commands.serve import serve as serving  # noqa: PLC0415
    from exporter.web.listening import AddressInUseError  # noqa: PLC0415

    configuration = _configuration(arguments, world)
    ports = _ports(configuration.settings, world)
    _warn_of_many_series(configuration.settings, ports.lines.log)

    def handle_signals(stop: Callable[[], object], reload: Callable[[], object]) -> None:
        world.handle_stop(stop)
        world.handle_hangup(reload)

    load = partial(_configuration, arguments, world, anew=True)
    try:
        asyncio.run(serving(configuration, load, ports, handle_signals))
    except AddressInUseError as error:
        _complain(world, [str(error)])
        return FAILED
    return OK


def once(arguments: Arguments, world: World) -> int:
    """Poll every target once, print the exposition; exit 0 only if every target answered."""
    from exporter.commands.once import once as polling  # noqa: PLC0415 -- as in `serve`

    configuration = _configuration(arguments, world)
    with progress("targets", world.stderr, world.environ) as (tell, stderr):
        ports = _ports(configuration.settings, replace(world, stderr=stderr))
        text, succeeded = asyncio.run(polling(configuration, ports, tell, world.handle_stop))
    world.stdout.write(as_seen(text, world.stdout))
    world.stdout.flush()
    return OK if succeeded else FAILED


def check(arguments: Arguments, world: World) -> int:
    """Print the effective configuration and what it means, without using the network."""
    from exporter.check import report  # noqa: PLC0415 -- as in `serve`
    from exporter.web.watcher import check_web_file  # noqa: PLC0415

    configuration = _configuration(arguments, world)
    rules = check_web_file(configuration.settings.web.config_file)
    warnings = "".join(f"# warning: {warning}\n" for warning in rules.warnings)
    world.stdout.write(f"{report(configuration.settings)}{warnings}# web: {rules}\n")
    return OK


def demo(arguments: Arguments, world: World) -> int:
    """Run with an embedded AWS and a believable organisation; no credentials needed."""
    from exporter.demo.command import run as run_demo  # noqa: PLC0415 -- needs the extra `demo`

    given = dict(arguments.flags)
    address = given.pop("web.listen-address", ":10058")
    extra = [f"--{name}={value}" for name, value in given.items()]
    return run_demo(address, extra, world.stdout)


def doctor(arguments: Arguments, world: World) -> int:
    """Look at every target step by step, say what is missing; exit 1 if anything failed."""
    from exporter.commands.doctor import consult  # noqa: PLC0415 -- as in `serve`

    form = _choice(arguments, "format", ("table", "json"))
    configuration = _configuration(arguments, world)
    accounts, regions = _listed(arguments, "account"), _listed(arguments, "region")
    with progress("accounts", world.stderr, world.environ) as (tell, stderr):
        ports = _ports(configuration.settings, replace(world, stderr=stderr))
        report, healthy = asyncio.run(
            consult(configuration, ports, accounts, regions, form=form, tell=tell)
        )
    write(report, world.stdout, world.environ)
    return OK if healthy else FAILED


def iam(arguments: Arguments, world: World) -> int:
    """Print the least policies that this configuration needs."""
    from exporter.iam import (  # noqa: PLC0415 -- as in `serve`
        DOCUMENTS,
        HUB_PRINCIPAL,
        ORGANIZATION_ID,
        documents,
    )

    configuration = _configuration(arguments, world)
    wanted = _choice(arguments, "document", ("all", *DOCUMENTS))
    names = tuple(DOCUMENTS) if wanted == "all" else (wanted,)
    hub = _matching(arguments, "hub-principal", HUB_PRINCIPAL, "arn:aws:iam::444455556666:role/x")
    organization = _matching(arguments, "organization-id", ORGANIZATION_ID, "o-a1b2c3d4e5")
    text = documents(configuration.settings, names, hub, organization)
    if not text:
        line = f"--document = {wanted}: no role is assumed: configure aws.accounts with role_name, "
        raise ConfigurationError([f"{line}or aws.organization"])
    world.stdout.write(text)
    return OK


COMMANDS: Mapping[str, Callable[[Arguments, World], int]] = {
    "serve": serve,
    "once": once,
    "check": check,
    "doctor": doctor,
    "iam": iam,
    "demo": demo,
}


def _complain(world: World, lines: Iterable[str]) -> None:
    """Say what is wrong; where nobody can be told, the exit code has to do."""
    with contextlib.suppress(OSError, ValueError):
        world.stderr.write("".join(f"{visible(line)}\n" for line in lines))
        world.stderr.flush()


def _understood(words: Words, world: World) -> Arguments:
    """Take the words for a command and its flags.

    Raises ConfigurationError with everything that is wrong.
    """
    command, *others = words.rest or (_DEFAULT,)
    lines = [f"{word}: unexpected; settings are given as --KEY=VALUE" for word in others]
    if command not in COMMANDS:
        lines.append(f"{command}: unknown command; the nearest is {nearest(command, COMMANDS)}")
    lines += words.problems
    known = PAGES[command].options if command in PAGES else {}
    flags = tuple((name, text) for name, text in words.flags if name not in known)
    options = {name: text for name, text in words.flags if name in known}
    lines += [
        f"--{name}: needs a value, as in --{name}={known[name].value}"
        for name, text in options.items()
        if not text.strip(" ,")  # Not all, as where it is not given: a variable may be empty.
    ]
    if lines:
        raise ConfigurationError([*lines, *_wrong_settings(flags, world)])
    return Arguments(command, flags, options)


def _listed(arguments: Arguments, option: str) -> set[str]:
    words = (word.strip() for word in arguments.options.get(option, "").split(","))
    return {word for word in words if word}


def _choice(arguments: Arguments, option: str, choices: Sequence[str]) -> str:
    """Give an option's value, the first choice where it is not given.

    Raises ConfigurationError for any other.
    """
    value = arguments.options.get(option, choices[0])
    if value not in choices:
        raise ConfigurationError([f"--{option} = {value}: must be one of {', '.join(choices)}"])
    return value


def _matching(arguments: Arguments, option: str, form: re.Pattern[str], like: str) -> str:
    """Give an option's value, empty where it is not given.

    Raises ConfigurationError for one of another form.
    """
    value = arguments.options.get(option, "")
    if value and not form.fullmatch(value):
        raise ConfigurationError([f"--{option} = {value}: must be like {like}"])
    return value


def _wrong_settings(flags: Sequence[tuple[str, str]], world: World) -> Sequence[str]:
    try:
        load(flags, world.environ)
    except ConfigurationError as error:
        return error.lines
    return ()


def _configuration(arguments: Arguments, world: World, *, anew: bool = False) -> "Configuration":
    """Load the settings, and the region for calls that no target's region is meant for.

    Raises ConfigurationError.
    """
    from exporter.aws import environment  # noqa: PLC0415 -- as in `serve`
    from exporter.daemon import Configuration  # noqa: PLC0415

    try:
        region = environment.region(world.environ)
    except environment.AwsEnvironmentError as error:
        others = _wrong_settings(arguments.flags, world)
        raise ConfigurationError([f"the AWS environment: {error}", *others]) from error
    settings = load(arguments.flags, world.environ, region, anew=anew)
    return Configuration(settings, region or next(_regions(settings), _ANY_REGION))


def _regions(settings: Settings) -> Iterator[str]:
    listed = (settings.aws.regions, *(account.regions for account in settings.aws.accounts))
    return (region for regions in listed for region in regions if region != AUTO)


def _ports(settings: Settings, world: World) -> "Ports":
    from exporter.daemon import Ports  # noqa: PLC0415 -- as in `serve`
    from exporter.log import Lines  # noqa: PLC0415

    lines = Lines(world.stderr, level=settings.log.level, form=settings.log.format)
    return Ports(SystemClock(), lines, random.Random())  # noqa: S311 -- jitter


def _warn_of_many_series(settings: Settings, log: "Log") -> None:
    from exporter.check import estimated, too_many  # noqa: PLC0415 -- as in `serve`
    from exporter.estimate import MANY_SERIES  # noqa: PLC0415

    numbers = estimated(settings)
    if numbers.series > MANY_SERIES:
        log.warning(
            "many_series", series=numbers.series, targets=numbers.targets, hint=too_many(numbers)
        )
