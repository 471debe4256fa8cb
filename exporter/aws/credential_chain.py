"""The exporter's own credentials: boto3's chain, on a thread that may hang and holds up nobody."""

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import ClientError, HTTPClientError
from yarl import URL

from exporter.aws import environment
from exporter.aws.answers import answered
from exporter.aws.client import Client
from exporter.aws.endpoints import objection, proxy_of
from exporter.aws.models import new_session
from exporter.aws.redaction import shown
from exporter.aws.role_sessions import Session
from exporter.aws.transport import Request
from exporter.background import in_daemon
from exporter.model import AwsError, Failure

_SECRET_PARAMETERS = frozenset(
    ("WebIdentityToken", "ExternalId", "TokenCode", "accessToken", "clientSecret", "refreshToken")
)
_TOKEN = "X-Amz-Security-Token"  # noqa: S105 -- a header's name
_CONTAINER = "AWS_CONTAINER_AUTHORIZATION_TOKEN"


class CredentialChain:
    """Looks for the exporter's own credentials wherever boto3 finds them."""

    def __init__(self, client: Client, region: str) -> None:
        """Ask the STS of a region, where the chain needs one, as the client would."""
        self._client, self._region = client, region
        self._sent: dict[str, str] = {}
        """Secrets that boto3 sent, by their names: who refuses a request may repeat it."""

    async def look(self) -> Session:
        """Look through files, the environment, metadata services and STS, anew. Raises AwsError.

        It may hang: whoever waits may give up, and leave it to its thread.
        """
        try:
            return await in_daemon(partial(self._read, asyncio.get_running_loop()))
        except Exception as error:  # boto3 raises whatever its sources, files and programs do
            raise AwsError.of(self._unusable(error)) from error

    def _read(self, loop: asyncio.AbstractEventLoop) -> Session:
        # Without a region boto3 would ask STS where AWS_DEFAULT_REGION or the profile say.
        session = boto3.Session(region_name=self._region, botocore_session=new_session())
        session.events.register("before-parameter-build", self._note_parameters)
        session.events.register("before-send", partial(self._relay, loop))
        found: Any = session.get_credentials()
        if found is None:
            raise AwsError("CredentialsError", "boto3 found no credentials in any of its sources")
        keys = found.get_frozen_credentials()
        if any(text != text.strip() for text in keys if text):
            message = f"a key or token of {found.method} begins or ends in a blank or line break"
            raise AwsError("CredentialsError", message)
        is_lasting = not isinstance(found, RefreshableCredentials)
        return Session(keys, lambda seconds: not is_lasting and found.refresh_needed(seconds))

    def _note_parameters(self, params: Mapping[str, object], **_: object) -> None:
        self._sent |= {name: str(params[name]) for name in _SECRET_PARAMETERS & params.keys()}

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
            plain = _plain(request)
            self._sent[_TOKEN] = plain.headers.get(_TOKEN, "")
            service, operation = event_name.split(".")[1:]
            sending = self._client.send(plain, service, operation, self._region)
            reply = asyncio.run_coroutine_threadsafe(sending, loop).result()
        except AwsError as error:
            # What botocore tries again.
            raise HTTPClientError(error=error.failure.code) from error
        raw = SimpleNamespace(stream=lambda: [reply.body])  # All that AWSResponse wants of one.
        response: Any = AWSResponse
        return response(str(request.url), reply.status, reply.headers, raw)

    def _unusable(self, error: Exception) -> Failure:
        """Return why there are no credentials, without the secrets that were sent for them."""
        hidden = tuple(self._secrets())
        match error:
            case AwsError(failure=failure):
                return failure
            case HTTPClientError(__cause__=AwsError(failure=failure)):
                message = shown(failure.message, hidden)
                return replace(failure, message=message, asked="own sts:")
            case ClientError(operation_name=operation):
                failure = answered(error.response, hidden).failure
                return replace(failure, asked=f"own sts:{operation}")
            case _:
                return Failure("CredentialsError", shown(objection(error), hidden))

    def _secrets(self) -> Iterator[str]:
        yield from tuple(self._sent.values())
        yield from environment.secrets(os.environ)
        # boto3 sends the container's token by itself.
        yield os.environ.get(_CONTAINER, "")
        with contextlib.suppress(OSError):
            file = Path(os.environ.get(f"{_CONTAINER}_FILE", ""))
            if file.is_file():
                yield file.read_text(encoding="utf-8", errors="replace").strip()


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
