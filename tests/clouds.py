"""The exporter's AWS client, speaking to the embedded AWS in this process."""

import asyncio
import random
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from exporter.aws.cloud import Cloud
from exporter.aws.credentials import Credentials
from exporter.clock import Clock, SystemClock
from exporter.model import Account, Answer
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World

STEP = 300.0
"""Seconds for which a broken role is left alone."""

T = TypeVar("T")


class Uncounted:
    """An observer of AWS requests that does not count."""

    def attempt(self, *_: object) -> None:
        """Count nothing."""


@dataclass(frozen=True, slots=True)
class Skies:
    """A cloud, and the loop that it lives in, which turns while something is awaited."""

    cloud: Cloud
    runner: asyncio.Runner

    @property
    def credentials(self) -> Credentials:
        """The cloud's credentials."""
        return self.cloud.credentials

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what some work gives, done within a minute."""
        return self.runner.run(asyncio.wait_for(work, 60))

    def read(self, account: Account, region: str) -> Answer:
        """Read a target. Raises AwsError."""
        return self.run(self.cloud.macie.read(account, region))


@contextmanager
def embedded_cloud(
    world: World, monkeypatch: pytest.MonkeyPatch, clock: Clock | None = None
) -> Iterator[Skies]:
    """Return a client of the embedded AWS that holds a world; both on one clock."""
    clock = clock or SystemClock()
    with (
        EmbeddedAws(world, clock=lambda: datetime.fromtimestamp(clock.now(), UTC)) as aws,
        asyncio.Runner() as runner,
    ):
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)

        async def make() -> Cloud:
            return Cloud(
                clock=clock,
                observer=Uncounted(),
                rng=random.Random(1),
                region=lambda: "eu-west-1",
                step=lambda: STEP,
            )

        cloud = runner.run(make())
        yield Skies(cloud, runner)
        runner.run(cloud.close())
