"""The services: STS and Organizations by moto, and what moto lacks of Macie and Account Management.

moto's state belongs to the process, not to a world. So whatever is dispatched to it happens under
one lock, and the organization of the world that is asked is put in place first.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

from moto.moto_server.werkzeug_app import create_backend_app
from moto.organizations.models import FakeAccount, FakeOrganization, organizations_backends
from werkzeug.test import Client, TestResponse

from tests.embedded_aws.signatures import INVALID, Key, KeyRing
from tests.embedded_aws.wire import (
    ORGANIZATIONS,
    STS,
    ApiError,
    Caller,
    form,
    json_response,
    operation_of,
    xml_response,
)
from tests.embedded_aws.world import Invitation, World
from tests.faulty import Request, response

_MAX_ACCOUNTS: Final = 20
# Whom AWS names as the caller of AssumeRoleWithWebIdentity does not sign.
WEB_IDENTITY: Final = "AssumeRoleWithWebIdentity"
_FIRST_JOIN: Final = datetime(2024, 1, 1)  # noqa: DTZ001 - moto's own times are naive UTC
_IDENTITY: Final = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    "<GetCallerIdentityResult><Arn>{}</Arn><Account>{}</Account></GetCallerIdentityResult>"
    "</GetCallerIdentityResponse>"
)

_MAX_INVITATIONS: Final = 25
_ACCEPTED: Final = ("Enabled", "Paused")
# Real tokens are opaque; these contain what a client that forgets to escape them would break on.
_TOKEN_PREFIX: Final = 'é+/=&% "#?;'

_moto_lock = threading.Lock()


@cache
def _moto(service: str) -> Client:
    """Return a client of moto's server application for one service."""
    return create_backend_app(service).test_client()  # type: ignore[arg-type]


def _ask_moto(service: str, request: Request, account: str, body: bytes) -> TestResponse:
    """Return moto's answer to a request made by `account`; needs the lock."""
    headers = [*request.headers.items(), ("x-moto-account-id", account)]
    return _moto(service).open(request.target, method=request.method, headers=headers, data=body)


def respond_sts(
    world: World, keys: KeyRing, clock: Callable[[], datetime], caller: Caller, request: Request
) -> bytes:
    """Answer one request of STS; raises ApiError. The key ring learns the issued sessions."""
    operation, arn = operation_of(request), form(request, "RoleArn")
    if operation == "GetCallerIdentity":
        return xml_response(_IDENTITY.format(caller.arn, caller.account_id))
    trusted = operation == WEB_IDENTITY or caller.account_id == world.hub
    if not (trusted and world.may_assume(arn)):
        message = f"User: {caller.arn} is not authorized to perform: sts:{operation} on resource: "
        raise ApiError(HTTPStatus.FORBIDDEN, "AccessDenied", message + arn)
    account = role_account(request)
    revocations = world.revocations[account]
    with _moto_lock:
        text = _ask_moto(STS, request, caller.account_id, request.body).text
    asked = int(form(request, "DurationSeconds") or 3600)
    expires = clock() + timedelta(seconds=world.session_seconds or asked)
    # moto made the session up; it is learnt out of the answer, which then says its real end.
    found = dict(re.findall(r"<(\w+)>([^<]+)</\1>", text))
    key = (found["AccessKeyId"], found["SecretAccessKey"], account, found["Arn"])
    keys.add(Key(*key, found["SessionToken"], expires, revocations))
    said = f"{expires.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return xml_response(text.replace(found["Expiration"], said))


def role_account(request: Request) -> str:
    """Return the account of the role that is asked for; empty for none."""
    match = re.fullmatch(r"arn:aws:iam::(\d{12}):role/.+", form(request, "RoleArn"))
    return match[1] if match else ""


