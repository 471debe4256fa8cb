"""The exporter's own credentials: boto3's chain, on a thread that may hang and holds up nobody."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.parsers import ResponseParserError
from yarl import URL

from exporter.aws import environment
from exporter.aws.answers import UNREADABLE, answered, error_code, is_plain_xml
from exporter.aws.client import Client
from exporter.aws.endpoints import objection, proxy_of
from exporter.aws.models import new_session
from exporter.aws.redaction import shown
from exporter.aws.transport import Reply, Request
from exporter.background import Shared, in_daemon
from exporter.clock import Clock
from exporter.model import AwsError, Failure

PART_OF_STEP = 0.95
"""What was refused is tried again after this part of an interval: polls may begin a bit early."""

_UNUSABLE = (AwsError, BotoCoreError, ClientError, OSError, RuntimeError, *UNREADABLE)
"""What boto3 raises where there are credentials, but none that can be had."""

_AHEAD = 60
"""Seconds before their end from which on credentials are not handed out."""

_FAILED, _READ = 5.0, 60.0
"""Seconds until the next look through the chain: after one that failed, after one that did not."""

_PARAMETERS = frozenset(
    ("WebIdentityToken", "ExternalId", "TokenCode", "accessToken", "clientSecret", "refreshToken")
)
_HEADER = "X-Amz-Security-Token"
_CONTAINER = "AWS_CONTAINER_AUTHORIZATION_TOKEN"


@dataclass(frozen=True, slots=True)
class _Chain:
    """What boto3 found, in which region it was looked for, and the keys of now."""

    region: str
    source: Any
    keys: ReadOnlyCredentials

    def ends_within(self, seconds: int | None) -> bool:
        """Return whether the keys end so soon; None stands for boto3's own idea of soon."""
        source = self.source
        return isinstance(source, RefreshableCredentials) and source.refresh_needed(seconds)


class BaseCredentials:
    """The exporter's own credentials, from wherever boto3 finds them."""

    def __init__(self, client: Client, clock: Clock, region: Callable[[], str]) -> None:
        """Ask the STS of `region()`, where the chain needs one, as the client would."""
        self._client, self._clock, self._region = client, clock, region
        self._sent_secrets = SentSecrets(os.environ)
        self._chain: _Chain | None = None
        self._failure: Failure | None = None
        self._next_look = self._renewed = float("-inf")
        self._looking = Shared(self._look)

    async def current(self) -> ReadOnlyCredentials:
        """Return the chain's credentials; those that expire are refreshed ahead. Raises AwsError.

        The chain may hang: whoever waits for it may give up, and leave it to its thread.
        """
        waits = self._clock.monotonic() < self._next_look
        chain = self._chain
        if chain and chain.region == self._region() and not chain.ends_within(_AHEAD):
            if chain.ends_within(None) and not waits:
                self._looking.start()
            return chain.keys
        if self._failure and waits:
            raise AwsError.of(self._failure)
        return await self._looking.result()

    def renew(self, used: ReadOnlyCredentials, step: float) -> bool:
        """Forget what AWS refused: a file may hold newer ones by now.

        Tell whether asking again may give others.
        """
        if self._chain is None or used is not self._chain.keys:
            return True
        now = self._clock.monotonic()
        if now - self._renewed < min(_READ, PART_OF_STEP * step):
            return False
        self._renewed, self._chain = now, None
        return True

    def close(self) -> None:
        """End the wait for the chain; its thread holds up no exit."""
        self._looking.cancel()

    async def _look(self) -> ReadOnlyCredentials:
        """Look through the chain, or refresh what it gave: files, metadata services, STS."""
        pause, loop = _FAILED, asyncio.get_running_loop()
        try:
            chain = await in_daemon(partial(self._read, loop))
            self._chain, self._failure, pause = chain, None, _READ
        except _UNUSABLE as error:
            self._failure = self._unusable(error)
            raise AwsError.of(self._failure) from error
        finally:
            self._next_look = self._clock.monotonic() + pause
        return chain.keys

    def _read(self, loop: asyncio.AbstractEventLoop) -> _Chain:
        known, region = self._chain, self._region()
        source: Any = known.source if known and known.region == region else None
        if source is None:
            # A new session reads files and the environment anew. Without a region boto3 would ask
            # STS where AWS_DEFAULT_REGION or the profile say.
            session = boto3.Session(region_name=region, botocore_session=new_session())
            self._sent_secrets.listen(session)
            session.events.register("before-send", partial(self._relay, loop))
            source = session.get_credentials()
        if source is None:
            raise AwsError("CredentialsError", "boto3 found no credentials in any of its sources")
        keys: ReadOnlyCredentials = source.get_frozen_credentials()
        if any(text != text.strip() for text in keys if text):
            message = f"a key or token of {source.method} begins or ends in a blank or line break"
            raise AwsError("CredentialsError", message)
        return _Chain(region, source, keys)

    def _relay(
        self,
        loop: asyncio.AbstractEventLoop,
        request: AWSPreparedRequest,
        event_name: str,
        **_: object,
    ) -> Any:  # noqa: ANN401 -- the stubs expect None
        """Have the loop send what a client of boto3's made, so that the same bounds hold."""
        if loop.is_closed():
            raise HTTPClientError(error="the exporter has stopped")
        try:
            sending = self._bounded(_plain(request), *event_name.split(".")[1:])
            reply = asyncio.run_coroutine_threadsafe(sending, loop).result()
        except AwsError as error:
            # What botocore tries again.
            raise HTTPClientError(error=error.failure.code) from error
        raw = SimpleNamespace(stream=lambda: [reply.body])  # All that AWSResponse wants of one.
        response: Any = AWSResponse
        return response(str(request.url), reply.status, reply.headers, raw)

    async def _bounded(self, request: Request, service: str, operation: str) -> Reply:
        reply = await self._client.send(request, service, operation, self._region())
        malformed = error_code(reply, operation) == "MalformedResponse"
        if malformed or not is_plain_xml(reply.body):
            message = f"HTTP {reply.status}, not of the API's form"
            raise AwsError("MalformedResponse", message)
        return reply

    def _unusable(self, error: Exception) -> Failure:
        hidden, asked = tuple(self._sent_secrets.secrets()), "own sts:"
        match error:
            case AwsError(failure=failure) | HTTPClientError(__cause__=AwsError(failure=failure)):
                asked = asked if isinstance(error, HTTPClientError) else ""
                failure = replace(failure, message=shown(failure.message, hidden))
            case ClientError(operation_name=operation):
                asked += operation
                failure = answered(error.response, hidden).failure
            case ResponseParserError():
                message = "an answer to the search for credentials is not of the API's form"
                failure = Failure("MalformedResponse", message)
            case _:
                message = f"{type(error).__name__}: {objection(error)}"
                asked, failure = "", Failure("CredentialsError", shown(message, hidden))
        return replace(failure, asked=asked)


