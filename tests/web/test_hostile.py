"""Clients that mean harm, over real sockets: what is bounded, what is refused, what nobody sees."""

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from exporter.web.connections import Limits
from exporter.web.middleware import MAX_HEAD_BYTES
from exporter.web.server import DEFAULT_LIMITS, listen
from tests.processes import Exporter, no_aws, running, until
from tests.web.conftest import Client, Secure
from tests.web.pki import Authority
from tests.web.secured import hashed, hello, trusting
from tests.web.serving import Served

QUICK = Limits(connections=8, handshake=0.5, request=0.5, sending=0.5, idle=1.0, look_every=0.05)
DESCRIPTORS = 64
LARGE = 64 * 1024 * 1024
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}"


@pytest.fixture
def opened() -> Iterator[Callable[[int], socket.socket]]:
    """Open bare connections; close them when the test ends."""
    with contextlib.ExitStack() as stack:

        def connect(port: int) -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))

        yield connect


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """The real exporter, without a web file."""
    with running(no_aws(tmp_path_factory.mktemp("exporter"))) as exporter:
        yield exporter


def said(sock: socket.socket) -> bytes:
    """Read until the other side ends, by closing or by a reset."""
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def crowd(opened: Callable[[int], socket.socket], port: int, beginning: bytes) -> None:
    """Have five hundred clients say how they begin, and no more."""
    for sock in [opened(port) for _ in range(500)]:
        with contextlib.suppress(ConnectionError):  # Some have made room already.
            sock.sendall(beginning)


def answers_soon(ask: Callable[[], int]) -> None:
    """Require that one after the other is answered well, long before the crowd's time is over."""
    for _ in range(5):
        start = time.monotonic()
        assert ask() == 200
        assert time.monotonic() - start < DEFAULT_LIMITS.request / 2


def test_slow_clients_do_not_keep_a_scrape(
    exporter: Exporter, opened: Callable[[int], socket.socket]
) -> None:
    """Five hundred that send half a request: a scrape of the exporter waits for none of them."""
    crowd(opened, exporter.port, b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    answers_soon(lambda: exporter.request("/metrics").status)


def test_half_handshakes_do_not_keep_a_scrape(
    secure: Secure,
    authority: Authority,
    tmp_path: Path,
    opened: Callable[[int], socket.socket],
) -> None:
    """Five hundred, under the limits as they are: another shakes hands and asks meanwhile."""
    authority.sign().write(tmp_path, "server")
    secured = secure(TLS)
    crowd(opened, secured.port, b"\x16\x03\x01\x02\x00\x01")
    answers_soon(lambda: secured.get_tls(trusting(authority)).status)


def test_who_has_waited_longest_makes_room(
    secure: Secure, opened: Callable[[int], socket.socket]
) -> None:
    """However many come, there are never more connections than places."""
    secured = secure("{}", QUICK)
    first = opened(secured.port)
    others = [opened(secured.port) for _ in range(2 * QUICK.connections)]
    assert said(first) == b""
    assert secured.get().status == 200
    assert others


def test_where_no_descriptor_is_left_who_has_waited_longest_makes_room(
    opened: Callable[[int], socket.socket], tmp_path: Path
) -> None:
    """Fewer descriptors than places: the exporter goes on to answer all the same."""
    before = [shutil.which("prlimit") or "prlimit", f"--nofile={DESCRIPTORS}"]
    with running(no_aws(tmp_path), before=before) as exporter:
        crowd = [opened(exporter.port) for _ in range(2 * DESCRIPTORS)]
        answers_soon(lambda: exporter.request("/-/healthy").status)
        assert crowd


def test_beyond_the_places_is_closed_at_once() -> None:
    """Where the exporter is at work for all of them, who comes next is not kept."""
    gate = threading.Event()
    begun = []

    async def busy(scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.concurrency import run_in_threadpool  # noqa: PLC0415 -- for this test alone

        begun.append(scope)
        await run_in_threadpool(gate.wait)
        await hello(scope, receive, send)

    patient = replace(QUICK, handshake=30.0, request=30.0)
    server = Served(busy, listen("127.0.0.1", 0), limits=patient)
    server.start()
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(Client(server.port)("/").status))
        for _ in range(QUICK.connections)
    ]
    try:
        for thread in threads:
            thread.start()
        until(lambda: len(begun) == QUICK.connections, "all places taken")
        with pytest.raises(ConnectionError):
            Client(server.port)("/")
    finally:
        gate.set()
        for thread in threads:
            thread.join(10)
        server.stop(5)
    assert answers == [200] * QUICK.connections


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"GET",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
def test_a_request_that_is_not_finished(
    secure: Secure, opened: Callable[[int], socket.socket], begin: bytes
) -> None:
    """Ends the connection in its time, however few bytes come and however often."""
    secured = secure("{}", QUICK)
    sock = opened(secured.port)
    sock.sendall(begin)
    start = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - start < 8:
            if begin.startswith(b"GET / "):
                sock.sendall(b"X: y\r\n")
            sock.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                if not sock.recv(65536):
                    break
    assert time.monotonic() - start < 5
    assert secured.get().status == 200


