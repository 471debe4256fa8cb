"""Who calls: the keys that the embedded AWS has issued, and Signature Version 4 by what they sign.

How old a signature is is not looked at: the embedded AWS lives on an injected clock.
"""

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.embedded_aws.wire import ApiError, Caller
from tests.embedded_aws.world import World
from tests.faulty import Request

INVALID: Final = "The security token included in the request is invalid."
_MISMATCH: Final = (
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
class Key:
    """An access key and whom it stands for; static keys have neither token nor end.

    `revocations` is how often the account's sessions had been revoked when it was issued.
    """

    access_key_id: str
    secret: str
    account_id: str
    arn: str
    token: str = ""
    expires: datetime | None = None
    revocations: int = 0


def static_key(account: str) -> Key:
    """Make the access key of a user in `account`."""
    arn = f"arn:aws:iam::{account}:user/macie-invitations-exporter"
    return Key(f"AKIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30), account, arn)


class KeyRing:
    """All keys issued so far; verifies requests against them."""

    def __init__(self, world: World, clock: Callable[[], datetime]) -> None:
        """Take the world, for revocations, and the clock that sessions expire by."""
        self._world, self._clock = world, clock
        self._keys: dict[str, Key] = {}

    def add(self, key: Key) -> None:
        """Accept a key from now on."""
        self._keys[key.access_key_id] = key

    def caller(self, request: Request) -> Caller:
        """Return who signed the request; raises ApiError where AWS would refuse it."""
        given = signature_of(request)
        if given is None:
            raise _refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
        key = self._keys.get(given["key"])
        if key is None:
            raise _refusal("UnrecognizedClientException", INVALID)
        if not is_signed(request, given, key.secret):
            raise _refusal("InvalidSignatureException", _MISMATCH)
        if not self._alive(key, request.headers.get("x-amz-security-token", "")):
            expired = "The security token included in the request is expired"
            raise _refusal("ExpiredTokenException", expired)
        return Caller(key.account_id, key.arn, given["region"], given["service"])

    def _alive(self, key: Key, token: str) -> bool:
        return key.token == token and (
            key.expires is None
            or (
                self._clock() < key.expires
                and self._world.revocations[key.account_id] == key.revocations
            )
        )


def _refusal(code: str, message: str) -> ApiError:
    return ApiError(HTTPStatus.FORBIDDEN, code, message)


def signature_of(request: Request) -> re.Match[str] | None:
    """Return the signature that a request carries, if any, and what it says of itself."""
    return _HEADER.fullmatch(request.headers.get("authorization", ""))


def is_signed(request: Request, given: re.Match[str], secret: str) -> bool:
    """Return whether `secret` signed the request, its body included."""
    names = given["headers"].split(";")
    headers = {name: request.headers.get(name, "") for name in names}
    url = f"http://{request.headers['host']}{request.target}"
    asked = AWSRequest(request.method, url, headers, request.body)
    asked.context["timestamp"] = request.headers.get("x-amz-date", "")
    signer = SigV4Auth(Credentials(given["key"], secret), given["service"], given["region"])
    text = signer.string_to_sign(asked, signer.canonical_request(asked))
    signature = str(signer.signature(text, asked))
    return {"host", "x-amz-date"} <= set(names) and hmac.compare_digest(
        signature, given["signature"]
    )
