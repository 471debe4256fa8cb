"""Verification of AWS Signature Version 4 on requests as they came; knows no key by itself.

The rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
How old a signature is is not looked at: the embedded AWS lives on an injected clock.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote

from tests.embedded_aws.wire import ApiError, Request

ALGORITHM: Final = "AWS4-HMAC-SHA256"
MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. "
    "Consult the service documentation for details."
)
_HEADER: Final = re.compile(
    rf"{ALGORITHM} Credential=(?P<key>[^/,\s]+)/(?P<date>\d{{8}})/(?P<region>[^/,\s]+)"
    r"/(?P<service>[^/,\s]+)/aws4_request,\s*SignedHeaders=(?P<headers>[^,\s]+)"
    r",\s*Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class Authorization:
    """The parts of an Authorization header."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """The credential scope: day, region and service that the signature is valid for."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def authorization(request: Request) -> Authorization:
    """Read the Authorization header; raises ApiError if it is absent or unreadable."""
    header = request.headers.get("authorization")
    if header is None:
        code = "MissingAuthenticationTokenException"
        raise ApiError(HTTPStatus.FORBIDDEN, code, "Missing Authentication Token")
    match = _HEADER.fullmatch(header)
    if match is None:
        message = "Authorization header is not a complete AWS4-HMAC-SHA256 signature."
        raise ApiError(HTTPStatus.FORBIDDEN, "IncompleteSignatureException", message)
    key, date, region, service, headers, signature = match.groups()
    return Authorization(key, date, region, service, tuple(headers.split(";")), signature)


def verify(request: Request, given: Authorization, secret: str) -> None:
    """Raise ApiError unless the request was signed with `secret`, its body included."""
    expected = signature(request, given, secret)
    if not hmac.compare_digest(expected, given.signature) or not {"host", "x-amz-date"} <= set(
        given.signed_headers
    ):
        raise ApiError(HTTPStatus.FORBIDDEN, "InvalidSignatureException", MISMATCH)


def signature(request: Request, given: Authorization, secret: str) -> str:
    """Compute the signature that `secret` gives this request, in hexadecimal."""
    hashed = hashlib.sha256(_canonical(request, given.signed_headers).encode()).hexdigest()
    moment = request.headers.get("x-amz-date", "")
    text = f"{ALGORITHM}\n{moment}\n{given.scope}\n{hashed}"
    key = _signing_key(secret, given.date, given.region, given.service)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _canonical(request: Request, signed_headers: tuple[str, ...]) -> str:
    values = (f"{name}:{_header(request, name)}\n" for name in signed_headers)
    return "\n".join(
        (
            request.method,
            quote(request.path, safe="/~"),
            _canonical_query(request.query),
            "".join(values),
            ";".join(signed_headers),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def _header(request: Request, name: str) -> str:
    return " ".join(request.headers.get(name, "").split())


def _canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(f"{name}={value}" for name, value in sorted(map(_encoded, pairs)))


def _encoded(pair: tuple[str, str, str]) -> tuple[str, str]:
    name, _, value = pair
    return quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")


@lru_cache(maxsize=4096)
def _signing_key(secret: str, *scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
