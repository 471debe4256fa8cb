"""The soak: the exporter as a process, an AWS that is never well for long, and what must hold."""

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
from math import ceil, floor
from pathlib import Path
from typing import NamedTuple

from exporter.exposition.families import TARGET_LABELS
from tests import fleets
from tests.daemons import values
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World
from tests.processes import Exporter, started, until
from tests.soak.daemon import INTERVAL
from tests.soak.world import Weather

_STEP = 0.1
_FORMS: Sequence[Mapping[str, str]] = (
    {},
    {"Accept-Encoding": "gzip"},
    {"Accept": "application/openmetrics-text"},
)
GROWTH = 6 * 1024 * 1024
"""Bytes by which memory may vary: allocators do not give all back at once."""


class Sample(NamedTuple):
    """What a process holds."""

    memory: int
    threads: int
    files: int


class Report(NamedTuple):
    """How it went: polls of the steady targets in all, and of the one that was polled least.

    `late` is seconds in which polls started late, by the exporter's own word, or the machine stood
    still; what the process held early and in the end is figures of the middle.
    """

    polls: int
    fewest: int
    late: float
    early: Sample
    end: Sample


def sample(process: int) -> Sample:
    """Look at a process."""
    status = Path(f"/proc/{process}/status").read_text()
    memory, threads = (int(re.findall(rf"{of}:\s+(\d+)", status)[0]) for of in ("VmRSS", "Threads"))
    return Sample(memory * 1024, threads, len(list(Path(f"/proc/{process}/fd").iterdir())))


def _middle(samples: Sequence[Sample]) -> Sample:
    return Sample(*(int(statistics.median(figures)) for figures in zip(*samples, strict=True)))


def _configure(file: Path, concurrency: object = 8, zero_fill: str = "all") -> None:
    """Write the configuration, at once."""
    reader = {"role_name": "macie-invitations-reader", "refresh_interval": "10s"}
    tree = {
        "poll": {"interval": "10s", "concurrency": concurrency},
        "aws": {"regions": list(fleets.REGIONS), "organization": reader},
        "metrics": {"trusted_inviters": list(fleets.TRUSTED), "zero_fill": zero_fill},
    }
    whole = file.with_suffix(".new")
    whole.write_text(json.dumps(tree))
    whole.rename(file)


def soak(seconds: float, seed: int) -> Report:
    """Run; raises AssertionError where something does not hold."""
    rng = random.Random(seed)
    world = World(fleets.HUB, regions=fleets.REGIONS, session_seconds=30)
    weather = Weather(world, rng)
    with tempfile.TemporaryDirectory() as folder, EmbeddedAws(world) as aws:
        file = Path(folder) / "exporter.yaml"
        _configure(file)
        words = [sys.executable, "-m", "tests.soak.daemon", str(file)]
        with started(words, aws.environment()) as exporter:
            exporter.wait_until_ready()
            report = _weathered(exporter, file, weather, rng, seconds)
            weather.clear()
            _configure(file)
            exporter.send(signal.SIGHUP)
            _settled(exporter, weather)
            assert exporter.stop() == 0
    for word in ("Traceback", "crashed", "web_server_error"):
        assert word not in exporter.log, exporter.log[-3000:]
    return report


def _weathered(
    exporter: Exporter, file: Path, weather: Weather, rng: random.Random, seconds: float
) -> Report:
    samples: list[tuple[float, Sample]] = []
    late = last = 0.0
    changes = 0
    before, began = weather.served(), time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        weather.blow()
        changes += 1
        if changes % 5 == 0:
            assert exporter.request("/metrics", headers=rng.choice(_FORMS)).status == 200
            assert exporter.request("/-/healthy").status == 200
            samples.append((passed, sample(exporter.process.pid)))
            is_late = _lag(exporter) > INTERVAL / 2 or passed - last > INTERVAL
            late += passed - last if is_late else 0
            last = passed
        if changes % 37 == 0:
            _configure(file, rng.choice((4, 8, 16, "wrong")), rng.choice(("all", "invited")))
            exporter.send(signal.SIGHUP)
        if changes % 11 == 0:  # Somebody asks, and does not wait for the answer.
            with socket.create_connection(("127.0.0.1", exporter.port), 10) as connection:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(_STEP)
    polls = [now - then for now, then in zip(weather.served(), before, strict=True)]
    # Polls are spread over the interval: at either end of the run up to one is not in it. Where
    # many hang at once, or the machine is busy, others wait: no poll is missed but by that.
    least = floor(passed / INTERVAL) - 1 - ceil(late / INTERVAL)
    assert min(polls) >= least, (polls, passed, late)
    early = _middle([one for at, one in samples if seconds * 0.3 < at < seconds * 0.5])
    end = _middle([one for at, one in samples if at > seconds * 0.8])
    assert end.memory < early.memory + GROWTH, (early, end)
    # Pages are made on threads, files read and names looked up: a few at a time.
    assert end.threads <= early.threads + 4, (early, end)
    # Concurrency is another from reload to reload, by twelve at most, each with a connection.
    assert end.files <= early.files + 14, (early, end)
    return Report(sum(polls), min(polls), late, early, end)


def _lag(exporter: Exporter) -> float:
    """Return how late polls start, by the exporter's own word."""
    found = re.search(r"^macie_exporter_poll_lag_seconds (\S+)", exporter.metrics(), re.MULTILINE)
    assert found
    return float(found[1])


def _settled(exporter: Exporter, weather: Weather) -> None:
    """Require that, now that all is well, the metrics come to be what AWS holds."""

    def difference() -> object:
        found = fleets.of_invitations(exporter.series())
        expected = fleets.truth(weather.world, weather.targets())
        return sorted(map(str, found.items() ^ expected.items()))[:6]

    until(lambda: not difference(), lambda: f"the truth: {difference()}")
    until(lambda: _lag(exporter) < INTERVAL, "polls in time")
    succeeded = dict.fromkeys(weather.targets(), 1.0)
    until(
        lambda: values(exporter.series(), "macie_poll_success", *TARGET_LABELS) == succeeded,
        "every poll to succeed",
    )
    assert exporter.series()["macie_exporter_worker_restarts_total", frozenset()] == 0
