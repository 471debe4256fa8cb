"""Measured seconds, and what is made of many of them."""

import gc
import time
from collections.abc import Callable, Iterable, Mapping
from math import ceil
from statistics import median

Figures = dict[str, float]
"""What a measurement found, by name; the unit stands at the name's end."""


def processor_seconds(work: Callable[[], object]) -> float:
    """Return the processor time that a piece of work takes, of all threads of this process."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def compared(works: Mapping[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Return the median processor seconds of each work, after a warm-up; they take turns.

    In turns, so that whatever else the machine does meanwhile falls on all of them alike.
    """
    for work in works.values():
        work()
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            found[name].append(processor_seconds(work))
    return {name: median(seconds) for name, seconds in found.items()}


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that so great a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(ceil(share * len(ordered)) - 1, 0)]
