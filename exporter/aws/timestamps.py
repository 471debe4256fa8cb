"""AWS's timestamps to Unix seconds: fast, and without refusing a whole answer for one of them."""

import re
from datetime import UTC, datetime

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HTTP_DATE = re.compile(
    rf"(?:[A-Z][a-z]{{2}}, )?(?P<day>\d\d?) (?P<month>{'|'.join(_MONTHS)}) (?P<year>\d{{4}})"
    r" (?P<time>\d\d:\d\d:\d\d(?:\.\d{1,9})?) (?P<zone>GMT|UTC|[+-]\d{4})",
    re.ASCII,
)
_LONGEST = 40
"""Characters; no form of a date is longer, and what is longer may take long to find that out."""

_FIRST, _END = -62_135_596_800, 253_402_300_800
"""The years 1 to 9999, as datetime has them."""


def unix_seconds(value: object) -> float | None:
    """Read a timestamp in any form that AWS sends; None for anything else, never an error.

    The forms are Smithy's (https://smithy.io/2.0/spec/protocol-traits.html#timestampformat-trait):
    ISO 8601 with a time of day, which Macie and STS send, RFC 822, epoch seconds. botocore's own
    parser costs fifty times as much, and reads far more: "Monday" is next Monday to it.
    """
    if isinstance(value, str):
        # Only the extended calendar form: fromisoformat also takes weeks, which AWS does not send.
        if value[10:11] == "T" and value[4] == value[7] == "-" and value[13:14] == ":":
            return _iso(value)
        return _rarely(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _epoch(value)
    return None


def _iso(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.timestamp()


def _rarely(text: str) -> float | None:
    """Read the forms that Macie never sends."""
    if len(text) > _LONGEST:
        return None
    if date := _HTTP_DATE.fullmatch(text):
        month = 1 + _MONTHS.index(date["month"])
        zone = "Z" if date["zone"].isalpha() else date["zone"]
        return _iso(f"{date['year']}-{month:02}-{date['day']:0>2}T{date['time']}{zone}")
    try:
        return _epoch(float(text))
    except ValueError:
        return None


def _epoch(seconds: float) -> float | None:
    """Take seconds within the years that datetime has; NaN is in no range."""
    return float(seconds) if _FIRST <= seconds < _END else None
