"""What a request is about, however its target is written: RFC 9112, section 3.2."""

import re
from urllib.parse import unquote

from starlette.types import Scope

_ABSOLUTE = re.compile(
    rb"https?://((?:\[[0-9a-f:.]+\]|[^/@:\[\]]+)(?::[0-9]*)?)(/.*)?", re.IGNORECASE | re.DOTALL
)
"""Scheme, host and port, path. A user before the host is an error (RFC 9110, section 4.2.4)."""


def origin_form(scope: Scope) -> Scope | None:
    """Return the request with its path alone, or `*` of OPTIONS; None where that is no target.

    The host that came before the path takes the place of the header's, which proxies may not know.
    """
    target: bytes = scope["raw_path"]
    if target.startswith(b"/") or is_of_server(scope):
        return scope
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        return None
    host, path = found[1], found[2] or b"/"
    others = [header for header in scope["headers"] if header[0] != b"host"]
    return {
        **scope,
        "raw_path": path,
        "path": unquote(path.decode("ascii")),
        "headers": [(b"host", host), *others],
    }


def is_of_server(scope: Scope) -> bool:
    """Tell whether a request asks what the server can do, and not one of its paths."""
    return bool(scope["raw_path"] == b"*" and scope["method"] == "OPTIONS")
