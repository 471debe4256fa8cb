"""A fleet that is polled by hand, and the exposition that renders it."""

import random
import time
from collections.abc import Coroutine
from typing import TypeVar

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from benchmarks.sample import answer, targets
from exporter.exposition.age_buckets import AgeBuckets
from exporter.exposition.counts import Options
from exporter.exposition.fleet import Build, Fleet, Reload
from exporter.exposition.scrape import Exposition
from exporter.model import Account, Answer, PollResult, Target
from exporter.settings import Settings
from exporter.state import Snapshot, TargetRecord

INVITATIONS = 3
_STALE_AFTER = 900.0
_T = TypeVar("_T")


def finished(work: Coroutine[None, None, _T]) -> _T:
    """Run to its end what waits for nothing but its next turn; a loop's own cost is left out."""
    while True:
        try:
            work.send(None)
        except StopIteration as end:
            result: _T = end.value
            return result


class Scene:
    """So many targets, all polled once, with three invitations each."""

    def __init__(self, count: int, zero_fill: str = "invited") -> None:
        self.targets = targets(count)
        self.state = Snapshot()
        self.state.change((), map(TargetRecord, self.targets))
        self._options = Options(AgeBuckets(Settings().metrics.age_buckets), zero_fill)
        self._chance = random.Random(7)  # noqa: S311 -- jitter
        self.exposition = self.anew()
        self.poll(self.targets)

    def anew(self) -> Exposition:
        """Render all that is known from nothing."""
        made = Exposition(self.state, self._options, _STALE_AFTER, time.time)
        accounts = {each.account_id: Account(each.account_id) for each in self.targets}
        finished(made.show(self._options, _STALE_AFTER, tuple(accounts.values())))
        return made

    def text(self) -> list[bytes]:
        """Scrape it as text, in pieces."""
        return finished(self.exposition.text())

    def gzip(self) -> list[bytes]:
        """Scrape it as gzip, in pieces."""
        return finished(self.exposition.gzip())

    def poll(self, which: list[Target], shift: int = 0) -> None:
        """Have polls end now; shifted, their invitations are other ones than before."""
        for target in self.answered(which, shift):
            self.exposition.update(target)

    def answered(self, which: list[Target], shift: int = 0) -> list[Target]:
        """Have the state know of such polls, and nobody else."""
        for target in which:
            found = answer(INVITATIONS, shift)
            # As a poll makes it: with values of its own, equal to the last one's at the most.
            outcome = Answer(found.enabled, tuple(found.invitations))
            seconds = self._chance.uniform(0.05, 0.09)
            self.state.record(PollResult(target, time.time(), seconds, outcome))
        return which

    def share(self, part: float) -> list[Target]:
        """Return a share of the targets, from all over."""
        return self._chance.sample(self.targets, max(round(len(self.targets) * part), 1))


class Samples(Collector):
    """An exposition's samples as the client library holds them: it has only to render them."""

    def __init__(self, text: str) -> None:
        self._metrics = list(text_string_to_metric_families(text))
        self.count = sum(len(metric.samples) for metric in self._metrics)

    def collect(self) -> list[Metric]:
        """Return them, always the same."""
        return self._metrics


def registry(samples: Samples) -> CollectorRegistry:
    """Return a registry that holds nothing else."""
    made = CollectorRegistry()
    made.register(samples)
    return made


FLEET = Fleet(
    states=None,
    interval=300.0,
    lag=0.0,
    loop_lag=0.0,
    reload=Reload(last_success=0.0, config_hash=1.0),
    build=Build("0", "0", "0"),
)
