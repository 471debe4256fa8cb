"""The embedded AWS for this process, and the exporter's AWS client, speaking to it."""

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
from tests.aws.rig import Attempts
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World

STEP = 300.0
"""Seconds for which a broken role is left alone."""

T = TypeVar("T")


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
def embedded(
    world: World, monkeypatch: pytest.MonkeyPatch, clock: Clock | None = None
) -> Iterator[EmbeddedAws]:
    """Have the environment of this process name an AWS that holds a world."""
    now = (clock or SystemClock()).now
    with EmbeddedAws(world, clock=lambda: datetime.fromtimestamp(now(), UTC)) as aws:
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        yield aws


@contextmanager
def embedded_cloud(
    world: World, monkeypatch: pytest.MonkeyPatch, clock: Clock | None = None
) -> Iterator[Skies]:
    """Return a client of the embedded AWS that holds a world; both on one clock."""
    with embedded(world, monkeypatch, clock), asyncio.Runner() as runner:

        async def make() -> Cloud:
            return Cloud(
                clock=clock or SystemClock(),
                observer=Attempts(),
                rng=random.Random(1),
                region=lambda: "eu-west-1",
                step=lambda: STEP,
            )

        cloud = runner.run(make())
        yield Skies(cloud, runner)
        runner.run(cloud.close())
