"""Time, and waiting, as parameters: the seam that tests replace."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Give the wall clock in Unix seconds: for what people and Prometheus see."""

    def monotonic(self) -> float:
        """Give seconds that never go back: for schedules, durations and deadlines."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Give the wall clock in Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.monotonic()


class Stop:
    """Whether the process is about to end; waiting that ends early when it is."""

    def __init__(self) -> None:
        """Start in the state where nothing stops."""
        self._event = threading.Event()

    def set(self) -> None:
        """End every wait, now and from now on."""
        self._event.set()

    def is_set(self) -> bool:
        """Tell whether the process is about to end."""
        return self._event.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait so many seconds; tell whether the process is about to end."""
        return self._event.wait(seconds)
