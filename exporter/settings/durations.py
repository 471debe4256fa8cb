"""Durations as Prometheus writes them: `90s`, `5m`, `1h30m`, `7d`.

https://prometheus.io/docs/prometheus/latest/configuration/configuration/ (`<duration>`)
"""

import re
from datetime import timedelta

_UNITS = {
    "y": timedelta(days=365),
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
PATTERN = r"^([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
"""Prometheus' own grammar: each unit at most once, from large to small. (It matches "", too.)"""

LONGEST = timedelta(days=36500)
EXAMPLES = "90s, 5m, 1h30m or 7d"

_WHOLE = re.compile(PATTERN, re.ASCII)
_PART = re.compile(r"([0-9]+)(ms|[ywdhms])")
_NUMBER = re.compile(r"[0-9]+")
_NOT_SHOWN = {"y", "w"}


def parse(text: str) -> timedelta:
    """Read a duration.

    Raises ValueError, with a message for people, where it is none.
    """
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped):
        raise ValueError(f"a duration needs a unit, like {stripped[:9]}s or {stripped[:9]}m")
    if not stripped or not _WHOLE.fullmatch(stripped):
        raise ValueError(f"not a duration; write it like {EXAMPLES}")
    try:
        total = sum((int(n) * _UNITS[unit] for n, unit in _PART.findall(stripped)), timedelta())
    except (OverflowError, ValueError):  # ValueError: more digits than Python turns into a number
        total = timedelta.max
    if total > LONGEST:
        raise ValueError("longer than a hundred years")
    return total


def render(duration: timedelta) -> str:
    """Write a duration, in whole milliseconds, as `parse` reads it: in days and smaller units."""
    rest, parts = duration, []
    for unit, length in _UNITS.items():
        if unit not in _NOT_SHOWN:
            count, rest = divmod(rest, length)
            parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"
