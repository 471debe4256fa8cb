"""Connections from accept to end: TLS, a place for each, limits on how long clients are waited for.

A client costs the exporter a place and some memory for as long as it is waited for. So that is
bounded for each thing that a client can be slow at; and where all places are taken, whoever has
been waited for the longest makes room. Slow connections, however many, do not keep others out.
HTTP itself is uvicorn's.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum

from exporter.web.sending import CHUNK
from exporter.web.tls import Tls


class Phase(Enum):
    """What a connection is at; in all but one of them the client is waited for."""

    HANDSHAKE = "handshake"
    REQUEST = "request"
    """From the first byte of a request, or the opening of the connection, to the last."""
    ANSWER = "answer"
    """The exporter works."""
    SENDING = "sending"
    """There is answer that the client has not taken."""
    IDLE = "idle"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections there are at once, and how many seconds each phase of one may last."""

    connections: int = 256
    seconds: dict[Phase, float] = field(
        default_factory=lambda: {
            Phase.HANDSHAKE: 10.0,
            Phase.REQUEST: 10.0,
            Phase.SENDING: 60.0,
            # Longer than the usual scrape interval of a minute: Prometheus keeps its connection.
            Phase.IDLE: 75.0,
            Phase.CLOSING: 5.0,
        }
    )
    unread_bytes: int = 64 * 1024
    """Of what comes behind a request's head: no path takes a body."""
    held_bytes: int = 64 * 1024 * 1024
    """Of renderings that answers under way hold together, the newest aside."""
    look_every: float = 1.0


TlsInForce = Callable[[], Tls | None]
"""The TLS that new connections are accepted with; None for plain HTTP."""

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 22\r\nRetry-After: 1\r\nConnection: close\r\n\r\nToo many connections.\n"
)
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE = 0.1
_DRAINED = 64 * 1024


