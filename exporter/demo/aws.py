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
    Invitation,
    Story,
    Target,
)

LOOPBACK: Final = "127.0.0.1"
_SCOPE: Final = re.compile(r"Credential=.{4}(\d{12})/\d+/([a-z0-9-]+)/")
_ROLE: Final = re.compile(rf"arn:aws:iam::(\d{{12}}):role/{ROLE_NAME}")
_PAGE: Final = 25
_STS: Final = (
    '<{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{0}Result>{1}</{0}Result>'
    "</{0}Response>"
)
_STS_ERROR: Final = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    "<Code>{0}</Code><Message>{1}</Message></Error></ErrorResponse>"
)


@contextlib.asynccontextmanager
async def answering(story: Story) -> AsyncIterator[str]:
    """Answer from a story; yields the address for AWS_ENDPOINT_URL."""
    runner = web.AppRunner(_app(Aws(story)), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0).start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _app(aws: "Aws") -> web.Application:
    app = web.Application()
    app.on_response_prepare.append(_add_request_id)
    app.add_routes(
        [
            web.post("/", aws.sts_or_organizations),
            web.get("/invitations", aws.invitations),
            web.get("/administrator", aws.administrator),
            web.post("/listRegions", _list_regions),
        ]
    )
    return app


async def _add_request_id(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["x-amzn-RequestId"] = str(uuid.uuid4())


def _caller(request: web.Request) -> Target:
    """Return the account and the region that a request is signed for."""
    found = _SCOPE.search(request.headers.get("Authorization", ""))
    if found is None:
        raise web.HTTPForbidden
    return found[1], found[2]


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
        target = request.headers.get("X-Amz-Target", "")
        if target:
            return _organizations(target.partition(".")[2], await request.json())
        return self._sts(_caller(request)[0], await request.post())

    def _sts(self, caller: str, form: Mapping[str, object]) -> web.Response:
        if form.get("Action") == "GetCallerIdentity":
            return _xml(
                "GetCallerIdentity",
                f"<Arn>{_arn(caller)}</Arn><UserId>demo</UserId><Account>{caller}</Account>",
            )
        arn = str(form.get("RoleArn"))
        role = _ROLE.fullmatch(arn)
        if role is None or role[1] == BROKEN:
            message = (
                f"User: {_arn(caller)} is not authorized to perform: sts:AssumeRole "
                f"on resource: {arn}"
            )
            body = _STS_ERROR.format("AccessDenied", escape(message))
            return web.Response(text=body, status=HTTPStatus.FORBIDDEN, content_type="text/xml")
        return _xml("AssumeRole", _session(role[1]))

    async def invitations(self, request: web.Request) -> web.Response:
        """Answer ListInvitations."""
        caller = _caller(request)
        if refused := self._refused(caller, "ListInvitations"):
            return refused
        start = int(request.query.get("nextToken", "0"))
        end = start + int(request.query.get("maxResults", _PAGE))
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

    def _refused(self, caller: Target, operation: str) -> web.Response | None:
        """Return what a target answers that has a trouble of its own."""
        if caller == THROTTLED and self.story.throttles:
            self.story.throttles -= 1
            return _error(HTTPStatus.TOO_MANY_REQUESTS, "ThrottlingException", "Rate exceeded")
        if caller == NOT_ENABLED:
            return _error(HTTPStatus.FORBIDDEN, "AccessDeniedException", "Macie is not enabled.")
        if caller == DENIED:
            message = (
                f"User: {_arn(caller[0])} is not authorized to perform: macie2:{operation} because "
                f"no identity-based policy allows the macie2:{operation} action"
            )
            return _error(HTTPStatus.FORBIDDEN, "AccessDeniedException", message)
        return None


def _organizations(operation: str, asked: Mapping[str, object]) -> web.Response:
    """Answer ListAccounts and ListTagsForResource."""
    if operation == "ListAccounts":
        accounts = [{"Id": each.id, "Name": each.name, "Status": "ACTIVE"} for each in ACCOUNTS]
        return web.json_response({"Accounts": accounts})
    if operation == "ListTagsForResource":
        (account,) = (each for each in ACCOUNTS if each.id == asked["ResourceId"])
        tags = {"team": account.team, "environment": account.environment}
        return web.json_response({"Tags": [{"Key": k, "Value": v} for k, v in tags.items()]})
    error = {"__type": "UnknownOperationException", "Message": f"not in the demo: {operation}"}
    return web.json_response(error, status=HTTPStatus.BAD_REQUEST)


async def _list_regions(_: web.Request) -> web.Response:
    """Answer ListRegions: every account has those of the story."""
    regions = [{"RegionName": each, "RegionOptStatus": "ENABLED"} for each in REGIONS]
    return web.json_response({"Regions": regions})


def _session(account: str) -> str:
    expires = datetime.now(UTC) + timedelta(hours=1)
    return (
        f"<Credentials><AccessKeyId>ASIA{account}</AccessKeyId><SecretAccessKey>demo"
        "</SecretAccessKey><SessionToken>demo</SessionToken>"
        f"<Expiration>{expires:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>"
    )


def _item(invitation: Invitation) -> Mapping[str, str]:
    return {
        "accountId": invitation.account_id,
        "invitationId": invitation.invitation_id,
        "relationshipStatus": invitation.relationship_status,
        "invitedAt": invitation.invited_at.isoformat(timespec="milliseconds"),
    }


def _xml(operation: str, result: str) -> web.Response:
    return web.Response(text=_STS.format(operation, result), content_type="text/xml")


def _error(status: int, code: str, message: str) -> web.Response:
    """Return an error as REST-JSON spells it."""
    headers = {"x-amzn-ErrorType": code}
    return web.json_response({"message": message}, status=status, headers=headers)
