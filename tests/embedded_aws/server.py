"""The embedded AWS: an HTTP server on loopback, for every service that a request is signed for."""

import asyncio
import os
import socket
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final, Self

from aiohttp import web

from tests.embedded_aws import rest
from tests.embedded_aws.moto_services import (
    WEB_IDENTITY,
    Organizations,
    Sts,
    role_account,
)
from tests.embedded_aws.signatures import KeyRing, static_key
from tests.embedded_aws.wire import (
    ACCOUNT,
    MACIE,
    ORGANIZATIONS,
    STS,
    ApiError,
    Caller,
    Request,
    error_response,
)
from tests.embedded_aws.world import Call, Fault, World
from tests.loops import Loop

LOOPBACK: Final = "127.0.0.1"
_LONGEST_HOLD_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.01
_END_SECONDS: Final = 0.1


def utc_now() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(UTC)


class EmbeddedAws:
    """A context manager: an AWS on loopback that answers from a world.

    `clock` is what sessions expire by. Their `Expiration` is told by it too, and botocore compares
    that with the real time: start an injected clock near the present.
    """

    def __init__(self, world: World, clock: Callable[[], datetime] = utc_now) -> None:
        """Bind to a free port; nothing is answered before the context is entered."""
        self.world = world
        self._keys = KeyRing(world, clock)
        self._hub_key = static_key(world.hub)
        self._keys.add(self._hub_key)
        self._services: dict[str, Callable[[Caller, Request], web.Response]] = {
            MACIE: partial(rest.respond, world),
            ACCOUNT: partial(rest.respond, world),
            STS: Sts(world, self._keys, clock).respond,
            ORGANIZATIONS: Organizations(world).respond,
        }
        self._socket = socket.create_server((LOOPBACK, 0), backlog=256)

    def __enter__(self) -> Self:
        """Start answering."""
        self._loop = Loop()
        self._loop.do(self._start)
        return self

    async def _start(self) -> None:
        server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=_END_SECONDS)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    def __exit__(self, *_: object) -> None:
        """Stop answering and close every connection, kept-alive ones included."""
        self._loop.do(self._runner.cleanup)
        self._loop.close()

    @property
    def url(self) -> str:
        """Where it listens, for AWS_ENDPOINT_URL."""
        return f"http://{LOOPBACK}:{self._socket.getsockname()[1]}"

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

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Request(request.method, path, query, headers, await request.read())
        scope = headers.get("authorization", "").partition(",")[0].split("/")
        try:
            answer = await self._answer(asked)
        except ApiError as error:
            answer = error_response(error, scope[3] if len(scope) > 3 else STS)
        answer.headers["x-amzn-RequestId"] = str(uuid.uuid4())
        return answer

    async def _answer(self, request: Request) -> web.Response:
        """Answer one request as AWS would; raises ApiError."""
        caller = self._caller(request)
        account = role_account(request) or caller.account_id
        call = Call(caller.service, request.operation, account, caller.region)
        self.world.count(call)
        fault = self.world.take_fault(call)
        if fault is not None:
            return await _failed(fault, caller)
        return self._services[caller.service](caller, request)

    def _caller(self, request: Request) -> Caller:
        if "authorization" not in request.headers and request.operation == WEB_IDENTITY:
            return Caller("anonymous", "anonymous", "us-east-1", STS)
        return self._keys.caller(request)


async def _failed(fault: Fault, caller: Caller) -> web.Response:
    """Answer what a fault says; raises ApiError for one without a body of its own."""
    if fault.hold is not None:
        # The event is set by another thread, and by none at all where the end is what is tested.
        for _ in range(int(_LONGEST_HOLD_SECONDS / _LOOK_SECONDS)):
            if fault.hold.is_set():
                break
            await asyncio.sleep(_LOOK_SECONDS)
    if fault.body is not None:
        kind = "application/json"
        return web.Response(status=fault.http_status, body=fault.body, content_type=kind)
    message = fault.message.replace("{caller}", caller.arn)
    raise ApiError(fault.http_status, fault.code, message)
