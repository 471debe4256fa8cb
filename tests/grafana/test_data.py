"""The dashboards over a real Prometheus that scrapes the demo, twice: as overlapping replicas do."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from exporter.ages import AgeBuckets
from exporter.demo.organisation import HUB
from exporter.model import PENDING_STATUSES
from grafana.board import Query
from grafana.boards import BOARDS
from tests.conftest import require
from tests.grafana.reading import NAMES, dashboard, interpolated, variable_queries, variables
from tests.grafana.stack import Prometheus, free_port, running
from tests.processes import PATIENCE, Exporter, environment, until

JOBS = ("macie", "macie-again")
BEFORE_ITS_TIME = "macie_poll_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class Stack:
    """A Prometheus, and the exporter that it scrapes."""

    prometheus: Prometheus
    exporter: Exporter
    since: float

    def ask(self, query: Query, **choices: str) -> list[dict[str, object]]:
        """Ask as Grafana would."""
        expr = interpolated(query.expr, **choices)
        if query.instant:
            return self.prometheus.now(expr)
        return self.prometheus.over_time(expr, self.since, time.time())


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The demo, scraped every second by two jobs; a third is something else's."""
    program = require("prometheus")
    with _demo() as exporter:
        exporter.wait_until_ready()
        target = [{"targets": [f"127.0.0.1:{exporter.port}"]}]
        other = [{"targets": [f"127.0.0.1:{free_port()}"]}]
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                *({"job_name": job, "static_configs": target} for job in JOBS),
                {"job_name": "another", "static_configs": other},
            ],
        }
        since = time.time()
        with running(program, tmp_path_factory.mktemp("prometheus"), configuration) as prometheus:
            yield Stack(prometheus, exporter, since)


def _demo() -> "_Demo":
    return _Demo()


class _Demo:
    """The demo as a process, until the block ends."""

    def __enter__(self) -> Exporter:
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"],
            env=environment({}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._exporter = Exporter(process)
        return self._exporter

    def __exit__(self, *error: object) -> None:
        self._exporter.stop()


@pytest.mark.parametrize("name", NAMES)
def test_every_query_has_data_or_says_why_not(stack: Stack, name: str) -> None:
    """As soon as Prometheus has scraped a few times."""
    account = HUB if name == "account" else ".+"
    missing = [(where, query) for where, query in BOARDS[name].queries() if not query.may_be_empty]

    def nothing_is_missing() -> bool:
        missing[:] = [
            (where, query) for where, query in missing if not stack.ask(query, account=account)
        ]
        return missing == []

    until(nothing_is_missing, lambda: "\n".join(f"{where}: {q.expr}" for where, q in missing))
