"""Which access keys the embedded AWS has issued, and what makes it refuse one."""

import hmac
import secrets
import string
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from tests.embedded_aws import sigv4
from tests.embedded_aws.wire import ApiError, Caller, Request
from tests.embedded_aws.world import World

USER_NAME: Final = "macie-invitations-exporter"
TOKEN_HEADER: Final = "x-amz-security-token"
INVALID: Final = "The security token included in the request is invalid."
EXPIRED: Final = "The security token included in the request is expired"


@dataclass(frozen=True, slots=True)
class Key:
    """An access key and whom it stands for; static keys have neither token nor end.

    `revocations` is how often the account's sessions had been revoked when it was issued.
    """

    access_key_id: str
    secret: str
    account_id: str
    arn: str
    token: str | None = None
    expires: datetime | None = None
    revocations: int = 0


def static_key(account: str) -> Key:
    """Make the access key of a user in `account`."""
    letters = string.ascii_uppercase + string.digits
    access_key_id = "AKIA" + "".join(secrets.choice(letters) for _ in range(16))
    arn = f"arn:aws:iam::{account}:user/{USER_NAME}"
    return Key(access_key_id, secrets.token_urlsafe(30), account, arn)


class KeyRing:
    """All keys issued so far; verifies requests against them."""

    def __init__(self, world: World, clock: Callable[[], datetime]) -> None:
        """Take the world, for revocations, and the clock that sessions expire by."""
        self._world = world
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}

    def add(self, key: Key) -> None:
        """Accept a key from now on."""
        with self._lock:
            self._keys[key.access_key_id] = key

    def caller(self, request: Request) -> Caller:
        """Return who signed the request; raises ApiError where AWS would refuse it."""
        given = sigv4.authorization(request)
        with self._lock:
            key = self._keys.get(given.access_key_id)
        if key is None:
            raise ApiError(HTTPStatus.FORBIDDEN, "UnrecognizedClientException", INVALID)
        sigv4.verify(request, given, key.secret)
        if not self._alive(key, request.headers.get(TOKEN_HEADER)):
            raise ApiError(HTTPStatus.FORBIDDEN, "ExpiredTokenException", EXPIRED)
        return Caller(key.account_id, key.arn, key.access_key_id, given.region, given.service)

    def _alive(self, key: Key, token: str | None) -> bool:
        if key.token is None or key.expires is None:
            return token is None
        return (
            token is not None
            and hmac.compare_digest(key.token.encode(), token.encode())
            and self._clock() < key.expires
            and self._world.revocations(key.account_id) == key.revocations
        )
