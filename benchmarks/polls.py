"""What a poll costs, one at a time and many at once."""

import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from exporter.core import Configuration, Core, Ports
from prometheus_client import CollectorRegistry

from benchmarks.processes import Endpoint, endpoint, environment, fleet
from benchmarks.sample import REGIONS, accounts
from benchmarks.scene import FLEET
from benchmarks.timing import Figures, compared
from exporter.aws.cloud import Cloud
from exporter.clock import Stop, SystemClock
from exporter.exposition.own_metrics import OwnMetrics
from exporter.log import Lines
from exporter.settings import load

REGION = REGIONS[0]
LATENCY = 0.05
CONCURRENCY = 64
_DEADLINE = 60.0


def cost(*, quick: bool) -> Figures:
    """Measure the processor time of a poll in one thread, beside boto3's and the least there is."""
    calls, runs = (50, 3) if quick else (150, 9)
    figures: Figures = {}
    for invitations in (25, 3):
        with endpoint(0, invitations) as server:
            os.environ.update(environment(server.url))
            works = {
                "ours": _polls(calls),
                "boto3": _boto3(calls),
                "floor": _floor(server, calls),
            }
            for name, seconds in compared(works, runs).items():
                figures[f"poll_{invitations}_{name}_ms"] = seconds / calls * 1000
    return figures


def cloud() -> Cloud:
    """Give the exporter's own AWS, with its own counters as in the daemon."""
    return Cloud(
        clock=SystemClock(),
        stop=Stop(),
        observer=OwnMetrics(CollectorRegistry(), lambda: FLEET),
        rng=random.Random(7),  # noqa: S311 -- jitter
        region=lambda: REGION,
        step=lambda: 300.0,
    )


def _polls(calls: int) -> Callable[[], None]:
    macie, account = cloud().macie, accounts(1)[0]

    def work() -> None:
        for _ in range(calls):
            macie.read(account, REGION, time.monotonic() + _DEADLINE)

    return work


def _boto3(calls: int) -> Callable[[], None]:
    client = boto3.Session().client("macie2", region_name=REGION)

    def work() -> None:
        for _ in range(calls):
            client.list_invitations(maxResults=25)

    return work


def _floor(server: Endpoint, calls: int) -> Callable[[], None]:
    """Sign, send and read with as little as can be: what no use of these libraries goes below."""
    pool = urllib3.HTTPConnectionPool("127.0.0.1", server.port)
    signer = SigV4Auth(Credentials("AKIAEXAMPLE", "secret"), "macie2", REGION)
    path = "/invitations?maxResults=25"

    def work() -> None:
        for _ in range(calls):
            request = AWSRequest("GET", server.url + path)
            signer.add_auth(request)
            json.loads(pool.request("GET", path, headers=dict(request.headers)).data)

    return work


def throughput(*, quick: bool) -> Figures:
    """Measure how many polls a second there are, 64 at once, in the middle of a first round."""
    count = 100 if quick else 500
    with endpoint(LATENCY, 3) as server:
        core = _core(server, count)
        core.start()
        try:
            return _rate(server, count * len(REGIONS))
        finally:
            core.stop(2.0)


def _core(server: Endpoint, count: int) -> Core:
    os.environ.update(environment(server.url))
    settings = fleet(count, interval="24h", concurrency=CONCURRENCY, roles=False)
    with TemporaryDirectory() as folder:
        file = Path(folder, "exporter.yaml")
        file.write_text(json.dumps(settings))
        loaded = load([("config.file", str(file))], MappingProxyType(os.environ), REGION)
    lines = Lines(sys.stderr, level="error", form="logfmt")
    ports = Ports(SystemClock(), Stop(), lines, random.Random(7))  # noqa: S311 -- jitter
    return Core(Configuration(loaded, REGION), ports)


def _rate(server: Endpoint, polls: int) -> Figures:
    """Wait for a fifth of the polls, then measure until the last fifth."""
    before, idle = _reached(server, polls // 5)
    began, used = time.monotonic(), time.process_time()
    after, busy = _reached(server, polls * 4 // 5)
    seconds = time.monotonic() - began
    return {
        "polls_per_second": (after - before) / seconds,
        "poll_at_full_speed_ms": (time.process_time() - used) / (after - before) * 1000,
        "endpoint_share_of_core": (busy - idle) / seconds,
    }


def _reached(server: Endpoint, requests: int) -> tuple[int, float]:
    pause = threading.Event()
    while (told := server.count())[0] < requests:
        pause.wait(0.05)
    return told
