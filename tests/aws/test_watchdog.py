"""The thread that cuts what is late, and errors of its own."""

import io

from exporter.log import Lines
from exporter.restarts import Upkeep
from tests.aws.conftest import Serve
from tests.aws.rig import Stopwatch, rig
from tests.clocks import FailingClock
from tests.faulty import send_and_hang


def test_an_error_of_the_watchdog_lets_no_poll_hang(serve: Serve) -> None:
    """It begins anew, is counted and told, and cuts what has become late meanwhile."""
    serve(send_and_hang())
    clock, log, restarts = FailingClock("aws-watchdog"), io.StringIO(), list[bool]()
    upkeep = Upkeep(Lines(log, level="info", form="logfmt").log, lambda: restarts.append(True))
    with rig(clock=clock, upkeep=upkeep) as made:
        made.warm()
        clock.failures = 1
        watch = Stopwatch()
        assert made.failure(0.3).code == "Deadline"
        assert watch.seconds() < 5
        assert made.clients.alive()
    assert restarts == [True]
    assert "event=worker_crashed worker=watchdog" in log.getvalue()
