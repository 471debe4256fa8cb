"""Durations as Prometheus writes them: `90s`, `5m`, `1h30m`, `7d`."""

import re
from datetime import timedelta

_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
PATTERN = r"^(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$"
"""Prometheus' own grammar, less years: each unit at most once, from large to small."""

_WHOLE = re.compile(PATTERN)
_PART = re.compile(r"(\d+)(ms|[wdhms])")
_LONGEST = timedelta(days=36500)


def parse(text: str) -> timedelta:
    """Read a duration.

    Raises ValueError, with a message for people, where it is none.
    """
    stripped = text.strip()
    if stripped.isdecimal():
        message = f"a duration needs a unit, like {stripped}s or {stripped}m"
        raise ValueError(message)
    if not stripped or not _WHOLE.match(stripped):
        message = "not a duration; write it like 90s, 5m, 1h30m or 7d"
        raise ValueError(message)
    try:
        total = sum((int(n) * _UNITS[unit] for n, unit in _PART.findall(stripped)), timedelta())
    except OverflowError:
        total = timedelta.max
    if total > _LONGEST:
        message = "longer than a hundred years"
        raise ValueError(message)
    return total


def render(duration: timedelta) -> str:
    """Write a duration as `parse` reads it, in the largest units that are whole."""
    rest, parts = duration, []
    for unit, length in _UNITS.items():
        if unit == "w":
            continue
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
