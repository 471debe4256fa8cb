"""The types of single settings: how each is read, refused, shown, and described in JSON schema."""

import contextlib
import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv6Address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from exporter.model import label_of
from exporter.settings import durations
from exporter.settings.yaml import read_yaml

AUTO = "auto"
HOUR = timedelta(hours=1)
MOST_LABELS = 10
ACCOUNT_ID = re.compile(r"[0-9]{12}")

_HOST_AND_PORT = re.compile(
    r"(?:\[(?P<v6>[^\[\]\s]*:[^\[\]\s]*)\]|(?P<host>[^\[\]:\s]*)):(?P<port>[0-9]{1,5})", re.ASCII
)
_HIGHEST_PORT = 65535
_OWN_PATHS = re.compile(r"/(?:-|api|config|static|targets)(?:/.*)?")
"""What the exporter itself answers on, beside the metrics."""

_DIGITS = re.compile(r"[0-9]{1,9}")
_LEVELS = ("debug", "info", "warn", "warning", "error")


def _read_by(read: Callable[[Any], object], **schema: object) -> tuple[Any, ...]:
    """Describe what is read by a function, which raises ValueError with what would be right."""
    return (BeforeValidator(read), WithJsonSchema(schema))


def _matching(pattern: str, otherwise: str, *examples: str) -> tuple[Any, ...]:
    """Describe text that matches; everything else is refused with what it should be."""
    allowed = re.compile(pattern, re.ASCII)

    def read(value: object) -> str:
        if not isinstance(value, str) or not allowed.fullmatch(value):
            raise ValueError(otherwise)
        return value

    shown = {"examples": list(examples)} if examples else {}
    return _read_by(read, type="string", pattern=f"^{pattern}$", **shown)


def _durations(check: Callable[[timedelta], object] = lambda _: None) -> tuple[Any, ...]:
    def read(value: object) -> timedelta:
        if not isinstance(value, timedelta):
            value = durations.parse(value if isinstance(value, str) else "none")
        check(value)
        return value

    text = {"type": "string", "pattern": durations.PATTERN, "minLength": 2}
    # Serialized outermost, or the default would stand in ISO 8601 in the schema.
    written = PlainSerializer(durations.render, return_type=str)
    return (*_read_by(read, **text, examples=["90s", "5m", "1h30m", "7d"]), written)


def duration(low: str, high: str) -> tuple[Any, ...]:
    """Describe a duration from `low` to `high`, both included."""
    least, most = durations.parse(low), durations.parse(high)

    def check(found: timedelta) -> None:
        if not least <= found <= most:
            raise ValueError(f"must be from {low} to {high}")

    return _durations(check)


def _check_edge(found: timedelta) -> None:
    if found % HOUR or not found:
        raise ValueError("must be whole hours, one at the least")


def _ascending(value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
    if not value or list(value) != sorted(set(value)):
        raise ValueError("must be at least one edge, each larger than the one before")
    return value


def whole(low: int, high: int, otherwise: str = "") -> tuple[Any, ...]:
    """Describe a whole number from `low` to `high`, both included; errors name what else may be."""

    def read(value: object) -> int:
        is_number = not isinstance(value, bool) and _DIGITS.fullmatch(str(value))
        if not is_number or not low <= int(str(value)) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}{otherwise}")
        return int(str(value))

    return _read_by(read, type="integer", minimum=low, maximum=high)


def listed(value: object) -> object:
    """Return a list that was written as text: with commas, or in brackets.

    Raises ValueError for brackets that are no list.
    """
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return read_yaml(value)
        except ValueError as error:
            raise ValueError(f"not a list: {error}") from None
    return [part.strip() for part in value.split(",") if part.strip()]


def regions_of(value: object) -> object:
    """Return regions as a list; `auto` alone is one of them."""
    return [AUTO] if value == AUTO else listed(value)


def _distinct_regions(value: tuple[str, ...]) -> tuple[str, ...]:
    if AUTO in value and len(value) > 1:
        raise ValueError(f"{AUTO} means every enabled region: give it alone, or name regions")
    twice = sorted({region for region in value if value.count(region) > 1})
    if twice:
        raise ValueError(f"listed more than once: {', '.join(twice)}")
    return value


