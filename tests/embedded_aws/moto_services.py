"""STS and Organizations, answered by moto; the only module that imports moto (and needs it).

moto's state belongs to the process, not to a world. So whatever is dispatched to it happens under
one lock, and the organization of the world that is asked is put in place first.
"""

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

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

from tests.embedded_aws.signatures import Key, KeyRing
from tests.embedded_aws.wire import ORGANIZATIONS, STS, ApiError, Caller, Request, Response
from tests.embedded_aws.world import ROOT_ID, Account, Organization, Unit, World

PARTITION: Final = "aws"
ORGANIZATION_ID: Final = "o-demo000000"
MAX_RESULTS: Final = 20
DEFAULT_SESSION_SECONDS: Final = 3600
# Whom AWS names as the caller of AssumeRoleWithWebIdentity does not sign.
WEB_IDENTITY: Final = "AssumeRoleWithWebIdentity"
_FIRST_JOIN: Final = datetime(2024, 1, 1)  # noqa: DTZ001 - moto's own times are naive UTC

_moto_lock = threading.Lock()


class _Moto:
    """moto's server application for one service."""

    def __init__(self, service: str) -> None:
        self._client = create_backend_app(service).test_client()  # type: ignore[arg-type]

    def ask(self, request: Request, account: str, body: bytes | None = None) -> Response:
        """Return moto's answer to a request made by `account`; needs the lock."""
        answer = self._client.open(
            request.path,
            method=request.method,
            query_string=request.query,
            headers=[*request.headers.items(), ("x-moto-account-id", account)],
            data=request.body if body is None else body,
        )
        return Response(answer.status_code, answer.data, answer.content_type or "text/xml")


class Sts:
    """AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity."""

    def __init__(self, world: World, keys: KeyRing, clock: Callable[[], datetime]) -> None:
        """Take the world that decides, and the key ring that learns the issued sessions."""
        self._world, self._keys, self._clock = world, keys, clock
        self._moto = _Moto(STS)

    def respond(self, caller: Caller, request: Request) -> Response:
        """Answer one request of STS; raises ApiError."""
        arn = request.form("RoleArn")
        if not arn:
            with _moto_lock:
                return self._moto.ask(request, caller.account_id)
        trusted = request.operation == WEB_IDENTITY or caller.account_id == self._world.hub
        if not (trusted and self._world.may_assume(arn)):
            message = (
                f"User: {caller.arn} is not authorized to perform: sts:{request.operation} "
                f"on resource: {arn}"
            )
            raise ApiError(HTTPStatus.FORBIDDEN, "AccessDenied", message)
        account = role_account(request)
        revocations = self._world.revocations(account)
        with _moto_lock:
            answer = self._moto.ask(request, caller.account_id)
        asked = int(request.form("DurationSeconds") or DEFAULT_SESSION_SECONDS)
        expires = self._clock() + timedelta(seconds=self._world.session_seconds or asked)
        return self._remember(answer, account, revocations, expires)

    def _remember(
        self, answer: Response, account: str, revocations: int, expires: datetime
    ) -> Response:
        """Learn the session out of moto's answer, and say there when it really expires."""
        if answer.status != HTTPStatus.OK:
            return answer
        text = answer.body.decode()
        found = dict(re.findall(r"<(\w+)>([^<]+)</\1>", text))
        key = (found["AccessKeyId"], found["SecretAccessKey"], account, found["Arn"])
        self._keys.add(Key(*key, found["SessionToken"], expires, revocations))
        said = f"{expires.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return Response(
            answer.status, text.replace(found["Expiration"], said).encode(), answer.content_type
        )


def role_account(request: Request) -> str:
    """Return the account of the role that is asked for; empty for none."""
    match = re.fullmatch(r"arn:aws:iam::(\d{12}):role/.+", request.form("RoleArn"))
    return match[1] if match else ""


class Organizations:
    """Organizations, of which the management account alone may ask."""

    def __init__(self, world: World) -> None:
        """Take the world whose organization is shown."""
        self._world = world
        self._moto = _Moto(ORGANIZATIONS)
        self._mirrored: Organization | None = None
        self._mirror = OrganizationsBackend(PARTITION, world.hub)

    def respond(self, caller: Caller, request: Request) -> Response:
        """Answer one request of Organizations; raises ApiError."""
        if caller.account_id != self._world.hub:
            message = "You don't have permissions to access this resource."
            raise ApiError(HTTPStatus.BAD_REQUEST, "AccessDeniedException", message)
        body = {**json.loads(request.body), "MaxResults": MAX_RESULTS}
        with _moto_lock:
            self._install()
            return self._moto.ask(request, self._world.hub, json.dumps(body).encode())

    def _install(self) -> None:
        """Make moto's organization this world's; several worlds may share the process."""
        current = self._world.organization()
        if self._mirrored != current:
            self._mirrored, self._mirror = current, _mirror(self._world.hub, current)
        organizations_backends[self._world.hub][PARTITION] = self._mirror
        organizations_backends.master_accounts.clear()
        for member in self._mirror.accounts:
            organizations_backends.master_accounts[member.id] = (self._world.hub, PARTITION)


def _mirror(hub: str, source: Organization) -> OrganizationsBackend:
    """Return moto's idea of one moment of the organization."""
    backend = OrganizationsBackend(PARTITION, hub)
    organization = FakeOrganization(hub, "us-east-1", "ALL")
    organization.id = ORGANIZATION_ID
    organization.root_id = ROOT_ID
    backend.org = organization
    backend.ou = [FakeRoot(organization), *(_unit(organization, unit) for unit in source.units)]
    backend.accounts = [_Member(organization, account) for account in source.accounts]
    return backend


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
