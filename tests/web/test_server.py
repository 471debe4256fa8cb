"""The server: addresses it can and cannot have, starting, and stopping in time."""

import asyncio
import contextlib
import errno
import http.client
import io
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from exporter.background import in_daemon
from exporter.log import Lines
from exporter.web.server import AddressInUseError, listen
from tests.web.conftest import Client
from tests.web.serving import Served

LARGE = 16 * 1024 * 1024

SOON = 10
"""Seconds: more than a stop takes on a busy machine, less than what it must not wait for."""

App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def hello(_: Scope, receive: Receive, send: Send) -> None:
    """Answer anything with a greeting."""
    await receive()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"hi"})


async def flood(_: Scope, receive: Receive, send: Send) -> None:
    """Answer with more than any buffer holds."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(LARGE)})


async def crash(_: Scope, __: Receive, ___: Send) -> None:
    """Fail as a bug would."""
    raise ZeroDivisionError


Serve = Callable[..., Served]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers; stop them when the test ends."""
    servers: list[Served] = []

    def start(app: App = hello, host: str = "127.0.0.1", log: io.StringIO | None = None) -> Served:
        lines = Lines(log, level="debug", form="logfmt", now=lambda: 0.0).log if log else None
        server = Served(app, listen(host, 0), lines)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop(5)


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    start = time.monotonic()
    action()
    return time.monotonic() - start


@pytest.fixture
def connected() -> Iterator[Callable[[Served], socket.socket]]:
    """Open bare connections; close them when the test ends."""
    opened: list[socket.socket] = []

    def connect(server: Served) -> socket.socket:
        opened.append(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("::1", ["::1"]),
        ("localhost", ["localhost"]),
        ("", ["127.0.0.1", "::1"]),
        ("0.0.0.0", ["127.0.0.1"]),  # noqa: S104 -- what a configuration may say
        ("::", ["::1"]),
    ],
)
def test_addresses(serve: Serve, host: str, reached: list[str]) -> None:
    """IPv4, IPv6, a name, and every interface of both when no host is given."""
    server = serve(host=host)
    for address in reached:
        assert Client(server.port, address)("/").body == b"hi"


def link_local() -> str:
    """Return an address that is there on one interface alone, with the interface's name."""
    for line in Path("/proc/net/if_inet6").read_text().splitlines():
        digits, _, _, _, _, interface = line.split()
        if digits.startswith("fe80"):
            return f"{ip_address(bytes.fromhex(digits))}%{interface}"
    pytest.skip("no interface here has a link-local address")


def test_an_address_of_one_interface(serve: Serve) -> None:
    """What the settings take is bound: a link-local address needs the interface beside it."""
    host = link_local()
    assert Client(serve(host=host).port, host)("/").body == b"hi"


def test_a_taken_address() -> None:
    """The message is one line, names the address and says what to do about it."""
    with closing(listen("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUseError) as caught:
            listen("127.0.0.1", port)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}: "
        "set another web.listen_address"
    )


def test_a_taken_port_on_every_interface() -> None:
    """Without a host the message names the port as it was configured."""
    with closing(listen("", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUseError, match=f"^cannot listen on :{port}: Address already"):
            listen("", port)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (
            "192.0.2.1",
            "cannot listen on 192.0.2.1:0: Cannot assign requested address: set another",
        ),
        ("2001:db8::1", "cannot listen on [2001:db8::1]:0: Cannot assign requested address: set"),
        (
            "no-such-host.invalid",
            "cannot listen on no-such-host.invalid:0: the host name cannot be",
        ),
        (
            "fe80::1%nosuch0",
            "cannot listen on [fe80::1%nosuch0]:0: the host name cannot be resolved: set another",
        ),
        ("x" * 70, f"cannot listen on {'x' * 70}:0: the host name cannot be resolved: set another"),
    ],
)
def test_an_address_that_cannot_be_had(host: str, message: str) -> None:
    """Whatever is wrong with an address is one clear line."""
    with pytest.raises(AddressInUseError) as caught:
        listen(host, 0)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_stop_before_start_closes_the_socket() -> None:
    """A server that never served gives its address back."""
    sock = listen("127.0.0.1", 0)
    address = sock.getsockname()
    Served(hello, sock).stop(1)
    listen(*address).close()


