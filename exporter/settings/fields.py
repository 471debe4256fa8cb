"""The types of single settings: how each is read, refused, shown, and described in JSON schema."""

import contextlib
import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv6Address
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

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

_LEVELS = {level: level for level in ("debug", "info", "warning", "error")} | {"warn": "warning"}
"""As they are written, by how people write them: Prometheus says warn, Python WARNING."""


class Section(BaseModel):
    """A branch of the tree: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _read_by(read: Callable[[Any], object], **schema: object) -> tuple[Any, ...]:
    """Describe what is read by a function, which raises ValueError with what would be right."""
    return (BeforeValidator(read), WithJsonSchema(schema))


def _matching(pattern: str, otherwise: str) -> tuple[Any, ...]:
    """Describe text that matches; everything else is refused with what it should be."""
    allowed = re.compile(pattern, re.ASCII)

    def read(value: object) -> str:
        if not isinstance(value, str) or not allowed.fullmatch(value):
            raise ValueError(otherwise)
        return value

    return _read_by(read, type="string", pattern=f"^{pattern}$")


Duration = Annotated[
    timedelta,
    *_read_by(
        lambda value: durations.parse(str(value)),
        type="string",
        pattern=durations.PATTERN,
        minLength=2,
    ),
    # Outermost, or the default would stand in ISO 8601 in the schema.
    PlainSerializer(durations.render, return_type=str),
]


def between(low: str, high: str) -> AfterValidator:
    """Hold a duration to what is from `low` to `high`, both included."""
    least, most = durations.parse(low), durations.parse(high)

    def check(found: timedelta) -> timedelta:
        if not least <= found <= most:
            raise ValueError(f"must be from {low} to {high}")
        return found

    return AfterValidator(check)


def _edge(found: timedelta) -> timedelta:
    if found % HOUR or not found:
        raise ValueError("must be whole hours, one at the least")
    return found


def _ascending(value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
    if not value or list(value) != sorted(set(value)):
        raise ValueError("must be at least one edge, each larger than the one before")
    return value


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


def _distinct_labels(value: tuple[str, ...]) -> tuple[str, ...]:
    by_label: dict[str, str] = {}
    for key in value:
        if other := by_label.get(label_of(key)):
            raise ValueError(f"{other} and {key} would be the same label, {label_of(key)}")
        by_label[label_of(key)] = key
    return value


AccountId = Annotated[
    str,
    *_matching(ACCOUNT_ID.pattern, "an account id is a string of 12 digits, like 012345678901"),
]
RoleArn = Annotated[
    str,
    *_matching(
        r"arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+",
        "not a role's ARN; it looks like arn:aws:iam::111122223333:role/NAME",
    ),
]
RoleName = Annotated[
    str,
    *_matching(
        r"[A-Za-z0-9_+=,.@-][A-Za-z0-9_+=,.@/-]*",
        "not a role's name; give the part of its ARN behind ':role/'",
    ),
]
UnitId = Annotated[
    str,
    *_matching(
        # https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccountsForParent.html
        r"(?:ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32})",
        "not a unit's id, which looks like ou-ab12-11111111 and is the end of its ARN, "
        "or a root's, like r-ab12",
    ),
]
ListenAddress = Annotated[
    str,
    *_read_by(
        lambda value: listen_address(value) and value,
        type="string",
        pattern=r"^(\[[^\[\]\s]*:[^\[\]\s]*\]|[^\[\]:\s]*):[0-9]{1,5}$",
    ),
]
TelemetryPath = Annotated[
    str,
    AfterValidator(_not_taken),
    *_matching(r"/[A-Za-z0-9_./-]+", "must be a path, like /metrics"),
]
ShardIndex = Annotated[
    int,
    Field(ge=0, le=9_999),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"const": AUTO}]}),
]
Regions = Annotated[
    tuple[str, ...],
    *_read_by(
        regions_of,
        anyOf=[
            {"const": AUTO},
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        ],
    ),
    AfterValidator(_distinct_regions),
    PlainSerializer(lambda regions: AUTO if regions == (AUTO,) else list(regions)),
]
Edges = Annotated[
    tuple[Annotated[Duration, AfterValidator(_edge)], ...],
    BeforeValidator(listed),
    AfterValidator(_ascending),
    PlainSerializer(lambda edges: [durations.render(edge) for edge in edges]),
]
LabelKey = Annotated[
    str,
    *_matching(r"[^\x00-\x1f]{1,128}", "not a key of a label or tag: 1 to 128 characters"),
]
LabelKeys = Annotated[
    tuple[LabelKey, ...],
    Field(max_length=MOST_LABELS),
    BeforeValidator(listed),
    AfterValidator(_distinct_labels),
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    *_read_by(
        lambda value: _LEVELS.get(str(value).lower(), value),
        enum=[*_LEVELS, *map(str.upper, _LEVELS)],
    ),
]
AccountIds = Annotated[tuple[AccountId, ...], BeforeValidator(listed)]
UnitIds = Annotated[tuple[UnitId, ...], BeforeValidator(listed)]
