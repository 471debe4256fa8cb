"""What botocore knows of a service in a region: where it answers, and how requests are signed."""

import re
from dataclasses import dataclass
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

_SHOWABLE_ENDPOINT = re.compile(r"Invalid endpoint: (?:https?://)?[\w./-]*")
"""What botocore says of an endpoint without a place for a password: without a colon or an @."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service in one region."""

    model: Any
    serializer: Any
    url: str
    host: str
    signing_name: str
    signing_region: str
    user_agent: str
    proxy: URL | None

    def answers(self, operation: str) -> tuple[str, Any]:
        """Return the wire protocol and the shape of an operation's answers, by botocore."""
        return self.model.resolved_protocol, self.model.operation_model(operation).output_shape

    def request(
        self, operation: str, parameters: dict[str, object], credentials: ReadOnlyCredentials
    ) -> Request:
        """Return the request of an operation, signed as of now. Raises AwsError."""
        try:
            wire = self.serializer.serialize_to_request(
                parameters, self.model.operation_model(operation)
            )
            prepare_request_dict(wire, self.url, user_agent=self.user_agent)
        except (TypeError, ValueError) as error:
            message = f"no request could be made: {type(error).__name__}"
            raise AwsError("other", message) from error
        # The signer would work the host out anew, twice.
        wire["headers"]["Host"] = self.host
        unsigned = create_request_object(wire)
        SigV4Auth(credentials, self.signing_name, self.signing_region).add_auth(unsigned)
        headers = {**dict(unsigned.headers.items()), "Accept-Encoding": "identity"}
        if not "".join(headers.values()).isprintable():
            message = "a request could not be written: do the credentials hold a line break?"
            raise AwsError("CredentialsError", message)
        body: Any = unsigned.body if unsigned.data else None  # Bytes, once it is prepared.
        # Encoded as it was signed: it must not be encoded in another way.
        url = URL(wire["url"], encoded=True)
        return Request(wire["method"], url, headers, body, self.proxy)


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
        host = URL(origin).host_port_subcomponent or ""
        *_, signing_region, signing_name, _ = parse_qs(url.query)["X-Amz-Credential"][0].split("/")
    except (BotoCoreError, ValueError) as error:
        message = f"no endpoint for {service}: {objection(error)}"
        raise AwsError("EndpointConnectionError", message) from error
    model = client.meta.service_model
    probe = client.meta.method_to_api_mapping[_PROBES[service]]
    return Endpoint(
        model,
        create_serializer(model.resolved_protocol, include_validation=False),
        origin + _base(url.path, model.operation_model(probe).http["requestUri"]),
        host,
        signing_name,
        signing_region,
        str(client.meta.config.user_agent),
        proxy_of(origin),
    )


def objection(error: Exception) -> str:
    """Say what botocore objects to, without an endpoint in which a password may stand."""
    text = str(error)
    if isinstance(error, BotoCoreError | OSError) or _SHOWABLE_ENDPOINT.fullmatch(text):
        return text
    if isinstance(error, ValueError):
        # Of an endpoint, or of its port.
        return "AWS_ENDPOINT_URL is no URL: write it like http://localhost:4566"
    return type(error).__name__


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
