"""What AWS says of accounts: who there is, their regions and their tags; and what it last said.

A question that fails loses nothing of what is known.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from exporter.discovery.accounts import Known
from exporter.error_codes import NO_SUCH_UNIT, hint_of
from exporter.log import Log
from exporter.model import DEFAULT_REGIONS, Account, AwsError, Failure, Member
from exporter.settings import Settings

T = TypeVar("T")
Regions = Mapping[str, tuple[str, ...]]
"""By account id."""
WhoAmI = Callable[[], Awaitable[str]]
"""Returns the account id of the exporter's own credentials. Raises AwsError."""

TAGS_A_SECOND = 8.0
"""Accounts whose tags are asked for, by all shards together: Organizations throttles an
organization's callers together, at a few more. Ten thousand accounts take 20 minutes."""

_FRUITLESS = 3
"""Accounts in a row whose tags cannot be had, after which no others are asked for."""


class Organizations(Protocol):
    """Knows the organization's accounts, and of each its regions and tags. Raises AwsError."""

    async def members(self, units: tuple[str, ...]) -> Sequence[Member]:
        """List the accounts under some organizational units, or all, suspended ones too."""

    async def regions(self, account: Account) -> tuple[str, ...]:
        """List the regions with Macie that an account has enabled."""

    async def tags(self, account_id: str) -> Mapping[str, str]:
        """Return the tags of an account in Organizations."""


class Directory:
    """Asks, and remembers what was answered."""

    def __init__(
        self, settings: Settings, who_am_i: WhoAmI, organizations: Organizations, log: Log
    ) -> None:
        """Ask for what the settings name."""
        self.settings, self.known = settings, Known()
        self.accounts_known = False
        """Whether it is known who is polled, though not who belongs to the organization."""
        self._who_am_i, self._organizations, self._log = who_am_i, organizations, log
        self._asked_for_tags: dict[str, None] = {}
        """Accounts, the least recently asked first."""

    async def ask_accounts(self) -> Failure | None:
        """Ask who this is and who belongs to the organization, where that is needed."""
        organization = self.settings.aws.organization
        self.accounts_known = False
        try:
            if organization is not None:
                self.known.identity = await self._as_long_as_a_poll(self._who_am_i())
                return await self._ask_members(organization.include_ous)
            # What an organization said counts no longer, if one is configured again.
            self.known.organization = None
            self.known.units.clear()
            self.known.tags.clear()
            if not self.settings.aws.accounts and not self.known.identity:
                self.known.identity = await self._as_long_as_a_poll(self._who_am_i())
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

    async def ask_regions(self, accounts: Sequence[Account], polled: Regions) -> None:
        """Ask accounts for their regions.

        Where that fails, keep the last known, or take the default and where they are polled now.
        """
        await asyncio.gather(*(self._ask_regions_of(each, polled) for each in accounts))

    async def _ask_regions_of(self, account: Account, polled: Regions) -> None:
        asked = self._organizations.regions(account)
        try:
            self.known.regions[account.id] = await self._as_long_as_a_poll(asked)
        except AwsError as error:
            default = tuple(dict.fromkeys((*polled.get(account.id, ()), *DEFAULT_REGIONS)))
            regions = self.known.regions.setdefault(account.id, default)
            self._log.warning(
                "regions_unknown",
                account=account.id,
                **error.failure.fields(),
                regions=",".join(regions),
                hint="polling the last known or default regions; allow account:ListRegions in the "
                "account's role, or set its regions",
            )

    async def _as_long_as_a_poll(self, asked: Awaitable[T]) -> T:
        """Return what is answered within `poll.timeout`. Raises AwsError."""
        seconds = self.settings.poll.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await asked
        except TimeoutError as error:
            message = f"no answer within poll.timeout, {seconds:g} s"
            raise AwsError("Deadline", message) from error

    async def ask_tags(self, accounts: Iterable[Account], *, anew: bool, seconds: float) -> None:
        """Ask for the tags of those in the organization, slowly, and for so many seconds.

        All of them `anew`, or only those that are not known; the least recently asked first, so
        that some that are denied hide no others. What was last known stays where that fails.
        """
        keys, members = self.settings.metrics.account_labels, self.known.members()
        if not keys or self.settings.aws.organization is None:
            return
        listed = {each.id: None for each in accounts if each.id in members}
        self.known.tags = {each: tags for each, tags in self.known.tags.items() if each in listed}
        asked = {each: None for each in self._asked_for_tags if each in listed}
        in_order = [*(each for each in listed if each not in asked), *asked]
        self._asked_for_tags = asked
        asking = [each for each in in_order if anew or each not in self.known.tags]
        failures: list[Failure] = []
        in_a_row, now = 0, asyncio.get_running_loop().time
        end, step = now() + seconds, self.settings.shard.total / TAGS_A_SECOND
        for number, account_id in enumerate(asking, start=1):
            next_at = now() + step
            failure = await self._ask_tags_of(account_id, keys)
            in_a_row = in_a_row + 1 if failure else 0
            failures += [failure] if failure else []
            # The others are asked first after the next look, which is not to wait for them.
            if in_a_row == _FRUITLESS or now() >= end:
                break
            if number < len(asking):
                await asyncio.sleep(next_at - now())
        if failures:
            last, failed = failures[-1], len(failures)
            self._log.warning("tags_unknown", failed=failed, **last.fields(), hint=hint(last))

    async def _ask_tags_of(self, account_id: str, keys: Sequence[str]) -> Failure | None:
        """Ask for the values of some tags of an account; return why not, if so."""
        self._asked_for_tags.pop(account_id, None)
        self._asked_for_tags[account_id] = None
        try:
            tags = await self._as_long_as_a_poll(self._organizations.tags(account_id))
        except AwsError as error:
            return error.failure
        self.known.tags[account_id] = {key: tags[key] for key in keys if key in tags}
        return None


def hint(failure: Failure) -> str:
    """Return what mends a failed discovery."""
    return hint_of(failure, "organizations")
