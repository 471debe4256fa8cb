"""What others say, made fit to be shown: in a line, and without secrets that they repeat."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.awsrequest import AWSPreparedRequest

_LONGEST_MESSAGE, _LONGEST_ID = 500, 128
"""Characters."""

_PARAMETERS = frozenset(
    ("WebIdentityToken", "ExternalId", "TokenCode", "accessToken", "clientSecret", "refreshToken")
)
_HEADER = "X-Amz-Security-Token"
_CONTAINER = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
_CONTAINER_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)")


def shown(text: str, hidden: Iterable[str]) -> str:
    """Return a text as a line of the log, with dots where it repeats something hidden."""
    # What is no JSON is a message to botocore, all of it.
    line = " ".join(_without(hidden, text)[: 4 * _LONGEST_MESSAGE].split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"


def shown_id(text: object, hidden: Iterable[str]) -> str:
    """Return AWS's id of a request, of an id's length."""
    return (
        shown(text[: 4 * _LONGEST_MESSAGE], hidden)[:_LONGEST_ID] if isinstance(text, str) else ""
    )


def _without(hidden: Iterable[str], text: str) -> str:
    """Put dots where a text repeats a secret: as it is, or as URLs and JSON spell it."""
    secrets = sorted(filter(None, hidden), key=len, reverse=True)
    for spelled in (text, _unescaped(text), unquote(_unescaped(text)), unquote(text)):
        if any(secret in spelled for secret in secrets):
            text = spelled
            for secret in secrets:
                text = text.replace(secret, "...")
            return _without(secrets, text)
    return text


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)


class Confided:
    """Secrets that boto3 sends to get the exporter's own credentials: the latest of each kind.

    Who refuses such a request may repeat it, and boto3's errors hold the refusal.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the environment that names the container's token, which boto3 sends by itself."""
        self._environ = environ
        self._sent: dict[str, str] = {}

    def listen(self, session: boto3.Session) -> None:
        """Note what the session sends from now on."""
        session.events.register("before-parameter-build", self._note_parameters)
        session.events.register("before-send", self._note_token)

    def secrets(self) -> Iterator[str]:
        """Give them all."""
        yield from tuple(self._sent.values())
        yield self._environ.get(_CONTAINER, "")
        with contextlib.suppress(OSError, UnicodeDecodeError):
            yield Path(self._environ.get(_CONTAINER_FILE, "")).read_text(encoding="utf-8").strip()

    def _note_parameters(self, params: Mapping[str, object], **_: object) -> None:
        self._sent |= {name: str(params[name]) for name in _PARAMETERS & params.keys()}

    def _note_token(self, request: AWSPreparedRequest, **_: object) -> None:
        token: Any = request.headers.get(_HEADER, "")  # Bytes, once it is prepared.
        self._sent[_HEADER] = token.decode() if isinstance(token, bytes) else token
