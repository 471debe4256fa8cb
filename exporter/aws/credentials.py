"""Each account's credentials: one refreshing session for all its regions, or the exporter's own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from botocore.credentials import ReadOnlyCredentials

from exporter.aws.assumed_role import AssumedRole, Session
from exporter.aws.base_credentials import BaseCredentials
from exporter.aws.client import Client, secrets_of
from exporter.aws.redaction import shown
from exporter.clock import Clock
from exporter.error_codes import Retry, error_kind
from exporter.model import Account, AwsError, Failure, Role
from exporter.settings.fields import ACCOUNT_ID

T = TypeVar("T")

SESSION_SECONDS = 3600
"""The longest that AWS allows where one role assumes another."""

SESSION_NAME = "macie-invitations-exporter"

_AT_ONCE = 32
"""AssumeRole calls, however many polls there are: STS throttles by the account that makes them,
whose others would suffer, and a first round wants all roles in its first seconds."""

_SELF = Account("")
"""Stands for the exporter itself: no role is assumed."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom credentials belong to."""

    account_id: str
    arn: str


class Credentials:
    """Every account's credentials: one session per account and role."""

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        region: Callable[[], str],
        step: Callable[[], float],
        recovered: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Assume roles through the STS of `region()`; broken ones once in `step()` seconds.

        `recovered` is given the id of an account whose role could not be assumed, and is now.
        """
        self._client, self._clock, self._region, self._step = client, clock, region, step
        self._own = BaseCredentials(client, clock, region)
        self._assumed: dict[tuple[str, Role], AssumedRole] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._recovered = recovered

    async def for_account(self, account: Account) -> ReadOnlyCredentials:
        """Return credentials that are valid now. Raises AwsError.

        Whoever is cancelled meanwhile is told by a note what there was to wait for.
        """
        source = self._role_of(account)
        try:
            return await (source or self._own).current()
        except asyncio.CancelledError as error:
            own = "the exporter's own credentials"
            error.add_note(f"the session of {account.role.arn}" if account.role else own)
            raise

    async def using(
        self,
        account: Account,
        region: str,
        work: Callable[[ReadOnlyCredentials], Awaitable[T]],
    ) -> T:
        """Return what work with an account's credentials in a region gives. Raises AwsError.

        Credentials that AWS refuses are renewed, and the work is done anew, once.
        """
        used = await self.for_account(account)
        try:
            done = await work(used)
        except AwsError as error:
            if not self._renew(account, used, region, error.failure.code):
                raise
            done = await work(await self.for_account(account))
        source = self._role_of(account)
        if source is not None:
            source.worked(region)
        return done

    def _renew(
        self, account: Account, used: ReadOnlyCredentials, region: str, error_code: str
    ) -> bool:
        """Forget credentials that AWS refused in a region; tell whether to ask again with others.

        Of a role denied too: that is how AWS revokes its sessions, and a new one is let in.
        """
        denied = error_code == "AccessDeniedException"
        refused = error_kind(error_code).retry is Retry.RENEW
        source = self._role_of(account)
        if source is None:
            return refused and self._own.renew(used, self._step())
        return (denied or refused) and source.renew(used, region, denied=denied)

    def keep(self, accounts: tuple[Account, ...]) -> None:
        """Forget the sessions of every other account; whoever waits for one still has it."""
        kept = {(account.id, account.role) for account in accounts}
        for key in self._assumed.keys() - kept:
            del self._assumed[key]

    def close(self) -> None:
        """End every wait for credentials."""
        self._own.close()
        for source in self._assumed.values():
            source.close()

    async def who_am_i(self) -> str:
        """Return the account id of the exporter's own credentials. Raises AwsError."""
        return (await self.identity()).account_id

    async def identity(self) -> Identity:
        """Ask STS who the exporter's own credentials belong to. Raises AwsError."""
        response = await self.as_self("sts", "GetCallerIdentity", self._region())
        account, arn = response.get("Account"), response.get("Arn")
        if not isinstance(account, str) or not ACCOUNT_ID.fullmatch(account):
            raise _malformed("GetCallerIdentity gave no account")
        hidden = secrets_of(await self._own.current())
        return Identity(account, shown(arn, hidden) if isinstance(arn, str) else "")

    async def as_self(
        self, service: str, operation: str, region: str, /, **parameters: object
    ) -> Mapping[str, Any]:
        """Call with the exporter's own credentials. Raises AwsError."""
        call = self._client.call
        return await self.using(
            _SELF, region, lambda own: call(service, operation, region, own, **parameters)
        )

    def _role_of(self, account: Account) -> AssumedRole | None:
        """Return the source of an account with a role, the same one each time."""
        if account.role is None:
            return None
        key = (account.id, account.role)
        source = self._assumed.get(key)
        if source is None:
            source = self._assumed[key] = AssumedRole(
                account.role,
                self._assume,
                clock=self._clock,
                step=self._step,
                recovered=partial(self._recovered, account.id),
            )
        return source

    async def _assume(self, role: Role) -> Session:
        external = {"ExternalId": role.external_id} if role.external_id else {}
        async with self._places:
            response = await self.as_self(
                "sts",
                "AssumeRole",
                self._region(),
                RoleArn=role.arn,
                RoleSessionName=SESSION_NAME,
                DurationSeconds=SESSION_SECONDS,
                **external,
            )
        given = response.get("Credentials") or {}
        key, secret = given.get("AccessKeyId"), given.get("SecretAccessKey")
        if not key or not secret:
            raise _malformed("AssumeRole gave no credentials")
        now, end = self._clock.now(), given.get("Expiration")
        expires = end if isinstance(end, float) else now + SESSION_SECONDS
        return Session(ReadOnlyCredentials(key, secret, given.get("SessionToken")), now, expires)


def _malformed(message: str) -> AwsError:
    return AwsError.of(Failure("MalformedResponse", message, asked="sts:"))
