"""The commands, one module each, and what they share: their arguments, exit codes and process.

They may use everything; nothing uses them, and no command imports another.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn, TextIO

from exporter import __version__
from exporter.commands.arguments import help_of, parse
from exporter.commands.parser import NAME
from exporter.commands.process import delivered, handle_hangup, handle_stop, standard_streams
from exporter.memory import look_for_garbage_seldom
from exporter.settings import ConfigurationError, load
from exporter.visible import visible

OK, FAILED, MISUSED = 0, 1, 2
_RELOADING = frozenset({"serve"})
"""Commands that have something to reload: a hangup ends the others, as it does most programs."""


@dataclass(frozen=True, slots=True)
class Process:
    """What a command gets from the process it runs in."""

    environ: Mapping[str, str]
    stdout: TextIO
    stderr: TextIO
    handle_hangup: Callable[[Callable[[], object] | None], object] = lambda _: None
    """Has a hangup, held back until then, reload; with None it ends the command."""
    handle_stop: Callable[[Callable[[], object]], object] = lambda _: None
    """Has signals stop a command in order, from when it runs its loop; until then they end it."""
    imported: Callable[[], object] = lambda: None
    """Is called once everything is imported that the command needs."""


def main(argv: Sequence[str], process: Process) -> int:
    """Run a command; return the process's exit code."""
    if not {"-h", "--help"}.isdisjoint(argv):
        process.stdout.write(help_of(argv))
        return OK
    if "--version" in argv:
        process.stdout.write(f"{NAME} {__version__}\n")
        return OK
    try:
        arguments = parse(argv)
        if arguments.wrong:
            load(arguments.flags, process.environ, wrong=arguments.wrong)
        if arguments.command not in _RELOADING:
            process.handle_hangup(None)
        # boto3 and the web server take half a second to import: not for `--help` or a wrong flag.
        command = import_module(f"exporter.commands.{arguments.command}")
        process.imported()
        return int(command.run(arguments, process))
    except ConfigurationError as error:
        complain(process, error.lines)
        return MISUSED


def run() -> NoReturn:
    """Run as the process: its arguments, environment, streams and signals."""
    out, err = standard_streams()
    process = Process(os.environ, out, err, handle_hangup, handle_stop, look_for_garbage_seldom)
    code = delivered(lambda: main(sys.argv[1:], process), out, err)
    sys.exit(FAILED if code is None else code)


def number(of: int, what: str) -> str:
    """Return how many there are of something: 1 target, 2,000 targets."""
    return f"{of:,} {what}{'' if of == 1 else 's'}"


def complain(process: Process, lines: Iterable[str]) -> None:
    """Say what is wrong; where nobody can be told, the exit code has to do."""
    with contextlib.suppress(OSError, ValueError):
        process.stderr.write("".join(f"{visible(line)}\n" for line in lines))
        process.stderr.flush()
