"""Signatures, sessions and roles: what the embedded AWS lets in, and whom it takes a caller for."""

import http.client
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from exporter.demo.server import EmbeddedAws
from exporter.demo.world import Call, Fault, Invitation, World
from tests.demo.conftest import HUB, MEMBER, REGION, Assume, Clients, Clock

OPERATIONS = [
    ("macie2", "list_invitations", "InvalidSignatureException", "UnrecognizedClientException"),
    ("sts", "get_caller_identity", "SignatureDoesNotMatch", "InvalidClientTokenId"),
    ("organizations", "list_roots", "InvalidSignatureException", "UnrecognizedClientException"),
    ("account", "list_regions", "InvalidSignatureException", "UnrecognizedClientException"),
]


def code(call: Callable[..., object], **arguments: object) -> str:
    """Return the error code that a call is refused with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    found: str = caught.value.response["Error"]["Code"]
    return found


@pytest.mark.parametrize(("service", "operation", "mismatch", "unknown"), OPERATIONS)
def test_wrong_keys_are_refused(  # noqa: PLR0917 - as the table has columns
    aws: EmbeddedAws, clients: Clients, service: str, operation: str, mismatch: str, unknown: str
) -> None:
    """A wrong secret and an unknown key have each protocol's own error code."""
    key = aws.environment()["AWS_ACCESS_KEY_ID"]
    wrong = clients(service, {"AccessKeyId": key, "SecretAccessKey": "wrong"})
    stranger = clients(service, {"AccessKeyId": "AKIA" + "0" * 16, "SecretAccessKey": "wrong"})
    assert code(getattr(wrong, operation)) == mismatch
    assert code(getattr(stranger, operation)) == unknown


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, "MissingAuthenticationTokenException"),
        ("Basic dXNlcjpwYXNz", "IncompleteSignatureException"),
        (
            "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/macie2/aws4_request",
            "IncompleteSignatureException",
        ),
    ],
)
def test_an_unsigned_request_is_refused(
    aws: EmbeddedAws, authorization: str | None, expected: str
) -> None:
    """A request without a whole SigV4 header gets 403 and the code in its header."""
    connection = http.client.HTTPConnection(urlsplit(aws.url).netloc)
    headers = {"Authorization": authorization} if authorization else {}
    connection.request("GET", "/invitations", headers=headers)
    answer = connection.getresponse()
    assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (403, expected)
    assert answer.headers["x-amzn-RequestId"]
    connection.close()


def test_a_changed_query_breaks_the_signature(clients: Clients) -> None:
    """What is signed is what counts: a parameter added on the way is noticed."""
    client = clients("macie2")

    def tamper(request: AWSRequest, **_: object) -> None:
        request.url = f"{request.url}?maxResults=1"

    client.meta.events.register("before-send.macie2.ListInvitations", tamper)
    assert code(client.list_invitations) == "InvalidSignatureException"


def test_an_unknown_service_is_refused(clients: Clients) -> None:
    """A service that the demo does not have is no server error."""
    assert code(clients("guardduty").list_invitations) == "UnknownOperationException"


def test_an_unknown_operation_is_refused(clients: Clients) -> None:
    """Each service knows only what the exporter calls."""
    assert code(clients("macie2").get_invitations_count) == "UnknownOperationException"
    assert code(clients("sts").get_session_token) == "InvalidAction"
    assert code(clients("organizations").list_handshakes_for_account) == "UnknownOperationException"
    assert code(clients("account").get_contact_information) == "UnknownOperationException"


def test_a_session_acts_for_the_role_account(
    clients: Clients, assume: Assume, world: World
) -> None:
    """Both the hub's user and a session are told who they are, and Macie agrees."""
    world.invite(MEMBER, REGION, Invitation("one", HUB, "Invited", None))
    session = assume()
    hub = clients("sts").get_caller_identity()
    member = clients("sts", session).get_caller_identity()
    assert (hub["Account"], hub["Arn"]) == (
        HUB,
        f"arn:aws:iam::{HUB}:user/macie-invitations-exporter",
    )
    assert (member["Account"], member["Arn"]) == (
        MEMBER,
        f"arn:aws:sts::{MEMBER}:assumed-role/macie-invitations-reader/reader",
    )
    assert clients("macie2").list_invitations()["invitations"] == []
    assert len(clients("macie2", session).list_invitations()["invitations"]) == 1
    assert world.calls()[Call("sts", "AssumeRole", MEMBER, REGION)] == 1


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_wrong_session_token_is_refused(
    clients: Clients, assume: Assume, token: str | None
) -> None:
    """A session's key is nothing without its token."""
    session = assume() | {"SessionToken": token}
    assert code(clients("macie2", session).list_invitations) == "ExpiredTokenException"
    assert code(clients("sts", session).get_caller_identity) == "ExpiredToken"


