"""What a fault may cost at most: memory. Time is what its deadline gives it."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

MEMORY = 16 * 1024 * 1024
"""Bytes that a poll may need at most, whatever is sent."""


@contextmanager
def bounded() -> Iterator[None]:
    """Require that what happens takes little memory."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