class Connection(asyncio.Protocol):
    """One connection: hands on to HTTP what comes, and knows what it is at, and since when."""

    def __init__(self, tls: Tls | None, unread_bytes: int, now: float) -> None:
        """Begin with the handshake; `http` is given what comes after it."""
        self.tls, self.since = tls, now
        self.http: asyncio.Protocol | None = None
        self.ended: Callable[[], object] = lambda: None
        self.transport: asyncio.Transport | None = None
        self.opening: asyncio.Task[object] | None = None
        self._unread_bytes, self._unread = unread_bytes, 0
        self._answering, self._has_begun, self._requests = False, True, 0
        self._stage = (Phase.HANDSHAKE, 0)

    @property
    def phase(self) -> Phase:
        """What it was at when it was last looked at."""
        return self._stage[0]

    def look(self, now: float) -> Phase:
        """Note what it is at, since when; two requests are two things to be at."""
        stage = (self._current_phase(), self._requests)
        if stage != self._stage:
            self._stage, self.since = stage, now
        return stage[0]

    def drop(self) -> None:
        """End it at once."""
        if self.transport is not None:
            self.transport.abort()
        elif self.opening is not None:
            self.opening.cancel()

    def close(self) -> None:
        """End it once all that was said has been sent."""
        if self.transport is not None:
            self.transport.close()

    def begin_answer(self) -> None:
        """Note that a request is there, and the exporter at work."""
        self._answering, self._has_begun, self._unread = True, False, 0
        self._requests += 1

    def end_answer(self) -> None:
        """Note that all of the answer has been handed over."""
        self._answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the client's certificate has none of the names that are let in."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- for the type checker
        self.transport = transport
        # TLS would take half a megabyte before it says that the client does not read.
        transport.set_write_buffer_limits(CHUNK)
        if self.tls and not self.tls.admits(transport.get_extra_info("peercert")):
            transport.abort()
        elif self.http:
            self.http.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Hand it on, but not more of a body than anybody needs to send here."""
        self._has_begun |= not self._answering
        # Of the first request's head uvicorn takes no more than so much.
        self._unread += len(data) if self._requests else 0
        if self.http is None or self.transport is None or self.transport.is_closing():
            return
        if self._unread > self._unread_bytes:
            self.transport.abort()
            return
        try:
            self.http.data_received(data)
        except Exception:  # noqa: BLE001 -- no HTTP, where an answer has begun: there is no other
            self.transport.abort()
        if self.transport.is_closing():
            # What the application still says is for nobody, and must not be taken for its fault.
            self.http.connection_lost(None)

    def eof_received(self) -> bool | None:
        """Hand it on."""
        return self.http.eof_received() if self.http else None

    def pause_writing(self) -> None:
        """Hand it on."""
        if self.http:
            self.http.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        if self.http:
            self.http.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self.http:
            self.http.connection_lost(exc)
        self.ended()

    def _current_phase(self) -> Phase:
        if self.transport is None:
            return Phase.HANDSHAKE
        if self.transport.is_closing():
            return Phase.CLOSING
        if self.transport.get_write_buffer_size():
            return Phase.SENDING
        if self._answering:
            return Phase.ANSWER
        return Phase.REQUEST if self._has_begun else Phase.IDLE


class Connections:
    """Accepts connections from a socket, and ends those that are waited for too long."""

    def __init__(
        self,
        listening: socket.socket,
        http: Callable[[Connection], asyncio.Protocol],
        tls: TlsInForce,
        limits: Limits,
    ) -> None:
        """Begin to accept in the running loop; `http` makes what speaks HTTP on a connection."""
        listening.setblocking(False)  # noqa: FBT003 -- the socket module's
        self._listening, self._http, self._tls, self._limits = listening, http, tls, limits
        self._all: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._listen()
        self._sweeping = self._loop.create_task(self._sweep())

    async def close(self) -> None:
        """Accept no more, and end what is no answer under way."""
        self._is_open = False
        self._loop.remove_reader(self._listening)
        self._sweeping.cancel()
        await asyncio.gather(self._sweeping, return_exceptions=True)
        for connection in tuple(self._all):
            if connection.look(self._loop.time()) not in {Phase.ANSWER, Phase.SENDING}:
                connection.drop()

    async def abort(self) -> None:
        """End whoever has not read the answer by now."""
        for connection in tuple(self._all):
            connection.drop()
        await asyncio.sleep(0)

    def _listen(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        """Take one connection: others of the loop have their turn before the next."""
        try:
            sock, _ = self._listening.accept()
        except OSError as error:
            # Of the client's doing, unless there is nothing left to accept with.
            if error.errno in _EXHAUSTED:
                self._make_room()
                self._loop.remove_reader(self._listening)
                self._loop.call_later(_PAUSE, self._listen)
        else:
            sock.setblocking(False)  # noqa: FBT003 -- the socket module's
            self._admit(sock)

    def _admit(self, sock: socket.socket) -> None:
        tls = self._tls()
        if len(self._all) >= self._limits.connections and not self._make_room():
            _farewell(sock, b"" if tls else _FULL)
            return
        connection = Connection(tls, self._limits.unread_bytes, self._loop.time())
        connection.http = self._http(connection)
        connection.ended = lambda: self._all.discard(connection)
        self._all.add(connection)
        connection.opening = self._loop.create_task(self._open(connection, sock))

    def _make_room(self) -> bool:
        """Drop whoever has been waited for the longest; return whether there was anybody."""
        now = self._loop.time()
        waited_for = [each for each in self._all if each.look(now) is not Phase.ANSWER]
        if not waited_for:
            return False
        longest = min(waited_for, key=lambda connection: connection.since)
        self._all.discard(longest)
        longest.drop()
        return True

    async def _open(self, connection: Connection, sock: socket.socket) -> None:
        """Bring a connection to where HTTP begins."""
        try:
            await self._connected(connection, sock)
        except OSError:
            # A handshake that failed; what there was of a connection is closed.
            self._all.discard(connection)
        except asyncio.CancelledError:
            self._all.discard(connection)
            if connection.transport is None:
                sock.close()
            raise

    def _connected(self, connection: Connection, sock: socket.socket) -> Awaitable[object]:
        if connection.tls is None:
            return self._loop.connect_accepted_socket(lambda: connection, sock)
        return self._loop.connect_accepted_socket(
            lambda: connection,
            sock,
            ssl=connection.tls.context,
            ssl_handshake_timeout=self._limits.seconds[Phase.HANDSHAKE],
            ssl_shutdown_timeout=self._limits.seconds[Phase.CLOSING],
        )

    async def _sweep(self) -> None:
        """Drop whoever takes too long, and idle connections that were made by other rules."""
        while True:
            await asyncio.sleep(self._limits.look_every)
            now, tls = self._loop.time(), self._tls()
            for connection in tuple(self._all):
                phase = connection.look(now)
                longest = self._limits.seconds.get(phase)
                if longest is not None and now - connection.since > longest:
                    connection.drop()
                elif connection.tls is not tls and phase is Phase.IDLE:
                    connection.close()


def _farewell(sock: socket.socket, text: bytes) -> None:
    """Say something and close, without ever waiting for the client."""
    with contextlib.closing(sock), contextlib.suppress(OSError):
        sock.setblocking(False)  # noqa: FBT003 -- the socket module's
        if text:
            sock.send(text)
        sock.shutdown(socket.SHUT_WR)
        # What was sent and not read would make of the close a reset, which takes the text away.
        sock.recv(_DRAINED)
