"""The types of single settings: how each is read, refused and shown."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from exporter import durations
from exporter.settings.sources import Text, Unquoted

AUTO = "auto"
_ACCOUNT_ID = re.compile(r"^\d{12}$")
_ACCOUNT_DIGITS = 12
_HIGHEST_PORT = 65535
ROLE_ARN = re.compile(r"^arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/(?P<name>[\w+=,.@/-]+)$")


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, Unquoted | str):
        return durations.parse(value.text if isinstance(value, Unquoted) else value)
    message = "not a duration; write it like 90s, 5m, 1h30m or 7d"
    raise ValueError(message)


def _account_id(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        digits = value.text if isinstance(value, Unquoted) else str(value)
        message = f'an account id is a string: quote it: "{digits.zfill(_ACCOUNT_DIGITS)}"'
        raise ValueError(message)
    if not isinstance(value, str) or not _ACCOUNT_ID.match(value):
        message = 'an account id is a string of 12 digits, like "012345678901"'
        raise ValueError(message)
    return str(value)


def _role_arn(value: object) -> str:
    if not isinstance(value, str) or not ROLE_ARN.match(value):
        message = "not a role's ARN; it looks like arn:aws:iam::111122223333:role/NAME"
        raise ValueError(message)
    return str(value)


def _role_name(value: object) -> str:
    if not isinstance(value, str) or not re.match(r"^[\w+=,.@/-]+$", value) or value.startswith("/"):
        message = "not a role's name; give the part of its ARN behind ':role/'"
        raise ValueError(message)
    return str(value)


def listed(value: object) -> object:
    """Split a list that came as text (environment, flag) at its commas."""
    if isinstance(value, Text):
        return [Text(part.strip()) for part in value.split(",") if part.strip()]
    return value


def _regions(value: object) -> object:
    return [AUTO] if value == AUTO else listed(value)


def listen_address(value: str) -> tuple[str, int]:
    """Take `host:port`, `[v6]:port` or `:port` apart; an empty host means every interface.

    Raises ValueError where it is none of these.
    """
    host, separator, port = value.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    bracketed = host != bare
    if not separator or not port.isdecimal() or int(port) > _HIGHEST_PORT or (":" in bare) != bracketed:
        message = "not a listening address; write :10058, 127.0.0.1:10058 or [::1]:10058"
        raise ValueError(message)
    return bare, int(port)


def _listen_address(value: object) -> str:
    if not isinstance(value, str):
        message = "not a listening address; write it as a string, like ':10058'"
        raise ValueError(message)  # noqa: TRY004 -- pydantic turns ValueError alone into an error of its own
    listen_address(value)
    return str(value)


def _text(pattern: str, read: Callable[[object], object], **more: object) -> tuple[Any, ...]:
    return (BeforeValidator(read), WithJsonSchema({"type": "string", "pattern": pattern, **more}))


Duration = Annotated[
    timedelta,
    *_text(durations.PATTERN, _duration, minLength=2),
    PlainSerializer(durations.render, return_type=str),
]
AccountId = Annotated[str, *_text(r"^\d{12}$", _account_id)]
RoleArn = Annotated[str, *_text(r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$", _role_arn)]
RoleName = Annotated[str, *_text(r"^[\w+=,.@-][\w+=,.@/-]*$", _role_name)]
ListenAddress = Annotated[str, *_text(r":\d+$", _listen_address)]
Regions = Annotated[
    tuple[str, ...],
    BeforeValidator(_regions),
    PlainSerializer(lambda regions: AUTO if regions == (AUTO,) else list(regions)),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": AUTO},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        }
    ),
]
Durations = Annotated[tuple[Duration, ...], BeforeValidator(listed)]
AccountIds = Annotated[tuple[AccountId, ...], BeforeValidator(listed)]
Words = Annotated[tuple[str, ...], BeforeValidator(listed)]


def as_json(value: object) -> str:
    """Show a value as it would stand in JSON, for messages."""
    shown = value.text if isinstance(value, Unquoted) else json.dumps(value, default=str)
    return shown if len(shown) <= 80 else shown[:77] + "..."  # noqa: PLR2004 -- a line's worth
