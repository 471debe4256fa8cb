"""The composition root: builds everything that polls, and owns reload and the order of stopping."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from exporter.audit import Audit
from exporter.aws.cloud import Cloud
from exporter.configuration import Configuration, Ports, options_from, trust_from
from exporter.discovery.accounts import differences
from exporter.discovery.loop import Discovery
from exporter.exposition.counts import Options
from exporter.exposition.fleet import Fleet, Reload, WebConfig, build
from exporter.exposition.own_metrics import OwnMetrics
from exporter.exposition.scrape import Exposition
from exporter.model import Account, Answer, AwsError, Inventory, PollResult, Target
from exporter.poller import Poller
from exporter.schedule import Schedule
from exporter.settings.fingerprint import config_hash
from exporter.state import Snapshot, TargetRecord
from exporter.supervision import LoopLag, Supervisor
from exporter.web.status import Status

_SHOWN_SECONDS = 5.0
"""After which a reload is answered, though a hundred thousand targets are still rendered."""


class Daemon:
    """Discovers, polls, remembers and renders, in the event loop that it is made in."""

    def __init__(
        self,
        configuration: Configuration,
        ports: Ports,
        web: Callable[[], WebConfig | None] = lambda: None,
    ) -> None:
        """Wire everything together; nothing runs yet. `web` tells how the web file is doing."""
        self._configuration, self._ports, self._web = configuration, ports, web
        self._log, self._clock = ports.lines.log, ports.clock
        self._reload = Reload(self._clock.now(), config_hash(configuration.settings))
        self._trust = trust_from(configuration.settings)
        self._accounts: dict[str, Account] = {}
        self._is_ready = False
        self._to_show, self._has_adopted = asyncio.Event(), asyncio.Event()
        # What tells how it is doing.
        self.build = build()
        self.own_metrics = OwnMetrics(self._fleet)
        self._supervisor = Supervisor(self._log, self.own_metrics.worker_restarted, self._clock)
        self._loop_lag = LoopLag(lambda: self._poller.busy or not self._is_ready)
        # From what there is to poll to what is shown, in the order in which data flows.
        self.cloud = self._make_cloud()
        self.discovery = self._make_discovery()
        self._poller = self._make_poller()
        self._audit = Audit(self._log, lambda: self._trust)
        self.snapshot = Snapshot()
        self.exposition = Exposition(self.snapshot, *self._shown_by(), self._clock.now)

    def _make_cloud(self) -> Cloud:
        return Cloud(
            clock=self._clock,
            observer=self.own_metrics,
            rng=self._ports.rng,
            region=lambda: self._configuration.region,
            step=lambda: self._configuration.poll.interval,
            recovered=self._poll_soon,
        )

    def _make_discovery(self) -> Discovery:
        return Discovery(
            self._configuration.settings,
            default_region=self._configuration.region,
            who_am_i=self.cloud.credentials.who_am_i,
            organizations=self.cloud.organizations,
            adopt=self._adopt,
            clock=self._clock,
            log=self._log,
        )

    def _make_poller(self) -> Poller:
        options = self._configuration.poll
        return Poller(
            schedule=Schedule(options.interval, options.concurrency, self._ports.rng),
            options=options,
            clock=self._clock,
            read=self._read,
            record=self._record,
            log=self._log,
        )

    def start(self) -> None:
        """Start polling, as soon as discovery has found what."""
        self.keep("poller", self._poller.run)
        self.keep("overdue", self._poller.fail_overdue)
        self.keep("discovery", self.discovery.run)
        self.keep("exposition", self._keep_showing)
        self.keep("loop", self._loop_lag.watch)

    def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep a coroutine running, in place of what was kept under this name."""
        self._supervisor.keep(name, run)

    async def stop(self) -> None:
        """Cut what is under way: it says nothing of any target."""
        await self._supervisor.stop()
        await self._poller.stop()
        await self.cloud.close()

    def configure(self, configuration: Configuration) -> None:
        """Take on other settings; what is known of targets that remain stays so."""
        settings = configuration.settings
        self._configuration = configuration
        self._trust = trust_from(settings, self.discovery.inventory.organization)
        self._ports.lines.configure(level=settings.log.level, form=settings.log.format)
        self._poller.set_options(configuration.poll)
        self._reload = Reload(self._clock.now(), config_hash(settings))
        self.discovery.configure(settings, configuration.region)
        self._has_adopted.clear()
        # What is being looked for was asked for by the old settings.
        self.keep("discovery", self.discovery.run)
        self._to_show.set()

    async def taken_on(self) -> None:
        """Wait until other settings show, as far as AWS has not to be asked for that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHOWN_SECONDS):
                await self._has_adopted.wait()
                await self.show()

    def reload_failed(self, refusal: str) -> None:
        """Note why a newer configuration was refused; the present one stays in force."""
        self._reload = replace(self._reload, refusal=refusal)

    def healthy(self) -> bool:
        """Whether polling goes on, and looking for what to poll; that the loop turns is clear."""
        return self._supervisor.healthy

    def ready(self) -> bool:
        """Whether every target has been polled once since start; once true, it stays so."""
        return self._is_ready

    def waits_for(self) -> str:
        """Return what is still to come before it is ready; empty once it is."""
        inventory = self.discovery.inventory
        if self._is_ready:
            return ""
        if inventory.failure:
            return f"discovery, which failed: {inventory.failure.code}"
        return "the first round of polls" if inventory.complete else "discovery"

    def status(self) -> Status:
        """Return everything that is known now, for the pages."""
        now = self._clock.now()
        return Status(
            now=now,
            settings=self._configuration.settings,
            known=self.snapshot.all(),
            accounts=self._accounts,
            due={target: now + wait for target, wait in self._poller.next_polls().items()},
            inventory=self.discovery.inventory,
            reload=self._reload,
            lag=self._poller.lag(),
            healthy=self.healthy(),
            trust=self._trust,
            web=self._web(),
        )

    async def _read(self, target: Target) -> Answer:
        account = self._accounts.get(target.account_id)
        if account is None:
            # Discovery dropped it after its poll was due: nobody will know this result.
            raise AwsError("other", "no target any more")
        administrator = self._configuration.settings.metrics.administrator.enabled
        return await self.cloud.macie.read(account, target.region, administrator=administrator)

    def _poll_soon(self, account_id: str) -> None:
        """Have an account polled now whose role was repaired, and not region by region."""
        account = self._accounts.get(account_id)
        if account is not None:
            self._poller.poll_soon(account.targets())

    def _record(self, result: PollResult) -> None:
        known = self.snapshot.record(result)
        if known is not None:
            self._audit.note(*known)
            self.exposition.update(result.target)
        self._note_round(self.discovery.inventory)

    async def _adopt(self, inventory: Inventory) -> None:
        found = {account.id: account for account in inventory.accounts}
        gone: list[Target] = []
        new: list[TargetRecord] = []
        for some_gone, some_new in differences(self._accounts, found):
            gone += some_gone
            new += map(TargetRecord, some_new)
            await asyncio.sleep(0)
        # Nothing waits from here on: whoever looks sees all of it, or all that was before.
        self._trust = trust_from(self._configuration.settings, inventory.organization)
        self.snapshot.change(gone, new)
        self._poller.change_targets(gone, [record.target for record in new])
        # Last, so that what an error left half done is done by the next that is found.
        self._accounts = found
        if inventory.complete:
            self.cloud.credentials.keep(inventory.accounts)
        self._to_show.set()
        self._has_adopted.set()
        self._note_round(inventory)

    def _note_round(self, inventory: Inventory) -> None:
        if inventory.complete and self.snapshot.polled and not self._is_ready:
            self._is_ready = True
            self._log.info("first_round_done", targets=len(self.snapshot.all()))

    async def show(self) -> None:
        """Show what there is to poll, by the settings in force."""
        accounts = tuple(self._accounts.values()) if self.discovery.inventory.known else None
        await self.exposition.show(*self._shown_by(), accounts)

    def _shown_by(self) -> tuple[Options, float]:
        """Return what is shown, and after how many seconds without an answer nothing is."""
        settings = self._configuration.settings
        return options_from(settings, self._trust), settings.poll.stale_after.total_seconds()

    async def _keep_showing(self) -> None:
        while True:
            await self._to_show.wait()
            self._to_show.clear()
            await self.show()

    def _fleet(self) -> Fleet:
        settings, inventory = self._configuration.settings, self.discovery.inventory
        return Fleet(
            states=self.exposition.states if inventory.known else None,
            interval=self._configuration.poll.interval,
            lag=self._poller.lag(),
            loop_lag=self._loop_lag.seconds(),
            reload=self._reload,
            build=self.build,
            shard_index=int(settings.shard.index),
            shards=settings.shard.total,
            trust_configured=self._trust.configured,
            discovered=inventory if settings.aws.organization else None,
            web=self._web(),
        )