def test_an_idle_connection_ends(secure: Secure, opened: Callable[[int], socket.socket]) -> None:
    """After its answer, in its time."""
    secured = secure("{}", QUICK)
    sock = opened(secured.port)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"200 OK" in said(sock)


@pytest.mark.parametrize("begin", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"])
def test_a_handshake_that_never_finishes(
    secure: Secure,
    authority: Authority,
    tmp_path: Path,
    opened: Callable[[int], socket.socket],
    begin: bytes,
) -> None:
    """Ends in its time, and others shake hands meanwhile."""
    authority.sign().write(tmp_path, "server")
    secured = secure(TLS, QUICK)
    waiting = [opened(secured.port) for _ in range(5)]
    for sock in waiting:
        sock.sendall(begin)
    assert secured.get_tls(trusting(authority)).status == 200
    assert [said(sock) for sock in waiting] == [b""] * 5


def test_garbage_on_a_tls_port(
    secure: Secure,
    authority: Authority,
    tmp_path: Path,
    opened: Callable[[int], socket.socket],
) -> None:
    """Is no error of the exporter's: outsiders must not fill its log."""
    authority.sign().write(tmp_path, "server")
    secured = secure(TLS, QUICK)
    for garbage in (b"\x00" * 100, b"\x16" + b"\xff" * 100, b"\r\n", b"\x80\x2e\x01"):
        sock = opened(secured.port)
        sock.sendall(garbage)
        said(sock)
    assert secured.get_tls(trusting(authority)).status == 200
    assert "level=error" not in secured.log
    assert "level=warning" not in secured.log


def test_who_does_not_read_is_dropped(opened: Callable[[int], socket.socket]) -> None:
    """An answer that nobody takes is not kept for ever."""
    ended = threading.Event()

    async def flood(_: Scope, __: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": bytes(LARGE), "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            ended.set()

    server = Served(flood, listen("127.0.0.1", 0), limits=QUICK)
    server.start()
    try:
        sock = opened(server.port)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert ended.wait(10)
        assert len(said(sock)) < LARGE
    finally:
        server.stop(5)


def test_who_does_not_read_and_then_sends_garbage_is_dropped(
    opened: Callable[[int], socket.socket],
) -> None:
    """A connection that is to be closed once all is sent is waited for no longer than another."""

    async def flood(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(LARGE)})

    server = Served(flood, listen("127.0.0.1", 0), limits=QUICK)
    server.start()
    try:
        sock = opened(server.port)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(12) == b"HTTP/1.1 200"
        sock.sendall(b"garbage\r\n\r\n")
        until(lambda: is_reset(sock), "the end")
    finally:
        server.stop(5)


def is_reset(sock: socket.socket) -> bool:
    """Return whether the other side takes nothing more."""
    try:
        sock.sendall(b"x")
    except ConnectionError:
        return True
    return False


HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
TOO_LARGE = {400, 431}
"""400 where the head comes in pieces, and 431 where it comes whole."""

REFUSED: Mapping[bytes, set[int]] = {
    b"\x00\x00\x00\x00\r\n\r\n": {400},
    b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n": {400},
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n": {400},
    b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n": {400},
    b"GET / HTTP/1.5\r\nHost: a\r\n\r\n": {200},
    b"GET / HTTP/1.1\r\n\r\n": {400},
    b"G<script>T / HTTP/1.1\r\nHost: a\r\n\r\n": {400},
    HEAD + b"Host: b\r\n\r\n": {400},
    HEAD + b"A: b\r\n C: d\r\n\r\n": {200},
    HEAD + b"A" * (2 * MAX_HEAD_BYTES) + b": b\r\n\r\n": TOO_LARGE,
    HEAD + b"A: " + b"b" * MAX_HEAD_BYTES + b"\r\n\r\n": TOO_LARGE,
    HEAD + b"A: b\r\n" * (MAX_HEAD_BYTES // 2) + b"\r\n": TOO_LARGE,
    b"GET /" + b"a" * (2 * MAX_HEAD_BYTES) + b" HTTP/1.1\r\nHost: a\r\n\r\n": TOO_LARGE,
    HEAD + b"Content-Length: nine\r\n\r\n": {400},
    HEAD + b"Content-Length: -1\r\n\r\n": {400},
    HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n": {400},
    HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": {411},
    HEAD + b"Content-Length: 99999999999\r\n\r\n": {413},
    HEAD + b"Transfer-Encoding: gzip\r\n\r\n": {400},
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n": set(),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": {400},
}


@pytest.mark.parametrize("request_", REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_what_is_no_request(
    secure: Secure, opened: Callable[[int], socket.socket], request_: bytes
) -> None:
    """Is refused by its status, or dropped; nothing of it comes back or is our error."""
    secured = secure("{}")
    sock = opened(secured.port)
    sock.sendall(request_)
    sock.shutdown(socket.SHUT_WR)
    answer = said(sock)
    statuses = {int(line.split()[1]) for line in answer.splitlines() if line.startswith(b"HTTP/")}
    assert statuses <= REFUSED[request_]
    assert len(statuses) == min(len(REFUSED[request_]), 1)
    assert b"<script" not in answer
    assert secured.get().status == 200
    assert "level=error" not in secured.log


TARGETS = {
    "GET http://example.test/metrics": 200,
    "GET HTTP://127.0.0.1:1/metrics?x=http://y/z": 200,
    "GET https://example.test/-/healthy": 200,
    "GET http://[::1]:10058/-/healthy": 200,
    "GET http://example.test": 200,
    "GET http://example.test?x=1": 200,
    "HEAD http://example.test/metrics": 200,
    "POST http://example.test/metrics": 405,
    "GET http://example.test/nothing": 404,
    "GET http://example.test//metrics": 404,
    "GET http://example.test/%6detrics": 200,
    "GET //metrics": 404,
    "OPTIONS *": 405,
    "OPTIONS /metrics": 405,
    "GET *": 400,
    "GET metrics": 400,
    "GET ?x": 400,
    "GET http:/metrics": 400,
    "GET http:///metrics": 400,
    "GET http://:80/metrics": 400,
    "GET http://a@example.test/metrics": 400,
    "GET ftp://example.test/metrics": 400,
    "GET example.test:80/metrics": 400,
    "CONNECT example.test:443": 400,
}
"""Request lines by what RFC 9112 section 3.2 makes of them."""


@pytest.mark.parametrize("line", TARGETS)
def test_request_targets(
    exporter: Exporter, opened: Callable[[int], socket.socket], line: str
) -> None:
    """A path may come behind a scheme and a host, as proxies send it; what is no target is 400."""
    sock = opened(exporter.port)
    sock.sendall(f"{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    assert int(said(sock).split()[1]) == TARGETS[line]


@pytest.mark.parametrize("line", [b"GET http://a/metrics", b"OPTIONS *", b"GET metrics"])
def test_no_target_leads_past_the_password(
    secure: Secure, opened: Callable[[int], socket.socket], line: bytes
) -> None:
    """However it is written."""
    sock = opened(secure(f"basic_auth_users: {{a: '{hashed('right')}'}}").port)
    sock.sendall(line + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert int(said(sock).split()[1]) in {400, 401, 405}


def test_a_body_in_endless_chunks(secure: Secure, opened: Callable[[int], socket.socket]) -> None:
    """Is cut off: no path takes a body."""
    secured = secure("{}", QUICK)
    sock = opened(secured.port)
    sent = 0
    with contextlib.suppress(ConnectionError, TimeoutError):
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        while sent < LARGE:
            sock.sendall(b"1000\r\n" + b"a" * 0x1000 + b"\r\n")
            sent += 0x1000
    assert sent < LARGE
    assert secured.get().status == 200


def test_pipelining(secure: Secure, opened: Callable[[int], socket.socket]) -> None:
    """Requests that come together are answered in their order, one at a time."""
    sock = opened(secure("{}").port)
    asked = [b"GET", b"POST", b"PUT", b"GET"] * 25
    lines = [method + b" / HTTP/1.1\r\nHost: a\r\n" for method in asked]
    sock.sendall(b"\r\n".join(lines) + b"Connection: close\r\n\r\n")
    answers = said(sock)
    words = [line.split()[1] for line in answers.split(b"\n") if line.startswith(b"hello ")]
    assert words == asked


MARK = "<script>alert(1)</script>"


def test_nothing_of_a_request_comes_back(exporter: Exporter) -> None:
    """Paths, parameters, methods and headers of every kind; and no path leads out of the routes."""
    quoted = MARK.replace("<", "%3C").replace(">", "%3E")
    for path in (
        f"/{quoted}",
        f"/?q={quoted}",
        f"/targets?q={quoted}&state={quoted}&page={quoted}",
        f"/metrics?name[]={quoted}",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/static/../../../../etc/passwd",
        "/static/..%2f..%2f..%2fetc/passwd",
        "/assets/%2e%2e/%2e%2e/pages.py",
        "//etc/passwd",
        "/%00",
        "/-/healthy%00",
        "/-/healthy/..",
    ):
        answer = exporter.request(path, headers={"Referer": MARK, "X-Forwarded-Host": MARK})
        assert answer.status in {200, 400, 404}, path
        everything = answer.body.decode() + str(answer.headers)
        assert MARK not in everything, path
        assert "root:" not in everything
        assert "import " not in everything
    for method in ("TRACE", "CONNECT", "DELETE", "X" * 1000):
        answer = exporter.request("/metrics", method, {"X-Mark": MARK})
        assert answer.status == 405
        assert MARK not in answer.body.decode()
    assert "level=error" not in exporter.log


@pytest.mark.parametrize(
    "path", ["/", "/targets", "/metrics", "/-/healthy", "/api/v1/targets", "/nothing"]
)
def test_security_headers_everywhere(exporter: Exporter, path: str) -> None:
    """Of the real exporter, whatever is answered, without a web file."""
    headers = {k.lower(): v for k, v in exporter.request(path).headers.items()}
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "deny"
    assert "referrer-policy" in headers
    assert "server" not in headers
