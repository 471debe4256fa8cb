"""The whole process with 20,000 targets: first round, memory, idling, and many rounds at once."""

import os
import subprocess
import sys
import time
from statistics import median

from benchmarks.polls import CONCURRENCY, LATENCY, REGION, cloud
from benchmarks.processes import (
    MB,
    Endpoint,
    Exporter,
    Gone,
    endpoint,
    exporter,
    fleet,
    single,
)
from benchmarks.sample import REGIONS, accounts
from benchmarks.timing import Figures, percentile, processor_seconds

ACCOUNTS = 1_000
ROUNDS = 10
_LONGEST_ROUND = 120.0


def cost(*, quick: bool) -> Figures:
    """Measure one process from its start to its eleventh round."""
    count, window, rounds = (100, 5.0, 2) if quick else (ACCOUNTS, 25.0, ROUNDS)
    with endpoint(LATENCY, 3) as server:
        figures = {"fleet_targets": float(count * len(REGIONS)), **_alone(server)}
        settled = fleet(count, interval="5m", concurrency=CONCURRENCY)
        with exporter(server.url, settled) as running:
            figures |= _first_round(running)
            figures |= _idle(running, server, window)
            running.configure(fleet(count, interval="10s", concurrency=CONCURRENCY))
            return figures | _rounds(running, server, count * len(REGIONS), rounds)


def _alone(server: Endpoint) -> Figures:
    """Measure the memory of a process with one target."""
    with exporter(server.url, single()) as running:
        running.wait_for("/-/ready")
        running.scrape()
        return {"resident_start_mb": running.resident_bytes / MB}


def _first_round(running: Exporter) -> Figures:
    """Measure the first round from the start of the process, and the memory after it.

    After a scrape of each kind, too: until then there is no exposition to be remembered.
    """
    seconds = running.wait_for("/-/ready", every=0.25)
    used = running.processor_seconds
    text, packed = running.scrape("identity"), running.scrape()
    return {
        "first_round_s": seconds,
        "first_round_processor_s": used,
        "first_scrape_s": text.seconds,
        "fleet_text_bytes": len(text.body),
        "fleet_gzip_bytes": len(packed.body),
        "resident_first_mb": running.resident_bytes / MB,
    }


def _idle(running: Exporter, server: Endpoint, window: float) -> Figures:
    """Measure the processor time beyond that of the polls, while these are spread evenly."""
    per_poll = _per_poll()
    before, used = server.count()[0], running.processor_seconds
    began = time.monotonic()
    time.sleep(window)
    seconds = time.monotonic() - began
    polls = server.count()[0] - before
    whole = (running.processor_seconds - used) / seconds
    beyond = whole - polls * per_poll / seconds
    return {
        "idle_polls_per_second": polls / seconds,
        "idle_poll_ms": per_poll * 1000,
        "idle_whole_percent": whole * 100,
        "idle_beyond_percent": beyond * 100,
    }


def _per_poll(calls: int = 300) -> float:
    """Give the processor seconds of a poll on its own, here and now."""
    with endpoint(0, 3) as server:
        os.environ["AWS_ENDPOINT_URL"] = server.url
        macie, account = cloud().macie, accounts(1)[0]

        def work() -> None:
            for _ in range(calls):
                macie.read(account, REGION, time.monotonic() + 60)

        work()
        return median(processor_seconds(work) for _ in range(5)) / calls


def _rounds(running: Exporter, server: Endpoint, targets: int, rounds: int) -> Figures:
    """Poll without a pause for ten rounds, scraped meanwhile; compare the memory.

    The interval is too short for so many targets, so each poll is late and begins at once.
    """
    start = server.count()[0]
    command = [sys.executable, "-m", "benchmarks.scraper", str(running.port), "1000000", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as scraper:  # noqa: S603 -- our own
        began, used = time.monotonic(), running.processor_seconds
        resident = []
        for number in range(1, rounds + 1):
            _wait_for(server, start + number * targets)
            resident.append(running.resident_bytes / MB)
        seconds = time.monotonic() - began
        used = running.processor_seconds - used
        scraper.terminate()
        found = [float(line) for line in (scraper.communicate()[0] or b"").split()]
    polls = server.count()[0] - start
    return {
        "rounds_polls_per_second": polls / seconds,
        "rounds_poll_ms": used / polls * 1000,
        "resident_last_mb": resident[-1],
        "resident_growth_mb": resident[-1] - resident[0],
        "moving_median_ms": median(found) * 1000,
        "moving_p99_ms": percentile(found, 0.99) * 1000,
        **{f"resident_round_{number}_mb": size for number, size in enumerate(resident, 1)},
    }


def _wait_for(server: Endpoint, requests: int) -> None:
    end = time.monotonic() + _LONGEST_ROUND
    while server.count()[0] < requests:
        if time.monotonic() > end:
            raise Gone(f"no round in {_LONGEST_ROUND} s")
        time.sleep(0.2)
