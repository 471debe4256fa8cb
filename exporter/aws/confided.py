"""What boto3 sends to get the exporter's own credentials: secrets that no message may repeat.

Who refuses a request may repeat it, and boto3's errors hold the refusal.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest

_PARAMETERS = frozenset(
    ("WebIdentityToken", "ExternalId", "TokenCode", "accessToken", "clientSecret", "refreshToken")
)
_HEADER = "X-Amz-Security-Token"
_CONTAINER = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
_CONTAINER_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"


class Confided:
    """Remembers the latest secret of each kind that a session sent."""

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
