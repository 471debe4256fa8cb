"""Calls AWS: one way for every service. At most three attempts a call, each of them observed.

The caller's `asyncio.timeout` is the only deadline: cancelling ends a call wherever it is.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import Any, Protocol, TypeVar

import botocore.session
from botocore.credentials import ReadOnlyCredentials
from botocore.httpsession import get_cert_path

from exporter.aws import answers, endpoints, environment
from exporter.aws.endpoints import Endpoint
from exporter.aws.models import new_session
from exporter.aws.transport import TIMEOUTS, Reply, Request, Timeouts, Transport
from exporter.background import Shared, in_daemon
from exporter.clock import Clock
from exporter.error_codes import Retry, error_kind
from exporter.model import AwsError

T = TypeVar("T")
Page = Mapping[str, Any]

ATTEMPTS = 3

MOST_PAGES = 20_000
"""Of one list: Organizations gives 20 accounts a page, and some of its pages are empty."""

LONGEST_TOKEN = 100_000
"""Characters, as Organizations' API reference has it."""

_FIRST_PAUSE = 0.2

_SECRET = ("ExternalId", "NextToken", "nextToken")
"""Parameters that no message may repeat."""


class Observer(Protocol):
    """Is told of every HTTP attempt."""

    def attempt(
        self, service: str, operation: str, region: str, seconds: float, error_code: str | None
    ) -> None:
        """Count one attempt that took so many seconds; `error_code` is None where it succeeded."""


class Client:
    """Calls any operation of any service in any region, as whoever signs it."""

    def __init__(
        self,
        *,
        clock: Clock,
        observer: Observer,
        rng: random.Random,
        timeouts: Timeouts = TIMEOUTS,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Report to the observer of each attempt. To be made in a running loop."""
        self._clock, self._observer, self._rng = clock, observer, rng
        self._attempts, self._sleep = attempts, sleep
        self._session = new_session()
        self._transport = Transport(_ca_bundle(self._session), timeouts)
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._finding: dict[tuple[str, str], Shared[Endpoint]] = {}
        self._session_free = asyncio.Lock()
        self._proxies = tuple(environment.secrets(os.environ))

    async def close(self) -> None:
        """Let nothing begin any more, and close every connection."""
        for finding in self._finding.values():
            finding.cancel()
        await self._transport.close()

    async def call(
        self,
        service: str,
        operation: str,
        region: str,
        credentials: ReadOnlyCredentials,
        /,
        **parameters: object,
    ) -> Mapping[str, Any]:
        """Return the fields of an operation's answer, by its API name (`ListInvitations`).

        As boto3 does, with the request's id under ResponseMetadata; but what came as JSON is as it
        came: fields may have other types than the model's. Raises AwsError.
        """
        endpoint = await self._endpoint(service, region)
        said = (str(parameters[name]) for name in _SECRET if name in parameters)
        hidden = (*secrets_of(credentials), *said, *self._proxies)
        attempts = 0
        while True:
            attempts += 1
            started = self._clock.monotonic()
            code: str | None = "Deadline"  # What else ends an attempt is that nobody waits.
            try:
                request = endpoint.request(operation, parameters, credentials)
                reply = await self._transport.send(request)
                fields = answers.answer(reply, *endpoint.answers(operation), hidden)
                code = None
            except AwsError as error:
                code = error.failure.code
                if attempts == self._attempts or error_kind(code).retry is not Retry.SOON:
                    asked = replace(error.failure, asked=f"{service}:{operation}")
                    raise AwsError.of(asked) from error
            else:
                return fields
            finally:
                seconds = self._clock.monotonic() - started
                self._observer.attempt(service, operation, region, seconds, code)
            await self._sleep(_FIRST_PAUSE * 2.0 ** (attempts - 1) * (0.5 + self._rng.random()))

    async def send(self, request: Request, service: str, operation: str, region: str) -> Reply:
        """Send what boto3 made, within the same bounds, and once. Raises AwsError."""
        started = self._clock.monotonic()
        code: str | None = "Deadline"
        try:
            reply = await self._transport.send(request)
            code = answers.error_code(reply, service, operation)
        except AwsError as error:
            code = error.failure.code
            raise
        else:
            return reply
        finally:
            seconds = self._clock.monotonic() - started
            self._observer.attempt(service, operation, region, seconds, code)

    async def _endpoint(self, service: str, region: str) -> Endpoint:
        key = (service, region)
        found = self._endpoints.get(key)
        if found is None:
            finding = self._finding.setdefault(key, Shared(partial(self._find, *key)))
            found = self._endpoints[key] = await finding.result()
        return found

    async def _find(self, service: str, region: str) -> Endpoint:
        """Ask botocore, which reads files for it, and whose session is for one thread at a time."""
        async with self._session_free:
            return await in_daemon(partial(endpoints.find, self._session, service, region))


async def pages(
    call: Callable[..., Awaitable[Page]],
    take: Callable[[Page], T],
    token_name: str,
    parameters: Mapping[str, object],
    longest_token: int = LONGEST_TOKEN,
) -> AsyncIterator[T]:
    """Yield what is taken of each page of a list. Raises AwsError, also for one without an end."""
    seen: set[bytes] = set()
    following: Mapping[str, object] = {}
    while len(seen) < MOST_PAGES:
        page = await call(**parameters, **following)
        taken, token = take(page), page.get(token_name)
        request_id = page["ResponseMetadata"]["RequestId"]
        del page  # It may be much larger than what is taken of it.
        yield taken
        if token is None or token == "":
            return
        if not isinstance(token, str) or not _is_unicode(token):
            raise AwsError("MalformedResponse", "a page token that is no text", request_id)
        if len(token) > longest_token:
            message = f"a page token of more than {longest_token} characters"
            raise AwsError("MalformedResponse", message, request_id)
        # Not the token itself: pages may be many, and tokens of any length.
        digest = blake2b(token.encode(), digest_size=16).digest()
        if digest in seen:
            raise AwsError("PaginationLoop", "a page token came twice", request_id)
        seen.add(digest)
        following = {token_name: token}
    raise AwsError("PaginationLoop", f"more than {MOST_PAGES} pages")


def _is_unicode(text: str) -> bool:
    """Return whether a text can be sent: JSON can spell half a surrogate pair, UTF-8 cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def secrets_of(credentials: ReadOnlyCredentials) -> tuple[str, ...]:
    """Return what no message may repeat, whoever signs."""
    own = (credentials.token, credentials.secret_key, credentials.access_key)
    return tuple(secret for secret in own if secret)


def _ca_bundle(session: botocore.session.Session) -> str:
    """Return the file of trusted authorities: AWS's setting, requests', certifi, as botocore."""
    configured = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    return str(configured or get_cert_path(verify=True))
