"""`once`: polls every target once, and prints the exposition."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from exporter.commands import FAILED, OK, Process
from exporter.commands.arguments import Arguments
from exporter.commands.identity import refuse_strange_accounts
from exporter.commands.start import configuration_of, ports_of
from exporter.configuration import Configuration, Ports
from exporter.daemon import Daemon
from exporter.terminal import Tell, as_seen, progress


def run(arguments: Arguments, process: Process) -> int:
    """Print the exposition; succeed only if every target answered."""
    configuration = configuration_of(arguments, process)
    with progress("targets", process.stderr, process.environ) as (tell, stderr):
        ports = ports_of(configuration.settings, replace(process, stderr=stderr))
        text, succeeded = asyncio.run(once(configuration, ports, tell, process.handle_stop))
    process.stdout.write(as_seen(text, process.stdout))
    process.stdout.flush()
    return OK if succeeded else FAILED


async def once(
    configuration: Configuration,
    ports: Ports,
    tell: Tell,
    handle_stop: Callable[[Callable[[], object]], object],
) -> tuple[str, bool]:
    """Return the exposition, and whether every target that there is answered.

    A stop ends it early, with what is known by then. `tell` takes the progress.
    """
    daemon = Daemon(configuration, ports)
    try:
        await refuse_strange_accounts(configuration.settings, daemon)
        round_ = asyncio.create_task(daemon.one_round(tell))
        handle_stop(round_.cancel)
        daemon.start()
        await asyncio.wait([round_])
        finished = not round_.cancelled() and round_.result()
        await daemon.show()
        text = b"".join(await daemon.exposition.text(daemon.own_metrics.text)).decode()
    finally:
        await daemon.stop()
    return text, finished and not any(known.failure for known in daemon.snapshot.all())
