"""A connection from accept to end: until when the client is waited for.

A client costs the exporter a place and some memory for as long as it is waited for. So that is
bounded for each thing that a client can be slow at. HTTP itself is uvicorn's, TLS asyncio's.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from exporter.web.sending import CHUNK
from exporter.web.tls import Tls


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


Refused = Callable[[str], object]
"""Is told why a client's handshake is refused."""


class Connection(asyncio.Protocol):
    """One connection: hands on to HTTP what comes, and knows until when to wait for the client."""

    def __init__(self, tls: Tls | None, limits: Limits, refused: Refused) -> None:
        """Begin with the handshake; `http` is given what comes after it."""
        self.tls = tls
        self.http = asyncio.Protocol()
        self.ended: Callable[[], object] = lambda: None
        self.transport: asyncio.Transport | None = None
        self.opening: asyncio.Task[object] | None = None
        self.is_answering = self.is_idle = False
        self._limits, self._refused = limits, refused
        self._loop = asyncio.get_running_loop()
        self._wait(limits.handshake)

    def _wait(self, seconds: float) -> None:
        self.waits_since = self._loop.time()
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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the client's certificate has none of the names that are let in."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- for the type checker
        self.transport = transport
        self._wait(self._limits.request)
        # TLS would take half a megabyte before it says that the client does not read.
        transport.set_write_buffer_limits(CHUNK)
        if self.tls and not self.tls.admits(transport.get_extra_info("peercert")):
            self._refused("none of the certificate's names is in client_allowed_sans")
            transport.abort()
        else:
            self.http.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Hand it on; what comes after an answer begins a request."""
        if self.is_idle:
            self.is_idle = False
            self._wait(self._limits.request)
        if self.transport is None or self.transport.is_closing():
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
        return self.http.eof_received()

    def pause_writing(self) -> None:
        """Wait for the client, which does not read."""
        if self.waits_until == inf:
            self._wait(self._limits.sending)
        self.http.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        self.http.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.http.connection_lost(exc)
        self.ended()


_MORE_DATA = 3
"""How often a client that was refused may still send something, each time 256 KiB at most."""

_NO_TLS = frozenset({"HTTP_REQUEST", "WRONG_VERSION_NUMBER"})
"""Reasons for which OpenSSL has no alert: nobody would understand it."""


def telling(refused: Refused) -> type[ssl.SSLObject]:
    """Return TLS objects that tell both sides why a handshake is refused.

    asyncio would close the connection without the alert that OpenSSL has ready (CPython issue
    98078). But where a handshake waits for the client it sends what there is. So it is told to
    wait, and the client reads the alert and goes, or is dropped with its handshake's time.
    """

    class Telling(ssl.SSLObject):
        refusal: ssl.SSLError | None = None
        left = _MORE_DATA

        def do_handshake(self) -> None:
            if self.refusal is None:
                try:
                    return super().do_handshake()
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError):
                    raise
                except ssl.SSLError as error:
                    refused((error.reason or "unknown").lower().replace("_", " "))
                    if error.reason in _NO_TLS:
                        raise
                    self.refusal = error
            self.left -= 1
            if not self.left:
                raise self.refusal
            raise ssl.SSLWantReadError

    return Telling
