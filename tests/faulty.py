"""Servers on loopback that answer what a test says, byte by byte: rightly, wrongly or never.

A server takes a behaviour, which answers one request and tells whether the connection is kept.
"""

import contextlib
import itertools
import json
import random
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from tests.processes import PATIENCE, until

LOOPBACK = "127.0.0.1"
REQUEST_ID = "0a1b2c3d-0000-1111-2222-333344445555"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of one request."""

    socket: socket.socket
    request: Request
    number: int
    stopping: threading.Event

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the server stops, or so many seconds."""
        self.stopping.wait(seconds)


Behaviour = Callable[[Peer], bool]


class FaultyServer:
    """A context manager: a server on a free port of loopback, with a thread for each connection."""

    def __init__(
        self, behaviour: Behaviour, *, tls: ssl.SSLContext | None = None, speaks_first: bool = False
    ) -> None:
        """Speak TLS with a context; with `speaks_first` behave at once, without a request."""
        self._behaviour, self._tls, self._speaks_first = behaviour, tls, speaks_first
        self._listener = socket.create_server((LOOPBACK, 0), backlog=256)
        self._stopping = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._numbers = itertools.count(1)
        self.requests: list[Request] = []
        self.connections = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where it listens, as an endpoint."""
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    def __enter__(self) -> Self:
        """Start answering."""
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up on everyone and end every thread."""
        self._stopping.set()
        # Wakes the thread in accept, which closing would not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(PATIENCE)
        for connection in self._open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()

    def behave(self, behaviour: Behaviour) -> None:
        """Behave differently from now on, and forget the requests so far."""
        self._behaviour, self._numbers = behaviour, itertools.count(1)
        self.requests.clear()

    def wait_for(self, *, requests: int) -> None:
        """Wait until so many requests have come; fail if they do not."""
        until(lambda: len(self.requests) >= requests, f"{requests} requests")

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stopping.is_set():
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        # Clients that go away in the middle are what these servers are for.
        with contextlib.suppress(OSError), contextlib.closing(connection):
            if self._speaks_first:
                self._behaviour(self._peer(connection, Request("", "", {}, b"")))
                return
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            with contextlib.closing(connection), connection.makefile("rb") as stream:
                while (request := _read(stream)) and not self._stopping.is_set():
                    if not self._behaviour(self._peer(connection, request)):
                        return

    def _peer(self, connection: socket.socket, request: Request) -> Peer:
        self.requests.append(request)
        return Peer(connection, request, next(self._numbers), self._stopping)


def _read(stream: Any) -> Request | None:
    line = stream.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = {}
    while (header := stream.readline().decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    return Request(line[0], line[1], headers, stream.read(int(headers.get("content-length", 0))))


# -- what is sent ---------------------------------------------------------------------------


def response(
    body: bytes | str,
    status: int | str = 200,
    headers: Mapping[str, str] | None = None,
    *,
    length: int | None = -1,
) -> bytes:
    """Write a response; `length` is what Content-Length says, None for no such header."""
    content = body.encode() if isinstance(body, str) else body
    told = len(content) if length == -1 else length
    lines = {
        "Content-Type": "application/json",
        "x-amzn-RequestId": REQUEST_ID,
        **({} if told is None else {"Content-Length": str(told)}),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + content


def chunked(*chunks: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    """Write a 200 in chunked encoding; `last` is what stands where it should end."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + last


def page(invitations: Sequence[object] = (), **more: object) -> str:
    """Write the body of a page of ListInvitations."""
    return json.dumps({"invitations": list(invitations), **more})


def invitation(identity: str = "i-1", **fields: object) -> dict[str, object]:
    """Make an invitation as Macie spells it; a field that is None is left out."""
    whole = {
        "accountId": "222233334444",
        "invitationId": identity,
        "relationshipStatus": "Invited",
        "invitedAt": "2024-05-06T07:08:09.123Z",
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


# -- behaviours -----------------------------------------------------------------------------


def send(data: bytes) -> Behaviour:
    """Send these bytes and keep the connection."""
    return _sends(data, lambda _: True)


def reply(write: Callable[[Request], bytes]) -> Behaviour:
    """Send what is written for a request, and keep the connection."""
    return lambda peer: send(write(peer.request))(peer)


def send_and_close(data: bytes) -> Behaviour:
    """Send these bytes and end the stream in order."""
    return _sends(data, lambda _: False)


def send_and_reset(data: bytes) -> Behaviour:
    """Send these bytes and reset the connection, which the client sees as an error."""
    reset = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return _sends(data, lambda peer: peer.socket.setsockopt(*reset))


def send_and_hang(data: bytes = b"") -> Behaviour:
    """Send these bytes and then nothing, for ever."""
    return _sends(data, Peer.wait)


def _sends(data: bytes, then: Callable[[Peer], bool | None]) -> Behaviour:
    def behave(peer: Peer) -> bool:
        peer.socket.sendall(data)
        return bool(then(peer))

    return behave


def drip(data: bytes, pause: float = 0.02) -> Behaviour:
    """Send one byte at a time, with a pause (seconds) after each."""

    def behave(peer: Peer) -> bool:
        for number in range(len(data)):
            peer.socket.sendall(data[number : number + 1])
            peer.wait(pause)
        return True

    return behave


def flood(head: bytes, part: bytes, times: int) -> Behaviour:
    """Send a head and then the same part over and over."""

    def behave(peer: Peer) -> bool:
        peer.socket.sendall(head)
        for _ in range(times):
            peer.socket.sendall(part)
        return False

    return behave


def by_turns(*behaviours: Behaviour) -> Behaviour:
    """Behave differently at each request of the server; as the last of them from then on."""

    def behave(peer: Peer) -> bool:
        return behaviours[min(peer.number, len(behaviours)) - 1](peer)

    return behave


def proxy(peer: Peer) -> bool:
    """Forward what comes with a whole URL; carry what comes with CONNECT, whoever it is for.

    Names need not exist: the proxy always calls its own loopback.
    """
    tunnel = peer.request.method == "CONNECT"
    origin = urlsplit(f"//{peer.request.target}" if tunnel else peer.request.target)
    with socket.create_connection((LOOPBACK, origin.port or 80)) as upstream:
        if tunnel:
            peer.socket.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _carry(peer.socket, upstream)
        else:
            path = f"{origin.path}?{origin.query}"
            headers = "".join(
                f"{name}: {value}\r\n" for name, value in peer.request.headers.items()
            )
            head = f"{peer.request.method} {path} HTTP/1.1\r\n{headers}\r\n"
            upstream.sendall(head.encode() + peer.request.body)
            peer.socket.sendall(upstream.recv(65536))
    return not tunnel


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    while True:
        for source in select.select([one, other], [], [])[0]:
            data = source.recv(65536)
            if not data:
                return
            (other if source is one else one).sendall(data)


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """Return a port on which no connection is accepted or refused: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((LOOPBACK, 0), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def free_port() -> int:
    """Return a port to listen on: one that the kernel gives to nobody who asks for any."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server((LOOPBACK, port)):
            return port
