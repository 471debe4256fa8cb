"""What others say, made fit to be shown: in a line, and without the secrets that they repeat."""

import contextlib
import html
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.awsrequest import AWSPreparedRequest

_LONGEST_MESSAGE, _LONGEST_ID = 500, 127
"""Characters, and one more that says that there were more; AWS's ids have 36."""

_PARAMETERS = frozenset(
    ("WebIdentityToken", "ExternalId", "TokenCode", "accessToken", "clientSecret", "refreshToken")
)
_HEADER = "X-Amz-Security-Token"
_CONTAINER = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
_USERINFO = re.compile(r"(?<=//)[^\s/@]+(?=@)")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([\"'/\\]))")
_MOST_SPELLINGS = 12


def shown(text: str, hidden: Iterable[str]) -> str:
    """Return a text as a line of the log, with dots where it repeats something hidden."""
    return _shortened(_without(text, hidden), _LONGEST_MESSAGE)


def shown_id(text: object, hidden: Iterable[str]) -> str:
    """Return what is said to be AWS's id of a request."""
    return _shortened(_without(text, hidden), _LONGEST_ID) if isinstance(text, str) else ""


def _shortened(text: str, longest: int) -> str:
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else f"{line[:longest]}…"


def _without(text: str, hidden: Iterable[str]) -> str:
    """Put dots for secrets, however URLs, JSON and HTML spell them, and for users of URLs."""
    secrets = sorted(filter(None, hidden), key=len, reverse=True)
    spellings = [_USERINFO.sub("...", text)]
    for spelled in spellings:
        if any(secret in spelled for secret in secrets):
            for secret in secrets:
                spelled = spelled.replace(secret, "...")  # noqa: PLW2901 -- that of the next one
            return _without(spelled, secrets)
        # A spelling may be spelled once more: a query within a text within JSON.
        read = (_unescaped(spelled), unquote(spelled), html.unescape(spelled))
        spellings += [one for one in read if one not in spellings][
            : _MOST_SPELLINGS - len(spellings)
        ]
    return spellings[0]


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: found[3] or chr(int(found[1] or found[2], 16)), text)


def of_proxies(environ: Mapping[str, str]) -> Iterator[str]:
    """Give users and passwords of proxies, as they are written and as they are sent."""
    for name, value in environ.items():
        written, at, _ = value.rpartition("@")
        if at and name.lower().endswith("_proxy"):
            user_and_password = unquote(written.rpartition("//")[2])
            yield user_and_password
            yield user_and_password.partition(":")[2]
            yield b64encode(user_and_password.encode()).decode()


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
        yield from of_proxies(self._environ)
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
