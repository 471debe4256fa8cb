"""What stands in front of the application: headers, limits, the rate limit, passwords.

The order is exporter-toolkit's, on every path; each request has the rules in force when it comes.
"""

import base64
import binascii
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from itertools import chain
from math import ceil
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.background import in_daemon
from exporter.web.passwords import CrowdedError, Passwords, Turns
from exporter.web.watcher import Rules

MAX_HEAD_BYTES = 16 * 1024
"""Of a request: its line and its headers."""

MAX_BODY_BYTES = 16 * 1024
"""No path takes a body; clients may send one all the same."""

_MAX_WAITING = 128
"""Requests that wait for a bcrypt, one of which runs at a time: half as many as connections."""

_CHALLENGE = 'Basic realm="macie-invitations-exporter", charset="UTF-8"'

_ABSOLUTE = re.compile(rb"https?://[^/@:][^/@]*(/.*)?", re.IGNORECASE | re.DOTALL)
"""Scheme, host and port, path. A user before the host is an error (RFC 9110, section 4.2.4)."""


DEFAULT_HEADERS: Mapping[str, str] = {
    # Nothing from elsewhere, in no frame, no script or style in a page itself.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
}
"""What every answer has, unless the web file says otherwise."""


def secured(
    app: ASGIApp,
    rules: Callable[[], Rules] = Rules,
    monotonic: Callable[[], float] = time.monotonic,
) -> ASGIApp:
    """Return the application behind all that stands in front of it; the clock is in seconds."""
    turns = Turns(_MAX_WAITING)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        in_force, scope = rules(), _with_path_alone(scope)
        refusal = _beyond_limits(scope) or _beyond_rate(scope, in_force, monotonic())
        if in_force.passwords and not refusal:
            refusal = await _without_password(scope, in_force.passwords, turns)
        await (refusal or app)(scope, receive, _with_headers(in_force.headers, send))

    return answer


def _with_headers(forced: Mapping[str, str], send: Send) -> Send:
    """Have an answer bear the web file's headers, else the page's own, else the defaults.

    An empty value in the file takes a header away.
    """

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=[*message["headers"]])
            for name, value in DEFAULT_HEADERS.items():
                headers.setdefault(name, value)
            headers.update(forced)
            message["headers"] = [(name, value) for name, value in headers.raw if value]
        await send(message)

    return sending


def _with_path_alone(scope: Scope) -> Scope:
    """Return a request as if it had named a path: proxies may send scheme and host before it.

    RFC 9112, section 3.2.2.
    """
    found = _ABSOLUTE.fullmatch(scope["raw_path"])
    if found is None:
        return scope
    path = found[1] or b"/"
    return {**scope, "raw_path": path, "path": unquote(path.decode("ascii"))}


def _beyond_limits(scope: Scope) -> Response | None:
    """Refuse what is larger than any request that is answered here, or has no path.

    No head that comes in pieces gets here either: HTTP's parser refuses it.
    """
    headers, path = Headers(scope=scope), scope["raw_path"]
    head = [scope["method"], path, scope["query_string"], *chain.from_iterable(headers.raw)]
    if (scope["method"], path) == ("OPTIONS", b"*"):
        # The server as a whole (RFC 9110, section 9.3.7): no path, and no mistake either.
        return _refusal(405, Allow="GET, HEAD", Connection="close")
    if not path.startswith(b"/"):
        return _refusal(400, Connection="close")
    if sum(map(len, head)) > MAX_HEAD_BYTES:
        return _refusal(431, Connection="close")
    if "transfer-encoding" in headers:
        # Of chunks nobody knows how many come.
        return _refusal(411, Connection="close")
    if int(headers.get("content-length", "0")) > MAX_BODY_BYTES:
        return _refusal(413, Connection="close")
    return None


def _beyond_rate(scope: Scope, rules: Rules, now: float) -> Response | None:
    if scope["path"] == "/-/healthy" and not rules.passwords:
        # Strangers who use the limit up would have Kubernetes restart the pod. Guesses do count.
        return None
    wait = rules.bucket.take(now) if rules.bucket else 0.0
    return _refusal(429, Retry_After=str(ceil(wait))) if wait else None


async def _without_password(scope: Scope, passwords: Passwords, turns: Turns) -> Response | None:
    """Refuse who has not a user and a password that belong together.

    By bcrypt where nobody knows yet, one at a time: strangers get one core to keep busy, not all.
    It is done though who asked has gone: a scrape that came too late for its own answer is in time
    for the next.
    """
    given = _credentials(Headers(scope=scope))
    known = passwords.remembered(*given) if given else False
    if given and known is None:
        try:
            async with turns.turn((given[0], _network(scope))):
                known = passwords.remembered(*given)
                if known is None:
                    known = await in_daemon(partial(passwords.check, *given))
        except CrowdedError:
            return _refusal(503, Retry_After="1")
    return None if known else _refusal(401, WWW_Authenticate=_CHALLENGE)


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
    if not scope.get("client"):
        return ""
    address = ip_address(scope["client"][0].partition("%")[0])
    if not isinstance(address, IPv6Address):
        return str(address)
    # On a socket for both, IPv4 is written as a part of IPv6, all of it in one network.
    return str(address.ipv4_mapped or address.packed[:8].hex())


def _refusal(status: int, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PlainTextResponse(f"{HTTPStatus(status).phrase}\n", status, named)
