"""What the process does about its memory, each in a process of its own: it is for all of it."""

import subprocess
import sys

import pytest

GROWING = """
import gc
from exporter.memory import look_for_garbage_seldom

looks = []
gc.callbacks.append(lambda phase, info: looks.append((phase, info["generation"])))
look_for_garbage_seldom()
kept = [[] for _ in range(500_000)]
print(looks.count(("stop", 2)))
"""

CYCLES = """
import gc
gc.disable()
import weakref
from exporter.memory import look_for_garbage_seldom

class Cycle:
    def __init__(self):
        self.itself = self

look_for_garbage_seldom()
cycles = [weakref.ref(Cycle()) for _ in range(500_000)]
print(sum(cycle() is not None for cycle in cycles))
"""


@pytest.mark.parametrize(("script", "most"), [(GROWING, 0), (CYCLES, 10_000)])
def test_garbage_is_looked_for_where_it_is(script: str, most: int) -> None:
    """Half a million objects that stay, of 30,000 targets, are left alone; young cycles go soon."""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert int(done.stdout) <= most
