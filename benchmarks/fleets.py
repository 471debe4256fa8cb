"""The whole process with very many targets, and with very few."""

import asyncio
import contextlib
import gzip
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.polls import LATENCY, MANY, Floor
from benchmarks.processes import (
    MB,
    Endpoint,
    Exporter,
    endpoint,
    exporter,
    fleet,
    loop_lag,
    single,
)
from benchmarks.sample import REGIONS
from benchmarks.timing import Figures, percentile

ACCOUNTS, MOST_ACCOUNTS = 1_000, 5_000
ROUNDS = 10
_INTERVAL, _STALE_AFTER = "10s", "1h"
"""Too short an interval for so many targets: each poll is late and begins at once; and so much
patience that none fails for that."""

_PAUSE = 0.5
"""Seconds between the polls of twenty targets every ten seconds."""


def cost(*, quick: bool) -> Figures:
    """Measure 20,000 targets from the start through ten rounds at full speed, and then at rest."""
    count, window, rounds = (100, 5.0, 2) if quick else (ACCOUNTS, 60.0, ROUNDS)
    targets = count * len(REGIONS)
    with endpoint(LATENCY, 3) as server:
        figures = {"fleet_targets": float(targets)}
        settings = fleet(count, interval=_INTERVAL, concurrency=MANY, stale_after=_STALE_AFTER)
        with exporter(server.url, settings) as running:
            figures |= {f"fleet_{name}": value for name, value in _first_round(running).items()}
            figures |= _rounds(running, server, targets, rounds)
            running.configure(fleet(count, interval="5m", concurrency=MANY))
            return figures | _settled(running, server, window)


def largest(*, quick: bool) -> Figures:
    """Measure the first round of 100,000 targets, and what is there after it."""
    count = MOST_ACCOUNTS // 10 if quick else MOST_ACCOUNTS
    with endpoint(LATENCY, 3) as server:
        settings = fleet(count, interval=_INTERVAL, concurrency=MANY, stale_after=_STALE_AFTER)
        with exporter(server.url, settings) as running:
            return {f"largest_{name}": value for name, value in _first_round(running).items()}


def _first_round(running: Exporter) -> Figures:
    """Measure the first round from the start of the process, and the first scrape after it.

    As Prometheus scrapes, and while the next round is under way. What is held after that and a
    scrape as text is the memory: until then there is no exposition to be remembered.
    """
    seconds = running.wait_for("/-/ready", every=0.1)
    used = running.processor_seconds
    packed, text = running.scrape(), running.scrape("identity")
    return {
        "first_round_s": seconds,
        "first_round_processor_s": used,
        "first_scrape_ms": packed.seconds * 1000,
        "first_text_scrape_ms": text.seconds * 1000,
        "loop_held_ms": loop_lag(gzip.decompress(packed.body)) * 1000,
        "text_bytes": len(text.body),
        "gzip_bytes": len(packed.body),
        "resident_mb": running.resident_bytes / MB,
    }


def _rounds(running: Exporter, server: Endpoint, targets: int, rounds: int) -> Figures:
    """Poll without a pause, scraped every second meanwhile."""
    resident = []
    with _scraped(running) as scraper:
        start, began, used = server.count()[0], time.monotonic(), running.processor_seconds
        for number in range(1, rounds + 1):
            server.reached(start + number * targets)
            resident.append(running.resident_bytes / MB)
        polls, seconds = server.count()[0] - start, time.monotonic() - began
        used = running.processor_seconds - used
        scraper.terminate()
        told = (scraper.communicate()[0] or b"").splitlines()
    took, held = zip(*([float(word) for word in line.split()] for line in told), strict=True)
    return {
        "rounds_polls_per_second": polls / seconds,
        "rounds_poll_ms": used / polls * 1000,
        "rounds_loop_held_ms": max(held) * 1000,
        "moving_median_ms": median(took) * 1000,
        "moving_p99_ms": percentile(took, 0.99) * 1000,
        "resident_last_mb": resident[-1],
        "resident_growth_mb": resident[-1] - resident[0],
        **{f"resident_round_{number}_mb": size for number, size in enumerate(resident, 1)},
    }


@contextlib.contextmanager
def _scraped(running: Exporter) -> "Iterator[subprocess.Popen[bytes]]":
    command = [sys.executable, "-m", "benchmarks.scraper", str(running.port), "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as scraper:  # noqa: S603 -- our own
        try:
            yield scraper
        finally:
            scraper.kill()


def _settled(running: Exporter, server: Endpoint, window: float) -> Figures:
    """Measure all that is done while polls are spread over the interval, a scrape among it."""
    time.sleep(window / 10)
    before, used, began = server.count()[0], running.processor_seconds, time.monotonic()
    running.scrape()
    time.sleep(window)
    seconds, polls = time.monotonic() - began, server.count()[0] - before
    used = running.processor_seconds - used
    return {
        "settled_polls_per_second": polls / seconds,
        "settled_poll_ms": used / polls * 1000,
        "settled_percent": used / seconds * 100,
    }


def smallest(*, quick: bool) -> Figures:
    """Measure one account, in one region and in twenty, both at rest."""
    window = 10.0 if quick else 60.0
    few = fleet(1, interval="10s", concurrency=MANY, roles=False)
    with (
        endpoint(LATENCY, 3) as server,
        exporter(server.url, single()) as one,
        exporter(server.url, few) as twenty,
    ):
        for running in (one, twenty):
            running.wait_for("/-/ready")
            running.scrape()
        resident = one.resident_bytes / MB
        time.sleep(window / 10)
        before, began = server.count()[0], time.monotonic()
        idle, used = one.processor_seconds, twenty.processor_seconds
        calls = round(window / _PAUSE)
        floor = asyncio.run(_seldom_floor(server, calls))
        seconds, polls = time.monotonic() - began, server.count()[0] - before - calls
        return {
            "resident_start_mb": resident,
            "idle_percent": (one.processor_seconds - idle) / seconds * 100,
            "idle_threads": one.threads,
            "seldom_poll_ms": (twenty.processor_seconds - used) / polls * 1000,
            "seldom_floor_ms": floor / calls * 1000,
        }


async def _seldom_floor(server: Endpoint, calls: int) -> float:
    """Return the processor seconds of so many polls at the floor, as seldom as those of twenty."""
    floor, used = Floor(server), time.process_time()
    for _ in range(calls):
        await asyncio.sleep(_PAUSE)
        await floor.read(1)
    used = time.process_time() - used
    await floor.close()
    return used
