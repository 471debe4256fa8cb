"""The server: addresses it can and cannot have, stopping in time, and what its clients hold."""

import asyncio
import contextlib
import http.client
import io
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.background import in_daemon
from exporter.log import Lines
from exporter.web.app import Places
from exporter.web.connections import CONNECTION, Sent, UnderWay
from exporter.web.server import DEFAULT_LIMITS, AddressInUseError, listen
from tests.loops import in_a_loop
from tests.processes import until
from tests.web.conftest import Serve
from tests.web.secured import hello
from tests.web.serving import Client, Served, elsewhere
from tests.web.site import OWN, showing

LARGE = 16 * 1024 * 1024

SOON = 10
"""Seconds: more than a stop takes on a busy machine, less than what it must not wait for."""


async def flood(_: Scope, __: Receive, send: Send) -> None:
    """Answer with more than any buffer holds."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(LARGE)})


async def crash(_: Scope, __: Receive, ___: Send) -> None:
    """Fail as a bug would."""
    raise ZeroDivisionError


def test_addresses(serve: Serve) -> None:
    """IPv4, IPv6, a name, and every interface of both when no host is given."""
    for host, reached in (
        ("127.0.0.1", ["127.0.0.1"]),
        ("::1", ["::1"]),
        ("localhost", ["localhost"]),
        ("", ["127.0.0.1", "::1"]),
        ("0.0.0.0", ["127.0.0.1"]),  # noqa: S104 -- what a configuration may say
        ("::", ["::1"]),
    ):
        port = serve(hello, host).port
        for address in reached:
            assert Client(port, address)("/").body == b"hello GET\n"


def test_an_address_of_one_interface(serve: Serve) -> None:
    """What the settings take is bound: a link-local address needs the interface beside it."""
    lines = map(str.split, Path("/proc/net/if_inet6").read_text().splitlines())
    local = [(digits, name) for digits, *_, name in lines if digits.startswith("fe80")]
    if not local:
        pytest.skip("no interface here has a link-local address")
    digits, name = local[0]
    host = f"{ip_address(bytes.fromhex(digits))}%{name}"
    assert Client(serve(hello, host).port, host)("/").body == b"hello GET\n"


ABSENT = {
    "192.0.2.1": "192.0.2.1:0: Cannot assign requested address",
    "2001:db8::1": "[2001:db8::1]:0: Cannot assign requested address",
    "no-such-host.invalid": "no-such-host.invalid:0: ",
    "fe80::1%nosuch0": "[fe80::1%nosuch0]:0: ",
    "x" * 70: "x" * 70 + ":0: ",
}


@pytest.mark.parametrize("host", ABSENT)
def test_an_address_that_cannot_be_had(host: str) -> None:
    """Whatever is wrong, the message is one line, names the address, and says what to do."""
    with pytest.raises(AddressInUseError) as caught:
        listen(host, 0)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"cannot listen on {ABSENT[host]}")
    assert line.endswith(": set another web.listen_address")


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_an_address_that_is_taken(host: str) -> None:
    """It is named as it was configured; whoever had it gives it back, though it never served."""
    sock = listen(host, 0)
    port = sock.getsockname()[1]
    with pytest.raises(AddressInUseError, match=f"^cannot listen on {host}:{port}: Address alr"):
        listen(host, port)
    Served(hello, sock).stop(1)
    listen(host, port).close()


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("app", "sent"),
    [(hello, b""), (hello, REQUEST[:-2]), (hello, REQUEST), (flood, REQUEST)],
    ids=["silent", "half", "idle", "does not read"],
)
def test_stop_waits_for_no_client(serve: Serve, app: ASGIApp, sent: bytes) -> None:
    """Be it idle, as Prometheus between scrapes, or slow; then another may listen there."""
    server = serve(app)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(sent)
        if sent == REQUEST:
            assert client.recv(10) == b"HTTP/1.1 2"
        start = time.monotonic()
        server.stop(60)
        assert time.monotonic() - start < SOON
        assert rest(client) < LARGE
    listen("127.0.0.1", server.port).close()


def rest(connection: socket.socket) -> int:
    """Return how many bytes still come before a connection ends, in order or not."""
    received = 0
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 20):
            received += len(data)
    return received


def test_stop_gives_answers_their_time(serve: Serve) -> None:
    """A scrape that a stop meets gets its answer, and so does who asks on a kept connection.

    Nothing is complained of. What hangs holds up nothing beyond that time.
    """
    asked, log = threading.Semaphore(0), io.StringIO()
    may_answer = {path: threading.Event() for path in ("/1", "/2", "/never")}

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        asked.release()
        await in_daemon(may_answer[scope["path"]].wait)
        await hello(scope, receive, send)

    async def begin_to_stop() -> list[asyncio.Task[None]]:
        task = asyncio.create_task(server.server.stop(60))
        await asyncio.sleep(0)
        return [task]

    server = serve(late, log=Lines(log, level="error", form="logfmt").log)

    def ask(client: socket.socket, path: str) -> None:
        client.sendall(REQUEST.replace(b"/", path.encode(), 1))
        assert asked.acquire(timeout=10)

    with contextlib.ExitStack() as stack:
        address = ("127.0.0.1", server.port)
        first, second, third = (
            stack.enter_context(socket.create_connection(address, timeout=10)) for _ in range(3)
        )
        ask(first, "/1")
        (stop,) = server.loop.do(begin_to_stop)
        ask(second, "/2")
        ask(third, "/never")
        for client, path in ((first, "/1"), (second, "/2")):
            may_answer[path].set()
            assert client.recv(10) == b"HTTP/1.1 2"
            for _ in range(10):
                # Turns of the loop in which a stop that waits for nobody else would end.
                server.loop.do(lambda: None)
            assert not stop.done()
        server.stop(0.1)
        assert rest(third) == 0
    may_answer["/never"].set()
    assert log.getvalue() == ""


def test_what_goes_wrong_is_logged_on_one_line(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bug is answered 500 and told with its traceback, as an event.

    Garbage is answered 400 and told at debug: outsiders must not fill the log.
    """
    log = io.StringIO()
    server = serve(crash, log=Lines(log, level="debug", form="logfmt").log)
    assert Client(server.port)("/").status == 500
    (told,) = log.getvalue().splitlines()
    assert "level=error event=web_server_error" in told
    assert "ZeroDivisionError" in told
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"\x16\x03\x01 garbage\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    server.stop(5)
    *_, told = log.getvalue().splitlines()
    assert "level=debug event=web_request_refused" in told
    assert capfd.readouterr().err == ""


# -- crowds ----------------------------------------------------------------------------------

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
from tests.web.test_server import Rendered, showing
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


@in_a_loop
async def test_a_client_that_takes_all_at_once_keeps_nobody_waiting() -> None:
    """What is large is sent in turns, though there is room for all of it."""
    connection, turns = SimpleNamespace(drop=lambda: None, under_way=UnderWay(0)), 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def take(_: Message) -> None:
        pass

    async def receive() -> Message:
        raise NotImplementedError

    other = asyncio.create_task(others())
    scope = {"method": "GET", "state": {CONNECTION: connection}}
    await Sent([bytes(1 << 16)] * 20_000, 200, {})(scope, receive, take)
    other.cancel()
    assert turns > 1
