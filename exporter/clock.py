"""Time as a parameter: the seam that tests replace."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Return the wall clock in Unix seconds: for what people and Prometheus see."""

    def monotonic(self) -> float:
        """Return seconds that never go back: for schedules, durations and deadlines."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return the wall clock in Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()
