"""Content negotiation: which format and which encoding a client would rather have.

RFC 9110 sections 12.4.2, 12.5.1 and 12.5.3; quality values included. Whatever a header holds, there
is an answer: a scrape that gets none would say nothing about why.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

OPENMETRICS_VERSIONS = ("1.0.0", "0.0.1")
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class Format:
    """How the exposition is written, and the Content-Type that says so."""

    openmetrics: bool
    content_type: str


@dataclass(frozen=True, slots=True)
class _Choice:
    """One element of an Accept header."""

    value: str
    parameters: dict[str, str]
    quality: float


def choose_format(accept: str) -> Format:
    """Choose the text format or OpenMetrics.

    OpenMetrics only for those who name it and like it no less; text where nothing else fits, since
    Prometheus falls back to it as well. Text 1.0.0 differs from 0.0.4 only in names outside ASCII,
    of which there are none: who asks for the one gets the other.
    """
    choices = tuple(_choices(accept))
    openmetrics = [
        choice
        for choice in choices
        if choice.value == "application/openmetrics-text" and _version(choice)
    ]
    best = max(openmetrics, key=lambda choice: choice.quality, default=None)
    if best is None or best.quality == 0 or best.quality < _text_quality(choices):
        return Format(openmetrics=False, content_type=TEXT_TYPE)
    content_type = f"application/openmetrics-text; version={_version(best)}; charset=utf-8"
    return Format(openmetrics=True, content_type=content_type)


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether the answer is best compressed."""
    qualities = {choice.value: choice.quality for choice in _choices(accept_encoding)}
    others = qualities.get("*", 0.0)
    compressed = qualities.get("gzip", qualities.get("x-gzip", others))
    return compressed > 0 and compressed >= qualities.get("identity", 0.0)


def _version(choice: _Choice) -> str:
    """Give the OpenMetrics version that a choice asks for; empty if it is not to be had."""
    wanted = choice.parameters.get("version", OPENMETRICS_VERSIONS[0])
    return wanted if wanted in OPENMETRICS_VERSIONS else ""


def _text_quality(choices: tuple[_Choice, ...]) -> float:
    """Tell how much text is liked: as its most specific range says."""
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
        yield _Choice(value.lower(), parameters, _quality(parameters.pop("q", "1")))


def _quality(text: str) -> float:
    return float(text) if _QUALITY.fullmatch(text) else 0.0
