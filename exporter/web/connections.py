"""What one client may cost: how long it is waited for, and what is kept for it.

HTTP itself is uvicorn's, TLS asyncio's.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from exporter.web.tls import Tls

if TYPE_CHECKING:
    import asyncio

CONNECTION = "connection"
"""Where a request's connection stands, in the scope's state."""

_CHUNK = 64 * 1024
"""Bytes that are handed to the socket together: each client that does not read keeps so many."""


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
    """One connection, which knows until when its client is waited for.

    Of uvicorn's class only what asyncio calls is overridden, and what reads requests.
    """

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
        # Not only once it is open, as uvicorn does: one that shakes hands takes a place too.
        self.connections.add(self)
        self.opening: asyncio.Task[object] | None = None
        self.is_answering = self.is_idle = False
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

    def begin_answer(self) -> None:
        """Note that a request is there, and the exporter at work: nobody waits for the client."""
        self.is_answering, self.is_idle, self.waits_until = True, False, inf

    def end_answer(self) -> None:
        """Note that all of the answer has been handed over."""
        self.is_answering, self.is_idle = False, True
        self._wait(self._limits.idle)

    def connection_made(self, transport: "asyncio.Transport") -> None:  # type: ignore[override]
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
        if self.is_idle:
            self.is_idle = False
            self._wait(self._limits.request)
        if not self.transport.is_closing():
            super().data_received(data)

    def handle_events(self) -> None:
        """Take what has come, be it now or with the request before; end what is no HTTP."""
        try:
            super().handle_events()
        except Exception:  # noqa: BLE001 -- no HTTP, where an answer has begun: there is no other
            self.transport.abort()
        if self.transport.is_closing():
            # What the application still says is for nobody, and must not be taken for its fault.
            super().connection_lost(None)
            # But it has its place until all is sent, or it is dropped.
            self.connections.add(self)

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
        connection.under_way.begin(self)
        start = {"type": "http.response.start", "status": self.status_code}
        try:
            await send({**start, "headers": self.raw_headers})
            for chunk in self._chunks():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            connection.under_way.end(self)

    def _chunks(self) -> Iterator[bytes]:
        """Return what is left in chunks; who asks for the next has found room for the last."""
        at = 0
        while self.left:
            parts, size = [], 0
            # Small pieces are joined and large ones cut: what waits for a socket is a copy.
            while self.left and size < _CHUNK:
                part = memoryview(self.left[0])[at : at + _CHUNK - size]
                parts.append(part)
                size, at = size + len(part), at + len(part)
                if at == len(self.left[0]):
                    self.left.popleft()
                    at = 0
            yield b"".join(parts)
            self.taken += size


class UnderWay:
    """The answers that are being sent, on all connections, bounded in what they hold together.

    What the exposition still has costs nothing more; what has been rendered anew since is kept for
    slow clients alone, and each may have asked at another time.
    """

    def __init__(self, most_bytes: int) -> None:
        """Let answers hold so many bytes beside the newest, or one answer if that is larger."""
        self._most = most_bytes
        self._answers: dict[Sent, None] = {}

    def begin(self, newest: Sent) -> None:
        """Take an answer on.

        It may be what makes others hold too much, which then go: who has taken least first, and of
        those alike the oldest.
        """
        self._answers[newest] = None
        current = _by_identity([newest])
        most = max(self._most, *(each.size for each in self._answers))
        for answer in sorted(self._answers, key=lambda each: each.taken):
            held = _by_identity(self._answers).items() - current.items()
            if sum(size for _, size in held) <= most:
                return
            if any(id(piece) not in current for piece in answer.left):
                self.end(answer)
                answer.drop()

    def end(self, answer: Sent) -> None:
        """Let go of all that an answer still holds."""
        self._answers.pop(answer, None)
        answer.left.clear()


def _by_identity(answers: Iterable[Sent]) -> dict[int, int]:
    """Return the sizes of all pieces that answers hold: several hold the same ones."""
    return {id(piece): len(piece) for answer in answers for piece in answer.left}
