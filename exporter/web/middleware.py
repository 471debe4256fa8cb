"""What stands in front of the application: headers, limits, the rate limit, passwords.

The order is exporter-toolkit's, on every path; each request has the rules in force when it comes.
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
from exporter.web.passwords import CrowdedError, Passwords, Turns
from exporter.web.rules import Rules

MAX_HEAD_BYTES = 16 * 1024
"""Of a request: its line and its headers."""

MAX_BODY_BYTES = 16 * 1024
"""No path takes a body; clients may send one all the same."""

_MAX_WAITING = 128
"""Requests that wait for a bcrypt, one of which runs at a time: half as many as connections."""

_CHALLENGE = 'Basic realm="macie-invitations-exporter", charset="UTF-8"'

_ABSOLUTE = re.compile(rb"https?://[^/@:][^/@]*(/.*)?", re.IGNORECASE | re.DOTALL)
"""Scheme, host and port, path. A user before the host is an error (RFC 9110, section 4.2.4)."""


def content_security_policy(*, forms: str) -> str:
    """Return the policy: nothing from elsewhere, in no frame, no script or style in a page itself.

    `forms` says where forms may be sent, as the policy writes it: `'self'` or `'none'`.
    """
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self'; form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
    )


DEFAULT_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": content_security_policy(forms="'none'"),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
}
"""What every answer has, unless a page or the web file says otherwise."""


def secured(app: ASGIApp, rules: Callable[[], Rules] = Rules) -> ASGIApp:
    """Return the application behind all that stands in front of it."""
    turns = Turns(_MAX_WAITING)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        now, scope = rules(), _with_path_alone(scope)
        refusal = _beyond_limits(scope) or _beyond_rate(scope, now)
        if now.passwords and not refusal:
            refusal = await _without_password(scope, now.passwords, turns)
        await (refusal or app)(scope, receive, _with_headers(now.headers, send))

    return answer


def _with_headers(forced: Mapping[str, str], send: Send) -> Send:
    """Have an answer bear the web file's headers, else the page's own, else the defaults.

    An empty value in the file takes a header away.
    """

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
            named = _lower(DEFAULT_HEADERS) | own | _lower(forced)
            message["headers"] = [(k.encode(), v.encode("latin-1")) for k, v in named.items() if v]
        await send(message)

    return sending


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


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
    headers = Headers(scope=scope)
    head = [scope["method"], scope["raw_path"], scope["query_string"]]
    head_bytes = sum(map(len, head)) + sum(len(n) + len(v) for n, v in headers.raw)
    if (scope["method"], scope["raw_path"]) == ("OPTIONS", b"*"):
        # The server as a whole (RFC 9110, section 9.3.7): no path, and no mistake either.
        return _refusal("Method Not Allowed", 405, Allow="GET, HEAD", Connection="close")
    if not scope["raw_path"].startswith(b"/"):
        return _refusal("Bad Request", 400, Connection="close")
    if head_bytes > MAX_HEAD_BYTES:
        return _refusal("Request Header Fields Too Large", 431, Connection="close")
    if "transfer-encoding" in headers:
        # Of chunks nobody knows how many come.
        return _refusal("Length Required", 411, Connection="close")
    if int(headers.get("content-length", "0")) > MAX_BODY_BYTES:
        return _refusal("Content Too Large", 413, Connection="close")
    return None


def _beyond_rate(scope: Scope, rules: Rules) -> Response | None:
    if scope["path"] == "/-/healthy" and not rules.passwords:
        # Strangers who use the limit up would have Kubernetes restart the pod. Guesses do count.
        return None
    wait = rules.bucket.take() if rules.bucket else 0.0
    return _refusal("Too Many Requests", 429, Retry_After=str(ceil(wait))) if wait else None


async def _without_password(scope: Scope, passwords: Passwords, turns: Turns) -> Response | None:
    """Refuse who has not a user and a password that belong together."""
    given = _credentials(Headers(scope=scope))
    try:
        known = given is not None and await _belong(passwords, given, turns, _network(scope))
    except CrowdedError:
        return _refusal("Service Unavailable", 503, Retry_After="1")
    return None if known else _refusal("Unauthorized", 401, WWW_Authenticate=_CHALLENGE)


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
        return await in_daemon(partial(passwords.check, *given)) if known is None else known


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


def _refusal(text: str, status: int, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PlainTextResponse(f"{text}\n", status, named)
