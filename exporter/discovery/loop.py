"""The loop that keeps current which targets there are.

What was last found stays: a failed refresh loses nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace

from exporter.clock import Clock
from exporter.discovery.accounts import accounts_of, labelled, names_of
from exporter.discovery.directory import Directory, Organizations, WhoAmI, hint
from exporter.log import Log
from exporter.model import Account, Failure, Inventory
from exporter.settings import Settings
from exporter.settings.fields import AUTO

_LONGEST_SECONDS = 900.0
"""Of one look: ten thousand accounts are five hundred pages, one after the other."""

_AUTO = (AUTO,)
_AT_ONCE = 32
"""Accounts that are asked for their regions at once."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_REGIONS_REFRESH = 3600.0
"""Seconds between looks at the enabled regions where no organization sets the pace."""


class Discovery:
    """Finds the accounts to poll, each with its regions, and hands them on as they are found."""

    def __init__(
        self,
        settings: Settings,
        *,
        default_region: str,
        who_am_i: WhoAmI,
        organizations: Organizations,
        adopt: Callable[[Inventory], Awaitable[object]],
        clock: Clock,
        log: Log,
    ) -> None:
        """Poll `default_region` where none is configured; `adopt` is given what is found."""
        self._adopt, self._clock, self._log = adopt, clock, log
        self._directory = Directory(settings, who_am_i, organizations, log)
        self._known = self._directory.known
        self.inventory = Inventory()
        self._staying: tuple[Account, ...] = ()
        """Accounts found elsewhere than where a reload looks, until that answers."""
        self.looking = True
        """Whether there is more to come of the present look."""
        self._default_regions = settings.aws.regions or (default_region,)

    def configure(self, settings: Settings, default_region: str) -> None:
        """Look for what other settings name, from the next look on; what is known stays known."""
        if _asked(settings) != _asked(self._settings):
            self._staying = self.inventory.accounts
            # What succeeded until now asked somebody else.
            self.inventory = replace(self.inventory, last_success=0.0)
        self._directory.settings = settings
        self._default_regions = settings.aws.regions or (default_region,)

    @property
    def _settings(self) -> Settings:
        return self._directory.settings

    async def run(self) -> None:
        """Look until that succeeds, and again and again where what is found may change.

        A network may come later than the process.
        """
        failures, before = 0, self.inventory.accounts
        if _asked(self._settings):
            # What is configured counts at once, whatever AWS answers.
            await self._hand_on(self._inventory(self._accounts(), self.inventory.failure))
        while True:
            self.looking = True
            failure = await self.look()
            failures = failures + 1 if failure else 0
            pause = self._pause(failures)
            if self.inventory.accounts != before:
                self._note_found()
            if failure is not None:
                self._note_failure(failure, pause)
            looked = self._clock.monotonic()
            found = self.inventory.accounts
            await self._directory.ask_tags(found, anew=failure is None, seconds=pause)
            await self._label()
            self.looking = False
            if failure is None and not self._settings.discovers:
                return
            before = self.inventory.accounts
            # Tags have taken their part of the pause.
            await asyncio.sleep(max(pause - (self._clock.monotonic() - looked), 0.0))

    async def look(self) -> Failure | None:
        """Look once, and hand on what is found; return why that failed, if it did."""
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                async for found in self._find():
                    await self._hand_on(found)
        except TimeoutError:
            failure = Failure("Deadline", f"discovery took longer than {_LONGEST_SECONDS:g} s")
        except Exception as error:  # noqa: BLE001 -- logged; the last known targets stay polled
            self._log.exception("discovery_crashed")
            failure = Failure("other", f"{type(error).__name__} in the exporter itself")
        else:
            return self.inventory.failure
        self.inventory = replace(self.inventory, failure=failure)
        return failure

    async def _find(self) -> AsyncIterator[Inventory]:
        """Find what there is to poll, part by part as it comes."""
        failure = await self._directory.ask_accounts()
        answered = failure is None or self._directory.accounts_known
        if answered:
            self._staying = ()
        accounts = self._accounts()
        asking = [account for account in accounts if account.regions == _AUTO]
        handed_on = None
        for start in range(0, len(asking), _AT_ONCE):
            if self._known.regions != handed_on:
                # Who left goes at once, however long the regions of the others take.
                yield self._inventory(accounts, failure)
                handed_on = dict(self._known.regions)
            await self._directory.ask_regions(asking[start : start + _AT_ONCE], self._polled())
        self._known.regions = {account.id: self._known.regions[account.id] for account in asking}
        yield self._inventory(accounts, failure, complete=answered)

    def _accounts(self) -> list[Account]:
        """Return the accounts to poll, by the settings and by what is known."""
        settings, known = self._settings, self._known
        accounts = accounts_of(settings, known, self._default_regions)
        organization = settings.aws.organization
        others = {account.id for account in accounts}
        others.update(organization.exclude_accounts if organization else ())
        staying = (account for account in self._staying if account.id not in others)
        return [*accounts, *labelled(staying, settings, known)]

    async def _hand_on(self, found: Inventory) -> None:
        await self._adopt(found)
        self.inventory = found

    async def _label(self) -> None:
        """Hand on the same accounts with the labels that are known now."""
        accounts = tuple(labelled(self.inventory.accounts, self._settings, self._known))
        if accounts != self.inventory.accounts:
            await self._hand_on(replace(self.inventory, accounts=accounts))

    def _inventory(
        self, accounts: Iterable[Account], failure: Failure | None, *, complete: bool = False
    ) -> Inventory:
        """Return the accounts whose regions are known."""
        regions = {**self._polled(), **self._known.regions}
        resolved = (
            replace(account, regions=regions.get(account.id, ()))
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

    def _polled(self) -> dict[str, tuple[str, ...]]:
        """Return where accounts are polled now, which stays until their own regions are known."""
        return {account.id: account.regions for account in self.inventory.accounts}

    def _pause(self, failures: int) -> float:
        """Return the seconds until the next look."""
        if failures:
            return min(_FIRST_PAUSE * 2.0 ** (failures - 1), _LONGEST_PAUSE)
        organization = self._settings.aws.organization
        return organization.refresh_interval.total_seconds() if organization else _REGIONS_REFRESH

    def _note_found(self) -> None:
        accounts, targets = self.inventory.accounts, self.inventory.targets()
        self._log.info("targets_found", accounts=len(accounts), targets=len(targets))

    def _note_failure(self, failure: Failure, pause: float) -> None:
        self._log.warning(
            "discovery_failed", **failure.fields(), hint=hint(failure), next_try_seconds=pause
        )


def _asked(settings: Settings) -> str:
    """Return whom AWS is asked for accounts: nobody where they are all listed."""
    if settings.aws.organization is not None:
        return "organizations"
    return "" if settings.aws.accounts else "sts"
