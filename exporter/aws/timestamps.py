"""AWS's timestamps to Unix seconds, fast, and without refusing a whole answer for one of them."""

from datetime import UTC, datetime
from math import isfinite

from botocore.utils import parse_timestamp

_ISO_SHAPE = len("2024-01-01T00:00:00")


def unix_seconds(value: object) -> float | None:
    """Read a timestamp in any form that botocore reads: ISO 8601, RFC 822, epoch seconds.

    ISO 8601 with a time of day, as Macie and STS send it, takes the short way, which costs a
    fiftieth of botocore's. None for what cannot be read.
    """
    if isinstance(value, str) and len(value) >= _ISO_SHAPE and value[10] == "T":
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return _slowly(value)
        return _seconds(moment)
    return _slowly(value)


def _slowly(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return _seconds(parse_timestamp(value))
    except (ValueError, TypeError, OverflowError, RuntimeError, OSError):
        return None


def _seconds(moment: datetime) -> float | None:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        seconds = aware.timestamp()
    except (OverflowError, ValueError):
        return None
    return seconds if isfinite(seconds) else None
