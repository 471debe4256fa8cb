"""Crowds of clients at once: what memory they hold, who waits for whom, and who makes room."""

import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from exporter.web.app import Places
from exporter.web.server import DEFAULT_LIMITS
from tests.processes import until
from tests.web.conftest import Serve
from tests.web.serving import Client, elsewhere
from tests.web.site import OWN, showing

CROWD = 20
ANSWERS_MB = 150
"""The 64 MB that answers may hold, as much for the newest, and what is in buffers."""
REST_MB = 30
"""By which memory may vary: threads and allocators do not give all back."""

PIECES, PIECE = 256, 256 * 1024
WHOLE = PIECES * PIECE


class Rendered:
    """An exposition of 64 MB, more than sockets hold; if restless, rendered for each scrape."""

    def __init__(self, *, restless: bool) -> None:
        self._restless, self._number = restless, 0
        self._small = list[bytes]()
        self._pieces = self._render()

    async def text(self, tail: Callable[[], bytes]) -> Sequence[bytes]:
        """Return it as text."""
        if self._restless:
            self._pieces = self._render()
        return [*self._pieces, tail()]

    def _render(self) -> list[bytes]:
        self._number += 1
        pieces = []
        for _ in range(PIECES):
            pieces.append((b"%07d\n" % self._number) * (PIECE // 8))
            # What is known of targets is small, stays, and comes in between.
            self._small.append(bytes(1000))
        return pieces


def connected(port: int, room: int = 4096) -> socket.socket:
    """Connect with room for so few bytes that what is not read stays on the other side."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    client.settimeout(30)
    client.connect(("127.0.0.1", port))
    return client


def resident(pid: int) -> float:
    """Return the memory that a process holds now, in megabytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found
    return int(found[1]) / 1024


RESTLESS = """
from tests.web.serving import serve_until_end
from tests.web.test_crowds import Rendered, showing
serve_until_end(showing(exposition=Rendered(restless=True)))
"""


def test_answers_that_nobody_reads_hold_little() -> None:
    """Twenty clients, each with a rendering of its own: memory is bounded, and comes back."""
    with elsewhere(RESTLESS) as (pid, client):
        client.ok("/metrics")
        before, highest = resident(pid), 0.0
        with contextlib.ExitStack() as stack:
            for _ in range(CROWD):
                sock = stack.enter_context(connected(client.port))
                sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
                client.ok("/-/healthy")
                highest = max(highest, resident(pid))
            # Who reads has the whole of it meanwhile.
            assert client.ok("/metrics").body.endswith(OWN)
        assert highest < before + ANSWERS_MB
        until(lambda: resident(pid) < before + REST_MB, lambda: f"{before} MB again")


def test_pages_are_made_one_at_a_time(serve: Serve) -> None:
    """Sixteen may wait, the next is told to come again; no scrape and no probe waits for them."""
    gate, made, begun = threading.Event(), list[Request](), threading.Semaphore(0)

    def page(request: Request) -> Response:
        made.append(request)
        gate.wait(60)
        return PlainTextResponse("a page")

    application = showing(pages=[Route("/", Places().take(page))])

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        begun.release()
        await application(scope, receive, send)

    client = Client(serve(counted).port)
    with ThreadPoolExecutor(17) as pool:
        asked = [pool.submit(client, "/") for _ in range(17)]
        try:
            assert all(begun.acquire(timeout=30) for _ in asked)
            refused = client("/")
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            for path in ("/metrics", "/-/healthy", "/-/ready"):
                client.ok(path)
            assert len(made) == 1
        finally:
            gate.set()
        assert {answer.result(30).status for answer in asked} == {200}
    client.ok("/")


Scrape = Callable[[], http.client.HTTPResponse]


@pytest.fixture
def scraping(serve: Serve) -> Iterator[Callable[[Rendered], Scrape]]:
    """Serve, and give what begins a scrape: its answer is there, and nothing of it is read yet."""
    with contextlib.ExitStack() as stack:

        def serving(exposition: Rendered) -> Scrape:
            limits = replace(DEFAULT_LIMITS, held_bytes=WHOLE // 2)
            client = Client(serve(showing(exposition=exposition), limits=limits).port)

            def scrape() -> http.client.HTTPResponse:
                connection = stack.enter_context(contextlib.closing(client.connection()))
                connection.sock = connected(client.port, 256 * 1024)
                connection.request("GET", "/metrics")
                return connection.getresponse()

            return scrape

        yield serving


def test_who_has_read_least_makes_room(scraping: Callable[[Rendered], Scrape]) -> None:
    """The one who came first may be further on than one who came later, and reads to the end."""
    scrape = scraping(Rendered(restless=True))
    reader = scrape()
    begun = reader.read(WHOLE // 2)
    idler, newcomer = scrape(), scrape()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        idler.read()
    rest = reader.read()
    assert begun + rest == b"0000002\n" * (WHOLE // 8) + OWN
    assert newcomer.read() == b"0000004\n" * (WHOLE // 8) + OWN


def test_who_may_read_as_slowly_as_they_like(scraping: Callable[[Rendered], Scrape]) -> None:
    """However many have one and the same rendering, which is there once; and two others.

    Two Prometheus servers and an exposition larger than the bound: neither is sent away.
    """
    for restless, clients in ((False, 5), (True, 2)):
        scrape = scraping(Rendered(restless=restless))
        answers = [scrape() for _ in range(clients)]
        assert {answer.read()[-len(OWN) :] for answer in answers} == {OWN}
