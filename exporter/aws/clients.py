"""One shared client per service and region, and the single way to call any of them.

Which credentials sign a call, and until when it may take, are chosen per call and travel in a
context variable: clients are shared by all threads, and a client per account would cost 0.2 MB and
4 ms each.
"""

import os
import random
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import add_retry_headers
from botocore.httpsession import ProxyConfiguration, get_cert_path
from botocore.parsers import ResponseParserError
from botocore.utils import get_environ_proxies

from exporter import __version__
from exporter.aws.parsers import Parsers
from exporter.aws.transport import TIMEOUTS, Proxy, Timeouts, Transport
from exporter.clock import Clock, Stop
from exporter.errors import ERRORS, Retry, kind_of
from exporter.model import AwsError

ATTEMPTS = 3
_FIRST_PAUSE = 0.2
_SERVER_ERROR = 500
_LONGEST_MESSAGE = 500

_EXPECTED = (
    AwsError,
    BotoCoreError,
    ClientError,
    # botocore's parsers walk into bodies whose JSON has other types than the model's.
    ResponseParserError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)

Response = Mapping[str, Any]


class Observer(Protocol):
    """Is told of every HTTP attempt."""

    def attempt(
        self, service: str, operation: str, region: str, seconds: float, error_code: str | None
    ) -> None:
        """Count one attempt that took so many seconds; `error_code` is None where it succeeded."""


@dataclass(frozen=True, slots=True)
class Call:
    """What travels with a call: who signs it, and its monotonic deadline."""

    credentials: ReadOnlyCredentials
    deadline: float


class _Attempt:
    """One HTTP attempt: the call that it is for, and what was answered, once it was."""

    __slots__ = ("call", "response")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.response: AWSResponse | None = None

    def unreadable(self, error: Exception) -> AwsError:
        """Name what botocore could not make sense of: by the HTTP status, if that tells."""
        response = self.response
        if response is None:
            # botocore's own objections hold no secrets; of others' texts nobody knows.
            reason = str(error) if isinstance(error, BotoCoreError) else type(error).__name__
            return AwsError("other", f"no request could be made: {reason}")
        message = f"HTTP {response.status_code}, not of the API's form: {type(error).__name__}"
        request_id = str(response.headers.get("x-amzn-RequestId", ""))
        return AwsError(_by_status("", response.status_code), message, request_id)


_ATTEMPT: ContextVar[_Attempt] = ContextVar("attempt")


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
    ) -> None:
        """Keep up to `connections` open to each endpoint."""
        self._clock, self._stop, self._observer, self._rng = clock, stop, observer, rng
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], BaseClient] = {}
        core = _core()
        self._session = boto3.Session(botocore_session=core)
        self._config = _config(core)
        self._transport = Transport(
            clock=clock,
            connections=connections,
            ca_bundle=_ca_bundle(core),
            proxy_for=_proxy_for,
            timeouts=timeouts,
        )

    def close(self) -> None:
        """Cut every request under way and close every connection."""
        self._transport.close()

    def call(
        self, service: str, region: str, operation: str, call: Call, **parameters: object
    ) -> Response:
        """Call an operation by its method name (`list_invitations`), at most three times.

        Raises AwsError.
        """
        for attempt in range(ATTEMPTS):
            try:
                return self._attempt(service, region, operation, call, parameters)
            except AwsError as error:
                again = kind_of(error.failure.code).retry is Retry.SOON and attempt < ATTEMPTS - 1
                if not again or not self._pause(attempt, call.deadline):
                    raise
        raise AssertionError  # pragma: no cover -- the last attempt returns or raises

    def _pause(self, attempt: int, deadline: float) -> bool:
        """Wait, for a step or half of it more or less; tell whether to try again after it."""
        pause = _FIRST_PAUSE * 2**attempt * (0.5 + self._rng.random())
        if self._clock.monotonic() + pause >= deadline:
            return False
        return not self._stop.wait(pause)

    def _attempt(
        self,
        service: str,
        region: str,
        operation: str,
        call: Call,
        parameters: Mapping[str, object],
    ) -> Response:
        client = self._client(service, region)
        name = client.meta.method_to_api_mapping[operation]
        attempt = _Attempt(call)
        token = _ATTEMPT.set(attempt)
        started = self._clock.monotonic()
        code: str | None = "other"
        try:
            response: Response = getattr(client, operation)(**parameters)
            code = None
        except _EXPECTED as error:
            known = _failed(error, attempt)
            code = known.failure.code
            raise known from error
        finally:
            _ATTEMPT.reset(token)
            self._observer.attempt(service, name, region, self._clock.monotonic() - started, code)
        return response

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
            raise AwsError(
                "EndpointConnectionError", f"no endpoint for {service}: {error}"
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
        attempt.response = self._transport.send(request, attempt.call.deadline)
        return attempt.response


def _failed(error: Exception, attempt: _Attempt) -> AwsError:
    match error:
        case AwsError():
            return error
        case ClientError():
            return known_error(error)
        case _:
            return attempt.unreadable(error)


def known_error(error: ClientError) -> AwsError:
    """Turn an error that AWS answered into a failure with a code of the table."""
    response = error.response
    metadata = response.get("ResponseMetadata", {})
    detail = response.get("Error", {})
    raw = detail["Code"] if isinstance(detail.get("Code"), str) else ""
    message = str(detail.get("Message") or response.get("message") or "no message")
    code = raw if raw in ERRORS else _by_status(raw, metadata.get("HTTPStatusCode", 0))
    text = _shortened(message if raw == code else f"{raw}: {message}")
    # botocore leaves it in the headers where the body is a front's, not a service's.
    spare = metadata.get("HTTPHeaders", {}).get("x-amzn-requestid", "")
    return AwsError(code, text, str(metadata.get("RequestId") or spare))


def _shortened(text: str) -> str:
    """Keep a message to a line of the log: what is no JSON is a message to botocore, all of it."""
    line = " ".join(text[: 4 * _LONGEST_MESSAGE].split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"


def _by_status(raw: str, status: int) -> str:
    """Name an error by its HTTP status: one without a code, or with a code outside the table.

    Without a code it is no service's answer but that of something on the way to it.
    """
    named = bool(raw) and not raw.isdecimal()
    match status:
        case 429:
            return "ThrottlingException"
        case status if status >= _SERVER_ERROR:
            return "InternalServerException"
        case 401 | 403 if not named:
            return "AccessDeniedException"
        case _:
            return "other" if named else "MalformedResponse"


def _core() -> botocore.session.Session:
    core = botocore.session.get_session()
    core.register_component("credential_provider", _CallersCredentialsProvider())
    core.register_component("response_parser_factory", Parsers())
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
