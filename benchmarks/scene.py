"""A fleet that is polled by hand, and the cache that renders it."""

import random
import time

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from benchmarks.sample import answer, targets
from exporter.ages import AgeBuckets
from exporter.exposition.cache import Cache
from exporter.exposition.table import Build, Fleet, Reload
from exporter.exposition.tally import Options
from exporter.model import Account, Answer, PollResult, Target
from exporter.settings import Settings
from exporter.snapshot import Snapshot

INVITATIONS = 3
_STALE_AFTER = 900.0


class Scene:
    """So many targets, all polled once, with three invitations each."""

    def __init__(self, count: int, zero_fill: str = "invited") -> None:
        self.targets = targets(count)
        self.snapshot = Snapshot()
        self.snapshot.retain(self.targets)
        self._zero_fill = zero_fill
        self._chance = random.Random(7)  # noqa: S311 -- jitter
        self.poll(self.targets)

    def cache(self) -> Cache:
        """Make a cache that has rendered nothing yet."""
        buckets = AgeBuckets(Settings().metrics.age_buckets)
        accounts = tuple({t.account_id: Account(t.account_id) for t in self.targets}.values())
        return Cache(
            self.snapshot,
            options=Options(buckets, self._zero_fill),
            stale_after=_STALE_AFTER,
            now=time.time,
            fleet=lambda: _FLEET,
            accounts=lambda: accounts,
        )

    def poll(self, which: list[Target], shift: int = 0) -> None:
        """Have polls end now; shifted, their invitations are other ones than before."""
        for target in which:
            found = answer(INVITATIONS, shift)
            # As a poll makes it: with values of its own, equal to the last one's at the most.
            outcome = Answer(found.enabled, tuple(found.invitations))
            seconds = self._chance.uniform(0.05, 0.09)
            self.snapshot.record(PollResult(target, time.time(), seconds, outcome))

    def share(self, part: float) -> list[Target]:
        """Give a share of the targets, from all over."""
        return self._chance.sample(self.targets, max(round(len(self.targets) * part), 1))


class Samples(Collector):
    """An exposition's samples as the client library holds them: it has only to render them."""

    def __init__(self, text: str) -> None:
        self._metrics = list(text_string_to_metric_families(text))
        self.count = sum(len(metric.samples) for metric in self._metrics)

    def collect(self) -> list[Metric]:
        """Give them, always the same."""
        return self._metrics


def registry(samples: Samples) -> CollectorRegistry:
    """Give a registry that holds nothing else."""
    made = CollectorRegistry()
    made.register(samples)
    return made


_FLEET = Fleet(
    interval=300.0,
    lag=0.0,
    reload=Reload(successful=True, last_success=0.0, config_hash=1.0),
    build=Build("0", "0", "0"),
)
