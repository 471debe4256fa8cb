"""The embedded AWS: one HTTP server on loopback that routes by the service a request is signed for.

The standard library's server is enough here: werkzeug's closes the connection after every answer
and then waits for 10 ms, which is not what a client of AWS meets.
"""

import os
import socket
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from tests.embedded_aws import macie, regions
from tests.embedded_aws.credentials import KeyRing, static_key
from tests.embedded_aws.moto_services import (
    Organizations,
    Sts,
    register_user,
    unsigned_web_identity,
)
from tests.embedded_aws.wire import (
    ACCOUNT,
    MACIE,
    ORGANIZATIONS,
    STS,
    ApiError,
    Caller,
    Request,
    Response,
    error_response,
)
from tests.embedded_aws.world import Call, Fault, World

LOOPBACK: Final = "127.0.0.1"
_SHUTDOWN_POLL_SECONDS: Final = 0.02
_LONGEST_HOLD_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """One AWS service of the embedded AWS."""

    operation: Callable[[Request], str]
    """Names the operation that a request is for."""
    respond: Callable[[Caller, Request], Response]
    """Answers an authenticated request; raises ApiError."""
    account: Callable[[Caller, Request], str] = lambda caller, _: caller.account_id
    """Says to which account faults and counts of a call belong."""


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
        register_user(self._hub_key)
        sts, organizations = Sts(world, self._keys, clock), Organizations(world)
        self._services = {
            MACIE: Service(macie.operation, partial(macie.respond, world)),
            ACCOUNT: Service(regions.operation, partial(regions.respond, world)),
            STS: Service(sts.operation, sts.respond, sts.account),
            ORGANIZATIONS: Service(organizations.operation, organizations.respond),
        }
        self._server = _Server(self.answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(_SHUTDOWN_POLL_SECONDS,),
            name="embedded-aws",
            daemon=True,
        )

    def __enter__(self) -> Self:
        """Start answering."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop answering and close every connection, kept-alive ones included."""
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens, for AWS_ENDPOINT_URL."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

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

    def answer(self, request: Request) -> Response:
        """Answer one request as AWS would."""
        try:
            caller = self._caller(request)
        except ApiError as error:
            return error_response(error, _service_named(request))
        try:
            return self._dispatch(caller, request)
        except ApiError as error:
            return error_response(error, caller.service)

    def _caller(self, request: Request) -> Caller:
        if unsigned_web_identity(request):
            return Caller("anonymous", "anonymous", "", "us-east-1", STS)
        return self._keys.caller(request)

    def _dispatch(self, caller: Caller, request: Request) -> Response:
        service = self._services.get(caller.service)
        if service is None:
            message = f"The embedded AWS has no service {caller.service}."
            raise ApiError(HTTPStatus.NOT_FOUND, "UnknownOperationException", message)
        account = service.account(caller, request)
        operation = service.operation(request)
        self.world.count(Call(caller.service, operation, account, caller.region))
        fault = self.world.take_fault(caller.service, account, caller.region)
        return _failed(fault, caller) if fault else service.respond(caller, request)


def _service_named(request: Request) -> str:
    """Guess the service of a request that was refused, to answer in its protocol."""
    scope = request.headers.get("authorization", "").partition(",")[0].split("/")
    return scope[3] if len(scope) > 3 else ""


def _failed(fault: Fault, caller: Caller) -> Response:
    """Answer what a fault says; raises ApiError for one without a body of its own."""
    if fault.hold is not None:
        fault.hold.wait(_LONGEST_HOLD_SECONDS)
    if fault.body is not None:
        return Response(fault.http_status, fault.body)
    message = fault.message.replace("{caller}", caller.arn)
    raise ApiError(fault.http_status, fault.code, message)


class _Server(ThreadingHTTPServer):
    """A server that can close the connections that clients keep alive."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self.answer = answer
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((LOOPBACK, 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Wake every handler that waits for its client's next request."""
        with self._lock:
            for connection in self._connections:
                _hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what went wrong, unless it is only a client that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive; each answer is written at once, to not wait for delayed ACKs."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        """Answer a request, whatever its method."""
        self._send(self.server.answer(self._request()))

    def do_POST(self) -> None:
        """Answer a request, whatever its method."""
        self.do_GET()

    def _request(self) -> Request:
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, path, query, headers, self.rfile.read(length))

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        for name, value in response.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own
        """Say nothing: world.calls() is the log."""
