"""The types of single settings: how each is read, refused, shown, and described in JSON schema."""

import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv6Address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from exporter import durations
from exporter.model import label_of
from exporter.settings.written import Text, Unquoted, as_written

AUTO = "auto"
HOUR = timedelta(hours=1)

ROLE_ARN = re.compile(r"arn:aws:iam::(?P<account>[0-9]{12}):role/(?P<name>[\w+=,.@/-]+)", re.ASCII)
_ROLE_NAME = re.compile(r"[\w+=,.@-][\w+=,.@/-]*", re.ASCII)
_UNIT_ID = re.compile(r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32}", re.ASCII)
"""https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccountsForParent.html"""
ACCOUNT_ID = re.compile(r"[0-9]{12}")
_DIGITS = re.compile(r"[0-9]{1,9}")
_HOST_AND_PORT = re.compile(
    r"(?:\[(?P<v6>[^\[\]\s]*:[^\[\]\s]*)\]|(?P<host>[^\[\]:\s]*)):(?P<port>[0-9]{1,5})", re.ASCII
)
_HIGHEST_PORT = 65535
_URL_PATH = re.compile(r"/[\w./-]+", re.ASCII)
_OWN_PATHS = re.compile(r"/(?:-|api|config|static|targets)(?:/.*)?")
"""What the exporter itself answers on, beside the metrics."""


