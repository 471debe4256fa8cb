"""How one request's bytes reach AWS and the answer's come back: bounded in time and in size.

botocore's own HTTP session bounds each read, not the exchange, and takes a body of any size. Here
one deadline covers connecting, TLS, headers and body, and an answer over the limit is refused.
Knows nothing of what is asked or answered.
"""

import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import urllib3
from botocore.httpsession import create_urllib3_context
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Timeout

from exporter.aws.connections import Exchange, Pool, TLSPool, TLSSocket, Watchdog
from exporter.clock import Clock
from exporter.model import AwsError
from exporter.restarts import UNTOLD, Upkeep

MAX_BODY_BYTES = 1024 * 1024
"""Twenty-five invitations are under 10 kB, and a page of accounts under 20 kB."""

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection (to each address), and for the next bytes of an answer."""

    connect: float = 5.0
    read: float = 20.0


TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's URL, and the headers that it wants (they may hold a password)."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it goes out: signed, with its query in the URL."""

    method: str
    url: str
    headers: Mapping[str, str | bytes]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whole; the headers' names are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request_id(self) -> str:
        """AWS's id of the request, to give to AWS's support; empty where there is none."""
        return self.headers.get("x-amzn-RequestId", "")


class Transport:
    """Sends requests over shared connections."""

    def __init__(
        self,
        *,
        clock: Clock,
        connections: int,
        ca_bundle: str,
        proxy_for: Callable[[str], Proxy | None],
        timeouts: Timeouts = TIMEOUTS,
        upkeep: Upkeep = UNTOLD,
    ) -> None:
        """Keep up to `connections` open to each host; verify servers against `ca_bundle`."""
        self._clock = clock
        self._timeout = Timeout(connect=timeouts.connect, read=timeouts.read)
        self._watchdog = Watchdog(clock, upkeep)
        self._ca_bundle, self._proxy_for = ca_bundle, proxy_for
        self._options: Mapping[str, Any] = {"maxsize": connections, "num_pools": 256}
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        self._pools: dict[str, urllib3.HTTPConnectionPool] = {}

    def close(self) -> None:
        """Cut what is under way, let nothing begin, and close every connection."""
        self._watchdog.close()
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def alive(self) -> bool:
        """Tell whether deadlines are kept."""
        return self._watchdog.alive()

    def send(self, request: Request, deadline: float) -> Reply:
        """Send a request and read its whole answer before the monotonic `deadline`.

        Raises AwsError with a client-side code where there is none.
        """
        exchange = self._watchdog.watch(deadline)
        try:
            reply = self._exchange(request)
        except (AwsError, HTTPError, HTTPException, OSError, ValueError) as error:
            exchange.abandon()
            raise self._failure(error, exchange) from error
        exchange.end()
        if exchange.is_cut:
            # A body without a length ends where its connection does: this one may not be whole.
            raise self._cut(exchange)
        return reply

    def _exchange(self, request: Request) -> Reply:
        # urllib3 promises less than http.client takes: values may be bytes.
        headers: Any = request.headers
        parts = urlsplit(request.url)
        pool = self._pool(f"{parts.scheme}://{parts.netloc}")
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        response = pool.urlopen(
            request.method,
            # A proxy wants plain HTTP's target whole; for HTTPS it only carries a tunnel.
            request.url if pool.proxy and parts.scheme == "http" else path,
            body=request.body,
            headers=headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            timeout=self._timeout,
        )
        return Reply(response.status, response.headers, _body(response))

    def _pool(self, origin: str) -> urllib3.HTTPConnectionPool:
        pool = self._pools.get(origin)
        if pool is None:
            with self._lock:
                pool = self._pools.get(origin) or self._opened(origin)
                self._pools[origin] = pool
        return pool

    def _opened(self, origin: str) -> urllib3.HTTPConnectionPool:
        """Make the pool of one origin. Raises AwsError where its proxy or authorities are wrong."""
        try:
            proxy = self._proxy_for(origin)
            manager = self._manager(origin, proxy)
        except (HTTPError, ValueError) as error:
            # Without the error's text, which may hold the proxy's password.
            message = f"the proxy's URL cannot be read ({type(error).__name__}): check HTTPS_PROXY"
            raise AwsError("EndpointConnectionError", message) from error
        manager.pool_classes_by_scheme = {"http": Pool, "https": TLSPool}
        return manager.connection_from_url(origin)

    def _manager(self, origin: str, proxy: Proxy | None) -> urllib3.PoolManager:
        secure = any(url.startswith("https:") for url in (origin, proxy.url if proxy else ""))
        tls = self._authorities() if secure else None
        if proxy is None:
            return urllib3.PoolManager(ssl_context=tls, **self._options)
        return urllib3.ProxyManager(
            proxy.url,
            proxy_headers=proxy.headers,
            proxy_ssl_context=tls,
            ssl_context=tls,
            **self._options,
        )

    def _authorities(self) -> ssl.SSLContext:
        """Give the one context of all connections: to load the authorities takes 10 ms."""
        if self._tls is None:
            context: ssl.SSLContext = create_urllib3_context()
            context.check_hostname = True
            context.sslsocket_class = TLSSocket
            try:
                context.load_verify_locations(self._ca_bundle)
            except OSError as error:
                message = f"no trusted authorities in {self._ca_bundle} (AWS_CA_BUNDLE): {error}"
                raise AwsError("EndpointConnectionError", message) from error
            self._tls = context
        return self._tls

    def _failure(self, error: Exception, exchange: Exchange) -> AwsError:
        if exchange.is_cut or self._clock.monotonic() >= exchange.deadline:
            return self._cut(exchange)
        if isinstance(error, AwsError):
            return AwsError(error.failure.code, error.failure.message)
        if isinstance(error, HTTPError | OSError):
            return AwsError(*_named(error))
        # ValueError, whose text would show the header, and with it the session's token.
        message = "a request could not be written: do the credentials hold a line break?"
        return AwsError("CredentialsError", message)

    def _cut(self, exchange: Exchange) -> AwsError:
        if self._clock.monotonic() < exchange.deadline:
            return AwsError("Deadline", "the exporter is stopping")
        return AwsError("Deadline", "poll.timeout passed while waiting for AWS")


