"""`once`: polls every target once."""

import asyncio
from collections.abc import Callable

from exporter.daemon import Configuration, Daemon, Ports
from exporter.terminal import Tell


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
    round_ = asyncio.create_task(daemon.one_round(tell))
    handle_stop(round_.cancel)
    daemon.start()
    try:
        await asyncio.wait([round_])
        finished = not round_.cancelled() and round_.result()
        await daemon.show()
        text = b"".join(await daemon.exposition.text(daemon.own_metrics.text)).decode()
    finally:
        await daemon.stop()
    return text, finished and not any(known.failure for known in daemon.snapshot.all())
