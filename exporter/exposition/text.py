"""Single lines and headers of the text formats; both formats write gauges alike.

https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics specification.
"""

from collections.abc import Iterable
from functools import lru_cache

from prometheus_client.utils import floatToGoString

_GO_EXPONENT = 6
"""From so many digits before the point on, the client library writes an exponent."""


@lru_cache(maxsize=4096)
def label_value(value: str) -> str:
    """Escape a label's value: backslash, newline and quote.

    A lone surrogate (JSON can carry one) has no UTF-8: it is written out as its escape, since one
    odd value must not cost the whole exposition.
    """
    if not value.isascii():
        value = value.encode(errors="backslashreplace").decode()
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def number(value: float) -> str:
    """Write a value as Prometheus' own client library does, without its detours: a hot path."""
    text = repr(float(value))
    point = text.find(".")
    if point > _GO_EXPONENT and value > 0:
        mantissa = f"{text[0]}.{text[1:point]}{text[point + 1 :]}".rstrip("0.")
        return f"{mantissa}e+{point - 1:02d}"
    if point < 0:
        return str(floatToGoString(value))  # type: ignore[no-untyped-call]
    return text


class Numbers(dict[float, str]):
    """Positive values as they are written, each of them once: families show the same times.

    For those alone: 0 and -0 are one key.
    """

    def __missing__(self, value: float) -> str:
        """Write a value for the first time."""
        text = self[value] = number(value)
        return text


def header(name: str, kind: str, documentation: str) -> bytes:
    """Give the HELP and TYPE lines of a family.

    An untyped one has no TYPE line: the text format calls it `untyped` and OpenMetrics `unknown`,
    and both take it so where nothing is said.
    """
    escaped = documentation.replace("\\", "\\\\").replace("\n", "\\n")
    typed = f"# TYPE {name} {kind}\n" if kind != "untyped" else ""
    return f"# HELP {name} {escaped}\n{typed}".encode()


def line(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    """Give one sample's line; the labels are already in the order of their names."""
    shown = ",".join(f'{key}="{label_value(text)}"' for key, text in labels)
    return f"{name}{{{shown}}} {number(value)}\n" if shown else f"{name} {number(value)}\n"
