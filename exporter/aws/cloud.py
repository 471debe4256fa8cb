"""Everything that speaks to AWS, wired together over shared clients."""

import random
from collections.abc import Callable

from exporter.aws.attempts import Observer
from exporter.aws.clients import Clients
from exporter.aws.credentials import Credentials, Own
from exporter.aws.directory import Directory
from exporter.aws.macie import Macie
from exporter.clock import Clock, Stop
from exporter.restarts import UNTOLD, Upkeep

_CONNECTIONS = 512
"""As many as poll.concurrency may ever be; they are opened only when needed."""


class Cloud:
    """AWS, as the rest of the exporter sees it."""

    def __init__(
        self,
        *,
        clock: Clock,
        stop: Stop,
        observer: Observer,
        rng: random.Random,
        region: Callable[[], str],
        step: Callable[[], float],
        upkeep: Upkeep = UNTOLD,
    ) -> None:
        """Use the STS of `region()`; back off from broken roles by `step()` seconds."""
        self._clients = Clients(
            clock=clock,
            stop=stop,
            observer=observer,
            connections=_CONNECTIONS,
            rng=rng,
            upkeep=upkeep,
        )
        self.credentials = Credentials(
            self._clients, Own(clock), clock=clock, region=region, step=step, rng=rng
        )
        self.directory = Directory(self._clients, self.credentials)
        self.macie = Macie(self._clients, self.credentials, clock)

    def alive(self) -> bool:
        """Tell whether deadlines are kept: polls that never end leave none for others."""
        return self._clients.alive()

    def close(self) -> None:
        """Cut every request under way and close every connection."""
        self._clients.close()
