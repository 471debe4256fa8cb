"""A fleet of 3,000 targets in a process of its own: `python -m tests.web.fleet`; it says its port.

Its exposition is 22 MB of text, and no scrape finds it as the one before did.
"""

import contextlib
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

from exporter.exposition.age_buckets import AgeBuckets
from exporter.exposition.columns import PIECE
from exporter.exposition.counts import Options
from exporter.exposition.fleet import Build
from exporter.exposition.scrape import Exposition
from exporter.model import Account, Answer, PollResult
from exporter.settings import Settings
from exporter.web.app import Places, app
from exporter.web.middleware import secured
from exporter.web.pages import Pages
from exporter.web.server import listen
from exporter.web.status import Status
from tests.statuses import NOW, answered, invited, snapshot_of, status
from tests.web.conftest import Health, Own
from tests.web.serving import Served

MEGABYTE = 1024 * 1024
_MOST_MEMORY = 12 * 1024 * MEGABYTE
_REGIONS = tuple(f"r{number:02d}" for number in range(20))
_ACCOUNTS = tuple(Account(f"{n:012d}", f"service {n}", regions=_REGIONS) for n in range(150))
_SHOWN_BY = Options(AgeBuckets(Settings().metrics.age_buckets)), 1e9


class Restless:
    """An exposition of which every piece has changed when it is asked for."""

    def __init__(self) -> None:
        """Have polled everything once."""
        polls = {target: [found(1)] for account in _ACCOUNTS for target in account.targets()}
        self.snapshot, self._targets = snapshot_of(_ACCOUNTS, polls), [*polls]
        self._exposition = Exposition(self.snapshot, *_SHOWN_BY, lambda: NOW)
        self._numbers = cycle((2, 3))

    async def text(self, tail: Callable[[], bytes]) -> Sequence[bytes]:
        """Return it as text."""
        await self._change()
        return await self._exposition.text(tail)

    async def gzip(self, tail: Callable[[], bytes]) -> Sequence[bytes]:
        """Return it packed."""
        await self._change()
        return await self._exposition.gzip(tail)

    def status(self) -> Status:
        """Return what pages show."""
        return replace(status(*_ACCOUNTS), known=self.snapshot.all())

    async def _change(self) -> None:
        await self._exposition.show(*_SHOWN_BY, _ACCOUNTS)
        number = next(self._numbers)
        for target in self._targets[:: PIECE // 2]:
            self.snapshot.record(PollResult(target, NOW, 0.1, found(number)))
            self._exposition.update(target)


def found(number: int) -> Answer:
    """Answer with so many invitations."""
    return answered(*(invited(age=float(n), name=f"i{n}") for n in range(number)))


def main() -> None:
    """Serve until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    exposition = Restless()
    pages = Pages(
        status=exposition.status,
        failures=exposition.snapshot.failures,
        configuration=lambda: "{}",
        telemetry_path="/metrics",
        build=Build("1", "unknown", "3"),
    ).routes(Places())
    application = app(
        telemetry_path="/metrics", exposition=exposition, own=Own(), health=Health(), pages=pages
    )
    server = Served(secured(application), listen("127.0.0.1", 0))
    server.start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop(1)


@dataclass(frozen=True)
class Process:
    """The process, from outside."""

    pid: int
    port: int

    @property
    def resident(self) -> float:
        """The memory that it holds now, in megabytes."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024


@contextlib.contextmanager
def running() -> Iterator[Process]:
    """Run it until the block ends."""
    words = [sys.executable, "-m", "tests.web.fleet"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield Process(process.pid, int(process.stdout.readline()))
        finally:
            process.stdin.close()


if __name__ == "__main__":
    main()
