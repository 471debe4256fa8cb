"""Polling without a server: everything from settings to the exposition, wired together."""

import hashlib
import random
import threading
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from exporter.ages import AgeBuckets
from exporter.audit import Audit
from exporter.aws.clients import Clients
from exporter.aws.credentials import Credentials, Own
from exporter.aws.macie import Macie
from exporter.build import build
from exporter.clock import Clock, Stop
from exporter.discovery import Discovery
from exporter.errors import kind_of
from exporter.exposition.cache import Cache
from exporter.exposition.table import Fleet, Reload
from exporter.exposition.tally import Options
from exporter.log import Log
from exporter.model import Account, Answer, AwsError, Inventory, PollResult, Target
from exporter.poller import Pace, Poller
from exporter.schedule import Schedule
from exporter.settings import Settings
from exporter.snapshot import Snapshot
from exporter.telemetry import Telemetry

_DISCOVERY_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Ports:
    """What comes from outside: time, chance, the end of the process, and where events go."""

    clock: Clock
    stop: Stop
    log: Log
    rng: random.Random


class Core:
    """Discovers, polls, remembers and renders."""

    def __init__(self, settings: Settings, ports: Ports, *, default_region: str) -> None:
        """Wire everything together; nothing runs yet."""
        self._settings, self._ports = settings, ports
        clock = ports.clock
        self.telemetry = Telemetry(CollectorRegistry())
        self._clients = Clients(
            clock=clock,
            stop=ports.stop,
            observer=self.telemetry,
            connections=settings.poll.concurrency,
            rng=ports.rng,
        )
        interval = settings.poll.interval.total_seconds()
        self._credentials = Credentials(
            self._clients,
            Own(clock),
            clock=clock,
            region=lambda: default_region,
            step=interval,
            rng=ports.rng,
        )
        self._macie = Macie(self._clients, self._credentials, clock)
        self._audit = Audit(ports.log)
        self._inventory = _Found()
        self.snapshot = Snapshot()
        self._polled = threading.Event()
        self.poller = Poller(
            schedule=Schedule(interval, settings.poll.concurrency, ports.rng),
            pace=Pace(
                interval, settings.poll.concurrency, settings.poll.timeout.total_seconds()
            ),
            clock=clock,
            read=self._read,
            record=self._record,
            log=ports.log,
        )
        self._discovery = Discovery(
            settings, default_region=default_region, who_am_i=self._credentials.who_am_i
        )
        self._build = build()
        self._loaded = Reload(
            successful=True, last_success=clock.now(), config_hash=config_hash(settings)
        )
        self.exposition = Cache(
            self.snapshot,
            options=options_of(settings),
            stale_after=settings.poll.stale_after.total_seconds(),
            now=clock.now,
            fleet=self._fleet,
            accounts=lambda: self._inventory.accounts,
        )
        self._discoverer = threading.Thread(target=self._discover, name="discovery", daemon=True)

    def start(self) -> None:
        """Start polling, as soon as discovery has found what."""
        self.poller.start()
        self._discoverer.start()

    def stop(self, timeout: float) -> None:
        """Stop in order within so many seconds: first let polls end, then cut their connections."""
        if not self.poller.stop(timeout / 2):
            self._clients.close()
            self.poller.stop(timeout / 2)
        else:
            self._clients.close()

    def healthy(self) -> bool:
        """Tell whether polling goes on."""
        return self.poller.alive()

    def ready(self) -> bool:
        """Tell whether every target has been polled once since start; once true, it stays so."""
        return self._polled.is_set()

    def wait_until_ready(self) -> bool:
        """Wait for the first round's end; tell whether it came before the process was to end."""
        while not self._ports.stop.is_set():
            if self._polled.wait(0.1):
                return True
        return False

    def _discover(self) -> None:
        """Find the targets, trying until it succeeds: a network may come later than the process."""
        pause = _FIRST_PAUSE
        while not self._ports.stop.is_set():
            try:
                inventory = self._discovery.find(self._ports.clock.monotonic() + _DISCOVERY_SECONDS)
            except AwsError as error:
                self._log_discovery_failure(error, pause)
                self._ports.stop.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                self._adopt(inventory)
                return

    def _log_discovery_failure(self, error: AwsError, pause: float) -> None:
        self._ports.log.warning(
            "discovery_failed",
            error_code=error.failure.code,
            aws_request_id=error.failure.request_id,
            error=error.failure.message,
            hint=kind_of(error.failure.code).hint,
            next_try_seconds=pause,
        )

    def _adopt(self, inventory: Inventory) -> None:
        targets = inventory.targets()
        self._inventory = _Found(inventory.accounts)
        self.snapshot.retain(targets)
        self.poller.set_targets(targets)
        self._credentials.keep(inventory.accounts)
        self._ports.log.info("targets_found", accounts=len(inventory.accounts), targets=len(targets))
        self._note_round()

    def _read(self, target: Target, deadline: float) -> Answer:
        return self._macie.read(self._inventory.by_id[target.account_id], target.region, deadline)

    def _record(self, result: PollResult) -> None:
        known = self.snapshot.record(result)
        if known is not None:
            self._audit.note(*known)
        self._note_round()

    def _note_round(self) -> None:
        if self.snapshot.polled and not self._polled.is_set():
            self._polled.set()
            self._ports.log.info("first_round_done", targets=len(self.snapshot.all()))

    def _fleet(self) -> Fleet:
        return Fleet(
            interval=self._settings.poll.interval.total_seconds(),
            lag=self.poller.lag(),
            reload=self._loaded,
            build=self._build,
        )


class _Found:
    """The accounts that discovery found, also by id."""

    def __init__(self, accounts: tuple[Account, ...] = ()) -> None:
        self.accounts = accounts
        self.by_id = {account.id: account for account in accounts}


def options_of(settings: Settings) -> Options:
    """Give what the settings say of the exposition."""
    metrics = settings.metrics
    return Options(
        buckets=AgeBuckets(metrics.age_buckets),
        zero_fill=metrics.zero_fill,
        trusted=frozenset(metrics.trusted_inviters),
        max_invitation_series=metrics.per_invitation.max_series if metrics.per_invitation.enabled else 0,
    )


def config_hash(settings: Settings) -> float:
    """Give a hash of the settings that a float holds exactly, as Alertmanager's own does."""
    digest = hashlib.sha256(settings.model_dump_json(exclude={"shard"}).encode()).digest()
    return float(int.from_bytes(digest[:6]))
