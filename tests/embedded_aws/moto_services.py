"""STS and Organizations, answered by moto; the only module that imports moto (and needs it).

moto's state belongs to the process, not to a world. So whatever is dispatched to it happens under
one lock, and the organization of the world that is asked is put in place first.
"""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import create_backend_app
from moto.organizations.models import (
    FakeAccount,
    FakeOrganization,
    FakeOrganizationalUnit,
    FakeRoot,
    OrganizationsBackend,
    organizations_backends,
)
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.embedded_aws.credentials import Key, KeyRing
from tests.embedded_aws.wire import (
    ORGANIZATIONS,
    STS,
    ApiError,
    Caller,
    Request,
    Response,
    json_body,
)
from tests.embedded_aws.world import ROOT_ID, Account, Organization, Unit, World

PARTITION: Final = "aws"
ORGANIZATION_ID: Final = "o-demo000000"
MAX_RESULTS: Final = 20
DEFAULT_SESSION_SECONDS: Final = 3600
# Whom AWS names as the caller of AssumeRoleWithWebIdentity does not sign.
_WEB_IDENTITY: Final = "AssumeRoleWithWebIdentity"
_STS_OPERATIONS: Final = frozenset({"AssumeRole", _WEB_IDENTITY, "GetCallerIdentity"})
# Operations that only the management account may call.
_LISTINGS: Final = {"ListAccounts", "ListAccountsForParent", "ListOrganizationalUnitsForParent"}
_FIRST_JOIN: Final = datetime(2024, 1, 1)  # noqa: DTZ001 - moto's own times are naive UTC

_moto_lock = threading.Lock()


def unsigned_web_identity(request: Request) -> bool:
    """Return whether a request is AssumeRoleWithWebIdentity, which AWS takes without signature."""
    return "authorization" not in request.headers and _form(request, "Action") == _WEB_IDENTITY


def _form(request: Request, name: str) -> str | None:
    values = parse_qs(request.body.decode("utf-8", "replace")).get(name)
    return values[0] if values else None


class _Moto:
    """moto's server application for one service."""

    def __init__(self, service: str) -> None:
        self._app = create_backend_app(service)  # type: ignore[arg-type]

    def ask(self, request: Request, account: str, body: bytes | None = None) -> Response:
        """Return moto's answer to a request made by `account`; needs the lock."""
        builder = EnvironBuilder(
            path=request.path,
            method=request.method,
            query_string=request.query,
            headers=[*request.headers.items(), ("x-moto-account-id", account)],
            data=request.body if body is None else body,
        )
        answer, status, headers = run_wsgi_app(self._app, builder.get_environ(), buffered=True)
        code = int(status.split()[0])
        return Response(code, b"".join(answer), headers.get("content-type", "text/xml"))


class Sts:
    """AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity."""

    def __init__(self, world: World, keys: KeyRing, clock: Callable[[], datetime]) -> None:
        """Take the world that decides, and the key ring that learns the issued sessions."""
        self._world = world
        self._keys = keys
        self._clock = clock
        self._moto = _Moto(STS)

    def operation(self, request: Request) -> str:
        """Name the operation that a request is for."""
        return _form(request, "Action") or "UnknownOperation"

    def account(self, caller: Caller, request: Request) -> str:
        """Return the account that a call is about: the role's, else the caller's."""
        match = re.fullmatch(r"arn:aws:iam::(\d{12}):role/.+", _form(request, "RoleArn") or "")
        return match.group(1) if match else caller.account_id

    def respond(self, caller: Caller, request: Request) -> Response:
        """Answer one request of STS; raises ApiError."""
        operation = self.operation(request)
        if operation not in _STS_OPERATIONS:
            message = f"Could not find operation {operation} for version 2011-06-15"
            raise ApiError(HTTPStatus.BAD_REQUEST, "InvalidAction", message)
        if operation == "GetCallerIdentity":
            with _moto_lock:
                return self._moto.ask(request, caller.account_id)
        return self._assume(caller, request, operation)

    def _assume(self, caller: Caller, request: Request, operation: str) -> Response:
        arn = _form(request, "RoleArn") or ""
        trusted = operation == _WEB_IDENTITY or caller.account_id == self._world.hub
        if not (trusted and self._world.may_assume(arn)):
            message = (
                f"User: {caller.arn} is not authorized to perform: sts:{operation} "
                f"on resource: {arn}"
            )
            raise ApiError(HTTPStatus.FORBIDDEN, "AccessDenied", message)
        account = self.account(caller, request)
        revocations = self._world.revocations(account)
        with _moto_lock:
            answer = self._moto.ask(request, caller.account_id)
        return self._remember(answer, account, revocations, self._seconds(request))

    def _seconds(self, request: Request) -> int:
        asked = _form(request, "DurationSeconds") or str(DEFAULT_SESSION_SECONDS)
        return self._world.session_seconds or int(asked)

    def _remember(self, answer: Response, account: str, revoked: int, seconds: int) -> Response:
        """Learn the session out of moto's answer, and say there when it really expires."""
        if answer.status != HTTPStatus.OK:
            return answer
        text = answer.body.decode()
        expires = self._clock() + timedelta(seconds=seconds)
        key_id, secret, token, arn = (
            _element(text, name)
            for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Arn")
        )
        self._keys.add(Key(key_id, secret, account, arn, token, expires, revoked))
        said = f"<Expiration>{expires.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}</Expiration>"
        body = re.sub(r"<Expiration>[^<]*</Expiration>", said, text)
        return Response(answer.status, body.encode(), answer.content_type)


