"""What a fault may cost at most: time and memory."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

from tests.aws.rig import Stopwatch

SLACK = 2.0
"""Seconds more that a busy machine may take."""
MEMORY = 16 * 1024 * 1024
"""Bytes that a poll may need at most, whatever is sent."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Require that what happens takes neither long nor much memory."""
    tracemalloc.start()
    watch = Stopwatch()
    try:
        yield
        assert watch.seconds() < seconds + SLACK
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
