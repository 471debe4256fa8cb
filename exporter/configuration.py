"""What a run is configured with, and what the settings mean to the parts that know none of them."""

import random
from dataclasses import dataclass

from exporter.clock import Clock
from exporter.exposition.age_buckets import AgeBuckets
from exporter.exposition.counts import Options
from exporter.log import Lines
from exporter.model import Trust
from exporter.poller import PollOptions
from exporter.settings import Settings


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, and the region of the AWS environment they were loaded in."""

    settings: Settings
    region: str

    @property
    def poll(self) -> PollOptions:
        """How often, how many at once, and how long at most.

        A poll that is not over yet has not failed: one that took longer than `stale_after` would
        keep older values as current.
        """
        poll = self.settings.poll
        interval, stale_after = poll.interval.total_seconds(), poll.stale_after.total_seconds()
        timeout = min(poll.timeout.total_seconds(), stale_after)
        # A poll that is due an interval after the last has until then what is left of stale_after.
        patience = max(stale_after - interval, timeout)
        return PollOptions(interval, poll.concurrency, timeout, patience)


@dataclass(frozen=True, slots=True)
class Ports:
    """What comes from outside: time, chance, and where events go."""

    clock: Clock
    lines: Lines
    rng: random.Random


def options_from(settings: Settings, trust: Trust) -> Options:
    """Return what the settings say of the exposition."""
    metrics, single = settings.metrics, settings.metrics.per_invitation
    return Options(
        buckets=AgeBuckets(metrics.age_buckets),
        zero_fill=metrics.zero_fill,
        trust=trust,
        max_invitation_series=single.max_series if single.enabled else 0,
        max_inviter_series=metrics.max_inviter_series,
        account_labels=metrics.account_labels,
        administrator=metrics.administrator.enabled,
    )


def trust_from(settings: Settings, listed: frozenset[str] | None = None) -> Trust:
    """Return who may invite, by the settings and by the accounts that Organizations lists."""
    metrics = settings.metrics
    whole = metrics.trust_organization
    accounts = frozenset(metrics.trusted_inviters).union((listed or ()) if whole else ())
    return Trust(
        configured=bool(metrics.trusted_inviters) or whole,
        accounts=accounts,
        complete=not whole or listed is not None,
    )
