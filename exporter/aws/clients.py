"""One shared client per service and region, and the ways to call one.

Which credentials sign a call, and until when it may take, are chosen per call and travel in a
context variable: clients are shared by all threads, and a client per account would cost 0.2 MB and
4 ms each.
"""

import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from botocore.handlers import add_retry_headers
from botocore.httpsession import ProxyConfiguration, get_cert_path
from botocore.utils import get_environ_proxies

from exporter import __version__
from exporter.aws.attempts import Attempt, Attempts, Call, Observer, Operation
from exporter.aws.failures import EXPECTED, failed
from exporter.aws.gets import Document, Get, document
from exporter.aws.parsers import Parsers
from exporter.aws.transport import TIMEOUTS, Proxy, Request, Timeouts, Transport
from exporter.clock import Clock, Stop
from exporter.model import AwsError
from exporter.restarts import UNTOLD, Upkeep

Response = Mapping[str, Any]


_SECRET = ("ExternalId", "NextToken", "nextToken")
"""Parameters that no message may repeat."""

_ATTEMPT: ContextVar[Attempt] = ContextVar("attempt")


class _CallersCredentials:
    """Credentials, to botocore: whatever the call under way brought with it."""

    method = "macie-invitations-exporter"

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return _ATTEMPT.get().call.credentials

    def get_deferred_property(self, name: str) -> Callable[[], None]:
        del name
        return lambda: None


class _CallersCredentialsProvider:
    def load_credentials(self) -> _CallersCredentials:
        return _CallersCredentials()


class Clients:
    """Calls AWS: one HTTP attempt at a time, each observed, transient failures tried again."""

    def __init__(
        self,
        *,
        clock: Clock,
        stop: Stop,
        observer: Observer,
        connections: int,
        rng: random.Random,
        timeouts: Timeouts = TIMEOUTS,
        upkeep: Upkeep = UNTOLD,
    ) -> None:
        """Keep up to `connections` open to each endpoint."""
        self._attempts = Attempts(clock=clock, stop=stop, observer=observer, rng=rng)
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], BaseClient] = {}
        self._gets: dict[Operation, Get] = {}
        parsers = Parsers()
        self._errors = parsers.create_parser("rest-json")
        core = _core(parsers)
        self._session = boto3.Session(botocore_session=core)
        self._config = _config(core)
        self._transport = Transport(
            clock=clock,
            connections=connections,
            ca_bundle=_ca_bundle(core),
            proxy_for=_proxy_for,
            timeouts=timeouts,
            upkeep=upkeep,
        )

    def close(self) -> None:
        """Cut every request under way and close every connection."""
        self._transport.close()

    def alive(self) -> bool:
        """Tell whether deadlines are kept."""
        return self._transport.alive()

    def call(
        self, service: str, region: str, operation: str, call: Call, **parameters: object
    ) -> Response:
        """Call an operation by its method name (`assume_role`). Raises AwsError."""
        client = self._client(service, region)

        def send(attempt: Attempt) -> Response:
            with _carried(attempt):
                response: Response = getattr(client, operation)(**parameters)
                return response

        name = client.meta.method_to_api_mapping[operation]
        hiding = _hiding(call, parameters)
        return self._attempts.make(Operation(service, name, region), hiding, send)

    def get(self, operation: Operation, call: Call, **parameters: str | int) -> Document:
        """Ask for a JSON document: what is called with nothing but a query, and often.

        Raises AwsError.
        """
        get = self._gets.get(operation) or self._learn(operation, call)

        def send(attempt: Attempt) -> Document:
            request = get.request(parameters, call.credentials)
            attempt.reply = self._transport.send(request, call.deadline)
            return document(attempt.reply, self._errors)

        return self._attempts.make(operation, _hiding(call, parameters), send)

    def _learn(self, operation: Operation, call: Call) -> Get:
        client = self._client(operation.service, operation.region)
        try:
            with _carried(Attempt(call)):
                get = Get.of(client, operation.name)
        except EXPECTED as error:
            raise failed(error, None) from error
        self._gets[operation] = get
        return get

    def _client(self, service: str, region: str) -> BaseClient:
        client = self._clients.get((service, region))
        if client is None:
            # Sessions cannot be shared between threads; making a client uses the session.
            with self._lock:
                client = self._clients.get((service, region)) or self._make(service, region)
                self._clients[service, region] = client
        return client

    def _make(self, service: str, region: str) -> BaseClient:
        try:
            client: BaseClient = self._session.client(  # type: ignore[call-overload]
                service, region_name=region, config=self._config
            )
        except (BotoCoreError, ValueError) as error:
            # The text shows AWS_ENDPOINT_URL, where a password may stand before an @.
            reason = "check AWS_ENDPOINT_URL" if "@" in str(error) else str(error)
            raise AwsError(
                "EndpointConnectionError", f"no endpoint for {service}: {reason}"
            ) from error
        events = client.meta.events
        events.register("before-send", self._send)
        # botocore's own retries, and the headers that count them: `call` retries.
        service_id = client.meta.service_model.service_id.hyphenize()
        events.unregister(f"needs-retry.{service_id}", unique_id=f"retry-config-{service_id}")
        events.unregister("request-created", add_retry_headers)
        return client

    def _send(self, request: AWSPreparedRequest, **_: object) -> Any:  # noqa: ANN401 -- for the stubs
        attempt = _ATTEMPT.get()
        # botocore's stubs promise less than botocore gives: a text, bytes or None, and a mapping.
        plain: Any = (request.method, request.url, request.headers, request.body)
        reply = attempt.reply = self._transport.send(Request(*plain), attempt.call.deadline)
        headers: Any = reply.headers
        return AWSResponse(request.url, reply.status, headers, _Raw(reply.body))