def _named(error: Exception) -> tuple[str, str]:
    """Give the error code and the message of what happened to a connection."""
    match error:
        case NameResolutionError() | NewConnectionError() | SSLError():
            return "EndpointConnectionError", str(error)
        case ConnectTimeoutError():
            return "ConnectTimeout", str(error)
        case ReadTimeoutError():
            return "ReadTimeout", str(error)
        case InvalidHeader():
            return "MalformedResponse", str(error)
        case ProtocolError(args=(_, reason)) if _is_no_http(reason):
            return "MalformedResponse", f"no HTTP: {type(reason).__name__}"
        case _:
            return "EndpointConnectionError", f"connection lost: {error}"


def _is_no_http(reason: object) -> bool:
    """Tell an answer that is no HTTP from one that ended early."""
    early = isinstance(reason, RemoteDisconnected | IncompleteRead)
    return isinstance(reason, HTTPException) and not early


def _body(response: urllib3.BaseHTTPResponse) -> bytes:
    """Read the body to its end, or refuse it where that end is too far."""
    length = response.length_remaining
    if length is not None and length <= MAX_BODY_BYTES:
        return response.read()
    whole = bytearray()
    while length is None and len(whole) <= MAX_BODY_BYTES:
        part = response.read(_CHUNK)
        if not part and (whole or response.chunked):
            return bytes(whole)
        if not part:
            # Not an empty body, which has a length of 0: the stream ended among the headers.
            raise ProtocolError("an answer without an end")
        whole += part
    response.close()
    raise AwsError("MalformedResponse", f"an answer over {MAX_BODY_BYTES} bytes is none of AWS's")
