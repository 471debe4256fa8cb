"""What work costs, in counts: the same on any machine, however busy it is."""

import cProfile
import pstats
from collections.abc import Callable
from typing import Any


def calls_of(work: Callable[[], object]) -> int:
    """Count the calls of functions, Python's and C's, that a piece of work makes."""
    profile = cProfile.Profile()
    profile.runcall(work)
    counted: Any = pstats.Stats(profile)
    return int(counted.total_calls)
