"""Clients that mean harm, over real sockets: what is bounded, what is refused, what nobody sees."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from starlette.types import Receive, Scope, Send

from exporter.background import in_daemon
from exporter.web.connections import Limits
from exporter.web.middleware import MAX_HEAD_BYTES
from exporter.web.server import DEFAULT_LIMITS
from tests.inprocess import Served as Exporter
from tests.inprocess import running
from tests.processes import no_aws, until
from tests.web.conftest import Connect, Secure, Serve
from tests.web.pki import Authority, Pair
from tests.web.secured import hello, trusting
from tests.web.serving import Client, elsewhere

QUICK = Limits(connections=8, handshake=0.5, request=0.5, sending=0.5, idle=1.0, look_every=0.05)
PATIENT = replace(DEFAULT_LIMITS, handshake=600.0, request=600.0)
"""Whoever had to wait until another's time is over would wait longer than tests have patience."""
FEW_PLACES = replace(PATIENT, connections=QUICK.connections)
LARGE = 64 * 1024 * 1024
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}"
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
REQUEST = HEAD + b"\r\n"


@pytest.fixture
def secure_tls(secure: Secure, pair: Pair) -> Secure:
    """Serve over TLS."""
    del pair  # It is in the folder.
    return partial(secure, TLS)


def said(sock: socket.socket) -> bytes:
    """Read until the other side ends, by closing or by a reset."""
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


# -- places ----------------------------------------------------------------------------------

FEW_DESCRIPTORS = """
import resource
from tests.web.serving import serve_until_end
from tests.web.test_hostile import PATIENT, hello
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
serve_until_end(hello, PATIENT)
"""


def test_a_crowd_keeps_nobody_out(serve: Serve, opened: Connect) -> None:
    """Five hundred that send half a request: who asks is answered all the same.

    So it is where there are fewer descriptors than places.
    """
    with elsewhere(FEW_DESCRIPTORS) as (_, few):
        for client, crowd in ((Client(serve(hello, limits=PATIENT).port), 500), (few, 150)):
            for sock in [opened(client.port) for _ in range(crowd)]:
                with contextlib.suppress(ConnectionError):  # Some have made room already.
                    sock.sendall(HEAD + b"X-Slow: ")
            for _ in range(5):
                client.ok("/")


def test_who_has_waited_longest_makes_room(secure: Secure, opened: Connect) -> None:
    """And nobody else, where one comes more than there are places."""
    secured = secure("{}", limits=FEW_PLACES)
    first, second, *_ = [opened(secured.port) for _ in range(FEW_PLACES.connections + 1)]
    assert said(first) == b""
    second.sendall(REQUEST)
    assert second.recv(12) == b"HTTP/1.1 200"


def test_beyond_the_places_is_closed_at_once(serve: Serve) -> None:
    """Where the exporter is at work for all of them, who comes next is not kept."""
    gate, begun = threading.Event(), threading.Semaphore(0)

    async def busy(scope: Scope, receive: Receive, send: Send) -> None:
        begun.release()
        await in_daemon(gate.wait)
        await hello(scope, receive, send)

    client = Client(serve(busy, limits=FEW_PLACES).port)
    with ThreadPoolExecutor(FEW_PLACES.connections) as pool:
        answers = [pool.submit(client, "/") for _ in range(FEW_PLACES.connections)]
        try:
            assert all(begun.acquire(timeout=30) for _ in answers)
            with pytest.raises(ConnectionError):
                client("/")
        finally:
            gate.set()
        assert {answer.result(30).status for answer in answers} == {200}


# -- time ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begin", "more", "idle"),
    [
        (b"", b"", 600.0),
        (b"GET", b"", 600.0),
        (HEAD, b"X: y\r\n", 600.0),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", b"", 1.0),
        (REQUEST, b"", 1.0),
    ],
    ids=["nothing", "half a line", "headers on and on", "half a body", "idle"],
)
def test_a_client_that_is_waited_for_too_long(
    secure: Secure, opened: Connect, begin: bytes, more: bytes, idle: float
) -> None:
    """Is dropped, however few bytes come and however often, and after its answer."""
    sock = opened(secure("{}", limits=replace(QUICK, idle=idle)).port)
    sock.sendall(begin)
    until(lambda: has_ended(sock, more), "the end")


