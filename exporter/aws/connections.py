"""Connections that can be cut from outside, and the watchdog that cuts those past their deadline.

A socket's own timeout bounds one read, not an exchange: a server that sends a byte now and then
holds a thread for as long as it likes. Shutting the socket down from another thread wakes whoever
is blocked on it, be it in connecting, in TLS's handshake, in sending or in reading.
"""

import contextlib
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterable
from contextvars import ContextVar
from math import inf
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from exporter.clock import Clock
from exporter.model import AwsError
from exporter.restarts import Restarts, Upkeep

LONGEST_IDLE = 50.0
"""Seconds after which a kept connection is opened anew.

NAT gateways and firewalls forget idle connections, some of them silently: a request on one would
wait for the whole read timeout. AWS's own SDK for Java draws the line at 60 s.
"""


class Exchange:
    """A request under way: when it began and has to end (monotonic), and the socket it is on."""

    __slots__ = ("_socket", "_watchdog", "began", "deadline", "is_cut")

    def __init__(self, watchdog: "Watchdog", began: float, deadline: float) -> None:
        self._watchdog, self.began, self.deadline = watchdog, began, deadline
        self._socket: socket.socket | None = None
        self.is_cut = False

    def hold(self, sock: socket.socket) -> None:
        """Be cut on this socket from now on. Raises TimeoutError if it was cut before that."""
        self._socket = sock
        # In this order: a cut either finds the socket or is found here.
        if self.is_cut:
            raise TimeoutError("cut")

    def cut(self) -> None:
        """Wake whoever is blocked on the socket; it sees the end of the stream."""
        self.is_cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown: that would take the TLS state away under the reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def end(self) -> None:
        """Leave the connection to others: never cut it from now on."""
        self._watchdog.forget(self)

    def abandon(self) -> None:
        """End, and free the socket: http.client leaves some to the garbage collector."""
        self.end()
        if self._socket is not None:
            descriptor = self._socket.detach()
            if descriptor >= 0:
                os.close(descriptor)


_EXCHANGE: ContextVar[Exchange] = ContextVar("exchange")


class Watchdog:
    """Cuts exchanges at their deadline; one thread for all, asleep until the next one is due."""

    def __init__(self, clock: Clock, upkeep: Upkeep) -> None:
        """Start the thread, which begins anew where an error ends it."""
        self._clock = clock
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._under_way: set[Exchange] = set()
        self._wakes_at = inf
        self._closed = False
        self._watching = Restarts("watchdog", upkeep, self._pause)
        self._thread = upkeep.thread(
            target=self._watching.keep, args=(self._run,), name="aws-watchdog", daemon=True
        )
        self._thread.start()

    def watch(self, deadline: float) -> Exchange:
        """Begin an exchange in this thread. Raises AwsError where none may begin any more."""
        exchange = Exchange(self, self._clock.monotonic(), deadline)
        if deadline <= exchange.began:
            raise AwsError("Deadline", "no time was left to send the request")
        with self._lock:
            if self._closed:
                raise AwsError("Deadline", "the exporter is stopping")
            self._under_way.add(exchange)
            if deadline < self._wakes_at:
                self._wakes_at = deadline
                self._changed.notify()
        _EXCHANGE.set(exchange)
        return exchange

    def alive(self) -> bool:
        """Tell whether what is late is cut; without that a poll may take for ever."""
        return self._thread.is_alive() and not self._watching.hopeless

    def forget(self, exchange: Exchange) -> None:
        """Leave an exchange alone from now on: it is not being cut when this returns."""
        with self._lock:
            self._under_way.discard(exchange)

    def close(self) -> None:
        """Cut everything under way, let nothing begin, and end the thread."""
        with self._lock:
            self._closed = True
            self._cut_until(inf)
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._lock:
            while not self._closed:
                now = self._clock.monotonic()
                self._cut_until(now)
                self._wakes_at = min((each.deadline for each in self._under_way), default=inf)
                self._watching.worked()
                self._changed.wait(None if self._wakes_at == inf else self._wakes_at - now)

    def _pause(self, seconds: float) -> None:
        with self._lock:
            self._changed.wait_for(lambda: self._closed, seconds)

    def _cut_until(self, moment: float) -> None:
        late = [exchange for exchange in self._under_way if exchange.deadline <= moment]
        for exchange in late:
            exchange.cut()
        self._under_way.difference_update(late)


class _Connection(HTTPConnection):
    """A connection whose socket the exchange under way holds, from before it is connected."""

    used = -inf
    """When the latest exchange on it began."""

    def _new_conn(self) -> socket.socket:
        """Connect as urllib3's does, which gives no hand on a socket that is still connecting."""
        try:
            sock = _dial(self._dns_host, self.port, self.timeout, self.socket_options or ())
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            message = f"Connection to {self.host} timed out"
            raise ConnectTimeoutError(self, message) from error
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"Failed to connect: {error}") from error
        sys.audit("http.client.connect", self, self.host, self.port)
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- urllib3's, passed on
        exchange = _EXCHANGE.get()
        self.used = exchange.began
        # Without a socket yet, it is held as soon as there is one.
        if self.sock is not None:
            # TLS within TLS, through a proxy, is no socket but wraps one.
            exchange.hold(getattr(self.sock, "socket", self.sock))
        super().request(*args, **kwargs)


class _TLSConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class TLSSocket(ssl.SSLSocket):
    """A socket that can be cut while it shakes hands: making it detaches the one below."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 -- ssl's signature
        """Shake hands, to be cut from now on."""
        _EXCHANGE.get().hold(self)
        super().do_handshake(block)


class Pool(HTTPConnectionPool):
    """Kept connections to one host."""

    ConnectionCls = _Connection

    def _get_conn(self, timeout: float | None = None) -> Any:  # noqa: ANN401 -- urllib3's own protocol
        connection: Any = super()._get_conn(timeout)
        if _EXCHANGE.get().began - connection.used > LONGEST_IDLE:
            connection.close()
        return connection

    def _put_conn(self, conn: Any) -> None:  # noqa: ANN401 -- urllib3's own protocol
        # Before another thread can take it: a cut at this moment would hit that one's request.
        _EXCHANGE.get().end()
        super()._put_conn(conn)


class TLSPool(Pool, HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _TLSConnection


def _dial(
    host: str, port: int, timeout: float | None, options: Iterable[tuple[int, int, int | bytes]]
) -> socket.socket:
    """Connect to the first of the host's addresses that lets one, each within the timeout.

    The exchange bounds all of them together, but not the resolver, which cannot be cut: where that
    does not answer, the thread waits for its timeout (resolv.conf). Raises OSError.
    """
    exchange = _EXCHANGE.get()
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, protocol)
        try:
            exchange.hold(sock)
            for option in options:
                sock.setsockopt(*option)
            sock.settimeout(timeout)
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure
