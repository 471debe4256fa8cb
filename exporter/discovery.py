"""Which targets exist: configured accounts, Organizations' members, regions, this shard's part.

And the loop that keeps that current. What was last found stays: a failed refresh loses nothing.
"""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from exporter.clock import Clock
from exporter.error_codes import NO_SUCH_UNIT, hint_of
from exporter.log import Log
from exporter.model import DEFAULT_REGIONS, Account, AwsError, Failure, Inventory, Role
from exporter.settings import AccountSettings, Settings
from exporter.settings.fields import AUTO
from exporter.sharding import shard_of

T = TypeVar("T")

LONGEST_SECONDS = 900.0
"""Of one look: ten thousand accounts are five hundred pages, one after the other."""

_AUTO = (AUTO,)
_AT_ONCE = 32
"""Accounts that are asked for their regions at once."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_REGIONS_REFRESH = 3600.0
"""Seconds between looks at the enabled regions where no organization sets the pace."""


class Member(Protocol):
    """An active account of the organization."""

    @property
    def id(self) -> str:
        """The account's id."""

    @property
    def name(self) -> str:
        """The account's name."""


class Organizations(Protocol):
    """Knows the organization's accounts and each account's regions. Raises AwsError."""

    async def members(self, units: tuple[str, ...]) -> Sequence[Member]:
        """List the active accounts under some organizational units, or all."""

    async def regions(self, account: Account) -> tuple[str, ...]:
        """List the regions with Macie that an account has enabled."""


class Identity(Protocol):
    """Knows whose the exporter's own credentials are. Raises AwsError."""

    async def who_am_i(self) -> str:
        """Return the account id of the exporter's own credentials."""


@dataclass(slots=True)
class _Known:
    """What AWS last said: it stays when a refresh fails, or the configuration changes."""

    identity: str = ""
    units: dict[str, tuple[Member, ...]] = field(default_factory=dict)
    """Members by unit; by no name, of the whole organization."""
    regions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By account id."""
    polled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Where accounts are polled that were found before, until their own regions are known."""


class Discovery:
    """Finds the accounts to poll, each with its regions, and hands them on as they are found."""

    def __init__(
        self,
        settings: Settings,
        *,
        default_region: str,
        identity: Identity,
        organizations: Organizations,
        adopt: Callable[[Inventory], object],
        clock: Clock,
        log: Log,
    ) -> None:
        """Poll `default_region` where none is configured; `adopt` is given what is found."""
        self._identity, self._organizations = identity, organizations
        self._adopt, self._clock, self._log = adopt, clock, log
        self._known = _Known()
        self.inventory = Inventory()
        self._settings = settings
        self._default_regions = settings.aws.regions or (default_region,)

    def configure(self, settings: Settings, default_region: str) -> None:
        """Look for what other settings name, from the next look on; what is known stays known."""
        self._known.polled = {each.id: each.regions for each in self.inventory.accounts}
        if settings.aws.organization and not self._settings.aws.organization:
            # What succeeded until now asked no organization.
            self.inventory = replace(self.inventory, last_success=0.0)
        self._settings = settings
        self._default_regions = settings.aws.regions or (default_region,)

    @property
    def repeats(self) -> bool:
        """Whether what is found may change with time."""
        return self._settings.aws.organization is not None or self._settings.auto_regions

    async def run(self) -> None:
        """Look until that succeeds, and again and again where what is found may change.

        A network may come later than the process.
        """
        failures = 0
        while True:
            failure = await self._look()
            failures = failures + 1 if failure else 0
            pause = self._pause(failures)
            if failure is not None:
                self._note_failure(failure, pause)
            elif not self.repeats:
                return
            await asyncio.sleep(pause)

    async def find(self) -> AsyncIterator[Inventory]:
        """Find what there is to poll, and hand on parts as they come."""
        failure = await self._refresh_accounts()
        accounts = [account for account in self._accounts() if self._is_mine(account)]
        asking = [account for account in accounts if account.regions == _AUTO]
        if asking:
            # Who left goes at once, however long the regions of the others take.
            yield self._inventory(accounts, failure, complete=False)
        for start in range(0, len(asking), _AT_ONCE):
            await self._ask_regions(asking[start : start + _AT_ONCE])
            if start + _AT_ONCE < len(asking):
                yield self._inventory(accounts, failure, complete=False)
        self._known.regions = {account.id: self._known.regions[account.id] for account in asking}
        self._known.polled.clear()
        yield self._inventory(accounts, failure, complete=failure is None)

    async def _look(self) -> Failure | None:
        """Look once, and have what is found polled; return why that failed, if it did."""
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                async for found in self.find():
                    self._take_on(found)
        except TimeoutError:
            failure = Failure("Deadline", f"discovery took longer than {LONGEST_SECONDS:g} s")
        except Exception as error:  # noqa: BLE001 -- logged; the last known targets stay polled
            self._log.exception("discovery_crashed")
            failure = Failure("other", f"{type(error).__name__} in the exporter itself")
        else:
            return self.inventory.failure
        self.inventory = replace(self.inventory, failure=failure)
        return failure

    def _take_on(self, found: Inventory) -> None:
        before = self.inventory
        if found.failure is not None and not (found.accounts and before.last_success):
            # After a reload that looks elsewhere: until that answers, what was found stays.
            ids = {account.id for account in found.accounts}
            stays = tuple(account for account in before.accounts if account.id not in ids)
            found = replace(found, accounts=found.accounts + stays)
        self.inventory = found
        self._adopt(found)
        if found.accounts != before.accounts:
            targets = len(found.targets())
            self._log.info("targets_found", accounts=len(found.accounts), targets=targets)

    async def _refresh_accounts(self) -> Failure | None:
        """Ask who this is and who belongs to the organization, where that is needed."""
        organization = self._settings.aws.organization
        try:
            if organization is not None:
                self._known.identity = await self._as_long_as_a_poll(self._identity.who_am_i())
                return await self._refresh_members(organization.include_ous)
            if not self._settings.aws.accounts and not self._known.identity:
                self._known.identity = await self._as_long_as_a_poll(self._identity.who_am_i())
        except AwsError as error:
            return error.failure
        return None

    async def _refresh_members(self, units: tuple[str, ...]) -> Failure | None:
        """Ask for the members, unit by unit. Raises AwsError where Organizations cannot be asked.

        A unit that is not there hides no other, and keeps what it had, or all that was known where
        it is new: a mistake must not end the polling of any account. Return the failure, if there
        was one.
        """
        found: dict[str, tuple[Member, ...]] = {}
        failure = None
        for unit in units or ("",):
            try:
                found[unit] = tuple(await self._organizations.members((unit,) if unit else ()))
            except AwsError as error:
                if error.failure.code != NO_SUCH_UNIT:
                    raise
                found[unit] = self._known.units.get(unit, tuple(self._members().values()))
                failure = failure or error.failure
        self._known.units = found
        return failure

    def _members(self) -> Mapping[str, Member]:
        """Return the members known, by id: one may be under several of the units."""
        known = self._known.units.values()
        return {member.id: member for members in known for member in members}

    def _accounts(self) -> Iterator[Account]:
        """Return every account, static ones first: they win over discovered ones."""
        members = self._members()
        static = {account.id: self._static(account) for account in self._settings.aws.accounts}
        for account in static.values():
            member = members.get(account.id)
            yield replace(account, name=account.name or (member.name if member else ""))
        organization = self._settings.aws.organization
        if organization is not None:
            external = secret(organization.external_id)
            for member in members.values():
                if member.id not in static and member.id not in organization.exclude_accounts:
                    own = member.id == self._known.identity
                    role = Role(role_arn(member.id, organization.role_name), external)
                    yield Account(
                        member.id, member.name, None if own else role, self._default_regions
                    )
        elif not static and self._known.identity:
            yield Account(self._known.identity, regions=self._default_regions)

    def _static(self, settings: AccountSettings) -> Account:
        return Account(
            settings.id, settings.name, role_of(settings), settings.regions or self._default_regions
        )

    def _is_mine(self, account: Account) -> bool:
        shard = self._settings.shard
        return shard_of(account.id, shard.total) == shard.index

    async def _ask_regions(self, accounts: Sequence[Account]) -> None:
        """Ask accounts for their regions; where that fails, keep the last known or the default."""
        answers = await asyncio.gather(*map(self._regions_of, accounts))
        for account, answer in zip(accounts, answers, strict=True):
            if isinstance(answer, Failure):
                polled = self._known.polled.get(account.id, ())
                default = tuple(dict.fromkeys((*polled, *DEFAULT_REGIONS)))
                self._known.regions.setdefault(account.id, default)
                self._note_fallback(account, answer)
            else:
                self._known.regions[account.id] = answer

    async def _regions_of(self, account: Account) -> tuple[str, ...] | Failure:
        try:
            return await self._as_long_as_a_poll(self._organizations.regions(account))
        except AwsError as error:
            return error.failure

    async def _as_long_as_a_poll(self, asked: Awaitable[T]) -> T:
        """Return what is answered within `poll.timeout`. Raises AwsError."""
        seconds = self._settings.poll.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await asked
        except TimeoutError as error:
            message = f"no answer within poll.timeout, {seconds:g} s"
            raise AwsError("Deadline", message) from error

    def _inventory(
        self, accounts: Iterable[Account], failure: Failure | None, *, complete: bool
    ) -> Inventory:
        """Return the accounts whose regions are known."""
        resolved = (
            replace(account, regions=self._regions_known(account.id))
            if account.regions == _AUTO
            else account
            for account in accounts
        )
        succeeded = self._clock.now() if complete else self.inventory.last_success
        found = tuple(account for account in resolved if account.regions)
        return Inventory(found, complete, failure, succeeded)

    def _regions_known(self, account_id: str) -> tuple[str, ...]:
        return self._known.regions.get(account_id, self._known.polled.get(account_id, ()))

    def _pause(self, failures: int) -> float:
        """Return the seconds until the next look."""
        if failures:
            return min(_FIRST_PAUSE * 2.0 ** (failures - 1), _LONGEST_PAUSE)
        organization = self._settings.aws.organization
        return organization.refresh_interval.total_seconds() if organization else _REGIONS_REFRESH

    def _note_failure(self, failure: Failure, pause: float) -> None:
        self._log.warning(
            "discovery_failed",
            error_code=failure.code,
            aws_request_id=failure.request_id,
            error=failure.message,
            hint=hint(failure),
            next_try_seconds=pause,
        )

    def _note_fallback(self, account: Account, failure: Failure) -> None:
        self._log.warning(
            "regions_unknown",
            account=account.id,
            error_code=failure.code,
            aws_request_id=failure.request_id,
            error=failure.message,
            regions=",".join(self._known.regions[account.id]),
            hint="polling the last known or default regions; allow account:ListRegions in the "
            "account's role, or set its regions",
        )


def hint(failure: Failure) -> str:
    """Say what mends a failed discovery."""
    denied = failure.code in {"AccessDenied", "AccessDeniedException"}
    if denied and failure.asked.partition(":")[0] in {"", "organizations"}:
        return (
            "allow the exporter's role organizations:ListAccounts (with include_ous "
            "ListAccountsForParent and ListOrganizationalUnitsForParent), and run it in the "
            "organization's management or a delegated administrator account"
        )
    return hint_of(failure, "organizations")


def role_of(settings: AccountSettings) -> Role | None:
    """Give the role to assume in a configured account, if there is one."""
    external = secret(settings.external_id)
    if settings.role_arn:
        return Role(settings.role_arn, external)
    if settings.role_name:
        return Role(role_arn(settings.id, settings.role_name), external)
    return None


def role_arn(account_id: str, role_name: str) -> str:
    """Give a role's ARN by its name, path included; Macie is in the partition `aws` alone."""
    return f"arn:aws:iam::{account_id}:role/{role_name}"


def secret(value: "Secret | None") -> str | None:
    """Take a secret out of its wrapping."""
    return value.get_secret_value() if value is not None else None


class Secret(Protocol):
    """A value that does not show itself."""

    def get_secret_value(self) -> str:
        """Give the value."""
