"""The soak: the exporter as a process, an AWS that is never well for long, and what must hold."""

import gzip
import json
import random
import re
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import NamedTuple

from tests import fleets
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World
from tests.processes import Answer, Exporter, started, until
from tests.soak.daemon import FACTOR
from tests.soak.world import STEADY, Weather

INTERVAL = 10.0 / FACTOR
_STEP = 0.1
_MEGABYTE = 1024 * 1024
_SETTLE_SECONDS = 60.0
_FORMS: Sequence[Mapping[str, str]] = (
    {},
    {"Accept-Encoding": "gzip"},
    {"Accept": "application/openmetrics-text"},
)
GROWTH = 6 * _MEGABYTE
"""Bytes by which memory may vary: allocators do not give all back at once."""


class Sample(NamedTuple):
    """What a process holds."""

    memory: int
    threads: int
    files: int


@dataclass(frozen=True, slots=True)
class Report:
    """How it went."""

    seconds: float
    changes: int
    scrapes: int
    reloads: int
    polls: int
    fewest: int
    """Polls of the steady target that was polled least."""
    late: float
    """Seconds in which polls started late, by the exporter's own word, or the machine stood still.
    """
    early: Sample
    end: Sample


def sample(process: int) -> Sample:
    """Look at a process."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines()
    )
    files = len(list(Path(f"/proc/{process}/fd").iterdir()))
    return Sample(int(status["VmRSS"].split()[0]) * 1024, int(status["Threads"]), files)


def middle(samples: list[Sample]) -> Sample:
    """Return the median of each figure."""
    return Sample(*(int(statistics.median(figures)) for figures in zip(*samples, strict=True)))


class _Settings:
    """The configuration file, now and then another one, now and then a wrong one."""

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / "exporter.yaml"
        self.write()

    def write(self, concurrency: object = 8, zero_fill: str = "all") -> None:
        tree = {
            "poll": {"interval": "10s", "concurrency": concurrency},
            "aws": {
                "regions": list(fleets.REGIONS),
                "organization": {
                    "role_name": "macie-invitations-reader",
                    "refresh_interval": "10s",
                },
            },
            "metrics": {"trusted_inviters": list(fleets.TRUSTED), "zero_fill": zero_fill},
        }
        whole = self.path.with_suffix(".new")
        whole.write_text(json.dumps(tree))
        whole.rename(self.path)


def _abandon(port: int) -> None:
    """Ask for a scrape, and do not wait for it."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")


def _served(world: World) -> dict[tuple[str, str], int]:
    return {
        (account, region): world.served(account, region)
        for account in STEADY
        for region in fleets.REGIONS
    }


def soak(seconds: float, seed: int) -> Report:
    """Run; raises AssertionError where something does not hold."""
    rng = random.Random(seed)
    world = World(fleets.HUB, regions=fleets.REGIONS, session_seconds=30)
    weather = Weather(world, rng)
    with tempfile.TemporaryDirectory() as folder, EmbeddedAws(world) as aws:
        settings = _Settings(folder)
        words = [sys.executable, "-m", "tests.soak.daemon", str(settings.path)]
        with started(words, aws.environment()) as exporter:
            exporter.wait_until_ready()
            report = _weathered(exporter, settings, weather, rng, seconds)
            _settled(exporter, settings, weather)
            assert exporter.stop() == 0
    for word in ("Traceback", "crashed", "web_server_error"):
        assert word not in exporter.log, exporter.log[-3000:]
    return report


def _weathered(
    exporter: Exporter, settings: _Settings, weather: Weather, rng: random.Random, seconds: float
) -> Report:
    world, pid = weather.world, exporter.process.pid
    changes = scrapes = reloads = 0
    samples: list[tuple[float, Sample]] = []
    late = last = 0.0
    before, started = _served(world), time.monotonic()
    while (passed := time.monotonic() - started) < seconds:
        weather.blow()
        changes += 1
        if changes % 5 == 0:
            answer = exporter.request("/metrics", headers=rng.choice(_FORMS))
            assert answer.status == 200
            assert exporter.request("/-/healthy").status == 200
            scrapes += 1
            samples.append((passed, sample(pid)))
            late += passed - last if _lag(answer) > INTERVAL / 2 or passed - last > INTERVAL else 0
            last = passed
        if changes % 37 == 0:
            settings.write(rng.choice((4, 8, 16, "wrong")), rng.choice(("all", "invited")))
            exporter.process.send_signal(signal.SIGHUP)
            reloads += 1
        if changes % 11 == 0:
            _abandon(exporter.port)
        time.sleep(_STEP)
    counted = {target: number - before[target] for target, number in _served(world).items()}
    fewest = min(counted.values())
    # Polls are spread over the interval: at either end of the run up to one is not in it. Where
    # many hang at once, or the machine is busy, others wait: no poll is missed but by that.
    assert fewest >= floor(passed / INTERVAL) - 1 - ceil(late / INTERVAL), (fewest, passed, late)
    early = middle([one for at, one in samples if seconds * 0.3 < at < seconds * 0.5])
    end = middle([one for at, one in samples if at > seconds * 0.8])
    _flat(early, end)
    return Report(
        passed, changes, scrapes, reloads, sum(counted.values()), fewest, late, early, end
    )


def _lag(answer: Answer) -> float:
    """Return how late polls start, of a scrape in any form."""
    packed = answer.headers.get("content-encoding") == "gzip"
    text = gzip.decompress(answer.body) if packed else answer.body
    found = re.search(rb"^macie_exporter_poll_lag_seconds (\S+)", text, re.MULTILINE)
    assert found
    return float(found[1])


def _flat(early: Sample, late: Sample) -> None:
    """Require that nothing grows."""
    assert late.memory < early.memory + GROWTH, (early, late)
    # Pages are made on threads, files read and names looked up: a few at a time.
    assert late.threads <= early.threads + 4, (early, late)
    # Concurrency is another from reload to reload, by twelve at most, each with a connection.
    assert late.files <= early.files + 14, (early, late)


def _settled(exporter: Exporter, settings: _Settings, weather: Weather) -> None:
    """Require that once all is well the metrics are what AWS holds."""
    weather.clear()
    settings.write()
    exporter.process.send_signal(signal.SIGHUP)

    def difference() -> object:
        found = fleets.of_invitations(exporter.series())
        expected = fleets.truth(weather.world, weather.targets())
        return sorted(map(str, found.items() ^ expected.items()))[:6]

    until(lambda: not difference(), lambda: f"the truth: {difference()}", _SETTLE_SECONDS)
    until(lambda: _lag(exporter.request("/metrics")) < INTERVAL, "polls in time", _SETTLE_SECONDS)
    until(lambda: _failing(exporter, weather) == set(), "every poll to succeed", _SETTLE_SECONDS)
    assert exporter.series()["macie_exporter_worker_restarts_total", frozenset()] == 0


def _failing(exporter: Exporter, weather: Weather) -> set[tuple[str, str]]:
    """Return the targets whose last poll did not succeed, or that should not be polled."""
    polls = {
        (dict(labels)["aws_account_id"], dict(labels)["aws_region"]): value
        for (name, labels), value in exporter.series().items()
        if name == "macie_poll_success"
    }
    succeeded = {target for target, value in polls.items() if value == 1}
    return polls.keys() - succeeded | succeeded ^ set(weather.targets())
