"""Connections from accept to end: TLS, a place for each, limits on how long clients are waited for.

A client costs the exporter a place and some memory for as long as it is waited for. So that is
bounded for each thing that a client can be slow at; and where all places are taken, whoever has
been waited for the longest makes room. Slow connections, however many, do not keep others out.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from exporter.web.guard import MAX_BODY_BYTES
from exporter.web.sending import BEGIN, CHUNK, UnderWay
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
    look_every: float = 0.25
    held_bytes: int = 64 * 1024 * 1024
    """Of renderings that answers under way hold together, the newest aside."""


TlsInForce = Callable[[], Tls | None]
"""Gives the TLS that new connections are accepted with; None for plain HTTP."""

_TLS_HANDSHAKE = b"\x16"
"""What every TLS connection begins with (RFC 8446 section 5.1)."""

_PLAIN_ON_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 28\r\nConnection: close\r\n\r\nThis port speaks HTTPS only\n"
)
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 22\r\nRetry-After: 1\r\nConnection: close\r\n\r\nToo many connections.\n"
)
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE = 0.1
_DRAINED = 64 * 1024


class Connection(H11Protocol):
    """HTTP/1.1 on one connection, which tells what it is at."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        tls: Tls | None,
        under_way: UnderWay,
        on_end: Callable[[], None],
    ) -> None:
        """Take the TLS that it was accepted with; `on_end` is called when it has ended."""
        begin = partial(under_way.begin, drop=self._drop)
        super().__init__(config, state, {BEGIN: begin}, asyncio.get_running_loop())
        self._tls, self._on_end = tls, on_end
        self._body = 0

    def _drop(self) -> None:
        self.transport.abort()

    @property
    def phase(self) -> Phase:
        """What it is at now."""
        if self.transport.is_closing():
            return Phase.CLOSING
        if self.transport.get_write_buffer_size():
            return Phase.SENDING
        if self._answers():
            return Phase.ANSWER
        begun = self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]
        return Phase.REQUEST if begun or not self._has_asked else Phase.IDLE

    @property
    def _has_asked(self) -> bool:
        # uvicorn's annotation leaves out that there is no cycle before the first request.
        return bool(self.cycle)

    def _answers(self) -> bool:
        return self._has_asked and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless the client's certificate has none of the names that are let in."""
        super().connection_made(transport)
        # TLS would take half a megabyte before it says that the client does not read.
        transport.set_write_buffer_limits(CHUNK)
        if self._tls and not self._tls.admits(transport.get_extra_info("peercert")):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._on_end()

    def data_received(self, data: bytes) -> None:
        """Read on, but not more of a body than anybody needs to send here."""
        self._body = self._body + len(data) if self.conn.their_state is h11.SEND_BODY else 0
        if self._body > MAX_BODY_BYTES:
            self.transport.abort()
        elif not self.transport.is_closing():
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, where no other answer has begun."""
        if self._answers():
            # What the application still says is for nobody, and must not be taken for its fault.
            self.cycle.disconnected = True
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:
            self.transport.abort()


class _Place:
    """A connection's place: what it is at and since when."""

    def __init__(self, sock: socket.socket, tls: Tls | None, now: float) -> None:
        self.sock, self.tls = sock, tls
        self.since = now
        self.welcome: asyncio.Task[None] | None = None
        self.protocol: Connection | None = None
        self._stage: tuple[Phase, object] = (Phase.HANDSHAKE, None)

    @property
    def phase(self) -> Phase:
        return self._stage[0]

    def look(self, now: float) -> None:
        """Note what it is at. The cycle tells one request from the next."""
        protocol = self.protocol
        if protocol is None or protocol.transport is None:
            return
        stage = (protocol.phase, protocol.cycle)
        if stage[0] is not self._stage[0] or stage[1] is not self._stage[1]:
            self._stage, self.since = stage, now

    def drop(self) -> None:
        """End it at once."""
        if self.protocol is not None and self.protocol.transport is not None:
            self.protocol.transport.abort()
        elif self.welcome is not None:
            self.welcome.cancel()


class Door:
    """Accepts connections from a socket, for uvicorn in place of a server of asyncio's."""

    def __init__(
        self,
        listening: socket.socket,
        config: Config,
        state: ServerState,
        tls: TlsInForce,
        limits: Limits,
    ) -> None:
        """Take what uvicorn makes connections of, and begin to accept."""
        listening.setblocking(False)  # noqa: FBT003 -- the socket module's
        self._listening, self._config, self._state, self._tls = listening, config, state, tls
        self._limits = limits
        self._under_way = UnderWay(limits.held_bytes)
        self._places: set[_Place] = set()
        self._loop = asyncio.get_running_loop()
        self._tasks = [self._loop.create_task(run()) for run in (self._accept, self._sweep)]

    def close(self) -> None:
        """Accept no more, and end handshakes; what is served goes on."""
        for task in self._tasks:
            task.cancel()
        for place in tuple(self._places):
            if place.phase is Phase.HANDSHAKE:
                place.drop()

    async def wait_closed(self) -> None:
        """Wait until nothing more is accepted."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self) -> None:
        while True:
            try:
                sock, _ = await self._loop.sock_accept(self._listening)
            except OSError as error:
                # Of the client's doing, unless there is nothing left to accept with.
                if error.errno in _EXHAUSTED:
                    self._make_room()
                    await asyncio.sleep(_PAUSE)
            else:
                self._admit(sock)
            # Where one waits already, sock_accept does not: others have their turn between two.
            await asyncio.sleep(0)

    def _admit(self, sock: socket.socket) -> None:
        tls = self._tls()
        if len(self._places) >= self._limits.connections and not self._make_room():
            _farewell(sock, b"" if tls else _FULL)
            return
        place = _Place(sock, tls, self._loop.time())
        self._places.add(place)
        place.welcome = self._loop.create_task(self._welcome(place))

    def _make_room(self) -> bool:
        """Drop whoever has been waited for the longest; tell whether there was anybody."""
        now = self._loop.time()
        for place in self._places:
            place.look(now)
        waited_for = [place for place in self._places if place.phase is not Phase.ANSWER]
        if not waited_for:
            return False
        longest = min(waited_for, key=lambda place: place.since)
        self._places.discard(longest)
        longest.drop()
        return True

    async def _welcome(self, place: _Place) -> None:
        """Bring a connection to where HTTP begins."""

        def protocol() -> Connection:
            place.protocol = Connection(
                self._config,
                self._state,
                place.tls,
                self._under_way,
                lambda: self._places.discard(place),
            )
            return place.protocol

        try:
            if place.tls and not await self._begins_tls(place.sock):
                self._places.discard(place)
                return
            await self._connect(protocol, place)
        except OSError:
            # A handshake that failed; what there was of a connection is closed.
            self._places.discard(place)
        except asyncio.CancelledError:
            self._places.discard(place)
            if place.protocol is None:
                place.sock.close()
            raise

    def _connect(self, protocol: Callable[[], Connection], place: _Place) -> Awaitable[object]:
        if place.tls is None:
            return self._loop.connect_accepted_socket(protocol, place.sock)
        return self._loop.connect_accepted_socket(
            protocol,
            place.sock,
            ssl=place.tls.context,
            ssl_handshake_timeout=self._limits.seconds[Phase.HANDSHAKE],
            ssl_shutdown_timeout=self._limits.seconds[Phase.CLOSING],
        )

    async def _begins_tls(self, sock: socket.socket) -> bool:
        """Look at the first byte, without taking it; answer who speaks plain HTTP."""
        first = await self._first_byte(sock)
        if first != _TLS_HANDSHAKE:
            _farewell(sock, _PLAIN_ON_TLS if first.isalpha() else b"")
        return first == _TLS_HANDSHAKE

    async def _first_byte(self, sock: socket.socket) -> bytes:
        readable: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(sock, _settle, readable)
        try:
            await readable
        finally:
            self._loop.remove_reader(sock)
        try:
            return sock.recv(1, socket.MSG_PEEK)
        except OSError:
            return b""

    async def _sweep(self) -> None:
        """Drop whoever takes too long."""
        while True:
            await asyncio.sleep(self._limits.look_every)
            now, tls = self._loop.time(), self._tls()
            for place in tuple(self._places):
                place.look(now)
                longest = self._limits.seconds.get(place.phase)
                if longest is not None and now - place.since > longest:
                    place.drop()
                elif place.tls is not tls and place.protocol is not None:
                    _retire(place.protocol)


def _settle(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


def _retire(protocol: Connection) -> None:
    """Have a connection end with the answer that is under way: other certificates hold by now."""
    if protocol.phase is not Phase.CLOSING:
        protocol.shutdown()


def _farewell(sock: socket.socket, text: bytes) -> None:
    """Say something and close, without ever waiting for the client."""
    with contextlib.closing(sock), contextlib.suppress(OSError):
        sock.setblocking(False)  # noqa: FBT003 -- the socket module's
        if text:
            sock.send(text)
        sock.shutdown(socket.SHUT_WR)
        # What was sent and not read would make of the close a reset, which takes the text away.
        sock.recv(_DRAINED)