def listen_address(value: object) -> tuple[str, int]:
    """Return host and port of `host:port`, `[v6]:port` or `:port`; no host means all interfaces.

    Raises ValueError where it is none of these.
    """
    found = _HOST_AND_PORT.fullmatch(value) if isinstance(value, str) else None
    if found and int(found["port"]) <= _HIGHEST_PORT:
        with contextlib.suppress(ValueError):
            IPv6Address(found["v6"] or "::")
            return found["v6"] or found["host"], int(found["port"])
    raise ValueError('not a listening address; write ":10058", "127.0.0.1:10058" or "[::1]:10058"')


def _not_taken(path: str) -> str:
    if _OWN_PATHS.fullmatch(path):
        raise ValueError("taken by the exporter's own pages; choose another, like /metrics")
    return path


def _level(value: object) -> object:
    """Return a level that is spelled as Prometheus and others do."""
    text = value.lower() if isinstance(value, str) else ""
    return {"warn": "warning"}.get(text, text) if text in _LEVELS else value


def _distinct_labels(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) > MOST_LABELS:
        raise ValueError(f"at most {MOST_LABELS} keys")
    by_label: dict[str, str] = {}
    for key in value:
        other = by_label.setdefault(label_of(key), key)
        if list(value).count(key) > 1 or other != key:
            raise ValueError(f"{other} and {key} would be the same label, {label_of(key)}")
    return value


def _list_of(**item: object) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", **item}, "uniqueItems": True}


Duration = Annotated[timedelta, *_durations()]
AccountId = Annotated[
    str,
    *_matching(
        ACCOUNT_ID.pattern,
        "an account id is a string of 12 digits, like 012345678901",
        "012345678901",
    ),
]
RoleArn = Annotated[
    str,
    *_matching(
        r"arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+",
        "not a role's ARN; it looks like arn:aws:iam::111122223333:role/NAME",
        "arn:aws:iam::111122223333:role/macie-invitations-reader",
    ),
]
RoleName = Annotated[
    str,
    *_matching(
        r"[A-Za-z0-9_+=,.@-][A-Za-z0-9_+=,.@/-]*",
        "not a role's name; give the part of its ARN behind ':role/'",
        "macie-invitations-reader",
    ),
]
UnitId = Annotated[
    str,
    *_matching(
        # https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccountsForParent.html
        r"(?:ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32})",
        "not a unit's id, which looks like ou-ab12-11111111 and is the end of its ARN, "
        "or a root's, like r-ab12",
        "ou-ab12-11111111",
    ),
]
ListenAddress = Annotated[
    str,
    *_read_by(
        lambda value: listen_address(value) and value,
        type="string",
        pattern=r"^(\[[^\[\]\s]*:[^\[\]\s]*\]|[^\[\]:\s]*):[0-9]{1,5}$",
        examples=[":10058"],
    ),
]
TelemetryPath = Annotated[
    str,
    AfterValidator(_not_taken),
    *_matching(r"/[A-Za-z0-9_./-]+", "must be a path, like /metrics"),
]
ShardIndex = Annotated[
    int,
    *whole(0, 9_999, f", or {AUTO}"),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"const": AUTO}]}),
]
Regions = Annotated[
    tuple[str, ...],
    *_read_by(regions_of, anyOf=[{"const": AUTO}, _list_of(examples=["eu-west-1"])]),
    AfterValidator(_distinct_regions),
    PlainSerializer(lambda regions: AUTO if regions == (AUTO,) else list(regions)),
]
Edges = Annotated[
    tuple[Annotated[timedelta, *_durations(_check_edge)], ...],
    BeforeValidator(listed),
    AfterValidator(_ascending),
    PlainSerializer(lambda edges: [durations.render(edge) for edge in edges]),
]
LabelKey = Annotated[
    str,
    *_matching(r"[^\x00-\x1f]{1,128}", "not a key of a label or tag: 1 to 128 characters", "team"),
]
LabelKeys = Annotated[
    tuple[LabelKey, ...],
    *_read_by(
        listed, **_list_of(minLength=1, maxLength=128, examples=["team"]), maxItems=MOST_LABELS
    ),
    AfterValidator(_distinct_labels),
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    *_read_by(_level, enum=[*_LEVELS, *map(str.upper, _LEVELS)]),
]
AccountIds = Annotated[tuple[AccountId, ...], BeforeValidator(listed)]
UnitIds = Annotated[tuple[UnitId, ...], BeforeValidator(listed)]
