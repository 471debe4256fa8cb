"""What a scrape costs, and what the rendered exposition holds of memory."""

import gc
import tracemalloc
from collections.abc import Callable, Mapping
from itertools import count
from statistics import median

from prometheus_client import generate_latest

from benchmarks.processes import MB
from benchmarks.scene import Samples, Scene, registry
from benchmarks.timing import Figures, processor_seconds

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
    found["scrape_text_ms"] = max(found[f"scrape_{name}_ms"] for name in _changes(scene))
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


def _scene_of(series: int) -> tuple[Scene, int]:
    """Return a scene of about so many series, and how many there really are."""
    per_target = _series(b"".join(Scene(1_000).text())) / 1_000
    scene = Scene(round(series / per_target))
    return scene, _series(b"".join(scene.text()))


def _series(text: bytes) -> int:
    return text.count(b"\n") - text.count(b"\n#") - 1


def _changes(scene: Scene) -> Mapping[str, Callable[[], object]]:
    """Return what may happen between two scrapes."""
    turns = count(1)
    return {
        "unchanged": lambda: None,
        "one_percent": lambda: scene.poll(scene.share(0.01), shift=next(turns)),
        "polled": lambda: scene.poll(scene.targets),
        "different": lambda: scene.poll(scene.targets, shift=next(turns)),
    }


def _median(
    work: Callable[[], object], runs: int, before: Callable[[], object] = lambda: None
) -> float:
    """Return the median milliseconds of processor time, after a warm-up."""
    work()
    found = []
    for _ in range(runs):
        before()
        found.append(processor_seconds(work) * 1000)
    return median(found)
