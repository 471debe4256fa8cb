"""When Python looks for garbage, each time in a process of its own: it is for all of it."""

import subprocess
import sys

from tests.processes import environment

OBJECTS = """
import gc
gc.disable()
import weakref
from exporter.memory import look_for_garbage_seldom

class Cycle:
    def __init__(self):
        self.itself = self

looks = []
gc.callbacks.append(lambda phase, info: looks.append((phase, info["generation"])))
look_for_garbage_seldom()
kept = [[] for _ in range(500_000)]
print(looks.count(("stop", 2)))
cycles = [weakref.ref(Cycle()) for _ in range(500_000)]
print(sum(cycle() is not None for cycle in cycles))
"""

COMMAND = """
import gc
import sys
from exporter.__main__ import main

try:
    main()
finally:
    print(int(gc.isenabled() and gc.get_freeze_count() > 0), file=sys.stderr)
"""


def printed(script: str, *words: str) -> list[int]:
    """Run a script; return the numbers that it prints, or says on standard error at its end."""
    command = [sys.executable, "-c", script, *words]
    variables = environment({"AWS_REGION": "eu-west-1"})
    done = subprocess.run(command, check=True, capture_output=True, env=variables)
    return [int(line) for line in (done.stderr or done.stdout).split()]


def test_garbage_goes_soon_and_what_is_known_is_not_looked_through() -> None:
    """Half a million objects that stay are those of 30,000 targets: five looks, left alone.

    Garbage in cycles is young: a look among what is new finds it, though none came until then.
    """
    looks, left = printed(OBJECTS)
    assert looks == 0
    assert left < 10_000


def test_a_command_looks_for_garbage_as_soon_as_all_is_imported() -> None:
    """Until then nobody does; what was imported is left out for good."""
    assert printed(COMMAND, "check") == [1]
