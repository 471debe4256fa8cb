"""The demo's AWS: what the exporter asks of four services, over HTTP on loopback.

It answers from the story. An access key is its account's id with four letters before it, and
signatures are not looked at: here nobody has anything to hide.
"""

import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final
from xml.sax.saxutils import escape

from aiohttp import web

from exporter.demo.story import (
    ACCOUNTS,
    BROKEN,
    DENIED,
    HUB,
    NOT_ENABLED,
    REGIONS,
    ROLE_NAME,
    THROTTLED,
    Story,
)
from exporter.model import Invitation, Target

LOOPBACK: Final = "127.0.0.1"
_SCOPE: Final = re.compile(r"Credential=.{4}(\d{12})/\d+/([a-z0-9-]+)/")
_ROLE: Final = re.compile(rf"arn:aws:iam::(\d{{12}}):role/{ROLE_NAME}")
_STS: Final = (
    '<{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{0}Result>{1}</{0}Result>'
    "</{0}Response>"
)
_STS_ERROR: Final = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    "<Code>AccessDenied</Code><Message>{0}</Message></Error></ErrorResponse>"
)


@contextlib.asynccontextmanager
async def answering(story: Story) -> AsyncIterator[str]:
    """Answer from a story; yields the address for AWS_ENDPOINT_URL."""
    aws, app = Aws(story), web.Application()
    app.on_response_prepare.append(_add_request_id)
    app.add_routes(
        [
            web.post("/", aws.sts_or_organizations),
            web.get("/invitations", aws.invitations),
            web.get("/administrator", aws.administrator),
            web.post("/listRegions", aws.regions),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0).start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _add_request_id(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["x-amzn-RequestId"] = str(uuid.uuid4())


def _caller(request: web.Request) -> Target:
    """Return the account and the region that a request is signed for."""
    found = _SCOPE.search(request.headers.get("Authorization", ""))
    if found is None:
        raise web.HTTPForbidden
    return Target(found[1], found[2])


def _arn(account: str) -> str:
    """Return who calls: in the hub a user, elsewhere the role."""
    if account == HUB:
        return f"arn:aws:iam::{account}:user/macie-invitations-exporter"
    return f"arn:aws:sts::{account}:assumed-role/{ROLE_NAME}/demo"


@dataclass(frozen=True, slots=True)
class Aws:
    """The services that tell of the story."""

    story: Story

    async def sts_or_organizations(self, request: web.Request) -> web.Response:
        """Answer one of the services that are asked by POST alone."""
        if target := request.headers.get("X-Amz-Target"):
            return _organizations(target.partition(".")[2], await request.json())
        return _sts(_caller(request).account_id, await request.post())

    async def invitations(self, request: web.Request) -> web.Response:
        """Answer ListInvitations."""
        caller = _caller(request)
        if refused := self._refused(caller, "ListInvitations"):
            return refused
        start = int(request.query.get("nextToken", "0"))
        end = start + int(request.query["maxResults"])
        known = tuple(self.story.invitations.get(caller, {}).values())
        following = {"nextToken": str(end)} if end < len(known) else {}
        return web.json_response({"invitations": [*map(_item, known[start:end])], **following})

    async def administrator(self, request: web.Request) -> web.Response:
        """Answer GetAdministratorAccount; one by Organizations has no invitation to tell of."""
        caller = _caller(request)
        if refused := self._refused(caller, "GetAdministratorAccount"):
            return refused
        by = self.story.administrator(caller)
        known = {"accountId": by, "relationshipStatus": "Enabled"}
        return web.json_response({"administrator": known} if by else {})

    async def regions(self, _: web.Request) -> web.Response:
        """Answer ListRegions: every account has those of the story."""
        regions = [{"RegionName": each, "RegionOptStatus": "ENABLED"} for each in REGIONS]
        return web.json_response({"Regions": regions})

    def _refused(self, caller: Target, operation: str) -> web.Response | None:
        """Return what a target answers that has a trouble of its own."""
        if caller == THROTTLED and self.story.throttles:
            self.story.throttles -= 1
            return _error(HTTPStatus.TOO_MANY_REQUESTS, "ThrottlingException", "Rate exceeded")
        if caller == NOT_ENABLED:
            return _error(HTTPStatus.FORBIDDEN, "AccessDeniedException", "Macie is not enabled.")
        if caller == DENIED:
            message = (
                f"User: {_arn(caller.account_id)} is not authorized to perform: macie2:{operation} "
                f"because no identity-based policy allows the macie2:{operation} action"
            )
            return _error(HTTPStatus.FORBIDDEN, "AccessDeniedException", message)
        return None


def _sts(caller: str, form: Mapping[str, object]) -> web.Response:
    """Answer GetCallerIdentity and AssumeRole."""
    if form.get("Action") == "GetCallerIdentity":
        who = f"<Arn>{_arn(caller)}</Arn><UserId>demo</UserId><Account>{caller}</Account>"
        return _xml(_STS.format("GetCallerIdentity", who))
    arn = str(form.get("RoleArn"))
    role = _ROLE.fullmatch(arn)
    if role is None or role[1] == BROKEN:
        who = f"User: {_arn(caller)} is not authorized to perform: sts:AssumeRole on resource: "
        return _xml(_STS_ERROR.format(escape(who + arn)), HTTPStatus.FORBIDDEN)
    expires = datetime.now(UTC) + timedelta(hours=1)
    session = (
        f"<Credentials><AccessKeyId>ASIA{role[1]}</AccessKeyId><SecretAccessKey>demo"
        "</SecretAccessKey><SessionToken>demo</SessionToken>"
        f"<Expiration>{expires:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>"
    )
    return _xml(_STS.format("AssumeRole", session))


def _organizations(operation: str, asked: Mapping[str, object]) -> web.Response:
    """Answer ListAccounts and ListTagsForResource."""
    if operation == "ListTagsForResource":
        (tags,) = (each.labels for each in ACCOUNTS if each.id == asked["ResourceId"])
        return web.json_response({"Tags": [{"Key": k, "Value": v} for k, v in tags.items()]})
    if operation != "ListAccounts":
        raise web.HTTPBadRequest
    accounts = [{"Id": each.id, "Name": each.name, "Status": "ACTIVE"} for each in ACCOUNTS]
    return web.json_response({"Accounts": accounts})


def _item(invitation: Invitation) -> Mapping[str, str]:
    sent = datetime.fromtimestamp(invitation.invited_at or 0, UTC)
    return {
        "accountId": invitation.inviter_account_id,
        "invitationId": invitation.invitation_id,
        "relationshipStatus": invitation.relationship_status,
        "invitedAt": sent.isoformat(timespec="milliseconds"),
    }


def _xml(text: str, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/xml")


def _error(status: int, code: str, message: str) -> web.Response:
    """Return an error as REST-JSON spells it."""
    headers = {"x-amzn-ErrorType": code}
    return web.json_response({"message": message}, status=status, headers=headers)
