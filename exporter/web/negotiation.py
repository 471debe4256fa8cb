"""Content negotiation: which format and which encoding a client would rather have.

RFC 9110 sections 12.5.1 and 12.5.3; quality values included.
"""

from collections.abc import Iterator
from dataclasses import dataclass

OPENMETRICS_VERSIONS = ("1.0.0", "0.0.1")
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


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
    Prometheus falls back to it as well.
    """
    best_text, best_openmetrics, version = 0.0, 0.0, ""
    for choice in _choices(accept):
        if choice.value == "application/openmetrics-text":
            wanted = choice.parameters.get("version", "1.0.0")
            if wanted in OPENMETRICS_VERSIONS and choice.quality > best_openmetrics:
                best_openmetrics, version = choice.quality, wanted
        elif choice.value == "text/plain" and choice.parameters.get("version", "0.0.4") == "0.0.4":
            best_text = max(best_text, choice.quality)
    if best_openmetrics > 0 and best_openmetrics >= best_text:
        return Format(
            openmetrics=True,
            content_type=f"application/openmetrics-text; version={version}; charset=utf-8",
        )
    return Format(openmetrics=False, content_type=TEXT_TYPE)


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether the answer may be compressed."""
    any_quality = 0.0
    for choice in _choices(accept_encoding):
        if choice.value in {"gzip", "x-gzip"}:
            return choice.quality > 0
        if choice.value == "*":
            any_quality = choice.quality
    return any_quality > 0


def _choices(header: str) -> Iterator[_Choice]:
    for element in header.split(","):
        value, *rest = (part.strip() for part in element.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): text.strip().strip('"') for key, _, text in pairs}
        yield _Choice(value.lower(), parameters, _quality(parameters.pop("q", "1")))


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
