"""The layer around the application: who is let in, how often, and which headers everybody gets.

The order is exporter-toolkit's: the rate limit, the headers, then authentication; on every path.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from ipaddress import IPv4Address, ip_address, ip_network
from math import ceil

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.background import in_daemon
from exporter.web.headers import content_security_policy
from exporter.web.passwords import Passwords
from exporter.web.rules import Rules
from exporter.web.targets import is_of_server, origin_form
from exporter.web.turns import CrowdedError, Turns

MAX_HEAD_BYTES = 16 * 1024
"""Of a request: its line and its headers."""

MAX_BODY_BYTES = 16 * 1024
"""No path takes a body; clients may send one all the same."""

_MAJOR = "1."
"""A later minor version is answered as if it were ours (RFC 9110, section 2.5)."""

_MAX_WAITING = 128
"""Requests that wait for a bcrypt, one of which runs at a time: half as many as connections."""

_NETWORK_BITS = 64
"""Of an IPv6 address, what tells one client from the next: the rest it may choose as it likes."""

DEFAULT_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": content_security_policy(forms="'none'"),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
}
"""What every answer has, unless a page or the web file says otherwise."""

Header = tuple[bytes, bytes]


class Guard:
    """Answers those who are not let in, and hands the others on."""

    def __init__(self, app: ASGIApp, rules: Callable[[], Rules] = Rules) -> None:
        """Guard an application with the rules that are in force at each request."""
        self._app, self._rules = app, rules
        self._turns = Turns(_MAX_WAITING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        rules = self._rules()
        aimed = origin_form(scope)
        answer = await self._refusal(scope, rules, aimed)
        if answer is None and is_of_server(scope):
            answer = Response(headers={"Allow": "GET, HEAD, OPTIONS, POST"})
        await (answer or self._app)(aimed or scope, receive, _with_headers(send, rules.headers))

    async def _refusal(self, scope: Scope, rules: Rules, aimed: Scope | None) -> Response | None:
        """Give the answer for who is not let in."""
        if not scope["http_version"].startswith(_MAJOR):
            return _plain("HTTP Version Not Supported", 505, Connection="close")
        if aimed is None:
            return _plain("Bad Request", 400, Connection="close")
        if _head_size(scope) > MAX_HEAD_BYTES:
            return _plain("Request Header Fields Too Large", 431, Connection="close")
        if _body_size(scope) > MAX_BODY_BYTES:
            return _plain("Content Too Large", 413, Connection="close")
        wait = rules.bucket.take() if rules.bucket else 0.0
        if wait:
            return _plain("Too Many Requests", 429, Retry_After=str(ceil(wait)))
        return await self._unknown(scope, rules.passwords) if rules.passwords else None

    async def _unknown(self, scope: Scope, passwords: Passwords) -> Response | None:
        given = _credentials(scope["headers"])
        try:
            known = given is not None and await self._belong(passwords, given, _network(scope))
        except CrowdedError:
            return _plain("Service Unavailable", 503, Retry_After="1")
        return None if known else _plain("Unauthorized", 401, WWW_Authenticate=_CHALLENGE)

    async def _belong(self, passwords: Passwords, given: tuple[bytes, bytes], network: str) -> bool:
        """Tell whether user and password belong together, by bcrypt where nobody knows yet.

        One at a time: strangers get one core to keep busy, not all. It is done though who asked has
        gone: a scrape that came too late for its own answer is in time for the next.
        """
        known = passwords.remembered(*given)
        if known is not None:
            return known
        async with self._turns.turn(given[0], network):
            known = passwords.remembered(*given)
            if known is None:
                known = await in_daemon(partial(passwords.check, *given))
            return known


def _network(scope: Scope) -> str:
    """Give what tells one client from the next."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv4Address):
        return host
    # On a socket for both, IPv4 is written as a part of IPv6, all of it in one network.
    mapped = address.ipv4_mapped
    return str(mapped or ip_network((address, _NETWORK_BITS), strict=False))


_CHALLENGE = 'Basic realm="macie-invitations-exporter", charset="UTF-8"'


def _plain(text: str, status: int, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PlainTextResponse(f"{text}\n", status_code=status, headers=named)


def _head_size(scope: Scope) -> int:
    line = len(scope["method"]) + len(scope["raw_path"]) + len(scope["query_string"])
    return line + sum(len(name) + len(value) for name, value in scope["headers"])


def _body_size(scope: Scope) -> int:
    # The HTTP parser has seen to it that these are digits; a body in chunks is counted as it comes.
    return max(
        (int(value) for name, value in scope["headers"] if name == b"content-length"), default=0
    )


def _credentials(headers: Iterable[Header]) -> tuple[bytes, bytes] | None:
    """Give user and password (RFC 7617) of a request that has just one pair of them."""
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, encoded = given[0].partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (user, password) if colon else None


def _with_headers(send: Send, of_file: Mapping[str, str]) -> Send:
    """Have every answer bear the headers: the web file's, else the page's own, else the defaults.

    An empty value in the file takes a header away.
    """
    forced = {name.lower().encode(): value.encode("ascii") for name, value in of_file.items()}

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(name, value) for name, value in message["headers"] if name not in forced]
            there = {name for name, _ in own} | forced.keys()
            defaults = [header for header in _DEFAULTS if header[0] not in there]
            chosen = [header for header in forced.items() if header[1]]
            message["headers"] = [*own, *defaults, *chosen]
        await send(message)

    return sending


_DEFAULTS: tuple[Header, ...] = tuple(
    (name.lower().encode(), value.encode()) for name, value in DEFAULT_HEADERS.items()
)
