"""Every request and every modelled error, held against what boto3's own clients make of them."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError, ProxyConnectionError

from exporter.aws.organizations import GLOBAL_REGION
from exporter.error_codes import ERRORS
from exporter.model import MACIE_REGIONS, AwsError
from tests.aws.conftest import Serve
from tests.aws.rig import REGION, Rig, rig
from tests.faulty import LOOPBACK, FaultyServer, Peer, Request, response, send

KEYS = ReadOnlyCredentials("AKIAEXAMPLE", "secret/+=", None)
SESSION = ReadOnlyCredentials("ASIAEXAMPLE", "secret", "token/+==" * 40)
NEWER_SESSION = ReadOnlyCredentials("ASIANEWER", "other", "another" * 40)
TOKENS = (
    *("t", "+", "é", "/", "=", "%", " ", "%2B%20", "x" * 5000),
    *("a+b/c==&x=y?#;\\'\"~*", "😀\n\t\x00"),
)
SESSION_OF_BOTO3 = boto3.Session()


class Call(NamedTuple):
    """An operation that the exporter uses, by its API name."""

    service: str
    operation: str
    region: str
    parameters: Mapping[str, object]


ROLE = {
    "RoleArn": "arn:aws:iam::111122223333:role/a/path/reader",
    "RoleSessionName": "macie-invitations-exporter",
    "DurationSeconds": 3600,
}
_UNIT = {"ParentId": "ou-ab12-11111111"}
_LISTS = (
    Call("macie2", "ListInvitations", REGION, {"maxResults": 25}),
    Call("organizations", "ListAccounts", GLOBAL_REGION, {}),
    Call("organizations", "ListAccountsForParent", GLOBAL_REGION, _UNIT),
    Call("organizations", "ListOrganizationalUnitsForParent", GLOBAL_REGION, _UNIT),
    Call("organizations", "ListTagsForResource", GLOBAL_REGION, {"ResourceId": "111122223333"}),
    Call("account", "ListRegions", GLOBAL_REGION, {"MaxResults": 50}),
)
CALLS = (
    *_LISTS,
    Call("macie2", "GetAdministratorAccount", REGION, {}),
    Call("sts", "GetCallerIdentity", REGION, {}),
    Call("sts", "AssumeRole", REGION, ROLE),
    Call("sts", "AssumeRole", REGION, {**ROLE, "ExternalId": "a b+c/=,@:é"}),
)
PAGES = tuple(
    call._replace(
        parameters={
            **call.parameters,
            "nextToken" if call.service == "macie2" else "NextToken": token,
        }
    )
    for call in _LISTS
    for token in TOKENS
)


def boto3s(call: Call, credentials: ReadOnlyCredentials) -> Callable[[], Mapping[str, Any]]:
    """Return what makes the call with a client of boto3's own, that sends it once."""
    client = SESSION_OF_BOTO3.client(
        call.service,  # type: ignore[call-overload]  # any of them
        region_name=call.region,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        config=Config(retries={"total_max_attempts": 1}),
    )
    return partial(getattr(client, xform_name(call.operation)), **call.parameters)


def ours(made: Rig, call: Call, credentials: ReadOnlyCredentials) -> Mapping[str, Any]:
    """Make the exporter's call. Raises AwsError."""
    return made.run(
        made.client.call(call.service, call.operation, call.region, credentials, **call.parameters)
    )


def seen(request: Request) -> Mapping[str, object]:
    """Return of a request what may differ in nothing.

    The signature covers the date; what is signed, and for whom, is beside it.
    """
    signed = re.search(r"Credential=(\S+), SignedHeaders=(\S+),", request.headers["authorization"])
    assert signed is not None
    credential, names = signed.groups()
    key, _, scope = credential.partition("/")
    headers = {
        name: value
        for name, value in request.headers.items()
        # The date, and boto3's count of its attempts, which nobody reads.
        if name in names.split(";") and name not in {"x-amz-date", *_COUNTS}
    }
    return {
        "method": request.method,
        "target": request.target,
        "body": request.body,
        "headers": headers,
        "signed": sorted({*names.split(";")} - _COUNTS),
        "key": key,
        "scope": scope.partition("/")[2],
        "length": request.headers.get("content-length"),
    }


_COUNTS = {"amz-sdk-invocation-id", "amz-sdk-request"}


def signatures(request: Request, secret_key: str | None, origin: str) -> tuple[str, str]:
    """Return the signature that a request carries, and what botocore makes of what it covers."""
    found = re.search(
        r"/\d+/(\S+)/(\S+)/aws4_request, SignedHeaders=(\S+), Signature=(\w+)",
        request.headers["authorization"],
    )
    assert found is not None
    region, service, names, signature = found.groups()
    headers = {name: request.headers[name] for name in names.split(";")}
    covered: Any = AWSRequest(request.method, origin + request.target, headers, request.body)
    covered.context["timestamp"] = request.headers["x-amz-date"]
    signer: Any = SigV4Auth(ReadOnlyCredentials("-", secret_key, None), service, region)
    text = signer.string_to_sign(covered, signer.canonical_request(covered))
    return signature, signer.signature(text, covered)


