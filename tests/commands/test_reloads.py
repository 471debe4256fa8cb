"""Reloads: one at a time, one for all who wait, and none that keeps a stop waiting."""

import asyncio
import io
import queue
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from exporter.clock import SystemClock
from exporter.commands.serve import Service
from exporter.configuration import Configuration, Ports
from exporter.log import Lines
from exporter.settings import ConfigurationError
from tests.faults.services import HUB, IDENTITY, of_aws
from tests.faulty import FaultyServer, response, send
from tests.loops import in_a_loop
from tests.processes import PATIENCE, eventually
from tests.settings.loads import loaded

NOWHERE = ("web.listen-address=127.0.0.1:0", 'aws.accounts=[{"id": "000000000001"}]')


def configured(*flags: str) -> Configuration:
    """Return a configuration that asks AWS for nothing as long as nothing is started."""
    return Configuration(loaded(*NOWHERE, *flags, region="eu-west-1"), "eu-west-1")


class Slow:
    """A configuration that is loaded, on a thread, when a test says how that ends."""

    def __init__(self) -> None:
        self.outcomes: queue.SimpleQueue[Configuration | Exception] = queue.SimpleQueue()
        self.count = 0

    def __call__(self) -> Configuration:
        """Load, or fail."""
        self.count += 1
        outcome = self.outcomes.get(timeout=PATIENCE)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def ends(self, *outcomes: Configuration | Exception) -> None:
        """End the one under way, and the next ones."""
        for outcome in outcomes or (configured(),):
            self.outcomes.put(outcome)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Service, Slow, io.StringIO]]:
    """Have a service whose configuration a test loads by hand, and its log."""
    slow, log = Slow(), io.StringIO()
    lines = Lines(log, level="info", form="logfmt")
    service = Service(configured(), slow, Ports(SystemClock(), lines, random.Random(1)))
    service.reload_when_asked()
    try:
        yield service, slow, log
    finally:
        slow.ends()
        if "event=stopped" not in log.getvalue():
            await service.stop()


@in_a_loop
async def test_each_who_asks_hears_how_it_went() -> None:
    """Of the reload that began after they had asked: done, refused and why, or crashed.

    As the start does it warns where nobody is named who may invite.
    """
    async with serving() as (service, slow, log):
        slow.ends(configured("metrics.trusted-inviters=000000000001"))
        assert await service.reload() is None
        slow.ends(ConfigurationError(["poll.intervl: unknown key", "x: wrong"]))
        assert await service.reload() == "poll.intervl: unknown key\nx: wrong"
        slow.ends(RuntimeError("never seen before"))
        assert await service.reload() == "RuntimeError in the exporter itself"
        slow.ends()
        assert await service.reload() is None
        told = re.findall(r"event=(reload\w+|trust\w+)", log.getvalue())
        assert told[:3] == ["reloaded", "reload_failed", "reload_crashed"]
        assert told[3:] == ["trust_not_configured", "reloaded"]
        assert "set metrics.trusted_inviters or metrics.trust_organization" in log.getvalue()


@in_a_loop
async def test_a_storm_is_one_reload() -> None:
    """Whoever asks while one is under way has seen another file than it: they share the next."""
    async with serving() as (service, slow, log):
        first = service.reload()
        await eventually(lambda: slow.count == 1, "a reload")
        others = [service.reload() for _ in range(300)]
        slow.ends(ConfigurationError(["first"]), ConfigurationError(["second"]))
        assert await first == "first"
        assert set(await asyncio.gather(*others)) == {"second"}
        assert (slow.count, log.getvalue().count("event=reload_failed")) == (2, 2)


@in_a_loop
async def test_a_stop_waits_for_no_reload() -> None:
    """Neither for one under way nor for the next, and nothing of them is taken on."""
    async with serving() as (service, slow, log):
        first = service.reload()
        await eventually(lambda: slow.count == 1, "a reload")
        second = service.reload()
        await service.stop()
        slow.ends()
        assert not first.done()
        assert not second.done()
        assert slow.count == 1
        assert "event=reloaded" not in log.getvalue()


@in_a_loop
async def test_a_reload_is_refused_for_an_account_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the start is: without a role it would show the numbers of the credentials' account."""
    with FaultyServer(send(response(IDENTITY))) as sts:
        for name, value in of_aws(sts).items():
            monkeypatch.setenv(name, value)
        async with serving() as (service, slow, log):
            slow.ends()
            assert "000000000001" in (await service.reload() or "")
            assert 'event=reload_failed error="aws.accounts[0].id = ' in log.getvalue()
            slow.ends(configured(f'aws.accounts=[{{"id": "{HUB}"}}]'))
            assert await service.reload() is None
