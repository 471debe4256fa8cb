"""The real client of the exporter, put together for a test: whatever endpoint it is given.

The tests are plain functions: a rig keeps one loop, which turns while something is awaited.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import pytest

from exporter.aws.client import Client
from exporter.aws.credentials import Credentials
from exporter.aws.macie import Macie
from exporter.aws.transport import Timeouts
from exporter.clock import Clock, SystemClock
from exporter.model import Account, Answer, AwsError, Failure
from tests.faulty import Behaviour, FaultyServer, invitation, page, response, send

ACCOUNT = Account("111122223333")
REGION = "eu-west-1"
ANSWER = send(response(page([invitation()])))
"""One invitation."""
T = TypeVar("T")


class Attempts:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.codes: list[str | None] = []
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def attempt(
        self, service: str, operation: str, region: str, _seconds: float, error_code: str | None
    ) -> None:
        """Keep an attempt."""
        self.codes.append(error_code)
        self.counts[service, operation, region] += 1


class Pauses:
    """Pauses that take no time, and are kept."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    async def wait(self, seconds: float) -> None:
        """Let no time pass."""
        self.waited.append(seconds)
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Rig:
    """A client and what stands on it."""

    client: Client
    credentials: Credentials
    macie: Macie
    attempts: Attempts
    runner: asyncio.Runner

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 60.0) -> T:
        """Return what some work gives within so many seconds, as a poll does. Raises AwsError."""

        async def within() -> T:
            async with asyncio.timeout(seconds):
                return await work

        try:
            return self.runner.run(within())
        except TimeoutError as error:
            raise AwsError("Deadline", "poll.timeout has passed") from error

    def read(
        self, seconds: float = 60.0, account: Account = ACCOUNT, region: str = REGION
    ) -> Answer:
        """Read a target within so many seconds. Raises AwsError."""
        return self.run(self.macie.read(account, region), seconds)

    def count(self) -> int:
        """Read a target; return how many invitations it has. Raises AwsError."""
        return len(self.read().invitations)

    def warm(self) -> Self:
        """Make what the first call makes, which takes a while; give itself."""
        self.failure(1.0)
        return self

    def failure(self, seconds: float = 60.0) -> Failure:
        """Read a target that cannot be read; give why."""
        try:
            answer = self.read(seconds)
        except AwsError as error:
            return error.failure
        raise AssertionError(f"answered: {answer}")


@contextmanager
def rig(
    *,
    pauses: Pauses | None = None,
    clock: Clock | None = None,
    timeouts: Timeouts | None = None,
    attempts: int = 3,
) -> Iterator[Rig]:
    """Put everything together, with the real time unless given another; close it afterwards."""
    observed = Attempts()
    clock = clock or SystemClock()
    with asyncio.Runner() as runner:

        async def make() -> Client:
            return Client(
                clock=clock,
                observer=observed,
                rng=random.Random(7),
                timeouts=timeouts or Timeouts(),
                attempts=attempts,
                sleep=(pauses or Pauses()).wait,
            )

        client = runner.run(make())
        credentials = Credentials(client, clock=clock, region=lambda: REGION, step=lambda: 300.0)
        try:
            yield Rig(client, credentials, Macie(client, credentials), observed, runner)
        finally:
            credentials.close()
            runner.run(client.close())


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
def stage(attempts: int = 3) -> Iterator[Stage]:
    """Make a stage whose client is warm, and makes so many attempts."""
    pauses = Pauses()
    with (
        FaultyServer(send(response(page()))) as server,
        pytest.MonkeyPatch.context() as environment,
        rig(pauses=pauses, attempts=attempts) as made,
    ):
        environment.setenv("AWS_ENDPOINT_URL", server.url)
        environment.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        made.read()
        yield Stage(server, made, pauses)
