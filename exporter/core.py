"""Polling without a server: everything from settings to the exposition, wired together."""

import hashlib
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from exporter.audit import Audit
from exporter.aws.cloud import Cloud
from exporter.build import build
from exporter.clock import Clock, Stop
from exporter.discovery import Discovery, Finding, hint
from exporter.exposition.age_buckets import AgeBuckets
from exporter.exposition.counts import Options
from exporter.exposition.fleet import Discovery as DiscoveryView
from exporter.exposition.fleet import Fleet, Reload, WebConfig
from exporter.exposition.own_metrics import OwnMetrics
from exporter.exposition.rendering import Exposition
from exporter.log import Lines
from exporter.model import Account, Answer, AwsError, Failure, PollResult, Target
from exporter.parallel import in_parallel
from exporter.poller import Pace, Poller
from exporter.restarts import Restarts, Upkeep
from exporter.schedule import Schedule
from exporter.settings import Settings
from exporter.snapshot import Snapshot
from exporter.status import Search, Status
from exporter.terminal import Tell

DISCOVERY_SECONDS = 900.0
"""Ten thousand accounts are five hundred pages, one after the other."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_REGIONS_REFRESH = 3600.0
"""Seconds between looks at the enabled regions where no organization sets the pace."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, and the region of the AWS environment they were loaded in."""

    settings: Settings
    region: str

    @property
    def pace(self) -> Pace:
        """Give how often, how many at once, and how long at most.

        A poll that is not over yet has not failed: one that took longer than `stale_after` would
        keep older values as current.
        """
        poll = self.settings.poll
        interval, stale_after = poll.interval.total_seconds(), poll.stale_after.total_seconds()
        timeout = min(poll.timeout.total_seconds(), stale_after)
        # A poll that is due an interval after the last has until then what is left of stale_after.
        patience = max(stale_after - interval, timeout)
        return Pace(interval, poll.concurrency, timeout, patience)


@dataclass(frozen=True, slots=True)
class Ports:
    """What comes from outside: time, chance, the end of the process, and where events go."""

    clock: Clock
    stop: Stop
    lines: Lines
    rng: random.Random


