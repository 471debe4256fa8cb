"""What AWS says of accounts: who there is, their regions and their tags; and what it last said.

A question that fails loses nothing of what is known.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol, TypeVar

from exporter.discovery.accounts import Known
from exporter.error_codes import NO_SUCH_UNIT, hint_of
from exporter.log import Log
from exporter.model import DEFAULT_REGIONS, Account, AwsError, Failure, Member
from exporter.settings import Settings

T = TypeVar("T")


class Organizations(Protocol):
    """Knows the organization's accounts, and of each its regions and tags. Raises AwsError."""

    async def members(self, units: tuple[str, ...]) -> Sequence[Member]:
        """List the accounts under some organizational units, or all, suspended ones too."""

    async def regions(self, account: Account) -> tuple[str, ...]:
        """List the regions with Macie that an account has enabled."""

    async def tags(self, account_id: str) -> Mapping[str, str]:
        """Return the tags of an account in Organizations."""


class Identity(Protocol):
    """Knows whose the exporter's own credentials are. Raises AwsError."""

    async def who_am_i(self) -> str:
        """Return the account id of the exporter's own credentials."""


class Directory:
    """Asks, and remembers what was answered."""

    def __init__(
        self, settings: Settings, identity: Identity, organizations: Organizations, log: Log
    ) -> None:
        """Ask for what the settings name."""
        self.settings, self.known = settings, Known()
        self.accounts_known = False
        """Whether it is known who is polled, though not who belongs to the organization."""
        self._identity, self._organizations, self._log = identity, organizations, log

    async def ask_accounts(self) -> Failure | None:
        """Ask who this is and who belongs to the organization, where that is needed."""
        organization = self.settings.aws.organization
        self.accounts_known = False
        try:
            if organization is not None:
                self.known.identity = await self._as_long_as_a_poll(self._identity.who_am_i())
                return await self._ask_members(organization.include_ous)
            # What an organization said counts no longer, if one is configured again.
            self.known.organization = None
            self.known.units.clear()
            self.known.tags.clear()
            if not self.settings.aws.accounts and not self.known.identity:
                self.known.identity = await self._as_long_as_a_poll(self._identity.who_am_i())
        except AwsError as error:
            return error.failure
        return None

    async def _ask_members(self, units: tuple[str, ...]) -> Failure | None:
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
                known = self.known.units.get(unit)
                found[unit] = known or tuple(self.known.polled_members().values())
                failure = failure or error.failure
        self.known.units = found
        if not units:
            self.known.organization = found[""]
        elif self.settings.metrics.trust_organization:
            # Units say who is polled, and not who belongs to the organization.
            try:
                self.known.organization = tuple(await self._organizations.members(()))
            except AwsError as error:
                self.accounts_known = failure is None
                failure = failure or error.failure
        else:
            self.known.organization = None
        return failure

    async def ask_regions(self, accounts: Sequence[Account]) -> None:
        """Ask accounts for their regions; where that fails, keep the last known or the default."""
        await asyncio.gather(*map(self._ask_regions_of, accounts))

    async def _ask_regions_of(self, account: Account) -> None:
        asked = self._organizations.regions(account)
        try:
            self.known.regions[account.id] = await self._as_long_as_a_poll(asked)
        except AwsError as error:
            polled = self.known.polled.get(account.id, ())
            default = tuple(dict.fromkeys((*polled, *DEFAULT_REGIONS)))
            self.known.regions.setdefault(account.id, default)
            self._note_fallback(account, error.failure)

    async def _as_long_as_a_poll(self, asked: Awaitable[T]) -> T:
        """Return what is answered within `poll.timeout`. Raises AwsError."""
        seconds = self.settings.poll.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await asked
        except TimeoutError as error:
            message = f"no answer within poll.timeout, {seconds:g} s"
            raise AwsError("Deadline", message) from error

    async def ask_tags(self, account_id: str, keys: Sequence[str]) -> Failure | None:
        """Ask Organizations for the values of some tags of an account; return why not, if so."""
        try:
            tags = await self._as_long_as_a_poll(self._organizations.tags(account_id))
        except AwsError as error:
            return error.failure
        self.known.tags[account_id] = {key: tags[key] for key in keys if key in tags}
        return None

    def _note_fallback(self, account: Account, failure: Failure) -> None:
        self._log.warning(
            "regions_unknown",
            account=account.id,
            **failure.fields(),
            regions=",".join(self.known.regions[account.id]),
            hint="polling the last known or default regions; allow account:ListRegions in the "
            "account's role, or set its regions",
        )


def hint(failure: Failure) -> str:
    """Return what mends a failed discovery."""
    return hint_of(failure, "organizations")
