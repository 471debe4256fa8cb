"""The exporter's own metrics, by the client library: requests to AWS, its state, its process."""

from collections.abc import Callable, Iterator
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter.exposition.families import METRICS, Group
from exporter.exposition.fleet import Fleet

_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class OwnMetrics:
    """Counts while it happens, and asks for the rest when it is scraped."""

    def __init__(self, fleet: Callable[[], Fleet]) -> None:
        """Register what is counted; `fleet` is asked at each scrape."""
        # A series more for each that nobody asks for. The switch is one of the whole process.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        registry.register(_OfFleet(fleet))
        rows = {family.name: family for family in METRICS}

        def counter(name: str) -> Counter:
            return Counter(name, rows[name].help, rows[name].labels, registry=registry)

        # The library looks for a series in 1 µs each time, three of them for each request.
        self._requests = cache(counter("macie_exporter_aws_requests_total").labels)
        self._errors = counter("macie_exporter_aws_request_errors_total")
        self.worker_restarted = counter("macie_exporter_worker_restarts_total").inc
        self.handshake_refused = counter("macie_exporter_web_tls_handshakes_refused_total").inc
        of = rows["macie_exporter_aws_request_duration_seconds"]
        duration = Histogram(of.name, of.help, of.labels, registry=registry, buckets=_SECONDS)
        self._duration = cache(duration.labels)

    def show_process(self) -> None:
        """Show the library's own metrics of the process and of Python too.

        They are of use in one that stays, and only there; the file of one that ended would give
        node_exporter's textfile collector the names of node_exporter's own.
        """
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def attempt(
        self, service: str, operation: str, region: str, seconds: float, error_code: str | None
    ) -> None:
        """Count one HTTP attempt; `error_code` is None where it succeeded."""
        self._requests(service, operation, region).inc()
        self._duration(service, operation).observe(seconds)
        if error_code is not None:
            self._errors.labels(service, operation, region, error_code).inc()

    def text(self) -> bytes:
        """Return them in the text format."""
        return bytes(generate_latest(self._registry))

    def openmetrics(self) -> bytes:
        """Return them in OpenMetrics, its end mark included."""
        return bytes(generate_openmetrics(self._registry))  # type: ignore[no-untyped-call]


class _OfFleet(Collector):
    """The table's rows of the exporter as a whole."""

    def __init__(self, fleet: Callable[[], Fleet]) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        fleet = self._fleet()
        for family in METRICS:
            if family.group is Group.EXPORTER:
                metric = Metric(family.name, family.help, family.kind)
                for values, value in family.samples(fleet):
                    labels = dict(zip(family.labels, values, strict=True))
                    metric.add_sample(family.name, labels, value)
                yield metric
