"""`once`: polls every target once, and prints the exposition."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

from exporter.commands import FAILED, OK, Process, complain, number
from exporter.commands.arguments import Arguments
from exporter.commands.start import configuration_of, ports_of, refuse_strange_accounts
from exporter.commands.terminal import Tell, as_seen, progress
from exporter.configuration import Configuration, Ports
from exporter.daemon import Daemon

_PROGRESS_SECONDS = 0.1
_DOCTOR = "the command doctor says what to do"


def run(arguments: Arguments, process: Process) -> int:
    """Print the exposition; succeed only if every target answered, else say why not."""
    configuration = configuration_of(arguments, process)
    with progress("targets", process.stderr, process.environ) as (tell, stderr):
        ports = ports_of(configuration.settings, replace(process, stderr=stderr))
        text, why_not = asyncio.run(once(configuration, ports, tell, process.handle_stop))
    process.stdout.write(as_seen(text, process.stdout))
    process.stdout.flush()
    if why_not:
        complain(process, [why_not])
    return FAILED if why_not else OK


async def once(
    configuration: Configuration,
    ports: Ports,
    tell: Tell,
    handle_stop: Callable[[Callable[[], object]], object],
) -> tuple[str, str]:
    """Return the exposition, and why not every target that there is answered, empty if they did.

    A stop ends it early, with what is known by then. `tell` takes the progress.
    """
    daemon = Daemon(configuration, ports)
    try:
        await refuse_strange_accounts(configuration.settings, daemon.cloud.credentials.who_am_i)
        round_ = asyncio.create_task(one_round(daemon, tell))
        handle_stop(round_.cancel)
        daemon.start()
        await asyncio.wait([round_])
        await daemon.show()
        text = b"".join(await daemon.exposition.text(daemon.own_metrics.text)).decode()
    finally:
        await daemon.stop()
    return text, "; ".join(_objections(daemon, round_))


async def one_round(daemon: Daemon, tell: Tell) -> bool:
    """Wait until all that can be found is polled; return whether that is all there is.

    Unlike a daemon this does not wait for a discovery that failed.
    """
    while True:
        known = daemon.snapshot.all()
        polled = sum(each.last is not None for each in known)
        tell(polled, len(known) or None)
        if daemon.ready() and not daemon.discovery.looking:
            return True
        not_found = daemon.discovery.inventory.failure is not None
        if (not_found and polled == len(known)) or not daemon.healthy():
            return False
        await asyncio.sleep(_PROGRESS_SECONDS)


def _objections(daemon: Daemon, round_: asyncio.Task[bool]) -> Iterator[str]:
    known = daemon.snapshot.all()
    codes = [each.failure.code for each in known if each.failure]
    if round_.cancelled():
        yield "stopped before every target was polled"
    elif not round_.result():
        failure = daemon.discovery.inventory.failure
        reason = f" ({failure.code}: {failure.message})" if failure else ""
        yield f"not every target was found{reason}: {_DOCTOR}"
    if codes:
        which = ", ".join(sorted({*codes}))
        yield f"{len(codes)} of {number(len(known), 'target')} did not answer ({which}): {_DOCTOR}"
