"""The end of the process: whoever is blocked in AWS's name wakes at once, and nothing begins."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.aws.connections import Watchdog
from exporter.aws.transport import Timeouts
from exporter.clock import Stop, SystemClock
from exporter.model import Failure
from exporter.restarts import UNTOLD
from tests.aws.conftest import Serve
from tests.aws.rig import Rig, Stopwatch, rig
from tests.faulty import (
    LOOPBACK,
    Behaviour,
    FaultyServer,
    drip,
    full_backlog,
    page,
    response,
    send,
    send_and_hang,
)

THREADS = 8
PATIENT = Timeouts(connect=60, read=60)
STOPPING = Failure("Deadline", "the exporter is stopping")
AT_ONCE = 1.0


class Readers:
    """Threads that each read a target, and what became of it."""

    def __init__(self, made: Rig, count: int = THREADS) -> None:
        self.failures: list[Failure] = []
        self._threads = [
            threading.Thread(target=self._read, args=(made,), daemon=True) for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def join(self, seconds: float) -> bool:
        """Tell whether all have ended within so many seconds."""
        watch = Stopwatch()
        for thread in self._threads:
            thread.join(max(seconds - watch.seconds(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def _read(self, made: Rig) -> None:
        self.failures.append(made.failure(120.0))


@pytest.mark.parametrize(
    "behaviour",
    [
        send_and_hang(),
        send_and_hang(b"HTTP/1.1 200 OK\r\nContent-"),
        send_and_hang(response("{", length=99)),
        drip(response(" " * 100_000), 0.01),
    ],
    ids=["silent", "in headers", "in the body", "dripping"],
)
def test_closing_wakes_whoever_waits_for_an_answer(serve: Serve, behaviour: Behaviour) -> None:
    """Every thread, wherever in the answer it is."""
    server = serve(behaviour)
    stop = Stop()
    with rig(stop=stop, timeouts=PATIENT) as made:
        readers = Readers(made)
        server.wait_for(requests=THREADS)
        stop.set()
        made.clients.close()
        assert readers.join(AT_ONCE)
    assert readers.failures == [STOPPING] * THREADS


def test_closing_wakes_whoever_shakes_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and never speaks TLS."""
    with FaultyServer(send_and_hang(), speaks_first=True) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://{LOOPBACK}:{server.port}")
        stop = Stop()
        with rig(stop=stop, timeouts=PATIENT) as made:
            readers = Readers(made)
            server.wait_for(connections=THREADS)
            stop.set()
            made.clients.close()
            assert readers.join(AT_ONCE)
    assert readers.failures == [STOPPING] * THREADS


def connecting(port: int) -> int:
    """Count the sockets of this machine that have asked to be connected to a port, in vain."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(field[2].endswith(f":{port:04X}") and field[3] == "02" for field in fields)


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until the kernel says so, which gives no notice of it."""
    watch = Stopwatch()
    while not condition():
        assert watch.seconds() < seconds
        threading.Event().wait(0.01)


def test_closing_wakes_whoever_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before the connect timeout."""
    with full_backlog() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{LOOPBACK}:{port}")
        before = connecting(port)
        stop = Stop()
        with rig(stop=stop, timeouts=PATIENT) as made:
            readers = Readers(made)
            wait_until(lambda: connecting(port) == before + THREADS)
            stop.set()
            made.clients.close()
            assert readers.join(AT_ONCE)
    assert readers.failures == [STOPPING] * THREADS


def test_stopping_ends_a_pause(serve: Serve) -> None:
    """Between two attempts nothing is connected; the stop itself wakes the thread."""
    server = serve(send(response("", 503)))
    stop = Stop()
    with rig(stop=stop) as made:
        readers = Readers(made, 1)
        server.wait_for(requests=1)
        stop.set()
        assert readers.join(AT_ONCE)
    assert readers.failures[0].code == "InternalServerException"


def test_nothing_begins_after_the_end(serve: Serve) -> None:
    """A thread that comes late finds the door closed."""
    server = serve(send(response(page())))
    with rig() as made:
        made.read()
        made.clients.close()
        made.clients.close()
        assert made.failure() == STOPPING
    assert len(server.requests) == 1


def test_the_watch_ends_with_the_clients() -> None:
    """No thread is left behind."""
    before = threading.active_count()
    with rig():
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_a_cut_may_come_before_the_socket() -> None:
    """Such as while a name is looked up: the socket is then refused as soon as it is there."""
    watchdog = Watchdog(SystemClock(), UNTOLD)
    exchange = watchdog.watch(float("inf"))
    watchdog.close()
    assert exchange.is_cut
    with socket.socket() as sock, pytest.raises(TimeoutError):
        exchange.hold(sock)


def test_what_has_ended_is_not_cut() -> None:
    """Its connection may be another's by then."""
    watchdog = Watchdog(SystemClock(), UNTOLD)
    exchange = watchdog.watch(float("inf"))
    with socket.socket() as sock:
        exchange.hold(sock)
        exchange.end()
        watchdog.close()
    assert not exchange.is_cut
