"""The layer around the application: who is let in, how often, and which headers everybody gets.

The order is exporter-toolkit's: the rate limit, the headers, then authentication; on every path.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from math import ceil

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.web.headers import content_security_policy
from exporter.web.passwords import Passwords
from exporter.web.rules import Rules
from exporter.web.targets import is_of_server, origin_form

MAX_HEAD_BYTES = 16 * 1024
"""Of a request: its line and its headers."""

MAX_BODY_BYTES = 16 * 1024
"""No path takes a body; clients may send one all the same."""

_MAJOR = "1."
"""A later minor version is answered as if it were ours (RFC 9110, section 2.5)."""

_MAX_WAITING = 64
"""Requests that wait for a bcrypt, one of which runs at a time."""

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
        self._turn = asyncio.Lock()
        self._waiting = 0

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
        known = False
        if given:
            remembered = passwords.remembered(*given)
            if remembered is None and self._waiting >= _MAX_WAITING:
                return _plain("Service Unavailable", 503, Retry_After="1")
            known = await self._checked(passwords, given) if remembered is None else remembered
        return None if known else _plain("Unauthorized", 401, WWW_Authenticate=_CHALLENGE)

    async def _checked(self, passwords: Passwords, given: tuple[bytes, bytes]) -> bool:
        """Have bcrypt compare, one at a time: strangers get one core to keep busy, not all."""
        self._waiting += 1
        try:
            async with self._turn:
                remembered = passwords.remembered(*given)
                if remembered is not None:
                    return remembered
                return await run_in_threadpool(passwords.check, *given)
        finally:
            self._waiting -= 1


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
