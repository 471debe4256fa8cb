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
from botocore.httpsession import get_cert_path
from botocore.parsers import ResponseParserError
from botocore.utils import get_environ_proxies

from exporter import __version__
from exporter.aws.timestamps import unix_seconds
from exporter.aws.transport import Timeouts, Transport
from exporter.clock import Clock, Stop
from exporter.errors import ERRORS, Retry, kind_of
from exporter.model import AwsError

ATTEMPTS = 3
_FIRST_PAUSE = 0.2
_SERVER_ERROR = 500

Response = Mapping[str, Any]
Resolve = Callable[[], ReadOnlyCredentials]


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


_CALL: ContextVar[Call] = ContextVar("call")


class _CallersCredentials:
    """Credentials, to botocore: whatever the call under way brought with it."""

    method = "macie-invitations-exporter"

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return _CALL.get().credentials

    def get_deferred_property(self, name: str) -> Callable[[], None]:
        del name
        return lambda: None


class _CallersCredentialsProvider:
    def load_credentials(self) -> _CallersCredentials:
        return _CallersCredentials()


class Clients:
    """Calls AWS: one HTTP attempt at a time, each observed, transient failures tried again."""

    def __init__(
        self, *, clock: Clock, stop: Stop, observer: Observer, connections: int, rng: random.Random
    ) -> None:
        """Keep up to `connections` open to each endpoint."""
        self._clock, self._stop, self._observer, self._rng = clock, stop, observer, rng
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], BaseClient] = {}
        self._session = _session()
        self._config = Config(
            # One attempt: `call` below retries, within the deadline, and stops when the process does.
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=Timeouts().connect,
            read_timeout=Timeouts().read,
            max_pool_connections=connections,
            parameter_validation=False,
            user_agent_extra=f"macie-invitations-exporter/{__version__}",
        )
        self._transport = Transport(
            clock=clock,
            connections=connections,
            ca_bundle=_ca_bundle(self._session),
            proxy_for=_proxy_for,
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
                retried = kind_of(error.failure.code).retry is Retry.SOON
                if not retried or attempt + 1 == ATTEMPTS or not self._pause(attempt, call.deadline):
                    raise
        raise AssertionError  # pragma: no cover -- the last attempt returns or raises

    def _pause(self, attempt: int, deadline: float) -> bool:
        """Wait with full jitter before another attempt; tell whether one is worth making."""
        pause = _FIRST_PAUSE * 2**attempt * (0.5 + self._rng.random())
        if self._clock.monotonic() + pause >= deadline:
            return False
        return not self._stop.wait(pause)

    def _attempt(
        self, service: str, region: str, operation: str, call: Call, parameters: Mapping[str, object]
    ) -> Response:
        client = self._client(service, region)
        name = client.meta.method_to_api_mapping[operation]
        token = _CALL.set(call)
        started = self._clock.monotonic()
        code = None
        try:
            response: Response = getattr(client, operation)(**parameters)
        except AwsError as error:
            code = error.failure.code
            raise
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            known = known_error(error)
            code = known.failure.code
            raise known from error
        except (AttributeError, TypeError, ValueError, KeyError, RecursionError) as error:
            # botocore's parsers walk into bodies whose JSON has other types than the model's.
            code = "MalformedResponse"
            raise AwsError(code, f"not of the API's form: {type(error).__name__}") from error
        finally:
            _CALL.reset(token)
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
            raise AwsError("EndpointConnectionError", f"no endpoint for {service}: {error}") from error
        client.meta.events.register("before-send", self._send)
        return client

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        return self._transport.send(request, _CALL.get().deadline)


def known_error(error: Exception) -> AwsError:
    """Turn what botocore raises into a failure with a code of the table."""
    if not isinstance(error, ClientError):
        code = "MalformedResponse" if isinstance(error, ResponseParserError) else "other"
        return AwsError(code, f"{type(error).__name__}: {error}")
    response = error.response
    metadata = response.get("ResponseMetadata", {})
    detail = response.get("Error", {})
    raw = str(detail.get("Code", ""))
    message = str(detail.get("Message", "")) or str(response.get("message", "")) or "no message"
    code = raw if raw in ERRORS else _by_status(raw, metadata.get("HTTPStatusCode", 0))
    text = message if raw == code else f"{raw}: {message}"
    return AwsError(code, text, str(metadata.get("RequestId", "")))


def _by_status(raw: str, status: int) -> str:
    """Name an error that is not in the table: by its HTTP status where AWS gave no code at all."""
    named = bool(raw) and not raw.isdecimal()
    match status:
        case 429:
            return "ThrottlingException"
        case 401 | 403 if not named:
            return "AccessDeniedException"
        case status if status >= _SERVER_ERROR and not named:
            return "InternalServerException"
        case _:
            return "other" if named else "MalformedResponse"


def _session() -> boto3.Session:
    core = botocore.session.get_session()
    core.register_component("credential_provider", _CallersCredentialsProvider())
    parsers = core.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=unix_seconds)
    return boto3.Session(botocore_session=core)


def _ca_bundle(session: boto3.Session) -> str:
    """Give the file of trusted authorities, in botocore's order: AWS's setting, requests', certifi."""
    configured = session._session.get_config_variable("ca_bundle")  # noqa: SLF001 -- boto3 hides it
    return str(configured or os.environ.get("REQUESTS_CA_BUNDLE") or get_cert_path(verify=True))


def _proxy_for(origin: str) -> str | None:
    scheme = origin.partition(":")[0]
    proxies: Mapping[str, str] = get_environ_proxies(origin)
    return proxies.get(scheme)