def _element(text: str, name: str) -> str:
    match = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return match.group(1) if match else ""


class Organizations:
    """The read-only part of Organizations that discovery needs."""

    def __init__(self, world: World) -> None:
        """Take the world whose organization is shown."""
        self._world = world
        self._moto = _Moto(ORGANIZATIONS)
        self._mirror: _Mirror | None = None

    def operation(self, request: Request) -> str:
        """Name the operation that a request is for."""
        return request.headers.get("x-amz-target", "").rpartition(".")[2] or "UnknownOperation"

    def respond(self, caller: Caller, request: Request) -> Response:
        """Answer one request of Organizations; raises ApiError."""
        operation = self.operation(request)
        if operation not in _LISTINGS:
            message = f"The embedded AWS does not know {operation}."
            raise ApiError(HTTPStatus.BAD_REQUEST, "UnknownOperationException", message)
        if caller.account_id != self._world.hub:
            message = "You don't have permissions to access this resource."
            raise ApiError(HTTPStatus.BAD_REQUEST, "AccessDeniedException", message)
        body = {**json_body(request), "MaxResults": MAX_RESULTS}
        return self._ask(request, json.dumps(body).encode())

    def _ask(self, request: Request, body: bytes) -> Response:
        with _moto_lock:
            self._install()
            return self._moto.ask(request, self._world.hub, body)

    def _install(self) -> None:
        """Make moto's organization this world's; several worlds may share the process."""
        current = self._world.organization()
        if self._mirror is None or self._mirror.source is not current:
            self._mirror = _mirror(self._world.hub, current)
        mirrored = self._mirror.backend
        organizations_backends[self._world.hub][PARTITION] = mirrored
        organizations_backends.master_accounts.clear()
        for member in mirrored.accounts:
            owner = (self._world.hub, PARTITION)
            organizations_backends.master_accounts[member.id] = owner


@dataclass(frozen=True, slots=True)
class _Mirror:
    """moto's idea of one moment of the organization."""

    source: Organization
    backend: OrganizationsBackend


def _mirror(hub: str, source: Organization) -> _Mirror:
    """Build moto's backend from an organization."""
    backend = OrganizationsBackend(PARTITION, hub)
    organization = FakeOrganization(hub, "us-east-1", "ALL")
    organization.id = ORGANIZATION_ID
    organization.root_id = ROOT_ID
    backend.org = organization
    backend.ou = [FakeRoot(organization)]
    backend.ou += [_unit(organization, unit) for unit in source.units]
    backend.accounts = [_Member(organization, account) for account in source.accounts]
    return _Mirror(source, backend)


def _unit(organization: FakeOrganization, unit: Unit) -> FakeOrganizationalUnit:
    made = FakeOrganizationalUnit(organization, Name=unit.name, ParentId=unit.parent)
    made.id = unit.unit_id
    return made


class _Member(FakeAccount):
    """A member account with an id of ours; moto's own makes one up, and an IAM role with it."""

    def __init__(self, organization: FakeOrganization, account: Account) -> None:
        self.type = "ACCOUNT"
        self.region = organization.region
        self.organization_id = organization.id
        self.master_account_id = organization.master_account_id
        self.create_account_status_id = f"car-{account.joined:08d}"
        self.id = account.account_id
        self.name = account.name
        self.email = f"aws+{account.account_id}@example.com"
        # Distinct and in order of joining: moto pages ListAccounts by this.
        self.create_time = _FIRST_JOIN + timedelta(hours=account.joined)
        self.status = self.state = "ACTIVE"
        self.joined_method = "CREATED"
        self.parent_id: Any = account.parent
        self.attached_policies = []
        self.tags: dict[str, str] = {}


def register_user(key: Key) -> None:
    """Tell moto's IAM of a user and its static key, so that GetCallerIdentity names it."""
    name = key.arn.rpartition("/")[2]
    with _moto_lock:
        iam = iam_backends[key.account_id][PARTITION]
        user = iam.users.get(name) or iam.create_user("us-east-1", name)
        known = user.create_access_key("AKIA")
        known.access_key_id = key.access_key_id
        known.secret_access_key = key.secret