def respond_organizations(world: World, caller: Caller, request: Request) -> bytes:
    """Answer one request of Organizations, as the management account alone may; raises ApiError."""
    if caller.account_id != world.hub:
        message = "You don't have permissions to access this resource."
        raise ApiError(HTTPStatus.BAD_REQUEST, "AccessDeniedException", message)
    body = {**json.loads(request.body), "MaxResults": _MAX_ACCOUNTS}
    with _moto_lock:
        # Several worlds may share the process, and each of them changes.
        backend = organizations_backends[world.hub]["aws"]
        backend.org = FakeOrganization(world.hub, "us-east-1", "ALL")
        members = enumerate(tuple(world.accounts.items()))
        backend.accounts = [_Member(backend.org, at, *member) for at, member in members]
        answer = _ask_moto(ORGANIZATIONS, request, world.hub, json.dumps(body).encode())
    return response(answer.data, answer.status_code)


class _Member(FakeAccount):
    """A member account with an id of ours; moto's own makes one up, and an IAM role with it."""

    def __init__(self, organization: FakeOrganization, at: int, account: str, name: str) -> None:
        self.region = organization.region
        self.organization_id = organization.id
        self.master_account_id = organization.master_account_id
        self.id, self.name, self.email = account, name, f"aws+{account}@example.com"
        # Distinct and in order of joining: moto pages ListAccounts by this.
        self.create_time = _FIRST_JOIN + timedelta(hours=at)
        self.status = self.state = "ACTIVE"
        self.joined_method = "CREATED"
        self.tags: dict[str, str] = {}


def respond_rest(world: World, caller: Caller, request: Request) -> bytes:
    """Answer one request of Macie's or Account Management's; raises ApiError."""
    match operation_of(request):
        case "ListRegions":
            listed = [{"RegionName": name, "RegionOptStatus": "ENABLED"} for name in world.regions]
            return json_response({"Regions": listed})
        case "ListInvitations":
            _require_macie(world, caller)
            return _invitations(world, caller, request)
        case "GetAdministratorAccount":
            _require_macie(world, caller)
            # A relationship by AWS Organizations has no invitation.
            known = world.invitations(caller.account_id, caller.region)
            accepted = [_item(one) for one in known if one.relationship_status in _ACCEPTED]
            return json_response({"administrator": accepted[0]} if accepted else {})
        case _:
            raise ApiError(HTTPStatus.NOT_FOUND, "UnknownOperationException", "No such operation.")


def _invitations(world: World, caller: Caller, request: Request) -> bytes:
    query = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
    limit = min(int(query["maxResults"][0]), _MAX_INVITATIONS)
    after = _position(caller, query["nextToken"][0]) if "nextToken" in query else 0
    known, end = world.invitations(caller.account_id, caller.region), after + limit
    world.pages[caller.account_id, caller.region] += 1
    token = _token(caller, end) if end < len(known) else None
    return json_response({"invitations": [*map(_item, known[after:end])], "nextToken": token})


def _require_macie(world: World, caller: Caller) -> None:
    if caller.account_id not in world.accounts or caller.region not in world.regions:
        raise ApiError(HTTPStatus.FORBIDDEN, "UnrecognizedClientException", INVALID)
    if not world.macie_enabled(caller.account_id, caller.region):
        raise ApiError(HTTPStatus.FORBIDDEN, "AccessDeniedException", "Macie is not enabled.")


def _token(caller: Caller, position: int) -> str:
    """Return a token that is good for this target only."""
    text = f"{caller.account_id}|{caller.region}|{position}"
    return f"{_TOKEN_PREFIX}{position:x}.{hashlib.sha256(text.encode()).hexdigest()}"


def _position(caller: Caller, token: str) -> int:
    """Read a token back; raises ApiError for one that was never given to this target."""
    position = int(token.removeprefix(_TOKEN_PREFIX).partition(".")[0], 16)
    if _token(caller, position) != token:
        message = "The request failed because the nextToken isn't valid."
        raise ApiError(HTTPStatus.BAD_REQUEST, "ValidationException", message)
    return position


def _item(invitation: Invitation) -> dict[str, str]:
    item = {
        "accountId": invitation.account_id,
        "relationshipStatus": invitation.relationship_status,
    }
    if invitation.invitation_id:
        item["invitationId"] = invitation.invitation_id
    if invitation.invited_at is not None:
        when = invitation.invited_at.isoformat(timespec="milliseconds")
        item["invitedAt"] = when.replace("+00:00", "Z")
    return item
