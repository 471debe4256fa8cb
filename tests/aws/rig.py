"""The real clients of the exporter, put together for a test: whatever endpoint they are given."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import pytest

from exporter.aws.clients import Clients
from exporter.aws.credentials import Credentials, Own
from exporter.aws.macie import Macie
from exporter.aws.transport import Timeouts
from exporter.clock import Clock, Stop, SystemClock
from exporter.model import Account, Answer, AwsError, Failure
from exporter.restarts import UNTOLD, Upkeep
from tests.clocks import ManualClock
from tests.faulty import Behaviour, FaultyServer, page, response, send

ACCOUNT = Account("111122223333")
REGION = "eu-west-1"


class Attempts:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.codes: list[str | None] = []
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.seconds: list[float] = []

    def attempt(
        self, service: str, operation: str, region: str, seconds: float, error_code: str | None
    ) -> None:
        """Keep an attempt."""
        self.codes.append(error_code)
        self.counts[service, operation, region] += 1
        self.seconds.append(seconds)


class Pauses(Stop):
    """A stop whose waits take no time, or a manual clock's, and are kept."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        super().__init__()
        self._clock = clock
        self.waited: list[float] = []

    def wait(self, seconds: float | None = None) -> bool:
        """Let the clock's time pass."""
        self.waited.append(seconds or 0.0)
        if self._clock is not None:
            self._clock.advance(seconds or 0.0)
        return self.is_set()


@dataclass(frozen=True, slots=True)
class Rig:
    """Clients and what stands on them."""

    clients: Clients
    credentials: Credentials
    macie: Macie
    attempts: Attempts
    clock: Clock

    def read(
        self, seconds: float = 10.0, account: Account = ACCOUNT, region: str = REGION
    ) -> Answer:
        """Read a target with so many seconds left. Raises AwsError."""
        return self.macie.read(account, region, self.clock.monotonic() + seconds)

    def warm(self) -> Self:
        """Make what the first call makes, which takes a while; give itself."""
        self.failure(0.0)
        return self

    def failure(self, seconds: float = 10.0) -> Failure:
        """Read a target that cannot be read; give why."""
        try:
            answer = self.read(seconds)
        except AwsError as error:
            return error.failure
        raise AssertionError(f"answered: {answer}")


@contextmanager
def rig(
    *,
    stop: Stop | None = None,
    clock: Clock | None = None,
    timeouts: Timeouts | None = None,
    connections: int = 8,
    upkeep: Upkeep = UNTOLD,
) -> Iterator[Rig]:
    """Put everything together, with the real time unless given another; close it afterwards."""
    attempts = Attempts()
    time_of = clock or SystemClock()
    clients = Clients(
        clock=time_of,
        stop=stop or Pauses(),
        observer=attempts,
        connections=connections,
        rng=random.Random(7),
        timeouts=timeouts or Timeouts(),
        upkeep=upkeep,
    )
    credentials = Credentials(
        clients,
        Own(time_of),
        clock=time_of,
        region=lambda: REGION,
        step=lambda: 300.0,
        rng=random.Random(7),
    )
    try:
        yield Rig(clients, credentials, Macie(clients, credentials, time_of), attempts, time_of)
    finally:
        clients.close()


def stopped() -> Pauses:
    """Give a stop that is set: every call then makes one attempt only."""
    stop = Pauses()
    stop.set()
    return stop


class Stopwatch:
    """Measures real seconds."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def seconds(self) -> float:
        """Give the seconds since it was made."""
        return time.monotonic() - self._started


@dataclass(frozen=True, slots=True)
class Stage:
    """A server and clients that speak to it, for many plays: clients are slow to make."""

    server: FaultyServer
    rig: Rig
    pauses: Pauses

    def play(self, behaviour: Behaviour) -> Rig:
        """Let the server behave so from now on; give the rig, with earlier plays forgotten."""
        self.server.behave(behaviour)
        self.rig.attempts.codes.clear()
        self.rig.attempts.counts.clear()
        self.pauses.waited.clear()
        return self.rig


@contextmanager
def stage(stop: Pauses) -> Iterator[Stage]:
    """Make a stage whose clients are warm; without retries if the stop is set."""
    with (
        FaultyServer(send(response(page()))) as server,
        pytest.MonkeyPatch.context() as environment,
        rig(stop=stop) as made,
    ):
        environment.setenv("AWS_ENDPOINT_URL", server.url)
        environment.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        made.read()
        yield Stage(server, made, stop)