def has_ended(sock: socket.socket, more: bytes) -> bool:
    """Send some more, and read what there is; return whether the other side has ended."""
    sock.settimeout(0.1)
    try:
        sock.sendall(more)
        return not sock.recv(65536)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize(("first", "then"), [(REQUEST, HEAD), (REQUEST + HEAD, b"")])
def test_a_second_request_has_its_own_time(
    secure: Secure, opened: Connect, first: bytes, then: bytes
) -> None:
    """However long a connection may be idle, and though it began together with the first."""
    sock = opened(secure("{}", limits=replace(QUICK, idle=600.0)).port)
    sock.sendall(first)
    assert sock.recv(12) == b"HTTP/1.1 200"
    sock.sendall(then)
    assert said(sock).endswith(b"hello GET\n")


@pytest.mark.parametrize(("sends", "then"), [(2, b""), (1, b"garbage\r\n\r\n")])
def test_who_does_not_read_is_dropped(
    serve: Serve, opened: Connect, sends: int, then: bytes
) -> None:
    """Be it that the answer goes on, or that it only waits to be sent before the end."""

    async def flood(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for left in reversed(range(sends)):
            body = {"type": "http.response.body", "body": bytes(LARGE), "more_body": left > 0}
            await send(body)

    sock = opened(serve(flood, limits=replace(QUICK, idle=600.0 if sends > 1 else 1.0)).port)
    sock.sendall(REQUEST)
    assert sock.recv(12) == b"HTTP/1.1 200"
    sock.sendall(then)
    until(lambda: takes_nothing(sock), "the end")


def takes_nothing(sock: socket.socket) -> bool:
    """Return whether the other side takes nothing more."""
    try:
        sock.sendall(b"x")
    except ConnectionError:
        return True
    return False


# -- handshakes ------------------------------------------------------------------------------

BEGINNINGS = (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01")
GARBAGE = (b"\x00" * 100, b"\x16" + b"\xff" * 100, b"\r\n", b"\x80\x2e\x01")


@pytest.mark.parametrize("begin", [*BEGINNINGS, *GARBAGE])
def test_a_handshake_that_never_finishes(
    secure_tls: Secure, authority: Authority, opened: Connect, begin: bytes
) -> None:
    """Ends in its time; others shake hands meanwhile, for whom it makes room.

    Outsiders must not fill the log.
    """
    for limits, crowd in ((QUICK, 5), (FEW_PLACES, 20)):
        secured = secure_tls(limits=limits)
        waiting = [opened(secured.port) for _ in range(crowd)]
        for sock in waiting:
            with contextlib.suppress(ConnectionError):
                sock.sendall(begin)
        assert secured.get_tls(trusting(authority)).status == 200
        if limits is QUICK:
            assert not [sock for sock in waiting if b"HTTP" in said(sock)]
        assert not {"level=error", "level=warning"}.intersection(secured.log.split())


def test_who_is_refused_cannot_go_on(
    secure_tls: Secure, authority: Authority, opened: Connect
) -> None:
    """What is sent after a refused handshake is not kept for long."""
    secured, hello_of_another = secure_tls(), ssl.MemoryBIO()
    context = trusting(Authority())
    secured.change(TLS.replace("}", ", min_version: TLS13}"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), hello_of_another, server_hostname="a").do_handshake()
    sock = opened(secured.port)
    sock.sendall(hello_of_another.read())
    assert sock.recv(1) == b"\x15"
    with pytest.raises(ConnectionError):
        sock.sendall(bytes(LARGE))
    assert secured.get_tls(trusting(authority)).status == 200


def test_what_comes_while_tls_is_closed_is_for_nobody(
    secure_tls: Secure, opened: Connect, authority: Authority
) -> None:
    """Garbage behind a request is answered once, and what follows it fills no log."""
    gate, begun = threading.Event(), threading.Event()

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await in_daemon(gate.wait)
        await hello(scope, receive, send)

    secured, context = secure_tls(app=held), trusting(authority)
    plain = opened(secured.port)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with context.wrap_socket(plain, server_hostname="localhost") as client:
        client.sendall(REQUEST + b"garbage\r\n\r\n")
        assert begun.wait(30)
        client.sendall(b"more of it\r\n\r\n")
        for _ in range(3):
            secured.server.loop.do(lambda: None)
        gate.set()
        answers = said(client)
    assert (answers.count(b"HTTP/1.1 200"), answers.count(b"HTTP/1.1 400")) == (1, 1)
    secured.server.stop(5)
    assert not {"level=error", "level=warning"}.intersection(secured.log.split())


# -- requests --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """The real exporter, without a web file; no request is an error of its own."""
    with running(no_aws(tmp_path_factory.mktemp("exporter"))) as exporter:
        yield exporter
    assert "web_server_error" not in exporter.log


TOO_LARGE = {400, 431}
"""400 where the head comes in pieces, and 431 where it comes whole."""
LINES: Mapping[bytes, int] = {
    b"GET http://example.test/metrics": 200,
    b"GET HTTP://127.0.0.1:1/metrics?x=http://y/z": 200,
    b"GET https://example.test/-/healthy": 200,
    b"GET http://[::1]:10058/-/healthy": 200,
    b"GET http://example.test": 200,
    b"POST http://example.test/metrics": 405,
    b"GET http://example.test/nothing": 404,
    b"GET http://example.test//metrics": 404,
    b"GET http://example.test/%6detrics": 200,
    b"OPTIONS *": 405,
    b"GET *": 400,
    b"GET metrics": 400,
    b"GET http:/metrics": 400,
    b"GET http://:80/metrics": 400,
    b"GET http://a@example.test/metrics": 400,
    b"GET ftp://example.test/metrics": 400,
    b"CONNECT example.test:443": 400,
    b"GET /\x00": 400,
    b"GET /\xff\xfe": 400,
    b"G<script>T /": 400,
}
"""What RFC 9112 section 3.2 makes of them: proxies send scheme and host before the path."""
ANSWERS: Mapping[bytes, set[int]] = {
    **{
        line + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n": {status}
        for line, status in LINES.items()
    },
    b"\x00\x00\x00\x00\r\n\r\n": {400},
    b"GET / HTTP/1.1\r\n\r\n": {400},
    HEAD + b"Host: b\r\n\r\n": {400},
    HEAD + b"A: " + b"b" * MAX_HEAD_BYTES + b"\r\n\r\n": TOO_LARGE,
    HEAD + b"A: b\r\n" * (MAX_HEAD_BYTES // 2) + b"\r\n": TOO_LARGE,
    b"GET /" + b"a" * (2 * MAX_HEAD_BYTES) + b" HTTP/1.1\r\nHost: a\r\n\r\n": TOO_LARGE,
    HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n": {400},
    HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": {411},
    HEAD + b"Content-Length: 99999999999\r\n\r\n": {413},
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"a" * 0x1000: {411},
}


@pytest.mark.parametrize("request_", ANSWERS, ids=lambda request: repr(request)[2:70])
def test_what_a_request_is_answered(exporter: Exporter, opened: Connect, request_: bytes) -> None:
    """By its status, whether it is one or none; nothing of it comes back."""
    sock = opened(exporter.port)
    sock.sendall(request_)
    answer = said(sock)
    statuses = {int(line.split()[1]) for line in answer.splitlines() if line.startswith(b"HTTP/")}
    assert len(statuses) == 1
    assert statuses <= ANSWERS[request_]
    assert b"<script>T" not in answer
    assert exporter.request("/-/healthy").status == 200


MARK = "<script>alert(1)</script>"
QUOTED = MARK.replace("<", "%3C").replace(">", "%3E")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/", "/targets", "/metrics", "/-/healthy", "/api/v1/targets")),
        ("GET", f"/{QUOTED}"),
        ("GET", f"/metrics?name[]={QUOTED}"),
        *(("GET", path) for path in ("/../../etc/passwd", "//etc/passwd", "/-/healthy%00")),
        ("GET", "/static/..%2f..%2f..%2fetc/passwd"),
        *((method, "/metrics") for method in ("TRACE", "CONNECT", "DELETE", "X" * 1000)),
    ],
)
def test_every_answer_is_safe(exporter: Exporter, method: str, path: str) -> None:
    """It has the headers of safety, nothing of the request, and nothing from beyond the routes."""
    marked = {"Referer": MARK, "X-Forwarded-Host": MARK, "X-Mark": MARK}
    answer = exporter.request(path, method, marked)
    assert answer.status in ({200, 400, 404} if method == "GET" else {405})
    everything = answer.body.decode() + str(answer.headers)
    assert not [each for each in (MARK, "root:", "import ") if each in everything]
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert (
        headers.items()
        >= {
            "content-security-policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            ),
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "referrer-policy": "same-origin",
            "x-content-type-options": "nosniff",
            "x-frame-options": "deny",
        }.items()
    )
    assert "server" not in headers
