"""Every request, held against what boto3's own clients make of it."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ProxyConnectionError

from exporter.aws.organizations import GLOBAL_REGION
from exporter.model import MACIE_REGIONS, AwsError
from tests.aws.conftest import Serve
from tests.aws.rig import REGION, Rig, rig
from tests.embedded_aws.signatures import is_signed, signature_of
from tests.faulty import LOOPBACK, FaultyServer, Peer, Request, response, send
from tests.processes import refusing_port

KEYS = ReadOnlyCredentials("AKIAEXAMPLE", "secret/+=", None)
SESSION = ReadOnlyCredentials("ASIAEXAMPLE", "secret", "token/+==" * 40)
NEWER_SESSION = ReadOnlyCredentials("ASIANEWER", "other", "an  other" * 40)
TOKENS = ("%2B%20", "x" * 5000, "a+b/c==&x=y?#;\\'\"~*é %", "😀\n\t\x00")
SESSION_OF_BOTO3 = boto3.Session()


class Call(NamedTuple):
    """An operation that the exporter uses, by its API name."""

    service: str
    operation: str
    region: str
    parameters: Mapping[str, object]


EXPORTER = "macie-invitations-exporter"
ROLE = {
    "RoleArn": "arn:aws:iam::111122223333:role/a/path/reader",
    "RoleSessionName": EXPORTER,
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
_TOKEN_NAMES = {"macie2": "nextToken"}
PAGES = tuple(
    call._replace(
        parameters={**call.parameters, _TOKEN_NAMES.get(call.service, "NextToken"): token}
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


_UNSIGNED = {"amz-sdk-invocation-id", "amz-sdk-request"}
"""boto3's count of its attempts, which it signs and nobody reads."""


def seen(request: Request, credentials: ReadOnlyCredentials) -> Mapping[str, object]:
    """Return of a request what may differ in nothing: all but its date, and what covers that.

    Its signature has to be the one that botocore would make.
    """
    given = signature_of(request)
    assert given is not None
    assert is_signed(request, given, str(credentials.secret_key))
    signed = {name: request.headers[name] for name in given["headers"].split(";")}
    return {
        "request": (request.method, request.target, request.body),
        "signed as": given.group("key", "region", "service"),
        "signed": {
            name: name == "x-amz-date" or value
            for name, value in signed.items()
            if name not in _UNSIGNED
        },
        "length": request.headers.get("content-length"),
    }


def answer(peer: Peer) -> bool:
    """Answer whatever is asked for, with nothing in it."""
    action = re.match(rb"Action=(\w+)", peer.request.body)
    name = action[1].decode() if action else ""
    xml = f"<{name}Response><{name}Result/></{name}Response>"
    return send(response(xml if name else "{}"))(peer)


EACH = ("_MACIE2", "_STS", "_ORGANIZATIONS", "_ACCOUNT")


@pytest.mark.parametrize(
    ("services", "path"),
    [([""], ""), ([""], "/a/path/"), (EACH, "/a/path")],
    ids=["", "path that ends in a slash", "path of each service's endpoint"],
)
def test_what_is_sent_is_what_boto3_sends(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, services: Sequence[str], path: str
) -> None:
    """Method, URL, body, signed headers and signature, of every operation, with any page token.

    Each is signed as of now and by whoever asks, whatever is kept of an earlier one. A service's
    own endpoint wins over AWS_ENDPOINT_URL. Only the user agent names the exporter.
    """
    server = serve(answer)
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "security-team")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{LOOPBACK}:{refusing_port()}")
    for service in services:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL{service}", server.url + path)
    with rig(attempts=1) as made:
        for call in CALLS if path else CALLS + PAGES:
            for credentials in (SESSION, KEYS, NEWER_SESSION):
                ours(made, call, credentials)
                name, *_, app = server.requests[0].headers["user-agent"].split()
                assert (name.partition("/")[0], app) == (EXPORTER, "app/security-team")
                boto3s(call, credentials)()
                mine, other = (seen(each, credentials) for each in server.requests)
                assert mine == other, call
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
    indirect=True,
)
@pytest.mark.usefixtures("variables")
def test_hosts_are_those_of_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    """FIPS, dual-stack and STS's old global endpoint, in every region with Macie."""
    everywhere = [CALLS[0]._replace(region=region) for region in MACIE_REGIONS]
    with FaultyServer(send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LOOPBACK}:{between.port}")
        with rig(attempts=1) as made:
            for call in (*everywhere, *CALLS[1:]):
                with pytest.raises(AwsError):
                    ours(made, call, KEYS)
                with pytest.raises(ProxyConnectionError):
                    boto3s(call, KEYS)()
                mine, other = (request.target for request in between.requests)
                assert mine == other
                between.requests.clear()
