"""Verification of AWS Signature Version 4 on requests as they came, by what botocore would sign.

How old a signature is is not looked at: the embedded AWS lives on an injected clock.
"""

import hmac
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.embedded_aws.wire import ApiError, Request

MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. "
    "Consult the service documentation for details."
)
_HEADER: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/,\s]+)"
    r"/(?P<service>[^/,\s]+)/aws4_request,\s*SignedHeaders=(?P<headers>[^,\s]+)"
    r",\s*Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class Authorization:
    """The parts of an Authorization header."""

    access_key_id: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


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
    key, region, service, headers, signature = match.groups()
    return Authorization(key, region, service, tuple(headers.split(";")), signature)


def verify(request: Request, given: Authorization, secret: str) -> None:
    """Raise ApiError unless the request was signed with `secret`, its body included."""
    signed = set(given.signed_headers)
    if not (
        signed >= {"host", "x-amz-date"}
        and hmac.compare_digest(_signature(request, given, secret), given.signature)
    ):
        raise ApiError(HTTPStatus.FORBIDDEN, "InvalidSignatureException", MISMATCH)


def _signature(request: Request, given: Authorization, secret: str) -> str:
    """Compute the signature that `secret` gives this request, in hexadecimal."""
    headers = {name: request.headers.get(name, "") for name in given.signed_headers}
    url = f"http://{request.headers['host']}{request.path}?{request.query}"
    asked = AWSRequest(request.method, url, headers, request.body)
    asked.context["timestamp"] = request.headers.get("x-amz-date", "")
    credentials = Credentials(given.access_key_id, secret)
    signer = SigV4Auth(credentials, given.service, given.region)
    text = signer.string_to_sign(asked, signer.canonical_request(asked))
    return str(signer.signature(text, asked))
