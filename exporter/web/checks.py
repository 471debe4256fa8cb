"""What is wrong with a web file beyond each value by itself: names that people choose, pairs.

And what is not wrong, but worth a warning.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from exporter.nearest import nearest
from exporter.settings.errors import Problem, show
from exporter.web.file import ALWAYS_ON, BCRYPT, IF_GIVEN, NO_CLIENT, REQUIRED, TlsServer, WebFile

_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that the format lets people set, and their values where these are a choice."""

_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


def beyond_types(written: Mapping[str, Any], origin: str) -> Iterator[Problem]:
    """Give what is wrong with names that people choose, and with the rate limit's two values.

    Of what is written, which may not be the format's in other places.
    """
    http = written.get("http_server_config")
    headers = http.get("headers") if isinstance(http, dict) else None
    for name, value in headers.items() if isinstance(headers, dict) else ():
        here = ("http_server_config", "headers", name)
        if name not in _HEADERS:
            message = f"cannot be set; the nearest that can is {nearest(name, _HEADERS)}"
            yield Problem(here, message, origin=origin)
        elif message := _wrong_header(name, value):
            yield Problem(here, message, show(value), origin)
    users = written.get("basic_auth_users")
    for name in users if isinstance(users, dict) else ():
        if ":" in name:
            message = "a user's name cannot have a colon in basic authentication"
            yield Problem(("basic_auth_users", name), message, origin=origin)
    yield from _starved(written.get("rate_limit"), origin)


def _wrong_header(name: str, value: object) -> str:
    """Say what is wrong with a header's value; empty where nothing is, or where it is no text."""
    choices = _HEADERS[name]
    if choices and value not in choices:
        return f"must be {' or '.join(choices)}"
    if isinstance(value, str) and not _HEADER_VALUE.fullmatch(value):
        return "must be one line of printable ASCII"
    return ""


def _starved(limit: object, origin: str) -> Iterator[Problem]:
    if not isinstance(limit, dict):
        return
    interval, burst = str(limit.get("interval", "0")), str(limit.get("burst", "0"))
    if interval not in {"0", "0s"} and burst == "0":
        message = "must be at least 1 where an interval is set: with 0 nothing would be answered"
        yield Problem(("rate_limit", "burst"), message, burst, origin)


def contradictions(file: WebFile, origin: str) -> Iterator[Problem]:
    """Give what of the TLS section does not go together, or is missing."""
    tls = file.tls_server_config
    if tls is not None:
        for name, message in (*_pairs(tls), *_of_clients(tls), *_of_suites(tls)):
            yield Problem(("tls_server_config", name), message, origin=origin)


def _pairs(tls: TlsServer) -> Iterator[tuple[str, str]]:
    for name in ("cert", "key"):
        inline, file = bool(_text(getattr(tls, name))), bool(getattr(tls, f"{name}_file"))
        if inline and file:
            yield name, f"give {name} or {name}_file, not both"
        elif not inline and not file:
            yield f"{name}_file", f"is required, or {name}"
    if tls.client_ca and tls.client_ca_file:
        yield "client_ca", "give client_ca or client_ca_file, not both"


def _of_clients(tls: TlsServer) -> Iterator[tuple[str, str]]:
    authority = tls.client_ca or tls.client_ca_file
    if authority and tls.client_auth_type == NO_CLIENT:
        yield "client_auth_type", f"must be {REQUIRED} or {IF_GIVEN} for client_ca to be of use"
    if not authority and tls.client_auth_type != NO_CLIENT:
        yield (
            "client_ca_file",
            (
                f"is required for {tls.client_auth_type}, or client_ca: without it every public "
                "authority would vouch for clients"
            ),
        )
    if tls.client_allowed_sans and tls.client_auth_type != REQUIRED:
        # Who has a certificate with another name would just leave it out.
        yield "client_allowed_sans", f"is of use only with client_auth_type {REQUIRED}"


def _of_suites(tls: TlsServer) -> Iterator[tuple[str, str]]:
    if tls.cipher_suites and not set(tls.cipher_suites) - ALWAYS_ON and tls.min_version != "TLS13":
        yield (
            "cipher_suites",
            "names none of TLS 1.2: name some, or set min_version to TLS13",
        )


_USUAL_COST, _DEAREST_COST = 10, 14
_USUAL_SECONDS = 0.05
"""What a comparison of the usual cost takes; one more of cost is twice the time."""


def remarks(file: WebFile, origin: str) -> Iterator[Problem]:
    """Give what is taken, and yet not as whoever wrote it may think."""
    if file.http_server_config.http2:
        message = "HTTP/2 is not spoken here: HTTP/1.1 is, and Prometheus needs no more"
        yield Problem(("http_server_config", "http2"), message, "true", origin)
    for name, secret in file.basic_auth_users.items():
        found = BCRYPT.fullmatch(secret.get_secret_value())
        cost = int(found["cost"]) if found else 0
        if cost > _DEAREST_COST:
            seconds = _USUAL_SECONDS * 2 ** (cost - _USUAL_COST)
            message = (
                f"bcrypt's cost is {cost}: the first answer after a start or a change takes about "
                f"{seconds:.0f} s, and every guess of a stranger that comes before it as long; "
                f"a scrape waits 10 s. {_USUAL_COST} is usual"
            )
            yield Problem(("basic_auth_users", name), message, origin=origin)


def _text(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
