"""Each account's credentials: one refreshing session for all its regions, or the exporter's own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from botocore.credentials import ReadOnlyCredentials

from exporter.aws.client import Client, secrets_of
from exporter.aws.credential_chain import CredentialChain
from exporter.aws.redaction import shown
from exporter.aws.role_sessions import Session, Sessions
from exporter.clock import Clock
from exporter.error_codes import Retry, error_kind
from exporter.model import Account, AwsError, Failure, Role
from exporter.settings.fields import ACCOUNT_ID

T = TypeVar("T")

SESSION_SECONDS = 3600
"""The longest that AWS allows where one role assumes another."""

SESSION_NAME = "macie-invitations-exporter"

_PART_OF_STEP = 0.95
"""What was refused is tried again after this part of an interval: polls may begin a bit early."""

_CHAIN_PAUSE, _CHAIN_RENEWAL = 5.0, 60.0
"""Seconds from one look for the own credentials to the next: after one in vain, and at most."""

_ROLE_RENEWAL = 3600.0
"""Seconds from one renewal of a role's session to the next, for a region that refuses them all."""

_PATIENCE = 60.0
"""Seconds after which AssumeRole is given up, whoever waits for it: three attempts take as long."""

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
        self._sessions: dict[tuple[str, Role | None], Sessions] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._recovered = recovered

    async def for_account(self, account: Account) -> ReadOnlyCredentials:
        """Return credentials that are valid now. Raises AwsError.

        Whoever is cancelled meanwhile is told by a note what there was to wait for.
        """
        try:
            return await self._sessions_of(account).current()
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

        Credentials that AWS refuses are renewed, and the work is done anew, once. Those of a role
        also where they are denied: that is how AWS revokes sessions, and a new one is let in.
        """
        sessions, used = self._sessions_of(account), await self.for_account(account)
        try:
            done = await work(used)
        except AwsError as error:
            code = error.failure.code
            denied = account.role is not None and code == "AccessDeniedException"
            refused = denied or error_kind(code).retry is Retry.RENEW
            if not refused or not sessions.renew(used, region):
                raise
            done = await work(await self.for_account(account))
        sessions.worked(region)
        return done

    def keep(self, accounts: tuple[Account, ...]) -> None:
        """Forget the sessions of every other account; whoever waits for one still has it."""
        kept = {(account.id, account.role) for account in accounts} | {(self._region(), None)}
        for key in self._sessions.keys() - kept:
            del self._sessions[key]

    def close(self) -> None:
        """End every wait for credentials."""
        for sessions in self._sessions.values():
            sessions.close()

    async def who_am_i(self) -> str:
        """Return the account id of the exporter's own credentials. Raises AwsError."""
        return (await self.identity()).account_id

    async def identity(self) -> Identity:
        """Ask STS who the exporter's own credentials belong to. Raises AwsError."""
        response = await self.as_self("sts", "GetCallerIdentity", self._region())
        account, arn = response.get("Account"), response.get("Arn")
        if not isinstance(account, str) or not ACCOUNT_ID.fullmatch(account):
            raise _malformed("GetCallerIdentity gave no account")
        hidden = secrets_of(await self.for_account(_SELF))
        return Identity(account, shown(arn, hidden) if isinstance(arn, str) else "")

    async def as_self(
        self, service: str, operation: str, region: str, /, **parameters: object
    ) -> Mapping[str, Any]:
        """Call with the exporter's own credentials. Raises AwsError."""
        call = self._client.call
        return await self.using(
            _SELF, region, lambda own: call(service, operation, region, own, **parameters)
        )

    def _sessions_of(self, account: Account) -> Sessions:
        """Return an account's sessions, the same each time.

        Those without a role share the exporter's own, which another region has anew.
        """
        role = account.role
        key = (account.id, role) if role else (self._region(), None)
        found = self._sessions.get(key)
        if found is None:
            found = self._of_role(role, account.id) if role else self._own()
            self._sessions[key] = found
        return found

    def _own(self) -> Sessions:
        chain = CredentialChain(self._client, self._region())
        return Sessions(
            chain.look,
            self._clock,
            pause=lambda: _CHAIN_PAUSE,
            renewal_pause=lambda: min(_CHAIN_RENEWAL, self._pause()),
        )

    def _of_role(self, role: Role, account_id: str) -> Sessions:
        return Sessions(
            partial(self._assume, role),
            self._clock,
            pause=self._pause,
            renewal_pause=lambda: _ROLE_RENEWAL,
            recovered=partial(self._recovered, account_id),
        )

    def _pause(self) -> float:
        return _PART_OF_STEP * self._step()

    async def _assume(self, role: Role) -> Session:
        external = {"ExternalId": role.external_id} if role.external_id else {}
        try:
            async with asyncio.timeout(_PATIENCE), self._places:
                response = await self.as_self(
                    "sts",
                    "AssumeRole",
                    self._region(),
                    RoleArn=role.arn,
                    RoleSessionName=SESSION_NAME,
                    DurationSeconds=SESSION_SECONDS,
                    **external,
                )
        except TimeoutError as error:
            raise AwsError("Deadline", f"AssumeRole took more than {_PATIENCE:g} s") from error
        given = response.get("Credentials") or {}
        key, secret = given.get("AccessKeyId"), given.get("SecretAccessKey")
        if not key or not secret:
            raise _malformed("AssumeRole gave no credentials")
        end = given.get("Expiration")
        expires = end if isinstance(end, float) else self._clock.now() + SESSION_SECONDS
        return Session(
            ReadOnlyCredentials(key, secret, given.get("SessionToken")),
            lambda seconds: self._clock.now() + seconds >= expires,
        )


def _malformed(message: str) -> AwsError:
    return AwsError.of(Failure("MalformedResponse", message, asked="sts:"))