def answer(peer: Peer) -> bool:
    """Answer whatever is asked for, with nothing in it."""
    action = re.match(rb"Action=(\w+)", peer.request.body)
    name = action[1].decode() if action else ""
    xml = f"<{name}Response><{name}Result/></{name}Response>"
    return send(response(xml if name else "{}"))(peer)


@pytest.mark.parametrize(
    ("path", "credentials", "calls"),
    [
        ("", SESSION, CALLS + PAGES),
        ("", KEYS, CALLS),
        ("/a/path", KEYS, CALLS),
        ("/a/path/", KEYS, CALLS),
    ],
    ids=["session", "keys", "path", "path that ends in a slash"],
)
def test_what_is_sent_is_what_boto3_sends(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    credentials: ReadOnlyCredentials,
    calls: Sequence[Call],
) -> None:
    """Method, URL, body and signed headers, of every operation, whatever its page tokens hold."""
    server = serve(answer)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url + path)
    with rig(attempts=1) as made:
        for call in calls:
            ours(made, call, credentials)
            boto3s(call, credentials)()
            mine, other = (seen(request) for request in server.requests)
            assert mine == other, call
            server.requests.clear()


def test_each_request_is_signed_with_its_own_credentials_and_date(serve: Serve) -> None:
    """Whatever is kept of an earlier one, the signature is the one that botocore would make."""
    server = serve(answer)
    with rig(attempts=1) as made:
        for call in CALLS + PAGES:
            for credentials in (SESSION, KEYS, NEWER_SESSION):
                ours(made, call, credentials)
                (request,) = server.requests
                sent, expected = signatures(request, credentials.secret_key, server.url)
                assert sent == expected, call
                assert request.headers.get("x-amz-security-token") == credentials.token
                assert f"Credential={credentials.access_key}/" in request.headers["authorization"]
                server.requests.clear()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"},
    ],
    ids=lambda variables: " ".join(variables) or "as it is",
)
def test_hosts_are_those_of_boto3(
    monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]
) -> None:
    """FIPS, dual-stack and STS's old global endpoint, in every region with Macie."""
    everywhere = [CALLS[0]._replace(region=region) for region in MACIE_REGIONS]
    with FaultyServer(send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LOOPBACK}:{between.port}")
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        with rig(attempts=1) as made:
            for call in (*everywhere, *CALLS[1:]):
                with pytest.raises(AwsError):
                    ours(made, call, KEYS)
                with pytest.raises(ProxyConnectionError):
                    boto3s(call, KEYS)()
                mine, other = (request.target for request in between.requests)
                assert mine == other
                between.requests.clear()


OPERATIONS = {call.operation: call for call in CALLS}


def modelled(call: Call) -> Iterator[tuple[str, int]]:
    """Return every error that botocore's model has for an operation, and its HTTP status."""
    model = botocore.session.get_session().get_service_model(call.service)
    shapes: Any = model.operation_model(call.operation).error_shapes  # The stubs lack much.
    for shape in shapes:
        yield shape.error_code, shape.metadata.get("error", {}).get("httpStatusCode", 400)


def error(call: Call, code: str, status: int) -> bytes:
    """Write an error in a service's protocol."""
    text = "something is wrong"
    match call.service:
        case "sts":
            xml = f"<ErrorResponse><Error><Code>{code}</Code><Message>{text}</Message></Error>"
            return response(f"{xml}<RequestId>r-1</RequestId></ErrorResponse>", status)
        case "organizations":
            return response(json.dumps({"__type": code, "Message": text}), status)
        case _:
            return response(json.dumps({"message": text}), status, {"x-amzn-ErrorType": code})


@pytest.mark.parametrize("operation", OPERATIONS)
def test_errors_are_those_of_boto3(serve: Serve, operation: str) -> None:
    """Every modelled one has the same code, message and request id.

    Where the table does not know the code, the message names it.
    """
    call, server = OPERATIONS[operation], serve(answer)
    with rig(attempts=1) as made:
        for code, status in modelled(call):
            server.behave(send(error(call, code, status)))
            with pytest.raises(AwsError) as caught:
                ours(made, call, KEYS)
            with pytest.raises(ClientError) as raised:
                boto3s(call, KEYS)()
            told = raised.value.response["Error"]
            assert told["Code"] == code
            failure = caught.value.failure
            if code in ERRORS:
                assert (failure.code, failure.message) == (code, told["Message"])
            else:
                assert (failure.code, failure.message) == ("other", f"{code}: {told['Message']}")
            assert failure.request_id == raised.value.response["ResponseMetadata"]["RequestId"]
