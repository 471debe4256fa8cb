"""What the process does about its memory, each in a process of its own: it is for all of it."""

import subprocess
import sys

from tests.processes import environment

REGION = {"AWS_REGION": "eu-west-1"}

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


COMMAND = """
import gc
import sys
from exporter.__main__ import main

try:
    main()
finally:
    print(int(gc.isenabled() and gc.get_freeze_count() > 0), file=sys.stderr)
"""


def printed(script: str, *words: str) -> int:
    """Run a script; return the number that it prints, or says on standard error at its end."""
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, check=True, capture_output=True, env=environment(REGION))
    return int(done.stderr or done.stdout)


def test_what_is_known_is_not_looked_through_again_and_again() -> None:
    """Half a million objects that stay are those of 30,000 targets: five looks, left alone."""
    assert printed(GROWING) == 0


def test_garbage_in_cycles_goes_soon() -> None:
    """It is young: a look among what is new finds it, though nobody looked until then."""
    assert printed(CYCLES) < 10_000


def test_a_command_looks_for_garbage_as_soon_as_all_is_imported() -> None:
    """Until then nobody does; what was imported is left out for good."""
    assert printed(COMMAND, "check") == 1
