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
from benchmarks.scene import FLEET, Samples, Scene, registry
from benchmarks.timing import Figures, percentile, processor_seconds
from exporter.aws.cloud import Cloud
from exporter.exposition.own_metrics import OwnMetrics
from exporter.exposition.rendering import Exposition
from exporter.web.app import app
from exporter.web.server import Server, listen

SERIES = 200_000


def cost(*, quick: bool) -> Figures:
    """Measure the processor time of scrapes of 200,000 series, beside the client library's."""
    series, runs = (20_000, 3) if quick else (SERIES, 5)
    scene, shown = _scene_of(series)
    text = b"".join(scene.text())
    found = {"scrape_reference_ms": _reference(text.decode(), runs)}
    for name, change in _changes(scene).items():
        found[f"scrape_{name}_ms"] = _median(scene.text, runs, change)
        found[f"scrape_{name}_gzip_ms"] = _median(scene.gzip, runs, change)
    for name, shift in (("repeated", 0), ("different", 1)):
        found[f"landing_{name}_us"] = _landing(scene, shift) * 1e6
    return {"scrape_series": shown, "scrape_bytes": len(text), **found}


def _landing(scene: Scene, shift: int) -> float:
    """Measure the processor seconds that a poll costs the exposition when it lands."""
    landed = scene.answered(scene.targets, shift)

    def update() -> None:
        for target in landed:
            scene.exposition.update(target)

    return processor_seconds(update) / len(landed)


def _reference(text: str, runs: int) -> float:
    """Measure the client library's rendering; what it renders is gone after it."""
    samples = registry(Samples(text))
    return _median(lambda: generate_latest(samples), runs)


def memory(*, quick: bool) -> Figures:
    """Measure the memory that the exposition holds after a scrape as text and one as gzip."""
    scene, shown = _scene_of(20_000 if quick else SERIES)
    gc.collect()
    tracemalloc.start()
    scene.exposition = scene.anew()
    size, packed = (sum(map(len, scrape())) for scrape in (scene.text, scene.gzip))
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {
        "memory_exposition_mb": held / MB,
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
    first = processor_seconds(scene.anew) * 1000
    changes = _changes(scene)
    text = b"".join(scene.text())
    return {
        "series": _series(text),
        "bytes": len(text),
        "first_ms": first,
        "unchanged_ms": _median(scene.text, 3),
        "polled_ms": _median(scene.text, 3, changes["polled"]),
        "polled_gzip_ms": _median(scene.gzip, 3, changes["polled"]),
        "gzip_bytes": sum(map(len, scene.gzip())),
    }


def served(*, quick: bool) -> Figures:
    """Measure how long a gzip scrape takes over HTTP while 64 threads poll at full speed.

    What they poll is not what is scraped, of which nothing changes.
    """
    scene, _ = _scene_of(20_000 if quick else SERIES)
    scene.gzip()
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
            figures = _times(scene.exposition, 20 if quick else 200)
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


def _times(exposition: Exposition, scrapes: int) -> Figures:
    server = Server(_app(exposition), listen("127.0.0.1", 0))
    server.start()
    command = [sys.executable, "-m", "benchmarks.scraper", str(server.port), str(scrapes)]
    told = subprocess.run(command, check=True, capture_output=True)  # noqa: S603 -- our own module
    server.stop(1.0)
    seconds = [float(line) for line in told.stdout.split()]
    return {
        "served_median_ms": median(seconds) * 1000,
        "served_p99_ms": percentile(seconds, 0.99) * 1000,
    }


def _app(exposition: Exposition) -> ASGIApp:
    return app(
        telemetry_path="/metrics",
        exposition=exposition,
        own=OwnMetrics(CollectorRegistry(), lambda: FLEET),
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


def _scene_of(series: int) -> tuple[Scene, int]:
    """Return a scene of about so many series, and how many there really are."""
    per_target = _series(b"".join(Scene(1_000).text())) / 1_000
    scene = Scene(round(series / per_target))
    return scene, _series(b"".join(scene.text()))


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
