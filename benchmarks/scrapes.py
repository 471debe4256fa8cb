"""What a scrape costs, and what the rendered exposition holds of memory."""

import gc
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Mapping
from itertools import count
from statistics import median

from prometheus_client import CollectorRegistry, generate_latest
from starlette.types import ASGIApp

from benchmarks.polls import CONCURRENCY, LATENCY, REGION, cloud
from benchmarks.processes import MB, Gone, endpoint
from benchmarks.sample import accounts
from benchmarks.scene import Samples, Scene, registry
from benchmarks.timing import Figures, percentile, processor_seconds
from exporter.aws.cloud import Cloud
from exporter.exposition.cache import Cache
from exporter.telemetry import Telemetry
from exporter.web.app import app
from exporter.web.server import Server, listen

SERIES = 200_000


def cost(*, quick: bool) -> Figures:
    """Measure the processor time of scrapes of 200,000 series, beside the client library's."""
    series, runs = (20_000, 3) if quick else (SERIES, 5)
    scene, cache, shown = _scene_of(series)
    text = cache.text()
    found = {"scrape_reference_ms": _reference(text.decode(), runs)}
    for name, change in _changes(scene).items():
        found[f"scrape_{name}_ms"] = _median(cache.text, runs, change)
        found[f"scrape_{name}_gzip_ms"] = _median(cache.packed, runs, change)
    return {"scrape_series": shown, "scrape_bytes": len(text), **found}


def _reference(text: str, runs: int) -> float:
    """Measure the client library's rendering; what it renders is gone after it."""
    samples = registry(Samples(text))
    return _median(lambda: generate_latest(samples), runs)


def memory(*, quick: bool) -> Figures:
    """Measure the memory that the cache holds after a scrape as text and one as gzip."""
    scene, _, shown = _scene_of(20_000 if quick else SERIES)
    gc.collect()
    tracemalloc.start()
    cache = scene.cache()
    size, packed = len(cache.text()), len(cache.packed())
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {
        "memory_cache_mb": held / MB,
        "memory_text_mb": size / MB,
        "memory_gzip_mb": packed / MB,
        "memory_series": shown,
    }


def growth(*, quick: bool) -> Figures:
    """Measure how the cost of a scrape grows with targets and series."""
    figures: Figures = {}
    sizes = [(10, "invited"), (100, "invited"), (1_000, "invited"), (10_000, "invited")]
    sizes += [] if quick else [(20_000, "invited"), (20_000, "all")]
    for targets, zero_fill in sizes:
        name = f"growth_{targets}_{zero_fill}"
        figures |= {f"{name}_{key}": value for key, value in _grown(targets, zero_fill).items()}
    return figures


def _grown(targets: int, zero_fill: str) -> Figures:
    scene = Scene(targets, zero_fill)
    cache = scene.cache()
    first = processor_seconds(cache.text) * 1000
    changes = _changes(scene)
    text = cache.text()
    return {
        "series": _series(text),
        "bytes": len(text),
        "first_ms": first,
        "unchanged_ms": _median(cache.text, 3),
        "polled_ms": _median(cache.text, 3, changes["polled"]),
        "polled_gzip_ms": _median(cache.packed, 3, changes["polled"]),
        "gzip_bytes": len(cache.packed()),
    }


def served(*, quick: bool) -> Figures:
    """Measure how long a gzip scrape takes over HTTP while 64 threads poll at full speed.

    What they poll is not what is scraped, of which nothing changes.
    """
    _, cache, _ = _scene_of(20_000 if quick else SERIES)
    cache.packed()
    with endpoint(LATENCY, 3) as server:
        os.environ["AWS_ENDPOINT_URL"] = server.url
        stop = threading.Event()
        shared = cloud()
        threads = [
            threading.Thread(target=_poll, args=(shared, stop), daemon=True)
            for _ in range(CONCURRENCY)
        ]
        for thread in threads:
            thread.start()
        try:
            before, began = server.count()[0], time.monotonic()
            figures = _times(cache, 20 if quick else 200)
            polls = server.count()[0] - before
            if not all(thread.is_alive() for thread in threads):
                raise Gone("polls failed: this was not full speed")
            return {**figures, "served_polls_per_second": polls / (time.monotonic() - began)}
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _poll(shared: Cloud, stop: threading.Event) -> None:
    account = accounts(1)[0]
    while not stop.is_set():
        shared.macie.read(account, REGION, time.monotonic() + 60)


def _times(cache: Cache, scrapes: int) -> Figures:
    server = Server(_app(cache), listen("127.0.0.1", 0))
    server.start()
    command = [sys.executable, "-m", "benchmarks.scraper", str(server.port), str(scrapes)]
    told = subprocess.run(command, check=True, capture_output=True)  # noqa: S603 -- our own module
    server.stop(1.0)
    seconds = [float(line) for line in told.stdout.split()]
    return {
        "served_median_ms": median(seconds) * 1000,
        "served_p99_ms": percentile(seconds, 0.99) * 1000,
    }


def _app(cache: Cache) -> ASGIApp:
    return app(
        telemetry_path="/metrics",
        exposition=cache,
        own=Telemetry(CollectorRegistry()),
        health=_Healthy(),
    )


class _Healthy:
    """An exporter that does well."""

    def healthy(self) -> bool:
        """Say that polling goes on."""
        return True

    def ready(self) -> bool:
        """Say that every target has been polled."""
        return True


def _scene_of(series: int) -> tuple[Scene, Cache, int]:
    """Give a scene of about so many series, a cache of it, and how many there really are."""
    per_target = _series(Scene(1_000).cache().text()) / 1_000
    scene = Scene(round(series / per_target))
    cache = scene.cache()
    return scene, cache, _series(cache.text())


def _series(text: bytes) -> int:
    return text.count(b"\n") - text.count(b"\n#") - 1


def _changes(scene: Scene) -> Mapping[str, Callable[[], object]]:
    """Give what may happen between two scrapes."""
    turns = count(1)
    return {
        "unchanged": lambda: None,
        "one_percent": lambda: scene.poll(scene.share(0.01), shift=next(turns)),
        "polled": lambda: scene.poll(scene.targets),
    }


def _median(
    work: Callable[[], object], runs: int, before: Callable[[], object] = lambda: None
) -> float:
    """Give the median milliseconds of processor time, after a warm-up."""
    work()
    found = []
    for _ in range(runs):
        before()
        found.append(processor_seconds(work) * 1000)
    return median(found)