class SentSecrets:
    """Secrets that boto3 sends to get the exporter's own credentials: the latest of each kind.

    Who refuses such a request may repeat it, and boto3's errors hold the refusal.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the environment that names the container's token, which boto3 sends by itself."""
        self._environ = environ
        self._sent: dict[str, str] = {}

    def listen(self, session: boto3.Session) -> None:
        """Note what the session sends from now on."""
        session.events.register("before-parameter-build", self._note_parameters)
        session.events.register("before-send", self._note_token)

    def secrets(self) -> Iterator[str]:
        """Return them all."""
        yield from tuple(self._sent.values())
        yield from environment.secrets(self._environ)
        yield self._environ.get(_CONTAINER, "")
        with contextlib.suppress(OSError, UnicodeDecodeError):
            file = Path(self._environ.get(f"{_CONTAINER}_FILE", ""))
            yield file.read_text(encoding="utf-8").strip()

    def _note_parameters(self, params: Mapping[str, object], **_: object) -> None:
        self._sent |= {name: str(params[name]) for name in _PARAMETERS & params.keys()}

    def _note_token(self, request: AWSPreparedRequest, **_: object) -> None:
        token: Any = request.headers.get(_HEADER, "")  # Bytes, once it is prepared.
        self._sent[_HEADER] = token.decode() if isinstance(token, bytes) else token


def _plain(request: AWSPreparedRequest) -> Request:
    """Return a request that a client of botocore made. Raises AwsError where its proxy is none."""
    url = URL(request.url, encoded=True)
    origin = f"{url.scheme}://{url.host_port_subcomponent}"
    prepared: Any = request  # The stubs lack much.
    headers = {
        # Those that were signed are bytes.
        name: str(value, "latin-1") if isinstance(value, bytes) else value
        for name, value in prepared.headers.items()
    }
    return Request(
        str(request.method), url.with_user(None), headers, prepared.body, proxy_of(origin)
    )
