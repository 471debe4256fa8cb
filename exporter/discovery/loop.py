"""Asks AWS which targets there are: Organizations' accounts, their regions and their tags.

And the loop that keeps that current. What was last found stays: a failed refresh loses nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from exporter.clock import Clock
from exporter.discovery.accounts import accounts_of, labelled, names_of
from exporter.discovery.directory import Directory, Identity, Organizations, fields_of
from exporter.error_codes import hint_of
from exporter.log import Log
from exporter.model import Account, Failure, Inventory
from exporter.settings import Settings
from exporter.settings.fields import AUTO

T = TypeVar("T")

LONGEST_SECONDS = 900.0
"""Of one look: ten thousand accounts are five hundred pages, one after the other."""

_AUTO = (AUTO,)
_AT_ONCE = 32
"""Accounts that are asked for their regions at once."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_REGIONS_REFRESH = 3600.0
"""Seconds between looks at the enabled regions where no organization sets the pace."""

TAGS_A_SECOND = 8.0
"""Accounts whose tags are asked for, by all shards together: Organizations throttles an
organization's callers together, at a few more. Ten thousand accounts take 20 minutes."""

_TAGS_HANDED_ON = 500
"""Accounts after whose tags those known so far are shown."""

_FRUITLESS = 3
"""Accounts in a row whose tags cannot be had, after which no others are asked for."""


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
        self._adopt, self._clock, self._log = adopt, clock, log
        self._directory = Directory(settings, identity, organizations, log)
        self._known = self._directory.known
        self.inventory = Inventory()
        self._last_asked = ""
        self.looking = True
        """Whether there is more to come of the present look."""
        self._default_regions = settings.aws.regions or (default_region,)

    def configure(self, settings: Settings, default_region: str) -> None:
        """Look for what other settings name, from the next look on; what is known stays known."""
        self._known.polled = {each.id: each.regions for each in self.inventory.accounts}
        if settings.aws.organization and not self._settings.aws.organization:
            # What succeeded until now asked no organization.
            self.inventory = replace(self.inventory, last_success=0.0)
        self._directory.settings = settings
        self._default_regions = settings.aws.regions or (default_region,)

    @property
    def _settings(self) -> Settings:
        return self._directory.settings

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
            self.looking = True
            failure = await self._look()
            failures = failures + 1 if failure else 0
            pause = self._pause(failures)
            if failure is not None:
                self._note_failure(failure, pause)
            looked = self._clock.monotonic()
            await self._look_up_tags(anew=failure is None)
            self.looking = False
            if failure is None and not self.repeats:
                return
            # Tags take their time, which the next look does not wait for on top.
            await asyncio.sleep(max(pause - (self._clock.monotonic() - looked), 0.0))

    async def find(self) -> AsyncIterator[Inventory]:
        """Find what there is to poll, and hand on parts as they come."""
        failure = await self._directory.ask_accounts()
        accounts = accounts_of(self._settings, self._known, self._default_regions)
        asking = [account for account in accounts if account.regions == _AUTO]
        if asking:
            # Who left goes at once, however long the regions of the others take.
            yield self._inventory(accounts, failure, complete=False)
        for start in range(0, len(asking), _AT_ONCE):
            await self._directory.ask_regions(asking[start : start + _AT_ONCE])
            if start + _AT_ONCE < len(asking):
                yield self._inventory(accounts, failure, complete=False)
        self._known.regions = {account.id: self._known.regions[account.id] for account in asking}
        self._known.polled.clear()
        complete = failure is None or self._directory.accounts_known
        yield self._inventory(accounts, failure, complete=complete)

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
        in_vain = found.failure is not None and not self._directory.accounts_known
        if in_vain and not (found.accounts and before.last_success):
            # After a reload that looks elsewhere: until that answers, what was found stays.
            ids = {account.id for account in found.accounts}
            stays = tuple(account for account in before.accounts if account.id not in ids)
            found = replace(found, accounts=found.accounts + stays)
        self.inventory = found
        self._adopt(found)
        if found.accounts != before.accounts:
            targets = len(found.targets())
            self._log.info("targets_found", accounts=len(found.accounts), targets=targets)

    async def _look_up_tags(self, *, anew: bool) -> None:
        """Ask Organizations for the tags of this shard's accounts, slowly: polls do not wait.

        All of them `anew`, or only those never asked for, which come first in any case. What was
        last known stays where that fails.
        """
        keys, members = self._settings.metrics.account_labels, self._known.members()
        if not keys or self._settings.aws.organization is None:
            return
        listed = [each.id for each in self.inventory.accounts if each.id in members]
        asking = [each for each in listed if each not in self._known.tags]
        # Where the last look broke off: some that are denied hide no others.
        start = asking.index(self._last_asked) + 1 if self._last_asked in asking else 0
        asking = asking[start:] + asking[:start]
        if anew:
            asking += [each for each in listed if each in self._known.tags]
        failures: list[Failure] = []
        in_a_row = 0
        for number, account_id in enumerate(asking, start=1):
            failure = await self._directory.ask_tags(account_id, keys)
            self._last_asked = account_id
            in_a_row = in_a_row + 1 if failure else 0
            failures += [failure] if failure else []
            if in_a_row == _FRUITLESS:
                break
            if number % _TAGS_HANDED_ON == 0:
                self._take_on_tags()
            if number < len(asking):
                await asyncio.sleep(self._settings.shard.total / TAGS_A_SECOND)
        self._take_on_tags()
        if failures:
            self._note_tags_unknown(failures)

    def _take_on_tags(self) -> None:
        accounts = tuple(labelled(self.inventory.accounts, self._settings, self._known))
        kept = {account.id for account in accounts}
        self._known.tags = {each: of for each, of in self._known.tags.items() if each in kept}
        if accounts != self.inventory.accounts:
            self.inventory = replace(self.inventory, accounts=accounts)
            self._adopt(self.inventory)

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
        listed = self._known.organization
        succeeded = complete and failure is None
        return Inventory(
            accounts=tuple(account for account in resolved if account.regions),
            names=names_of(self._settings, self._known),
            organization=None if listed is None else frozenset(member.id for member in listed),
            complete=complete,
            failure=failure,
            last_success=self._clock.now() if succeeded else self.inventory.last_success,
        )

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
            "discovery_failed", **fields_of(failure), hint=hint(failure), next_try_seconds=pause
        )

    def _note_tags_unknown(self, failures: Sequence[Failure]) -> None:
        last = failures[-1]
        self._log.warning("tags_unknown", failed=len(failures), **fields_of(last), hint=hint(last))


def hint(failure: Failure) -> str:
    """Return what mends a failed discovery."""
    return hint_of(failure, "organizations")
