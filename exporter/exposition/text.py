"""Single lines and headers of the text formats; both formats write gauges alike.

https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics specification.
"""

from functools import lru_cache

from prometheus_client.utils import floatToGoString



@lru_cache(maxsize=4096)
def label_value(value: str) -> str:
    """Escape a label's value: backslash, newline and quote."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def number(value: float) -> str:
    """Write a value as Prometheus' own client library does."""
    text: str = floatToGoString(value)
    return text


def header(name: str, kind: str, documentation: str) -> bytes:
    """Give the HELP and TYPE lines of a family."""
    escaped = documentation.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {name} {escaped}\n# TYPE {name} {kind}\n".encode()


def line(name: str, labels: tuple[tuple[str, str], ...], value: float) -> str:
    """Give one sample's line; the labels are already in the order of their names."""
    shown = ",".join(f'{key}="{label_value(text)}"' for key, text in labels)
    return f"{name}{{{shown}}} {number(value)}\n" if shown else f"{name} {number(value)}\n"
