"""What stands in front of the application: headers, limits, the rate limit, passwords.

The order is exporter-toolkit's, on every path; each takes the rules in force at the request.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv6Address, ip_address
from math import ceil
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.background import in_daemon
from exporter.web.headers import DEFAULT_HEADERS
from exporter.web.passwords import CrowdedError, Passwords, Turns
from exporter.web.rules import Rules

MAX_HEAD_BYTES = 16 * 1024
"""Of a request: its line and its headers."""

MAX_BODY_BYTES = 16 * 1024
"""No path takes a body; clients may send one all the same."""

_MAX_WAITING = 128
"""Requests that wait for a bcrypt, one of which runs at a time: half as many as connections."""

_CHALLENGE = 'Basic realm="macie-invitations-exporter", charset="UTF-8"'

_ABSOLUTE = re.compile(
    rb"https?://((?:\[[0-9a-f:.]+\]|[^/@:\[\]]+)(?::[0-9]*)?)(/.*)?", re.IGNORECASE | re.DOTALL
)
"""Scheme, host and port, path. A user before the host is an error (RFC 9110, section 4.2.4)."""

InForce = Callable[[], Rules]


def secured(app: ASGIApp, rules: InForce = Rules) -> ASGIApp:
    """Return the application behind all that stands in front of it."""
    return with_headers(within_limits(rate_limited(authenticated(app, rules), rules)), rules)


def with_headers(app: ASGIApp, rules: InForce) -> ASGIApp:
    """Have every answer bear the web file's headers, else the page's own, else the defaults.

    An empty value in the file takes a header away.
    """
    defaults = _encoded(DEFAULT_HEADERS)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        forced = _encoded(rules().headers)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *(header for header in message["headers"] if header[0] not in forced),
                    *(each for each in defaults.items() if each[0] not in own | forced.keys()),
                    *(header for header in forced.items() if header[1]),
                ]
            await send(message)

        await app(scope, receive, sending)

    return answer


def _encoded(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    return {name.lower().encode(): value.encode("ascii") for name, value in headers.items()}


def within_limits(app: ASGIApp) -> ASGIApp:
    """Refuse what is larger than any request that is answered here, or has no path.

    No head that comes in pieces gets here either: HTTP's parser refuses it.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        headers, aimed = Headers(scope=scope), _aimed_at_a_path(scope)
        head = [scope["method"], scope["raw_path"], scope["query_string"]]
        head_bytes = sum(map(len, head)) + sum(len(n) + len(v) for n, v in headers.raw)
        if aimed is None:
            refusal = _plain("Bad Request", 400, Connection="close")
        elif head_bytes > MAX_HEAD_BYTES:
            refusal = _plain("Request Header Fields Too Large", 431, Connection="close")
        elif "transfer-encoding" in headers:
            # Of chunks nobody knows how many come.
            refusal = _plain("Length Required", 411, Connection="close")
        elif int(headers.get("content-length", "0")) > MAX_BODY_BYTES:
            refusal = _plain("Content Too Large", 413, Connection="close")
        else:
            return await app(aimed, receive, send)
        return await refusal(scope, receive, send)

    return answer


def _aimed_at_a_path(scope: Scope) -> Scope | None:
    """Return the request with its path alone (RFC 9112, section 3.2); None where there is none.

    Proxies may send scheme and host before it.
    """
    if scope["raw_path"].startswith(b"/"):
        return scope
    found = _ABSOLUTE.fullmatch(scope["raw_path"])
    if found is None:
        return None
    path = found[2] or b"/"
    others = [header for header in scope["headers"] if header[0] != b"host"]
    headers = [(b"host", found[1]), *others]
    return {**scope, "raw_path": path, "path": unquote(path.decode("ascii")), "headers": headers}


def rate_limited(app: ASGIApp, rules: InForce) -> ASGIApp:
    """Answer as many requests as the web file lets in, over all clients."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        bucket = rules().bucket
        wait = bucket.take() if bucket else 0.0
        refusal = _plain("Too Many Requests", 429, Retry_After=str(ceil(wait))) if wait else None
        await (refusal or app)(scope, receive, send)

    return answer


def authenticated(app: ASGIApp, rules: InForce) -> ASGIApp:
    """Answer those whose user and password belong together, where the web file has users."""
    turns = Turns(_MAX_WAITING)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        passwords = rules().passwords
        refusal = await _refusal(scope, passwords, turns) if passwords else None
        await (refusal or app)(scope, receive, send)

    return answer


async def _refusal(scope: Scope, passwords: Passwords, turns: Turns) -> Response | None:
    given = _credentials(Headers(scope=scope))
    try:
        known = given is not None and await _belong(passwords, given, turns, _network(scope))
    except CrowdedError:
        return _plain("Service Unavailable", 503, Retry_After="1")
    return None if known else _plain("Unauthorized", 401, WWW_Authenticate=_CHALLENGE)


async def _belong(
    passwords: Passwords, given: tuple[bytes, bytes], turns: Turns, network: str
) -> bool:
    """Return whether user and password belong together, by bcrypt where nobody knows yet.

    One at a time: strangers get one core to keep busy, not all. It is done though who asked has
    gone: a scrape that came too late for its own answer is in time for the next.
    """
    known = passwords.remembered(*given)
    if known is not None:
        return known
    async with turns.turn((given[0], network)):
        known = passwords.remembered(*given)
        if known is None:
            known = await in_daemon(partial(passwords.check, *given))
        return known


def _credentials(headers: Headers) -> tuple[bytes, bytes] | None:
    """Return user and password (RFC 7617) of a request that has just one pair of them."""
    given = headers.getlist("authorization")
    scheme, _, encoded = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


def _network(scope: Scope) -> str:
    """Return what tells one client from the next: of IPv6, all but the part that it may choose."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    # On a socket for both, IPv4 is written as a part of IPv6, all of it in one network.
    return str(address.ipv4_mapped or address.packed[:8].hex())


def _plain(text: str, status: int, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PlainTextResponse(f"{text}\n", status_code=status, headers=named)
