"""The exporter's AWS clients, speaking to the embedded AWS in this process."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from exporter.aws.cloud import Cloud
from exporter.clock import Clock, Stop, SystemClock
from exporter.demo.server import EmbeddedAws
from exporter.demo.world import World

STEP = 300.0
"""Seconds of the first back-off step."""


class Uncounted:
    """An observer of AWS requests that does not count."""

    def attempt(self, *_: object) -> None:
        """Count nothing."""


@contextmanager
def embedded_cloud(
    world: World, monkeypatch: pytest.MonkeyPatch, clock: Clock | None = None
) -> Iterator[Cloud]:
    """Give clients of the embedded AWS that holds a world; both on one clock."""
    clock = clock or SystemClock()
    with EmbeddedAws(world, clock=lambda: datetime.fromtimestamp(clock.now(), UTC)) as aws:
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        cloud = Cloud(
            clock=clock,
            stop=Stop(),
            observer=Uncounted(),
            rng=random.Random(1),
            region=lambda: "eu-west-1",
            step=lambda: STEP,
        )
        yield cloud
        cloud.close()
