"""Content negotiation: which format and which encoding a client would rather have.

RFC 9110 sections 12.4.2, 12.5.1 and 12.5.3; quality values included. Whatever a header holds, there
is an answer: a scrape that gets none would say nothing about why.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class _Choice:
    """One element of an Accept header."""

    value: str
    version: str
    quality: float


def choose_format(accept: str) -> str:
    """Return the content type that is liked best: `TEXT` or `OPENMETRICS`.

    OpenMetrics only for those who name it and like it no less; text where nothing else fits, since
    Prometheus falls back to it as well. Text 1.0.0 differs from 0.0.4 only in names outside ASCII,
    of which there are none: who asks for the one gets the other.
    """
    choices = tuple(_choices(accept))
    openmetrics = max(
        (
            choice.quality
            for choice in choices
            if choice.value == "application/openmetrics-text" and choice.version in {"", "1.0.0"}
        ),
        default=0.0,
    )
    return OPENMETRICS if openmetrics and openmetrics >= _text_quality(choices) else TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether the answer is best compressed."""
    qualities = {choice.value: choice.quality for choice in _choices(accept_encoding)}
    others = qualities.get("*", 0.0)
    compressed = qualities.get("gzip", qualities.get("x-gzip", others))
    return compressed > 0 and compressed >= qualities.get("identity", 0.0)


def _text_quality(choices: tuple[_Choice, ...]) -> float:
    """Return how much text is liked: as its most specific range says."""
    for value in ("text/plain", "text/*", "*/*"):
        qualities = [choice.quality for choice in choices if choice.value == value]
        if qualities:
            return max(qualities)
    return 0.0


def _choices(header: str) -> Iterator[_Choice]:
    for element in header.split(","):
        value, *rest = (part.strip() for part in element.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): text.strip().strip('"') for key, _, text in pairs}
        quality = parameters.get("q", "1")
        known = float(quality) if _QUALITY.fullmatch(quality) else 0.0
        yield _Choice(value.lower(), parameters.get("version", ""), known)