def _refusing(what: str, allowed: re.Pattern[str]) -> Callable[[object], str]:
    """Make a reader of text that matches; everything else is refused with what it should be."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not allowed.fullmatch(value):
            raise ValueError(what)
        return str(value)

    return read


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, Unquoted | str):
        return durations.parse(as_written(value))
    raise ValueError(f"not a duration; write it like {durations.EXAMPLES}")


def duration(low: str, high: str) -> tuple[Any, ...]:
    """Describe a duration from `low` to `high`, both included."""
    least, most = durations.parse(low), durations.parse(high)

    def read(value: object) -> timedelta:
        found = _duration(value)
        if not least <= found <= most:
            raise ValueError(f"must be from {low} to {high}")
        return found

    return _duration_read_by(read)


def _duration_read_by(read: Callable[[object], timedelta]) -> tuple[Any, ...]:
    return (
        *_text(durations.PATTERN, read, minLength=2, examples=["90s", "5m", "1h30m", "7d"]),
        # Outermost, or the default would stand in ISO 8601 in the schema.
        PlainSerializer(durations.render, return_type=str),
    )


def _edge(value: object) -> timedelta:
    found = _duration(value)
    if found % HOUR or not found:
        raise ValueError("must be whole hours, one at the least")
    return found


def _ascending(value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
    if not value or list(value) != sorted(set(value)):
        raise ValueError("must be at least one edge, each larger than the one before")
    return value


def _account_id(value: object) -> str:
    if isinstance(value, Unquoted) and ACCOUNT_ID.fullmatch(value.text):
        raise ValueError(f'an account id is a string: quote it: "{value.text}"')
    return _twelve_digits(value)


_twelve_digits = _refusing(
    'an account id is a string of 12 digits, like "012345678901"', ACCOUNT_ID
)


def whole(low: int, high: int) -> tuple[Any, ...]:
    """Describe a whole number from `low` to `high`, both included."""

    def read(value: object) -> int:
        text = as_written(value)
        if isinstance(value, bool) or not _DIGITS.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return (BeforeValidator(read), WithJsonSchema(schema))


def _index(value: object) -> int:
    text = as_written(value)
    if isinstance(value, bool) or not _DIGITS.fullmatch(text):
        raise ValueError(f"must be a whole number from 0, or {AUTO}")
    return int(text)


def _listed(value: object) -> object:
    """Split a list that came as text (environment, flag) at its commas."""
    if isinstance(value, Text):
        return [Text(part.strip()) for part in value.split(",") if part.strip()]
    return value


def regions_of(value: object) -> object:
    """Read regions as they were written: a list, `auto`, or text with commas."""
    return [AUTO] if value == AUTO else _listed(value)


def _distinct_regions(value: tuple[str, ...]) -> tuple[str, ...]:
    if AUTO in value and len(value) > 1:
        raise ValueError(f"{AUTO} means every enabled region: give it alone, or name regions")
    twice = sorted({region for region in value if value.count(region) > 1})
    if twice:
        raise ValueError(f"listed more than once: {', '.join(twice)}")
    return value


def listen_address(value: str) -> tuple[str, int]:
    """Take `host:port`, `[v6]:port` or `:port` apart; an empty host means every interface.

    Raises ValueError where it is none of these.
    """
    found = _HOST_AND_PORT.fullmatch(value)
    right = found and int(found["port"]) <= _HIGHEST_PORT and _is_address(found["v6"])
    if not found or not right:
        raise ValueError(
            'not a listening address; write ":10058", "127.0.0.1:10058" or "[::1]:10058"'
        )
    return found["v6"] or found["host"], int(found["port"])


def _is_address(v6: str | None) -> bool:
    """Tell whether what stands in brackets, if anything does, is an IPv6 address."""
    try:
        return v6 is None or bool(IPv6Address(v6))
    except ValueError:
        return False


def _listen_address(value: object) -> str:
    text = value if isinstance(value, str) else ""
    listen_address(text)
    return str(text)


def _telemetry_path(value: object) -> str:
    path = _any_path(value)
    if _OWN_PATHS.fullmatch(path):
        raise ValueError("taken by the exporter's own pages; choose another, like /metrics")
    return path


_any_path = _refusing("must be a path, like /metrics", _URL_PATH)


_LEVELS = ("debug", "info", "warn", "warning", "error")


def _level(value: object) -> object:
    """Take a level as Prometheus and others spell it."""
    text = value.lower() if isinstance(value, str) else ""
    return {"warn": "warning"}.get(text, text) if text in _LEVELS else value


MOST_LABELS = 10
_label_key = _refusing(
    "not a key of a label or tag: 1 to 128 characters", re.compile(r"[^\x00-\x1f]{1,128}")
)


def _distinct_labels(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) > MOST_LABELS:
        raise ValueError(f"at most {MOST_LABELS} keys")
    by_label: dict[str, str] = {}
    for key in value:
        other = by_label.setdefault(label_of(key), key)
        if list(value).count(key) > 1 or other != key:
            raise ValueError(f"{other} and {key} would be the same label, {label_of(key)}")
    return value


def _text(pattern: str, read: Callable[[Any], object], **more: object) -> tuple[Any, ...]:
    return (BeforeValidator(read), WithJsonSchema({"type": "string", "pattern": pattern, **more}))


Duration = Annotated[timedelta, *_duration_read_by(_duration)]
AccountId = Annotated[str, *_text(r"^[0-9]{12}$", _account_id, examples=["012345678901"])]
RoleArn = Annotated[
    str,
    *_text(
        r"^arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$",
        _refusing("not a role's ARN; it looks like arn:aws:iam::111122223333:role/NAME", ROLE_ARN),
        examples=["arn:aws:iam::111122223333:role/macie-invitations-reader"],
    ),
]
RoleName = Annotated[
    str,
    *_text(
        r"^[A-Za-z0-9_+=,.@-][A-Za-z0-9_+=,.@/-]*$",
        _refusing("not a role's name; give the part of its ARN behind ':role/'", _ROLE_NAME),
        examples=["macie-invitations-reader"],
    ),
]
UnitId = Annotated[
    str,
    *_text(
        f"^(?:{_UNIT_ID.pattern})$",
        _refusing(
            "not a unit's id, which looks like ou-ab12-11111111 and is the end of its ARN, "
            "or a root's, like r-ab12",
            _UNIT_ID,
        ),
        examples=["ou-ab12-11111111"],
    ),
]
ListenAddress = Annotated[
    str,
    *_text(
        r"^(\[[^\[\]\s]*:[^\[\]\s]*\]|[^\[\]:\s]*):[0-9]{1,5}$",
        _listen_address,
        examples=[":10058"],
    ),
]
TelemetryPath = Annotated[str, *_text(r"^/[A-Za-z0-9_./-]+$", _telemetry_path)]
ShardIndex = Annotated[
    int,
    BeforeValidator(_index),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"const": AUTO}]}),
]
Regions = Annotated[
    tuple[str, ...],
    BeforeValidator(regions_of),
    AfterValidator(_distinct_regions),
    PlainSerializer(lambda regions: AUTO if regions == (AUTO,) else list(regions)),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": AUTO},
                {
                    "type": "array",
                    "items": {"type": "string", "examples": ["eu-west-1"]},
                    "uniqueItems": True,
                },
            ]
        }
    ),
]
Edges = Annotated[
    tuple[Annotated[timedelta, *_duration_read_by(_edge)], ...],
    BeforeValidator(_listed),
    AfterValidator(_ascending),
    PlainSerializer(lambda edges: [durations.render(edge) for edge in edges]),
]
AccountIds = Annotated[tuple[AccountId, ...], BeforeValidator(_listed)]
LabelKeys = Annotated[
    tuple[Annotated[str, *_text(r"^[^\x00-\x1f]{1,128}$", _label_key, examples=["team"])], ...],
    BeforeValidator(_listed),
    AfterValidator(_distinct_labels),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 128, "examples": ["team"]},
            "maxItems": MOST_LABELS,
            "uniqueItems": True,
        }
    ),
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    BeforeValidator(_level),
    WithJsonSchema({"enum": [*_LEVELS, *map(str.upper, _LEVELS)]}),
]
Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
UnitIds = Annotated[tuple[UnitId, ...], BeforeValidator(_listed)]