class Core:
    """Discovers, polls, remembers and renders."""

    def __init__(
        self,
        configuration: Configuration,
        ports: Ports,
        web: Callable[[], WebConfig | None] = lambda: None,
    ) -> None:
        """Wire everything together; nothing runs yet. `web` tells how the web file is doing."""
        self._configuration, self._ports, self._web = configuration, ports, web
        self._log = ports.lines.log
        clock, pace = ports.clock, configuration.pace
        self.own_metrics = OwnMetrics(CollectorRegistry(), self._fleet)
        upkeep = Upkeep(self._log, self.own_metrics.worker_restarted)
        self.cloud = Cloud(
            clock=clock,
            stop=ports.stop,
            observer=self.own_metrics,
            rng=ports.rng,
            region=lambda: self._configuration.region,
            step=lambda: self._configuration.pace.interval,
            upkeep=upkeep,
        )
        self._audit = Audit(self._log)
        self.snapshot = Snapshot()
        self.poller = Poller(
            schedule=Schedule(pace.interval, pace.concurrency, ports.rng),
            pace=pace,
            clock=clock,
            read=self._read,
            record=self._record,
            upkeep=upkeep,
        )
        self.build = build()
        self._reload = Reload(
            successful=True,
            last_success=clock.now(),
            config_hash=config_hash(configuration.settings),
        )
        self._found = _Found()
        self._first_round = threading.Event()
        self._discovery_failed = False
        self._wake = threading.Event()
        self.discovery = self._make_discovery(None)
        self._organization = DiscoveryView(success=False, last_success=0.0)
        self._not_found: Failure | None = None
        self.exposition = self._make_exposition()
        self._changes = self.snapshot.watch()
        self._discovering = Restarts("discovery", upkeep, ports.stop.wait)
        self._discoverer = threading.Thread(
            target=self._discovering.keep, args=(self._discover,), name="discovery", daemon=True
        )

    def start(self) -> None:
        """Start polling, as soon as discovery has found what."""
        self.poller.start()
        self._discoverer.start()

    def stop(self, timeout: float) -> None:
        """Stop in order within so many seconds: first let polls end, then cut their connections."""
        self._wake.set()
        ended = self.poller.stop(timeout / 2)
        self.cloud.close()
        if not ended:
            self.poller.stop(timeout / 2)

    def reconfigure(self, configuration: Configuration) -> None:
        """Take on other settings; what is known of targets that remain stays known."""
        before, settings = self._configuration.settings, configuration.settings
        self._configuration = configuration
        self._ports.lines.configure(level=settings.log.level, form=settings.log.format)
        self.poller.set_pace(configuration.pace)
        self._reload = Reload(
            successful=True,
            last_success=self._ports.clock.now(),
            config_hash=config_hash(settings),
        )
        if settings.aws.organization and not before.aws.organization:
            # What succeeded until now asked no organization.
            self._organization = DiscoveryView(success=False, last_success=0.0)
        self.discovery = self._make_discovery(self.discovery)
        self._wake.set()

    def reload_failed(self) -> None:
        """Note that a newer configuration was refused; the present one stays in force."""
        self._reload = replace(self._reload, successful=False)

    def healthy(self) -> bool:
        """Tell whether polling goes on, within its deadlines, and looking for what to poll."""
        return self.poller.alive() and self.cloud.alive() and self._discoverer.is_alive()

    def ready(self) -> bool:
        """Tell whether every target has been polled once since start; once true, it stays so."""
        return self._first_round.is_set()

    def status(self) -> Status:
        """Give everything that is known now, for the pages."""
        now = self._ports.clock.now()
        found, discovery = self._found, self._organization
        return Status(
            now=now,
            settings=self._configuration.settings,
            known=self.snapshot.all(),
            accounts=found.by_id,
            due={target: now + wait for target, wait in self.poller.next_polls().items()},
            search=Search(
                known=found.known,
                repeats=self.discovery.repeats,
                last_success=discovery.last_success,
                failure=self._not_found,
                hint=hint(self._not_found) if self._not_found else "",
            ),
            reload=self._reload,
            lag=self.poller.lag(),
            healthy=self.healthy(),
        )

    def wait_for_one_round(self, tell: Tell) -> bool:
        """Wait until all that can be found is polled; give whether that is all there is.

        Unlike a daemon this does not wait for a discovery that failed. `tell` takes the progress.
        """
        while not self._ports.stop.is_set():
            finished = self._first_round.wait(0.1)
            known = self.snapshot.all()
            tell(sum(each.last is not None for each in known), len(known) or None)
            if finished:
                return True
            if self._discovery_failed and self.snapshot.polled:
                return False
        return False

    async def text(self, tail: Callable[[], bytes] = bytes) -> list[bytes]:
        """Return the exposition as text, in pieces."""
        await self._bring_up_to_date()
        return await self.exposition.text(tail)

    async def gzip(self, tail: Callable[[], bytes] = bytes) -> list[bytes]:
        """Return the exposition as a gzip file, in pieces."""
        await self._bring_up_to_date()
        return await self.exposition.gzip(tail)

    async def _bring_up_to_date(self) -> None:
        """Tell the exposition what other threads have done; it lives in the server's loop."""
        settings = self._configuration.settings
        changed = self._changes.take()
        await self.exposition.reconfigure(
            options_of(settings), settings.poll.stale_after.total_seconds()
        )
        await self.exposition.retain(self._found.accounts)
        for target in changed:
            self.exposition.update(target)

    def _make_exposition(self) -> Exposition:
        settings = self._configuration.settings
        stale_after = settings.poll.stale_after.total_seconds()
        return Exposition(self.snapshot, options_of(settings), stale_after, self._ports.clock.now)

    def _make_discovery(self, previous: Discovery | None) -> Discovery:
        return Discovery(
            self._configuration.settings,
            default_region=self._configuration.region,
            who_am_i=self.cloud.credentials.who_am_i,
            directory=self.cloud.directory,
            in_parallel=in_parallel,
            log=self._log,
            previous=previous,
        )

    def _discover(self) -> None:
        """Find the targets, and find them anew when they may have changed.

        It is tried until it succeeds: a network may come later than the process.
        """
        failures = 0
        while not self._ports.stop.is_set():
            self._wake.clear()
            discovery = self.discovery
            failure = self._discover_once(discovery)
            failures = failures + 1 if failure else 0
            pause = self._pause(discovery, failures)
            self._note_discovery(failure, pause)
            self._wake.wait(pause)

    def _discover_once(self, discovery: Discovery) -> Failure | None:
        failure = None
        try:
            for finding in discovery.find(self._ports.clock.monotonic() + DISCOVERY_SECONDS):
                failure = finding.failure
                self._adopt(finding)
        except Exception as error:  # noqa: BLE001 -- logged; the last known targets stay polled
            self._log.exception("discovery_crashed")
            return Failure("other", f"{type(error).__name__} in the exporter itself")
        return failure

    def _pause(self, discovery: Discovery, failures: int) -> float | None:
        """Give the seconds until the next discovery; None where only a reload calls for one."""
        organization = self._configuration.settings.aws.organization
        if failures:
            return min(_FIRST_PAUSE * 2.0 ** (failures - 1), _LONGEST_PAUSE)
        if not discovery.repeats:
            return None
        return organization.refresh_interval.total_seconds() if organization else _REGIONS_REFRESH

    def _note_discovery(self, failure: Failure | None, pause: float | None) -> None:
        self._not_found = failure
        if failure is None:
            self._organization = DiscoveryView(success=True, last_success=self._ports.clock.now())
            return
        self._organization = replace(self._organization, success=False)
        self._discovery_failed = True
        self._log.warning(
            "discovery_failed",
            error_code=failure.code,
            aws_request_id=failure.request_id,
            error=failure.message,
            hint=hint(failure),
            next_try_seconds=pause,
        )

    def _adopt(self, finding: Finding) -> None:
        if finding.failure is not None and not finding.inventory.accounts and self._found.accounts:
            # After a reload that looks elsewhere: until that answers, what was found stays.
            return
        # A failed first discovery that found nothing does not know that there is nothing.
        known = self._found.known or finding.complete or bool(finding.inventory.accounts)
        found = _Found(finding.inventory.accounts, complete=finding.complete, known=known)
        targets = finding.inventory.targets()
        changed = found.accounts != self._found.accounts
        self._found = found
        self.snapshot.retain(targets)
        self.poller.set_targets(targets)
        if finding.complete:
            self.cloud.credentials.keep(found.accounts)
        if changed:
            self._log.info("targets_found", accounts=len(found.accounts), targets=len(targets))
        self._note_round()

    def _read(self, target: Target, deadline: float) -> Answer:
        account = self._found.by_id.get(target.account_id)
        if account is None:
            # Discovery dropped it after its poll was due: nobody will know this result.
            raise AwsError("other", "no target any more")
        return self.cloud.macie.read(account, target.region, deadline)

    def _record(self, result: PollResult) -> None:
        if self._ports.stop.is_set() and isinstance(result.outcome, Failure):
            # Cut off by the end of the process: that says nothing of the target.
            return
        known = self.snapshot.record(result)
        if known is not None:
            self._audit.note(*known)
        self._note_round()

    def _note_round(self) -> None:
        if self._found.complete and self.snapshot.polled and not self._first_round.is_set():
            self._first_round.set()
            self._log.info("first_round_done", targets=len(self.snapshot.all()))

    def _fleet(self) -> Fleet:
        settings = self._configuration.settings
        return Fleet(
            states=self.exposition.states if self._found.known else None,
            folded=self.exposition.folded,
            interval=self._configuration.pace.interval,
            lag=self.poller.lag(),
            reload=self._reload,
            build=self.build,
            shard_index=int(settings.shard.index),
            shard_total=settings.shard.total,
            discovery=self._organization if settings.aws.organization else None,
            web=self._web(),
        )


class _Found:
    """The accounts that discovery found, also by id."""

    def __init__(
        self, accounts: tuple[Account, ...] = (), *, complete: bool = False, known: bool = False
    ) -> None:
        self.accounts, self.known = accounts, known
        self.by_id = {account.id: account for account in accounts}
        self.complete = complete


def options_of(settings: Settings) -> Options:
    """Give what the settings say of the exposition."""
    metrics, single = settings.metrics, settings.metrics.per_invitation
    return Options(
        buckets=AgeBuckets(metrics.age_buckets),
        zero_fill=metrics.zero_fill,
        trusted=frozenset(metrics.trusted_inviters),
        max_invitation_series=single.max_series if single.enabled else 0,
    )


def config_hash(settings: Settings) -> float:
    """Give a hash of the settings that a float holds exactly, as Alertmanager's own does.

    Alike in all replicas: which shard one is, is left out.
    """
    text = settings.model_dump_json(exclude={"shard": {"index"}, "config": True})
    return float(int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]))
