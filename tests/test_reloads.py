"""Reloads: one at a time, one for all who wait, and none that keeps a stop waiting."""

import queue
import threading
from collections.abc import Iterator

import pytest

from exporter.reloads import Reloads
from tests.processes import until

PATIENCE = 10.0


class Slow:
    """A reload that ends when a test says so."""

    def __init__(self) -> None:
        """Begin with none."""
        self.begun: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.end: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.count = 0

    def __call__(self) -> str | None:
        """Load."""
        self.count += 1
        self.begun.put(self.count)
        return self.end.get(timeout=PATIENCE)


@pytest.fixture
def slow() -> Slow:
    """A reload to end by hand."""
    return Slow()


@pytest.fixture
def reloads(slow: Slow) -> Iterator[Reloads]:
    """Started, and stopped at the end."""
    made = Reloads(slow)
    made.start()
    yield made
    slow.end.put(None)
    made.stop(PATIENCE)


def test_each_who_asks_hears_how_it_went(slow: Slow, reloads: Reloads) -> None:
    """Of the reload that began after they had asked."""
    for outcome in (None, "wrong", None):
        slow.end.put(outcome)
        assert reloads.ask().result(PATIENCE) == outcome


def test_a_storm_is_one_reload(slow: Slow, reloads: Reloads) -> None:
    """Whoever asks while one is under way has seen another file than it: they share the next."""
    first = reloads.ask()
    assert slow.begun.get(timeout=PATIENCE) == 1
    others = [reloads.ask() for _ in range(300)]
    slow.end.put("first")
    slow.end.put("second")
    assert first.result(PATIENCE) == "first"
    assert {other.result(PATIENCE) for other in others} == {"second"}
    assert slow.count == 2


def test_a_stop_waits_for_none_that_has_not_begun(slow: Slow, reloads: Reloads) -> None:
    """Whoever asked for it is told, and so is whoever asks afterwards."""
    first = reloads.ask()
    assert slow.begun.get(timeout=PATIENCE) == 1
    second = reloads.ask()
    stopping = threading.Thread(target=reloads.stop, args=(PATIENCE,))
    stopping.start()
    until(lambda: reloads.ask().done(), "the stop")
    late = reloads.ask()
    slow.end.put(None)
    stopping.join(PATIENCE)
    assert not stopping.is_alive()
    assert first.result(PATIENCE) is None
    assert [second.result(PATIENCE), late.result(PATIENCE)] == ["the exporter is stopping"] * 2
    assert slow.count == 1


def test_one_that_hangs_is_given_up(slow: Slow, reloads: Reloads) -> None:
    """After the time that a stop has; whoever waits for it is not left waiting."""
    hanging = reloads.ask()
    assert slow.begun.get(timeout=PATIENCE) == 1
    reloads.stop(0.01)
    assert hanging.result(PATIENCE) == "the exporter is stopping"
