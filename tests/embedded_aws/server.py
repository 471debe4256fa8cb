"""The embedded AWS: a server on loopback, for every service that a request is signed for."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from tests.embedded_aws import services
from tests.embedded_aws.signatures import KeyRing, static_key
from tests.embedded_aws.wire import (
    ACCOUNT,
    MACIE,
    ORGANIZATIONS,
    STS,
    ApiError,
    Caller,
    error_response,
    operation_of,
)
from tests.embedded_aws.world import Call, Fault, World
from tests.faulty import LOOPBACK, FaultyServer, Peer, Request, response, send

_LONGEST_HOLD_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.01


class EmbeddedAws(FaultyServer):
    """A context manager: an AWS on loopback that answers from a world.

    `clock` is what sessions expire by. Their `Expiration` is told by it too, and botocore compares
    that with the real time: start an injected clock near the present.
    """

    def __init__(self, world: World, clock: Callable[[], datetime] | None = None) -> None:
        """Bind to a free port; nothing is answered before the context is entered."""
        super().__init__(self._handle)
        clock = clock or partial(datetime.now, UTC)
        self.world = world
        self._lock = threading.Lock()
        self._keys = KeyRing(world, clock)
        self._hub_key = static_key(world.hub)
        self._keys.add(self._hub_key)
        self._services: dict[str, Callable[[Caller, Request], bytes]] = {
            MACIE: partial(services.respond_rest, world),
            ACCOUNT: partial(services.respond_rest, world),
            STS: partial(services.respond_sts, world, self._keys, clock),
            ORGANIZATIONS: partial(services.respond_organizations, world),
        }

    @property
    def url(self) -> str:
        """Where it listens, for AWS_ENDPOINT_URL; by its address, since a pod may know no names."""
        return f"http://{LOOPBACK}:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return the variables for a process that should take this for AWS, as the hub's user."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self._hub_key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self._hub_key.secret,
            "AWS_REGION": self.world.regions[0],
            "AWS_DEFAULT_REGION": self.world.regions[0],
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _handle(self, peer: Peer) -> bool:
        """Answer one request as AWS would."""
        self.requests.clear()  # Nobody looks at them, and they may be very many.
        scope = peer.request.headers.get("authorization", "").partition(",")[0].split("/")
        try:
            answer = self._answer(peer)
        except ApiError as error:
            answer = error_response(error, scope[3] if len(scope) > 3 else STS)
        return send(answer)(peer)

    def _answer(self, peer: Peer) -> bytes:
        """Return the answer to one request; raises ApiError."""
        with self._lock:
            caller = self._caller(peer.request)
            account = services.role_account(peer.request) or caller.account_id
            call = Call(caller.service, operation_of(peer.request), account, caller.region)
            self.world.called[call] += 1
            fault = self.world.take_fault(call)
            if fault is None:
                return self._services[caller.service](caller, peer.request)
        return _failed(fault, caller, peer)

    def _caller(self, request: Request) -> Caller:
        if (
            "authorization" not in request.headers
            and operation_of(request) == services.WEB_IDENTITY
        ):
            return Caller("anonymous", "anonymous", "us-east-1", STS)
        return self._keys.caller(request)


def _failed(fault: Fault, caller: Caller, peer: Peer) -> bytes:
    """Return what a fault answers; raises ApiError for one without a body of its own."""
    if fault.hold is not None:
        # The event is set by a test, and by none at all where the end is what is tested.
        for _ in range(int(_LONGEST_HOLD_SECONDS / _LOOK_SECONDS)):
            if fault.hold.is_set() or peer.stopping.wait(_LOOK_SECONDS):
                break
    if fault.body is not None:
        return response(fault.body, fault.http_status)
    message = fault.message.replace("{caller}", caller.arn)
    raise ApiError(fault.http_status, fault.code, message)
