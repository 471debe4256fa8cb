"""How one request's bytes reach AWS and the answer's come back, bounded in size; no deadline here.

Knows nothing of what is asked or answered. Whoever waits may be cancelled at any moment.
"""

import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from http.client import responses
from typing import NamedTuple

from yarl import URL

from exporter.aws.aiohttp_client import aiohttp
from exporter.background import in_daemon
from exporter.model import AwsError

MAX_BODY_BYTES = 256 * 1024
"""Twenty-five invitations are under 10 kB, and a page of accounts under 20 kB.

What a parser makes of a body takes up to forty times as much.
"""

_MAX_HEADERS, _MAX_HEADER_BYTES = 100, 16 * 1024
_READ_BYTES = 32 * 1024
_BODILESS = (204, 304)
_VARIANTS = {"-fips.": "AWS_USE_FIPS_ENDPOINT", ".api.aws": "AWS_USE_DUALSTACK_ENDPOINT"}
"""How hosts of AWS's are named, and what asks for them."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection (to each address), and for the next bytes of an answer.

    And after which an idle connection is opened anew: NAT gateways and firewalls forget them, some
    silently, and a request on one would wait for the whole read timeout.
    """

    connect: float = 5.0
    read: float = 20.0
    idle: float = 50.0


TIMEOUTS = Timeouts()


class Request(NamedTuple):
    """A request as it goes out: signed, with its query in the URL."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None = None
    proxy: URL | None = None


class Reply(NamedTuple):
    """What came back, whole; the headers' names are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends requests over shared connections, of which each host has as many as are needed."""

    def __init__(self, ca_bundle: str, timeouts: Timeouts = TIMEOUTS) -> None:
        """Verify servers against a file of authorities. To be made in a running loop."""
        self._ca_bundle = ca_bundle
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=timeouts.idle,
                resolver=_Resolver(),
                socket_factory=_socket,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=timeouts.connect, sock_read=timeouts.read
            ),
            auto_decompress=False,
            skip_auto_headers=("Accept",),
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            max_headers=_MAX_HEADERS,
            middlewares=(_once,),
        )

    async def close(self) -> None:
        """Let nothing begin any more, and close every connection."""
        await self._http.close()

    async def send(self, request: Request) -> Reply:
        """Send a request and read its whole answer.

        Raises AwsError with a client-side code where there is none.
        """
        if self._http.closed:
            raise AwsError("Deadline", "the exporter is stopping")
        schemes = (request.url.scheme, request.proxy.scheme if request.proxy else "")
        try:
            async with self._http.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                proxy=request.proxy,
                ssl=self._authorities if "https" in schemes else True,
                allow_redirects=False,
            ) as response:
                return Reply(response.status, response.headers, await _body(response))
        except (aiohttp.ClientError, OSError) as error:
            raise _lost(error, request.url.host or "") from error

    @cached_property
    def _authorities(self) -> ssl.SSLContext:
        """The one context of all connections: to load the authorities takes 10 ms."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(self._ca_bundle)
        except OSError as error:
            message = f"no trusted authorities in {self._ca_bundle} (AWS_CA_BUNDLE): {error}"
            raise AwsError("EndpointConnectionError", message) from error
        return context


class _Resolver(aiohttp.abc.AbstractResolver):
    """Looks names up on threads: the system's resolver cannot be cut off, only left alone."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        try:
            found = await in_daemon(look_up)
        except UnicodeError as error:
            raise OSError(str(error)) from error
        return [
            aiohttp.abc.ResolveResult(
                hostname=host, host=str(where[0]), port=port, family=kind, proto=protocol, flags=0
            )
            for kind, _, protocol, _, where in found
        ]

    async def close(self) -> None:
        pass


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Make a socket from which so much is read at a time that a flood does not hold the loop."""
    made = socket.socket(*address[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _READ_BYTES)
    return made


async def _once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request once: aiohttp would repeat it unseen where a kept connection breaks."""
    try:
        return await send(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _lost(error, request.url.host or "") from error


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Read the body to its end, or refuse it where that end is too far."""
    whole = bytearray()
    length = response.content_length
    while (length or 0) <= MAX_BODY_BYTES and len(whole) <= MAX_BODY_BYTES:
        part = await response.content.readany()
        if part:
            whole += part
        elif whole or length == 0 or "Transfer-Encoding" in response.headers:
            return bytes(whole)
        elif response.status in _BODILESS:
            return b""
        else:
            # Not an empty body, which has a length of 0: the stream ended among the headers.
            raise AwsError("EndpointConnectionError", "connection lost: an answer without an end")
    response.close()
    raise AwsError("MalformedResponse", f"an answer over {MAX_BODY_BYTES} bytes is none of AWS's")


def _lost(error: Exception, host: str) -> AwsError:
    """Return what happened to a connection to a host.

    Not in aiohttp's own words, which show URLs, with the page tokens in them, and headers.
    """
    match error:
        case aiohttp.SocketTimeoutError():
            return AwsError("ReadTimeout", "no answer came in time")
        case TimeoutError():
            return AwsError("ConnectTimeout", f"no connection was made in time{_variant(host)}")
        case aiohttp.ClientHttpProxyError(status=status):
            # Nor in the proxy's, which may repeat its password.
            message = f"the proxy answered {status} {responses.get(status, '')}{_variant(host)}"
        case aiohttp.ClientConnectorCertificateError():
            message = f"TLS with {error.host}: {error.certificate_error}"
        case aiohttp.ClientConnectorError():
            proxy = "the proxy " if isinstance(error, aiohttp.ClientProxyConnectionError) else ""
            reached = f"{proxy}{error.host}:{error.port}"
            message = f"no connection to {reached}: {_reason(error)}{_variant(host)}"
        case aiohttp.ClientResponseError():
            return AwsError("MalformedResponse", "no HTTP")
        case OSError(strerror=str(reason)):
            message = f"connection lost: {reason}"
        case _:
            message = f"connection lost: {type(error).__name__}"
    return AwsError("EndpointConnectionError", message)


def _variant(host: str) -> str:
    """Say what asks for a kind of endpoint that not every region has."""
    for mark, variable in _VARIANTS.items():
        if mark in host:
            return f" ({variable} asks for this endpoint, which not every region has)"
    return ""


def _reason(error: aiohttp.ClientConnectorError) -> str:
    """Return why a host was not reached; its addresses may differ in that."""
    cause = error.os_error
    if cause.errno is None or isinstance(cause, socket.gaierror | ssl.SSLError):
        return str(cause)
    return os.strerror(cause.errno)
