"""What speaks REST-JSON: the receiving side of Macie, and Account Management's ListRegions."""

import hashlib
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tests.embedded_aws.signatures import INVALID
from tests.embedded_aws.wire import ApiError, Caller, json_response, operation_of
from tests.embedded_aws.world import Invitation, World
from tests.faulty import Request

MAX_RESULTS: Final = 25
NOT_ENABLED: Final = "Macie is not enabled."
_ACCEPTED: Final = ("Enabled", "Paused")
# Real tokens are opaque; these contain what a client that forgets to escape them would break on.
_TOKEN_PREFIX: Final = 'é+/=&% "#?;'


def respond(world: World, caller: Caller, request: Request) -> bytes:
    """Answer one request; raises ApiError."""
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
    limit = min(int(query["maxResults"][0]), MAX_RESULTS)
    after = _position(caller, query["nextToken"][0]) if "nextToken" in query else 0
    known, end = world.invitations(caller.account_id, caller.region), after + limit
    world.pages[caller.account_id, caller.region] += 1
    token = _token(caller, end) if end < len(known) else None
    return json_response({"invitations": [*map(_item, known[after:end])], "nextToken": token})


def _require_macie(world: World, caller: Caller) -> None:
    if caller.account_id not in world.accounts or caller.region not in world.regions:
        raise ApiError(HTTPStatus.FORBIDDEN, "UnrecognizedClientException", INVALID)
    if not world.macie_enabled(caller.account_id, caller.region):
        raise ApiError(HTTPStatus.FORBIDDEN, "AccessDeniedException", NOT_ENABLED)


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
