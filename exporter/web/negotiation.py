"""Content negotiation: which format and which encoding a client would rather have.

RFC 9110 sections 12.4.2, 12.5.1 and 12.5.3; quality values included. Whatever a header holds, there
is an answer: a scrape that gets none would say nothing about why.
"""

import re
from collections.abc import Iterator

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


def choose_format(accept: str) -> str:
    """Return the content type that is liked best: `TEXT` or `OPENMETRICS`.

    OpenMetrics only for those who name it and like it no less; text where nothing else fits, since
    Prometheus falls back to it as well. Text 1.0.0 differs from 0.0.4 only in names outside ASCII,
    of which there are none: who asks for the one gets the other.
    """
    liked: dict[str, float] = {}
    for value, version, quality in _choices(accept):
        if value != "application/openmetrics-text" or version in {"", "1.0.0"}:
            liked[value] = max(quality, liked.get(value, 0.0))
    openmetrics = liked.get("application/openmetrics-text", 0.0)
    # As its most specific range says.
    text = next((liked[v] for v in ("text/plain", "text/*", "*/*") if v in liked), 0.0)
    return OPENMETRICS if openmetrics and openmetrics >= text else TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether the answer is best compressed."""
    liked = {value: quality for value, _, quality in _choices(accept_encoding)}
    compressed = liked.get("gzip", liked.get("x-gzip", liked.get("*", 0.0)))
    return compressed > 0 and compressed >= liked.get("identity", 0.0)


def _choices(header: str) -> Iterator[tuple[str, str, float]]:
    """Yield value, version and quality of each element."""
    for element in header.split(","):
        value, *rest = (part.strip() for part in element.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): text.strip().strip('"') for key, _, text in pairs}
        quality = parameters.get("q", "1")
        known = float(quality) if _QUALITY.fullmatch(quality) else 0.0
        yield value.lower(), parameters.get("version", ""), known
