"""How one request's bytes reach AWS and the answer's come back: bounded in time and in size.

botocore's own HTTP session bounds each read, not the exchange: a server that sends a byte now and
then holds a thread for as long as it likes, and a body may be of any size. Here one deadline covers
connecting, TLS, headers and body, and an answer over the limit is refused. Knows nothing of what is
asked or answered.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import urllib3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Timeout

from exporter.clock import Clock
from exporter.model import AwsError

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Twenty-five invitations are under 10 kB, and a page of accounts under 20 kB."""

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection, and for the next bytes of an answer."""

    connect: float = 5.0
    read: float = 20.0


class _Exchange:
    """A request under way, and the connection that carries it."""

    __slots__ = ("connection", "deadline", "expired")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.connection: HTTPConnection | None = None
        self.expired = False

    def cut(self) -> None:
        """Wake whoever is blocked on the connection's socket; it sees the end of the stream."""
        self.expired = True
        sock = self.connection.sock if self.connection else None
        if isinstance(sock, socket.socket):
            # Not SSLSocket.shutdown: that would take the TLS state away under the reader.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


_EXCHANGE: ContextVar[_Exchange | None] = ContextVar("exchange", default=None)


class _Watched:
    """A connection that tells its exchange which socket to cut."""

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- urllib3's signature, passed on
        exchange = _EXCHANGE.get()
        if exchange is not None:
            exchange.connection = self  # type: ignore[assignment]
        super().request(*args, **kwargs)  # type: ignore[misc]


class _Connection(_Watched, HTTPConnection):
    pass


class _TLSConnection(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class Watchdog:
    """Cuts exchanges that are past their deadline; one thread for all of them."""

    def __init__(self, clock: Clock, period: float = 0.1) -> None:
        """Look every `period` seconds, which is how late a cut may come."""
        self._clock = clock
        self._period = period
        self._under_way: set[_Exchange] = set()
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="aws-watchdog", daemon=True)
        self._thread.start()

    def add(self, exchange: _Exchange) -> None:
        """Watch an exchange."""
        self._under_way.add(exchange)
        if not self._wake.is_set():
            self._wake.set()

    def remove(self, exchange: _Exchange) -> None:
        """Leave an exchange alone from now on."""
        self._under_way.discard(exchange)

    def close(self) -> None:
        """Cut everything under way and end the thread."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        pause = threading.Event()
        while not self._closed:
            # Asleep while nothing is under way, so that an idle exporter costs nothing.
            self._wake.wait()
            now = self._clock.monotonic()
            for exchange in tuple(self._under_way):
                if now >= exchange.deadline:
                    exchange.cut()
            if not self._under_way:
                self._wake.clear()
                if self._under_way:
                    self._wake.set()
            elif not self._closed:
                pause.wait(self._period)
        for exchange in tuple(self._under_way):
            exchange.cut()


class Transport:
    """Sends prepared requests over shared connections.

    Registered for botocore's `before-send` event, whose handlers may answer in the place of
    botocore's HTTP session.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        connections: int,
        ca_bundle: str,
        proxy_for: Callable[[str], str | None],
        timeouts: Timeouts = Timeouts(),
    ) -> None:
        """Keep up to `connections` open to each host; verify servers against `ca_bundle`."""
        self._clock = clock
        self._timeouts = timeouts
        self._watchdog = Watchdog(clock)
        self._proxy_for = proxy_for
        self._options: Mapping[str, Any] = {
            "maxsize": connections,
            "num_pools": 256,
            "cert_reqs": "CERT_REQUIRED",
            "ca_certs": ca_bundle,
        }
        self._lock = threading.Lock()
        self._managers: dict[str | None, urllib3.PoolManager] = {}
        self._pools: dict[str, HTTPConnectionPool] = {}

    def close(self) -> None:
        """Cut what is under way and close every connection."""
        self._watchdog.close()
        for manager in self._managers.values():
            manager.clear()

    def send(self, request: AWSPreparedRequest, deadline: float) -> AWSResponse:
        """Send a request and read its whole answer before the monotonic `deadline`.

        Raises AwsError with a client-side code where there is none.
        """
        remaining = deadline - self._clock.monotonic()
        if remaining <= 0:
            raise AwsError("Deadline", "no time was left to send the request")
        exchange = _Exchange(deadline)
        token = _EXCHANGE.set(exchange)
        self._watchdog.add(exchange)
        try:
            return self._exchange(request, remaining)
        except AwsError:
            raise
        except (HTTPError, OSError, ValueError, AttributeError) as error:
            # AttributeError: http.client on a socket that was cut while a response began.
            raise self._failure(error, exchange) from error
        finally:
            self._watchdog.remove(exchange)
            _EXCHANGE.reset(token)

    def _exchange(self, request: AWSPreparedRequest, remaining: float) -> AWSResponse:
        parts = urlsplit(request.url)
        pool = self._pool(f"{parts.scheme}://{parts.netloc}")
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        response = pool.urlopen(
            request.method,
            # A proxy wants plain HTTP's target whole; for HTTPS it only carries a tunnel.
            request.url if pool.proxy and parts.scheme == "http" else path,
            body=request.body,
            headers=request.headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            timeout=Timeout(
                connect=min(self._timeouts.connect, remaining),
                read=min(self._timeouts.read, remaining),
            ),
        )
        body = _body(response)
        return AWSResponse(request.url, response.status, response.headers, _Raw(body))

    def _pool(self, origin: str) -> HTTPConnectionPool:
        pool = self._pools.get(origin)
        if pool is None:
            with self._lock:
                pool = self._pools[origin] = self._manager(origin).connection_from_url(origin)
        return pool

    def _manager(self, origin: str) -> urllib3.PoolManager:
        proxy = self._proxy_for(origin)
        if proxy not in self._managers:
            manager = (
                urllib3.ProxyManager(proxy, **self._options)
                if proxy
                else urllib3.PoolManager(**self._options)
            )
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
            self._managers[proxy] = manager
        return self._managers[proxy]

    def _failure(self, error: Exception, exchange: _Exchange) -> AwsError:
        if exchange.expired or self._clock.monotonic() >= exchange.deadline:
            return AwsError("Deadline", "poll.timeout passed while waiting for AWS")
        match error:
            case NameResolutionError() | NewConnectionError() | SSLError():
                return AwsError("EndpointConnectionError", str(error))
            case ConnectTimeoutError():
                return AwsError("ConnectTimeout", str(error))
            case ReadTimeoutError() | TimeoutError():
                return AwsError("ReadTimeout", str(error))
            case _:
                return AwsError("EndpointConnectionError", f"connection lost: {error}")


class _Raw:
    """The whole body, as AWSResponse wants to read it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> list[bytes]:
        return [self._body]


def _body(response: urllib3.BaseHTTPResponse) -> bytes:
    """Read the body to its end, or refuse it where that end is too far."""
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > MAX_BODY_BYTES:
        response.close()
        raise AwsError("MalformedResponse", f"an answer of {declared} bytes is none of AWS's")
    whole = BytesIO()
    while part := response.read(_CHUNK):
        whole.write(part)
        if whole.tell() > MAX_BODY_BYTES:
            response.close()
            raise AwsError("MalformedResponse", f"an answer over {MAX_BODY_BYTES} bytes is none of AWS's")
    response.release_conn()
    return whole.getvalue()
