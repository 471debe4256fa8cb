"""What one client may cost: how long it is waited for, and what is kept for it.

HTTP itself is uvicorn's, TLS asyncio's.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

import h11
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from exporter.background import Turn
from exporter.web.tls import Tls

CONNECTION = "connection"
"""Where a request's connection stands, in the scope's state."""

_CHUNK = 64 * 1024
"""Bytes that are handed to the socket together: each client that does not read keeps a few."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections there are at once, and how many seconds clients are waited for."""

    connections: int = 256
    handshake: float = 10.0
    request: float = 10.0
    """From its first byte, or the opening of the connection, to its last."""
    sending: float = 60.0
    """From when the client did not read an answer for the first time to the answer's end."""
    idle: float = 75.0
    """Longer than the usual scrape interval of a minute: Prometheus keeps its connection."""
    held_bytes: int = 64 * 1024 * 1024
    """Of renderings that answers under way hold together, the newest aside."""
    look_every: float = 1.0


class Connection(H11Protocol):
    """One connection, which knows until when its client is waited for."""

    def __init__(
        self,
        http: tuple[Config, ServerState],
        limits: Limits,
        under_way: "UnderWay",
        tls: Tls | None,
        refused: Callable[[str], object],
    ) -> None:
        """Begin with the handshake; `refused` is told why a client is not let in after it."""
        super().__init__(*http, {CONNECTION: self})
        self._application, self.app = self.app, self._answer
        # Not only once it is open, as uvicorn does: one that shakes hands takes a place too.
        self.connections.add(self)
        self.opening: asyncio.Task[object] | None = None
        self.is_idle = False
        self.tls, self.under_way = tls, under_way
        self._limits, self._refused = limits, refused
        self._wait(limits.handshake)

    def _wait(self, seconds: float) -> None:
        self.waits_since = self.loop.time()
        self.waits_until = self.waits_since + seconds

    def drop(self) -> None:
        """End it at once."""
        if self.transport is not None:
            self.transport.abort()
        elif self.opening is not None:
            self.opening.cancel()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; as long as the exporter is at work nobody waits for the client."""
        self.is_idle, self.waits_until = False, inf
        try:
            await self._application(scope, receive, send)
        finally:
            # The next request may have begun together with this one.
            self.is_idle = not self.conn.trailing_data[0]
            self._wait(self._limits.idle if self.is_idle else self._limits.request)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, unless the client's certificate has none of the allowed names."""
        # TLS would take half a megabyte before it says that the client does not read.
        transport.set_write_buffer_limits(_CHUNK)
        super().connection_made(transport)
        self._wait(self._limits.request)
        if self.tls and not self.tls.admits(transport.get_extra_info("peercert")):
            self._refused("none of the certificate's names is in client_allowed_sans")
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what comes; after an answer it begins a request."""
        if self.transport.is_closing():
            # TLS passes on what it still reads while it closes.
            return
        if self.is_idle:
            self.is_idle = False
            self._wait(self._limits.request)
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; where an answer is owed or has begun there is no other."""
        if self.conn.our_state is h11.IDLE:
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        """Wait for the client, which does not read."""
        if self.waits_until == inf:
            self._wait(self._limits.sending)
        super().pause_writing()


class Sent(Response):
    """An answer that is there, sent as the client takes it; it holds what is left to send."""

    def __init__(self, pieces: Sequence[bytes], status: int, headers: Mapping[str, str]) -> None:
        """Send pieces, one after the other, under a length that is known before."""
        self.left, self.size = deque(pieces), sum(map(len, pieces))
        self.taken = 0
        """Bytes that the client has taken, to within a chunk or two."""
        self.drop: Callable[[], object] = lambda: None
        super().__init__(None, status, {**headers, "content-length": str(self.size)})

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Send it."""
        connection: Connection = scope["state"][CONNECTION]
        self.drop = connection.drop
        if scope["method"] == "HEAD":
            self.left.clear()
        with connection.under_way.holding(self):
            start = {"type": "http.response.start", "status": self.status_code}
            await send({**start, "headers": self.raw_headers})
            turn = Turn()
            for chunk in self._chunks():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                self.taken += len(chunk)
                # A client that reads as fast as it is sent to lets nobody wait for it.
                await turn.pause()
            await send({"type": "http.response.body", "body": b""})

    def _chunks(self) -> Iterator[bytes]:
        """Yield what is left in chunks: small pieces are joined, and large ones cut.

        Who asks for the next has found room for the last.
        """
        parts, size = list[memoryview](), 0
        while self.left:
            piece = memoryview(self.left[0])
            for at in range(0, len(piece), _CHUNK):
                parts.append(piece[at : at + _CHUNK])
                size += len(parts[-1])
                if size >= _CHUNK:
                    yield b"".join(parts)
                    parts, size = [], 0
            # Unless it had to be let go meanwhile.
            if self.left:
                self.left.popleft()
        yield b"".join(parts)


class UnderWay:
    """The answers that are being sent, on all connections, bounded in what they hold together.

    What the exposition still has costs nothing more; what has been rendered anew since is kept for
    slow clients alone, and each may have asked at another time.
    """

    def __init__(self, most_bytes: int) -> None:
        """Let answers hold so many bytes beside the newest, or one answer if that is larger."""
        self._most = most_bytes
        self._answers: list[Sent] = []

    @contextlib.contextmanager
    def holding(self, newest: Sent) -> Iterator[None]:
        """Count an answer in until the block ends; it may be what makes others hold too much."""
        self._answers.append(newest)
        self._make_room(newest)
        try:
            yield
        finally:
            newest.left.clear()
            self._answers.remove(newest)

    def _make_room(self, newest: Sent) -> None:
        """Drop who has taken least, and of those alike the oldest, until the others hold little.

        Pieces count once: several answers hold the same ones.
        """
        current = set(map(id, newest.left))
        most = max(self._most, *(each.size for each in self._answers))
        for answer in sorted(self._answers, key=lambda each: each.taken):
            held = {id(piece): len(piece) for each in self._answers for piece in each.left}
            old = held.keys() - current
            if sum(held[piece] for piece in old) <= most:
                return
            if not old.isdisjoint(map(id, answer.left)):
                answer.left.clear()
                answer.drop()
