"""The server: addresses it can and cannot have, starting, and stopping in time."""

import asyncio
import contextlib
import errno
import io
import os
import socket
import threading
import time
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.background import in_daemon
from exporter.log import Lines
from exporter.web.server import AddressInUseError, listen
from tests.web.conftest import Serve
from tests.web.secured import hello
from tests.web.serving import Client, Served

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
    server = serve(hello, host)
    for address in reached:
        assert Client(server.port, address)("/").body == b"hello GET\n"


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
    assert Client(serve(hello, host).port, host)("/").body == b"hello GET\n"


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_a_taken_address(host: str) -> None:
    """The message is one line, names the address as configured and says what to do about it."""
    with closing(listen(host, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUseError) as caught:
            listen(host, port)
    said = str(caught.value)
    assert said.startswith(f"cannot listen on {host}:{port}: {os.strerror(errno.EADDRINUSE)}")
    assert said.endswith(": set another web.listen_address")


ABSENT = {
    "192.0.2.1": "192.0.2.1:0: Cannot assign requested address",
    "2001:db8::1": "[2001:db8::1]:0: Cannot assign requested address",
    "no-such-host.invalid": "no-such-host.invalid:0: ",
    "fe80::1%nosuch0": "[fe80::1%nosuch0]:0: ",
    "x" * 70: "x" * 70 + ":0: ",
}


@pytest.mark.parametrize("host", ABSENT)
def test_an_address_that_cannot_be_had(host: str) -> None:
    """Whatever is wrong with an address is one clear line."""
    with pytest.raises(AddressInUseError) as caught:
        listen(host, 0)
    assert str(caught.value).startswith(f"cannot listen on {ABSENT[host]}")
    assert "\n" not in str(caught.value)


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def stopping(server: Served, seconds: float) -> float:
    """Stop a server that gives answers so many seconds; return how many it took."""
    start = time.monotonic()
    server.stop(seconds)
    return time.monotonic() - start


def test_stop_before_start() -> None:
    """A server that never served gives its address back."""
    sock = listen("127.0.0.1", 0)
    address = sock.getsockname()
    Served(hello, sock).stop(1)
    listen(*address).close()


def test_a_second_stop(serve: Serve) -> None:
    """Has nothing left to stop."""
    server = serve(hello)
    for _ in range(2):
        server.loop.do(lambda: server.server.stop(1))


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
        assert stopping(server, 60) < SOON
        assert rest(client) < LARGE
    listen("127.0.0.1", server.port).close()


def rest(connection: socket.socket) -> int:
    """Return how many bytes still come before a connection ends, in order or not."""
    received = 0
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 20):
            received += len(data)
    return received


@pytest.mark.parametrize("answers", [True, False])
def test_stop_gives_an_answer_under_way_its_time(serve: Serve, *, answers: bool) -> None:
    """A scrape that a stop meets gets its answer; what hangs holds up nothing beyond that time."""
    asked, answer_it = threading.Event(), threading.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await in_daemon(answer_it.wait)
        await hello(scope, receive, send)

    server = serve(late)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(REQUEST)
        assert asked.wait(10)
        if answers:
            server.loop.do(lambda: asyncio.get_running_loop().call_later(0.2, answer_it.set))
        assert 0.2 <= stopping(server, 30 if answers else 0.2) < SOON
        assert (rest(client) > 0) is answers
    answer_it.set()


def test_stop_waits_for_who_asks_meanwhile(serve: Serve) -> None:
    """On a connection that is there: it is answered, and nothing is complained of."""
    asked, may_answer = threading.Semaphore(0), {"/1": threading.Event(), "/2": threading.Event()}

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        asked.release()
        await in_daemon(may_answer[scope["path"]].wait)
        await hello(scope, receive, send)

    async def begin_to_stop() -> asyncio.Task[None]:
        task = asyncio.create_task(server.server.stop(60))
        await asyncio.sleep(0)
        return task

    log = io.StringIO()
    server = serve(late, log=Lines(log, level="error", form="logfmt").log)
    address = ("127.0.0.1", server.port)
    with (
        socket.create_connection(address, timeout=10) as second,
        socket.create_connection(address, timeout=10) as first,
    ):
        first.sendall(REQUEST.replace(b"/", b"/1", 1))
        assert asked.acquire(timeout=10)
        server.loop.do(begin_to_stop)
        second.sendall(REQUEST.replace(b"/", b"/2", 1))
        assert asked.acquire(timeout=10)
        for client, path in ((first, "/1"), (second, "/2")):
            may_answer[path].set()
            assert client.recv(10) == b"HTTP/1.1 2"
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
