"""An operation that is a GET of a JSON document, without botocore's way of making a call.

That way (events, rules for endpoints, requests prepared twice, a model walked for every field)
costs several times the exchange itself. What it knows is asked once: the endpoint, and the region
and name to sign for. botocore still signs each request, and reads the errors.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, HeadersDict
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParser
from botocore.utils import percent_encode_sequence

from exporter.aws.transport import Reply, Request
from exporter.model import AwsError

_OK, _REDIRECTION = 200, 300
_NO_SHAPE: Any = None
"""Errors are read without their operation's model, which is of no use for them."""


@dataclass(frozen=True, slots=True)
class Document:
    """An answer's fields, as JSON holds them, and AWS's id of the request."""

    fields: Mapping[str, object]
    request_id: str


@dataclass(frozen=True, slots=True)
class Get:
    """Where an operation of one service is answered in one region, and what it is signed for."""

    url: str
    host: str
    service: str
    region: str
    user_agent: str

    @classmethod
    def of(cls, client: Any, operation: str) -> "Get":  # noqa: ANN401 -- the stubs lack much
        """Ask botocore, which tells it in a presigned URL. Raises what botocore raises."""
        methods = {name: method for method, name in client.meta.method_to_api_mapping.items()}
        url = urlsplit(client.generate_presigned_url(methods[operation]))
        scope = parse_qs(url.query)["X-Amz-Credential"][0]
        *_, region, service, _ = scope.split("/")
        host = url.netloc.rpartition("@")[2].lower()
        agent = str(client.meta.config.user_agent)
        return cls(f"{url.scheme}://{url.netloc}{url.path}", host, service, region, agent)

    def request(
        self, parameters: Mapping[str, str | int], credentials: ReadOnlyCredentials
    ) -> Request:
        """Give the signed request for some query parameters."""
        url = f"{self.url}?{percent_encode_sequence(parameters)}" if parameters else self.url
        # The signer would work the host out anew, twice.
        signed = AWSRequest("GET", url, headers={"Host": self.host})
        SigV4Auth(credentials, self.service, self.region).add_auth(signed)
        return Request("GET", url, {**signed.headers, "User-Agent": self.user_agent})


def document(reply: Reply, parser: ResponseParser) -> Document:
    """Read a reply.

    Raises ClientError for an error of AWS's, as botocore's own calls do, and AwsError for what is
    no JSON object.
    """
    if reply.status >= _REDIRECTION:
        raise ClientError(parser.parse(_as_botocore(reply), _NO_SHAPE), "GET")
    if reply.status != _OK:
        # Something on the way: it says itself that this is a part, or not what AWS sent.
        raise _malformed(reply, "not AWS's own status")
    try:
        fields = json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise _malformed(reply, type(error).__name__) from error
    if not isinstance(fields, dict):
        raise _malformed(reply, "no JSON object")
    return Document(fields, reply.request_id)


def _as_botocore(reply: Reply) -> dict[str, Any]:
    """Give a reply as botocore hands one to its parsers."""
    return {
        "status_code": reply.status,
        "headers": HeadersDict(reply.headers),
        "body": reply.body,
        "context": {},
    }


def _malformed(reply: Reply, reason: str) -> AwsError:
    message = f"HTTP {reply.status}, not of the API's form: {reason}"
    return AwsError("MalformedResponse", message, reply.request_id)
