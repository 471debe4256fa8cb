"""What others say, made fit to be shown: in a line, and without the secrets that they repeat."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest

from exporter.aws import environment
from exporter.redaction import without

_LONGEST_MESSAGE, _LONGEST_ID = 500, 127
"""Characters, and one more that says that there were more; AWS's ids have 36."""

_PARAMETERS = frozenset(
    ("WebIdentityToken", "ExternalId", "TokenCode", "accessToken", "clientSecret", "refreshToken")
)
_HEADER = "X-Amz-Security-Token"
_CONTAINER = "AWS_CONTAINER_AUTHORIZATION_TOKEN"


def shown(text: str, hidden: Iterable[str]) -> str:
    """Return a text as a line of the log, with dots where it repeats something hidden."""
    return _shortened(without(hidden, text), _LONGEST_MESSAGE)


def shown_id(text: object, hidden: Iterable[str]) -> str:
    """Return what is said to be AWS's id of a request."""
    return _shortened(without(hidden, text), _LONGEST_ID) if isinstance(text, str) else ""


def _shortened(text: str, longest: int) -> str:
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else f"{line[:longest]}…"


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
        yield from environment.secrets(self._environ)
        yield self._environ.get(_CONTAINER, "")
        with contextlib.suppress(OSError, UnicodeDecodeError):
            yield (
                Path(self._environ.get(f"{_CONTAINER}_FILE", ""))
                .read_text(encoding="utf-8")
                .strip()
            )

    def _note_parameters(self, params: Mapping[str, object], **_: object) -> None:
        self._sent |= {name: str(params[name]) for name in _PARAMETERS & params.keys()}

    def _note_token(self, request: AWSPreparedRequest, **_: object) -> None:
        token: Any = request.headers.get(_HEADER, "")  # Bytes, once it is prepared.
        self._sent[_HEADER] = token.decode() if isinstance(token, bytes) else token
