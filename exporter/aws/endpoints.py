"""What botocore knows of a service in a region: where it answers, and how requests are signed."""

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import create_request_object, prepare_request_dict
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from botocore.serialize import create_serializer
from botocore.session import Session
from botocore.utils import get_environ_proxies
from yarl import URL

from exporter import __version__
from exporter.aws.transport import Request
from exporter.model import AwsError

_PROBES = {
    "macie2": "list_invitations",
    "sts": "get_caller_identity",
    "organizations": "list_accounts",
    "account": "list_regions",
}
"""A method of each service that needs no parameter."""

_KEPT = 4
"""Requests of an endpoint that are kept written: first pages, and those that come again soon."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_NOBODY = ReadOnlyCredentials("", "", None)
_DATE, _TOKEN = "\0date", "\0token"
"""Marks for what each request has of its own: a zero byte stands in no URL and no header."""


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A request without its date, token and signature: the same for whoever asks the same."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None
    canonical: str
    """What is signed, as botocore writes it, with marks where date and token belong."""
    signed_headers: str


class Endpoint:
    """A service in one region."""

    def __init__(
        self,
        *,
        model: Any,  # noqa: ANN401 -- the stubs lack much
        url: str,
        scope: tuple[str, str],
        user_agent: str,
        proxy: URL | None,
    ) -> None:
        """Take botocore's model; requests are signed for the `scope`, a region and a service."""
        self._model, self._url, self._scope = model, url, scope
        self._user_agent, self._proxy = user_agent, proxy
        self._host = URL(url).host_port_subcomponent or ""
        self._serializer = create_serializer(model.resolved_protocol, include_validation=False)
        # Nearly all requests are for a first page; to write one is half of what a poll costs.
        self._unsigned = lru_cache(maxsize=_KEPT)(self._written)
        self.answers = lru_cache(self._answers)

    def request(
        self, operation: str, parameters: Mapping[str, object], credentials: ReadOnlyCredentials
    ) -> Request:
        """Return the request of an operation, signed as of now. Raises AwsError."""
        token = credentials.token or ""
        written = tuple(parameters.items())
        unsigned = self._unsigned(operation, written, _TOKEN if token else "")
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = {**unsigned.headers, "X-Amz-Date": date}
        if token:
            headers["X-Amz-Security-Token"] = token
        text = unsigned.canonical.replace(_DATE, date).replace(_TOKEN, " ".join(token.split()))
        scope = "/".join((date[:8], *self._scope, "aws4_request"))
        headers["Authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={unsigned.signed_headers}, "
            f"Signature={_signature(credentials.secret_key, date, scope, text)}"
        )
        if not "".join(headers.values()).isprintable():
            message = "a request could not be written: do the credentials hold a line break?"
            raise AwsError("CredentialsError", message)
        return Request(unsigned.method, unsigned.url, headers, unsigned.body, self._proxy)

    def _answers(self, operation: str) -> tuple[str, Any]:
        """Return the wire protocol and the shape of an operation's answers, by botocore."""
        return self._model.resolved_protocol, self._model.operation_model(operation).output_shape

    def _written(
        self, operation: str, parameters: tuple[tuple[str, object], ...], token: str
    ) -> Unsigned:
        """Write a request, with a mark in the place of a token. Raises AwsError."""
        try:
            wire = self._serializer.serialize_to_request(
                dict(parameters), self._model.operation_model(operation)
            )
            prepare_request_dict(wire, self._url, user_agent=self._user_agent)
        except (TypeError, ValueError) as error:
            message = f"no request could be made: {type(error).__name__}"
            raise AwsError("other", message) from error
        # The signer would work the host out anew.
        wire["headers"]["Host"] = self._host
        request = create_request_object(wire)
        headers = {**dict(request.headers.items()), "Accept-Encoding": "identity"}
        request.headers["X-Amz-Date"] = _DATE
        if token:
            request.headers["X-Amz-Security-Token"] = token
        region, service = self._scope
        signer: Any = SigV4Auth(_NOBODY, service, region)
        body: Any = request.body if request.data else None  # Bytes, once it is prepared.
        return Unsigned(
            wire["method"],
            # Encoded as it was signed: it must not be encoded in another way.
            URL(wire["url"], encoded=True),
            headers,
            body,
            signer.canonical_request(request),
            signer.signed_headers(signer.headers_to_sign(request)),
        )


def _signature(secret_key: str | None, date: str, scope: str, canonical: str) -> str:
    """Return the signature of a canonical request.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    text = "\n".join((_ALGORITHM, date, scope, sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret_key}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def find(session: Session, service: str, region: str) -> Endpoint:
    """Ask botocore, which honours AWS_ENDPOINT_URL*, FIPS and dual-stack.

    It reads files; sessions are not to be shared between threads. Raises AwsError.
    """
    try:
        client: Any = session.create_client(
            service,
            region,
            aws_access_key_id="-",
            aws_secret_access_key="-",  # noqa: S106 -- for a URL that nobody calls
            config=Config(user_agent=_user_agent(session)),
        )
        url = urlsplit(client.generate_presigned_url(_PROBES[service]))
        origin = f"{url.scheme}://{url.netloc.rpartition('@')[2].lower()}"
        *_, region, name, _ = parse_qs(url.query)["X-Amz-Credential"][0].split("/")
    except (BotoCoreError, ValueError) as error:
        message = f"no endpoint for {service}: {objection(error)}"
        raise AwsError("EndpointConnectionError", message) from error
    model = client.meta.service_model
    probe = client.meta.method_to_api_mapping[_PROBES[service]]
    return Endpoint(
        model=model,
        url=origin + _base(url.path, model.operation_model(probe).http["requestUri"]),
        scope=(region, name),
        user_agent=str(client.meta.config.user_agent),
        proxy=proxy_of(origin),
    )


def objection(error: Exception) -> str:
    """Say what botocore objects to; where it repeats what was written, only what kind it is of."""
    if isinstance(error, BotoCoreError | OSError | RuntimeError):
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__}: check AWS_ENDPOINT_URL, the AWS profile and variables"


def _base(path: str, operation: str) -> str:
    """Return the path of AWS_ENDPOINT_URL, under which each operation has its own."""
    return path if operation == "/" else path.removesuffix(operation)


def _user_agent(session: Session) -> str:
    """Return it whole: botocore would put it together from 16 parts."""
    app = session.get_config_variable("user_agent_appid")
    agent = f"macie-invitations-exporter/{__version__} {session.user_agent()}"
    return f"{agent} app/{app}" if app else agent


def proxy_of(origin: str) -> URL | None:
    """Return the environment's proxy for an origin, NO_PROXY minded, as botocore reads them."""
    scheme = origin.partition(":")[0]
    written = get_environ_proxies(origin).get(scheme)
    if not written:
        return None
    variable = f"{scheme.upper()}_PROXY"
    try:
        url = URL(written if "://" in written else f"http://{written.removeprefix('//')}")
    except ValueError as error:
        # Without the error's text, which may hold the proxy's password.
        message = f"the proxy's URL cannot be read ({type(error).__name__}): check {variable}"
        raise AwsError("EndpointConnectionError", message) from error
    if url.scheme not in ("http", "https") or not url.host:
        message = f"{variable} must be an http:// or https:// URL: SOCKS is not spoken"
        raise AwsError("EndpointConnectionError", message)
    return url
