"""The thread that cuts what is late, and errors of its own."""

import io
import random
import threading

from exporter.clock import Stop, SystemClock
from exporter.core import Configuration, Core, Ports
from exporter.log import Lines
from exporter.restarts import Upkeep
from exporter.settings import load
from tests.aws.conftest import Serve
from tests.aws.rig import REGION, Stopwatch, rig
from tests.faulty import send_and_hang
from tests.processes import until


class Clock(SystemClock):
    """A clock that the watchdog cannot read, for so many times from when it is wanted."""

    failures = 0.0

    def monotonic(self) -> float:
        """Give seconds, or fail."""
        if self.failures and threading.current_thread().name == "aws-watchdog":
            self.failures -= 1
            raise MemoryError
        return super().monotonic()


def lines_of(log: io.StringIO) -> Lines:
    """Give what writes to a log."""
    return Lines(log, level="info", form="logfmt")


def test_an_error_of_the_watchdog_lets_no_poll_hang(serve: Serve) -> None:
    """It begins anew, is counted and told, and cuts what has become late meanwhile."""
    serve(send_and_hang())
    clock, log, restarts = Clock(), io.StringIO(), list[bool]()
    upkeep = Upkeep(lines_of(log).log, lambda: restarts.append(True))
    with rig(clock=clock, upkeep=upkeep) as made:
        made.warm()
        clock.failures = 1
        watch = Stopwatch()
        assert made.failure(0.3).code == "Deadline"
        assert watch.seconds() < 5
        assert made.clients.alive()
    assert restarts == [True]
    assert "event=worker_crashed worker=watchdog" in log.getvalue()


def test_a_watchdog_that_crashes_for_ever_is_no_health(serve: Serve) -> None:
    """Polls may hang from then on: the liveness probe has to know."""
    serve(send_and_hang())
    clock, log = Clock(), io.StringIO()
    configuration = Configuration(load([], {}, REGION), REGION)
    core = Core(configuration, Ports(clock, Stop(), lines_of(log), random.Random(1)))
    clock.failures = float("inf")
    core.start()
    assert core.healthy()
    until(lambda: not core.healthy(), "no hope")
    assert core.poller.alive()
    assert "macie_exporter_worker_restarts_total 6.0" in core.telemetry.text().decode()
    clock.failures = 0
    core.stop(5)
