"""What a poll costs, one at a time and many at once."""

import asyncio
import json
import os
import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from statistics import median

import aiohttp
import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from benchmarks.processes import Endpoint, endpoint, environment, exporter, fleet
from benchmarks.sample import REGIONS, accounts
from benchmarks.scene import FLEET
from benchmarks.timing import Figures, compared
from exporter.aws.cloud import Cloud
from exporter.clock import SystemClock
from exporter.exposition.own_metrics import OwnMetrics
from exporter.model import Invitation

REGION = REGIONS[0]
LATENCY = 0.05
FEW, MANY = 64, 256
"""Polls at once."""

_DEADLINE = 60.0


def cost(*, quick: bool) -> Figures:
    """Measure the processor time of a poll by itself, beside boto3's and the least there is."""
    calls, runs = (50, 3) if quick else (150, 9)
    figures: Figures = {}
    for invitations in (25, 3):
        with endpoint(0, invitations) as server:
            os.environ.update(environment(server.url))
            for name, seconds in _by_itself(server, calls, runs).items():
                figures[f"poll_{invitations}_{name}_ms"] = seconds / calls * 1000
    return figures


def _by_itself(server: Endpoint, calls: int, runs: int) -> dict[str, float]:
    account, client = accounts(1)[0], boto3.Session().client("macie2", region_name=REGION)
    with asyncio.Runner() as loop:
        cloud, floor = loop.run(_clients(server))

        async def ours() -> None:
            for _ in range(calls):
                async with asyncio.timeout(_DEADLINE):
                    await cloud.macie.read(account, REGION)

        def by_boto3() -> None:
            for _ in range(calls):
                client.list_invitations(maxResults=25)

        works: dict[str, Callable[[], object]] = {
            "ours": lambda: loop.run(ours()),
            "boto3": by_boto3,
            "floor": lambda: loop.run(floor.read(calls)),
        }
        found = compared(works, runs)
        loop.run(cloud.close())
        loop.run(floor.close())
    return found


async def _clients(server: Endpoint) -> tuple[Cloud, "Floor"]:
    cloud = Cloud(
        clock=SystemClock(),
        # Its own counters, as in the daemon.
        observer=OwnMetrics(lambda: FLEET),
        rng=random.Random(7),  # noqa: S311 -- jitter
        region=lambda: REGION,
        step=lambda: 300.0,
    )
    return cloud, Floor(server)


class Floor:
    """Signs, sends, reads and makes values: what no use of these libraries goes below."""

    def __init__(self, server: Endpoint) -> None:
        """Read from a server. To be made in a running loop."""
        self._url = f"{server.url}/invitations?maxResults=25"
        self._signer = SigV4Auth(Credentials("AKIAEXAMPLE", "secret"), "macie2", REGION)
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def read(self, calls: int) -> None:
        """Read so many times, one after the other."""
        for _ in range(calls):
            await self._read()

    async def _read(self) -> list[Invitation]:
        request = AWSRequest("GET", self._url)
        self._signer.add_auth(request)
        url, headers = URL(self._url, encoded=True), dict(request.headers)
        async with self._http.get(url, headers=headers) as response:
            listed = json.loads(await response.read())["invitations"]
        return [
            Invitation(
                each["accountId"],
                each["invitationId"],
                each["relationshipStatus"],
                datetime.fromisoformat(each["invitedAt"]).timestamp(),
            )
            for each in listed
        ]


def throughput(*, quick: bool) -> Figures:
    """Measure polls a second and the processor time of each, many at once.

    The whole exporter, in the middle of a first round; and the floor, in turns with it.
    """
    runs, calls = (1, 1_000) if quick else (3, 6_000)
    figures: Figures = {}
    with endpoint(LATENCY, 3) as server:
        for at_once in (FEW, MANY):
            found = [
                {**_at_full_speed(server, at_once, calls), **_floor(server, at_once, calls)}
                for _ in range(runs)
            ]
            for name in found[0]:
                figures[f"{name}_{at_once}"] = median(each[name] for each in found)
    return figures


def _at_full_speed(server: Endpoint, at_once: int, calls: int) -> Figures:
    """Wait for a fifth of a first round, by when nearly all roles are assumed; then measure."""
    targets = calls * 10 // 6
    settings = fleet(targets // len(REGIONS), interval="24h", concurrency=at_once)
    with exporter(server.url, {**settings, "log": {"level": "error"}}) as running:
        start, _ = server.count()
        before, idle = server.reached(start + targets // 5)
        began, used = time.monotonic(), running.processor_seconds
        after, busy = server.reached(before + calls)
        seconds = time.monotonic() - began
        polls = after - before
        return {
            "polls_per_second": polls / seconds,
            "poll_ms": (running.processor_seconds - used) / polls * 1000,
            "endpoint_share_of_core": (busy - idle) / seconds,
        }


def _floor(server: Endpoint, at_once: int, calls: int) -> Figures:
    async def work() -> Figures:
        floor = Floor(server)
        await _together(at_once, lambda: floor.read(2))
        began, used = time.monotonic(), time.process_time()
        await _together(at_once, lambda: floor.read(calls // at_once))
        polls, seconds = calls // at_once * at_once, time.monotonic() - began
        used = time.process_time() - used
        await floor.close()
        return {"floor_per_second": polls / seconds, "floor_ms": used / polls * 1000}

    return asyncio.run(work())


async def _together(number: int, work: Callable[[], Awaitable[None]]) -> None:
    """Do so many at once, out of step as polls are: in step the loop would wake up far less."""

    async def later(share: float) -> None:
        await asyncio.sleep(share * LATENCY)
        await work()

    await asyncio.gather(*(later(each / number) for each in range(number)))
