"""Crowds of clients at once: what memory they hold, who waits for whom, and who makes room.

The fleet that they ask for is a large one, in a process of its own.
"""

import contextlib
import http.client
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from exporter.web.server import DEFAULT_LIMITS
from tests.processes import until
from tests.web import fleet
from tests.web.conftest import Serve, Shown, showing
from tests.web.serving import Client, crowd

CROWD = 40
QUICK = 40
"""Times what a scrape takes when nobody else asks: with bounds it is five, without them 180."""
ANSWERS_MB = 100
"""The 64 MB that answers may hold, and what is in buffers."""
REST_MB = 30
"""By which memory may vary: threads and allocators do not give all back."""


@pytest.fixture(scope="module")
def process() -> Iterator[fleet.Process]:
    """The fleet, which has been scraped; each test finds its memory as it was."""
    with fleet.running() as running:
        Client(running.port).ok("/metrics")
        yield running


def connected(port: int, room: int = 4096) -> socket.socket:
    """Connect with room for so few bytes that what is not read stays on the other side."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    client.settimeout(30)
    client.connect(("127.0.0.1", port))
    return client


def settled(read: Callable[[], float]) -> float:
    """Return a figure once it no longer grows."""
    highest, since = read(), time.monotonic()
    while time.monotonic() - since < 2:
        now = read()
        if now > highest + 1:
            highest, since = now, time.monotonic()
        time.sleep(0.05)
    return highest


@pytest.mark.parametrize("path", ["/metrics", "/targets?per_page=1000"])
def test_answers_that_nobody_reads_hold_little(process: fleet.Process, path: str) -> None:
    """Forty clients, each with a rendering of its own: memory is bounded, and comes back."""
    before = process.resident
    with contextlib.ExitStack() as stack:
        for _ in range(CROWD):
            client = stack.enter_context(connected(process.port))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert settled(lambda: process.resident) < before + ANSWERS_MB
        # Who reads has the whole of it meanwhile, however often.
        for _ in range(2):
            assert Client(process.port).ok("/metrics").body.endswith(b"own_total 2.0\n")
    until(lambda: process.resident < before + REST_MB, lambda: f"{before}, {process.resident}")


MANY = "/api/v1/targets?" + "&".join(f"p{number}=1" for number in range(2000))


@pytest.mark.parametrize("path", ["/targets?per_page=1000", MANY])
def test_pages_do_not_keep_a_scrape_or_a_probe(process: fleet.Process, path: str) -> None:
    """Forty clients that want the dearest of pages: scrapes and probes hardly feel it."""
    client = Client(process.port)

    def seconds(wanted: str) -> float:
        began = time.monotonic()
        client.ok(wanted)
        return time.monotonic() - began

    alone = max(seconds("/metrics") for _ in range(3))
    with crowd(lambda _: client(path), CROWD):
        for _ in range(2):
            for wanted in ("/metrics", "/-/healthy", "/-/ready"):
                assert seconds(wanted) < QUICK * alone, wanted


PIECES, PIECE = 64, 1024 * 1024
WHOLE = PIECES * PIECE


class Rendered(Shown):
    """An exposition of 64 MB, more than sockets hold; if restless, rendered for each scrape."""

    def __init__(self, *, restless: bool) -> None:
        self._restless, self._number = restless, 0
        self._pieces = self._render()

    async def text(self, tail: Callable[[], bytes]) -> Sequence[bytes]:
        """Return it as text."""
        if self._restless:
            self._pieces = self._render()
        return [*self._pieces, tail()]

    def _render(self) -> list[bytes]:
        self._number += 1
        return [(b"%07d\n" % self._number) * (PIECE // 8) for _ in range(PIECES)]


Scraper = Callable[[], http.client.HTTPResponse]


@pytest.fixture
def scraping(serve: Serve) -> Iterator[Callable[[Rendered], Scraper]]:
    """Serve, and give what begins a scrape: its answer is there, and nothing of it is read yet."""
    with contextlib.ExitStack() as stack:

        def scrapers(exposition: Rendered) -> Scraper:
            limits = replace(DEFAULT_LIMITS, held_bytes=WHOLE // 2)
            client = Client(serve(showing(exposition=exposition), limits=limits).port)

            def scrape() -> http.client.HTTPResponse:
                connection = stack.enter_context(contextlib.closing(client.connection()))
                connection.sock = connected(client.port, 256 * 1024)
                connection.request("GET", "/metrics")
                return connection.getresponse()

            return scrape

        yield scrapers


def test_who_has_read_least_makes_room(scraping: Callable[[Rendered], Scraper]) -> None:
    """The one who came first may be further on than one who came later, and reads to the end."""
    scrape = scraping(Rendered(restless=True))
    reader = scrape()
    begun = reader.read(WHOLE // 2)
    idler = scrape()
    newcomer = scrape()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        idler.read()
    rest = reader.read()
    assert begun + rest == b"0000002\n" * (WHOLE // 8) + b"own_total 2.0\n"
    assert newcomer.read() == b"0000004\n" * (WHOLE // 8) + b"own_total 2.0\n"


def test_nobody_makes_room_for_what_the_exposition_has_anyway(
    scraping: Callable[[Rendered], Scraper],
) -> None:
    """However many are slow to read one and the same rendering: it is there once."""
    scrape = scraping(Rendered(restless=False))
    answers = [scrape() for _ in range(5)]
    assert {answer.read()[-14:] for answer in answers} == {b"own_total 2.0\n"}


def test_two_may_read_as_slowly_as_they_like(scraping: Callable[[Rendered], Scraper]) -> None:
    """Two Prometheus servers and an exposition larger than the bound: neither is sent away."""
    scrape = scraping(Rendered(restless=True))
    first, second = scrape(), scrape()
    assert first.read()[:8] == b"0000002\n"
    assert second.read()[:8] == b"0000003\n"