class _Raw:
    """The whole body, as AWSResponse wants to read it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> list[bytes]:
        return [self._body]


def _hiding(call: Call, parameters: Mapping[str, object]) -> Call:
    """Give the call, with what of its parameters no message may repeat."""
    hidden = tuple(str(parameters[name]) for name in _SECRET if name in parameters)
    return replace(call, hidden=hidden) if hidden else call


@contextmanager
def _carried(attempt: Attempt) -> Iterator[None]:
    """Let botocore's handlers find the attempt that they are called for."""
    token = _ATTEMPT.set(attempt)
    try:
        yield
    finally:
        _ATTEMPT.reset(token)


def _core(parsers: Parsers) -> botocore.session.Session:
    core = botocore.session.get_session()
    core.register_component("credential_provider", _CallersCredentialsProvider())
    core.register_component("response_parser_factory", parsers)
    return core


def _config(core: botocore.session.Session) -> Config:
    """Configure every client; nothing here depends on the service."""
    app = core.get_config_variable("user_agent_appid")
    agent = f"macie-invitations-exporter/{__version__} {core.user_agent()}"
    return Config(
        # One attempt: `call` retries, within the deadline, and stops when the process does.
        retries={"mode": "standard", "total_max_attempts": 1},
        parameter_validation=False,
        # Given whole: botocore would put it together from 16 parts, twice for every request.
        user_agent=f"{agent} app/{app}" if app else agent,
    )


def _ca_bundle(core: botocore.session.Session) -> str:
    """Give the file of trusted authorities: AWS's setting, requests', certifi, as botocore."""
    configured = core.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    return str(configured or get_cert_path(verify=True))


def _proxy_for(origin: str) -> Proxy | None:
    """Give the environment's proxy for an origin, NO_PROXY minded, as botocore reads them."""
    configuration = ProxyConfiguration(proxies=get_environ_proxies(origin))
    url = configuration.proxy_url_for(origin)
    return Proxy(url, configuration.proxy_headers_for(url)) if url else None