def test_a_session_ends_when_its_time_is_over(
    clients: Clients, assume: Assume, clock: Clock
) -> None:
    """The time asked for counts, to the second, and is told as Expiration."""
    session = assume(DurationSeconds=900)
    assert round((session["Expiration"] - clock.now).total_seconds()) in {899, 900}
    client = clients("macie2", session)
    clock.advance(899)
    assert client.list_invitations()["invitations"] == []
    clock.advance(1)
    assert code(client.list_invitations) == "ExpiredTokenException"


def test_the_world_can_shorten_sessions(
    clients: Clients, assume: Assume, clock: Clock, world: World
) -> None:
    """`session_seconds` wins over the time asked for."""
    world.session_seconds = 60
    client = clients("macie2", assume(DurationSeconds=3600))
    clock.advance(60)
    assert code(client.list_invitations) == "ExpiredTokenException"


def test_revoked_sessions_are_expired_and_new_ones_are_not(
    clients: Clients, assume: Assume, world: World
) -> None:
    """Revoking ends the sessions issued so far."""
    before = clients("macie2", assume())
    world.revoke_sessions(MEMBER)
    assert code(before.list_invitations) == "ExpiredTokenException"
    assert clients("macie2", assume()).list_invitations()["invitations"] == []


@pytest.mark.parametrize(
    "role",
    [
        "arn:aws:iam::999999999999:role/macie-invitations-reader",
        f"arn:aws:iam::{MEMBER}:role/other",
        "arn:aws:iam::no-arn-at-all",
    ],
)
def test_unknown_roles_cannot_be_assumed(clients: Clients, role: str) -> None:
    """An account or a role that is not there is answered as AWS does, without telling which."""
    with pytest.raises(ClientError) as caught:
        clients("sts").assume_role(RoleArn=role, RoleSessionName="reader")
    assert caught.value.response["Error"] == {
        "Type": "Sender",
        "Code": "AccessDenied",
        "Message": f"User: arn:aws:iam::{HUB}:user/macie-invitations-exporter is not authorized "
        f"to perform: sts:AssumeRole on resource: {role}",
    }
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_sts_validates_what_it_is_asked(clients: Clients, world: World) -> None:
    """An answer of moto's own, such as to too long a session name, comes through."""
    arguments = {"RoleArn": world.role_arn(MEMBER), "RoleSessionName": "x" * 65}
    assert code(clients("sts").assume_role, **arguments) == "ValidationError"


def test_a_broken_role_can_be_mended(assume: Assume, world: World) -> None:
    """A broken role is refused until it is mended."""
    world.break_role(world.role_arn(MEMBER))
    assert code(assume) == "AccessDenied"
    world.mend_role(world.role_arn(MEMBER))
    assert assume()["SessionToken"]


def test_the_external_id_must_fit(assume: Assume, world: World) -> None:
    """A role that requires an external id wants exactly that one."""
    world.require_external_id(world.role_arn(MEMBER), "secret-7")
    assert code(assume) == "AccessDenied"
    assert code(assume, ExternalId="secret-8") == "AccessDenied"
    assert assume(ExternalId="secret-7")["SessionToken"]


def test_a_suspended_account_has_no_sessions(assume: Assume, world: World) -> None:
    """No role of a suspended account can be assumed."""
    world.suspend_account(MEMBER)
    assert code(assume) == "AccessDenied"


def test_members_may_not_assume_roles(clients: Clients, assume: Assume, world: World) -> None:
    """The roles trust the hub alone."""
    client = clients("sts", assume())
    arguments = {"RoleArn": world.role_arn(HUB), "RoleSessionName": "reader"}
    assert code(client.assume_role, **arguments) == "AccessDenied"


def test_a_web_identity_needs_no_signature(clients: Clients, world: World) -> None:
    """AssumeRoleWithWebIdentity, as pods use it, gives a session of the role's account."""
    answer = clients("sts").assume_role_with_web_identity(
        RoleArn=world.role_arn(HUB), RoleSessionName="pod", WebIdentityToken="a.b.c"
    )
    assert clients("macie2", answer["Credentials"]).list_invitations()["invitations"] == []


def test_sts_can_fail_for_one_role(assume: Assume, world: World) -> None:
    """A fault of STS belongs to the account of the role."""
    fault = Fault(400, "Throttling", "Rate exceeded", times=1)
    world.fail(MEMBER, "*", fault, service="sts")
    assert assume(HUB)["SessionToken"]
    assert code(assume) == "Throttling"
    assert assume()["SessionToken"]


def test_two_worlds_do_not_know_each_other(clients: Clients) -> None:
    """Keys of one embedded AWS mean nothing to another in the same process."""
    with EmbeddedAws(World(HUB)) as other:
        environment = other.environment()
        keys = {
            "AccessKeyId": environment["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": environment["AWS_SECRET_ACCESS_KEY"],
        }
        assert code(clients("macie2", keys).list_invitations) == "UnrecognizedClientException"
