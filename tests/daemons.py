"""The daemon in a loop of its own in this process, without the web: to look at and to reload."""

import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from exporter.clock import Clock, SystemClock
from exporter.configuration import Configuration, Ports
from exporter.daemon import Daemon
from exporter.log import Lines
from exporter.settings import Settings
from tests.loops import Loop
from tests.processes import Series, series_of

REGION = "eu-west-1"
"""Of the AWS environment."""


def polling(settings: Settings, **seconds: float) -> Settings:
    """Return settings with other times under `poll`, shorter than anybody may configure."""
    times = {name: timedelta(seconds=number) for name, number in seconds.items()}
    return settings.model_copy(update={"poll": settings.poll.model_copy(update=times)})


def values(series: Series, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Return a family's values by some of its labels."""
    found = ((dict(by), value) for (family, by), value in series.items() if family == name)
    return {tuple(by[each] for each in labels): value for by, value in found}


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that runs, and what it logs."""

    daemon: Daemon
    loop: Loop
    stream: io.StringIO

    @property
    def log(self) -> str:
        """Everything logged so far."""
        return self.stream.getvalue()

    def series(self) -> Series:
        """Scrape."""
        own = self.daemon.own_metrics.text
        pieces = self.loop.do(lambda: self.daemon.exposition.text(own))
        return series_of(b"".join(pieces).decode())

    def value(self, name: str) -> float:
        """Return a series without labels."""
        return self.series()[name, frozenset()]

    def reload(self, settings: Settings) -> None:
        """Take on other settings."""
        self.loop.do(lambda: self.daemon.configure(Configuration(settings, REGION)))


@contextmanager
def running(settings: Settings, clock: Clock | None = None) -> Iterator[Running]:
    """Run a daemon until the block ends; it finds its AWS in the environment of this process."""
    stream, loop = io.StringIO(), Loop()
    lines = Lines(stream, level="info", form="logfmt")
    ports = Ports(clock or SystemClock(), lines, random.Random(1))
    daemon = loop.do(lambda: Daemon(Configuration(settings, REGION), ports))
    loop.do(daemon.start)
    try:
        yield Running(daemon, loop, stream)
    finally:
        loop.do(daemon.stop)
        loop.close()