def test_stop_gives_the_address_back(serve: Serve) -> None:
    """After a stop another may listen there, and nobody is answered."""
    server = serve()
    port = server.port
    server.stop(5)
    with closing(listen("127.0.0.1", port)):
        pass
    with pytest.raises(OSError, match="refused"):
        Client(port)("/")


def test_stop_does_not_wait_for_idle_connections(serve: Serve) -> None:
    """A connection that Prometheus keeps between scrapes is closed, long before its time."""
    server = serve()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/")
    connection.getresponse().read()
    assert seconds(lambda: server.stop(60)) < SOON
    connection.close()


def test_stop_does_not_wait_for_half_a_request(
    serve: Serve, connected: Callable[[Served], socket.socket]
) -> None:
    """A client that never ends its request does not hold up the stop."""
    server = serve()
    connected(server).sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert seconds(lambda: server.stop(60)) < SOON


def test_stop_does_not_wait_for_a_slow_reader(
    serve: Serve, connected: Callable[[Served], socket.socket]
) -> None:
    """A client that does not read its answer has a second, then its connection is cut."""
    server = serve(flood)
    slow = connected(server)
    slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert slow.recv(10) == b"HTTP/1.1 2"
    assert seconds(lambda: server.stop(60)) < SOON
    assert rest(slow) < LARGE


def rest(connection: socket.socket) -> int:
    """Return how many bytes still come before a connection ends, in order or not."""
    received = 0
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 20):
            received += len(data)
    return received


def test_stop_returns_in_time_whatever_the_application_does(
    serve: Serve, connected: Callable[[Served], socket.socket]
) -> None:
    """An application that hangs does not hold up the stop beyond the time given."""
    hangs = threading.Event()

    async def hang(_: Scope, __: Receive, ___: Send) -> None:
        hangs.set()
        await asyncio.Event().wait()

    server = serve(hang)
    connected(server).sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert hangs.wait(10)
    assert 0.2 <= seconds(lambda: server.stop(0.2)) < SOON


def test_an_answer_under_way_is_finished(serve: Serve) -> None:
    """A scrape that a stop meets gets its answer."""
    asked, answer_it = threading.Event(), threading.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await in_daemon(answer_it.wait)
        await hello(scope, receive, send)

    server = serve(late)
    bodies: list[bytes] = []
    asking = threading.Thread(target=lambda: bodies.append(Client(server.port)("/").body))
    asking.start()
    asked.wait(10)
    stopping = threading.Thread(target=server.stop, args=(5,))
    stopping.start()
    answer_it.set()
    asking.join()
    stopping.join()
    assert bodies == [b"hi"]


def test_a_bug_is_logged_on_one_line(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """An application that fails answers 500; the traceback is an event, not text on stderr."""
    log = io.StringIO()
    server = serve(crash, log=log)
    assert Client(server.port)("/").status == 500
    server.stop(5)
    assert log.getvalue().count("\n") == 1
    assert "level=error event=web_server_error" in log.getvalue()
    assert "ZeroDivisionError" in log.getvalue()
    assert capfd.readouterr().err == ""


def test_what_clients_send_wrong_is_for_those_who_look_closely(
    serve: Serve, connected: Callable[[Served], socket.socket], capfd: pytest.CaptureFixture[str]
) -> None:
    """Garbage is answered 400 and logged at debug: outsiders must not fill the log."""
    log = io.StringIO()
    server = serve(log=log)
    connection = connected(server)
    connection.sendall(b"\x16\x03\x01 garbage\r\n\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    server.stop(5)
    assert "level=debug event=web_request_refused" in log.getvalue()
    assert capfd.readouterr().err == ""
