"""The dashboards over a real Prometheus that scrapes the demo; twice, as replicas that overlap."""

import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from exporter.demo.story import ACCOUNTS, HUB, REGIONS, THROTTLED
from exporter.model import PENDING_STATUSES
from tests import processes
from tests.conftest import require
from tests.faulty import free_port
from tests.grafana.reading import BOARDS, Asked, Json, asked_by, interpolated, queries, variables
from tests.monitoring import Prometheus, Result, running
from tests.processes import Exporter, until
from tests.stories import begin, told

JOBS = ("macie", "macie-again")

EMPTY_IN_THE_DEMO = {
    "account": {
        "Its regions: H": "none of the management account's fails",
        "Targets without an answer: B": "none of the management account's fails",
        "Unknown inviters and administrators: A": "no stranger invites that account",
        "Untrusted invitations": "no stranger invites that account",
    },
    "exporter": {
        "Configuration: B": "it has no web file",
        "Time until certificates end: A": "it has no TLS",
    },
    "invitations": {},
}
"""Queries of dashboards that find nothing in the demo, and why."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A Prometheus, and the exporter that it scrapes."""

    prometheus: Prometheus
    exporter: Exporter
    since: float

    def ask(self, query: Asked, account: str = ".+") -> Result:
        """Ask as Grafana would."""
        expr = interpolated(query.expr, account=account)
        if query.now:
            return self.prometheus.now(expr)
        return self.prometheus.over_time(expr, self.since, time.time())


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An exporter on the demo's story, in which nothing moves by itself, and its Prometheus.

    A target that has answered fails from then on, so that nothing comes and goes. Two jobs scrape
    it every second; a third has nothing to do with it.
    """
    story = begin()
    labels = frozenset(zip(("aws_account_id", "aws_region"), THROTTLED, strict=True))
    folder, program = tmp_path_factory.mktemp("prometheus"), require("prometheus")
    with told(story) as known, processes.running(known, ["--poll.stale-after=1h"]) as exporter:
        until(lambda: exporter.series().get(("macie_poll_success", labels)) == 1, "an answer")
        story.throttles = sys.maxsize
        jobs = dict.fromkeys(JOBS, exporter.port) | {"another": free_port()}
        settings = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                for job, port in jobs.items()
            ],
        }
        since = time.time()
        with running(program, folder, settings) as prometheus:
            yield Stack(prometheus, exporter, since)


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_has_data_or_says_why_not(stack: Stack, name: str) -> None:
    """As soon as Prometheus has scraped twice; what is empty is known to be so in the demo.

    Other jobs are left out: `up` and the like are there for each, and all jobs are chosen.
    """
    # The Account dashboard shows one.
    account = HUB if name == "account" else ".+"
    asked, empty = list(queries(BOARDS[name])), {*EMPTY_IN_THE_DEMO[name]}

    def missing() -> set[str]:
        return {each.where for each in asked if not stack.ask(each, account)}

    until(lambda: missing() <= empty, lambda: str(missing() - empty))
    assert missing() == empty
    for query in asked:
        for series in stack.ask(query, account):
            assert series["metric"].get("job", JOBS[0]) in JOBS, query


def test_variables_offer_what_there_is(stack: Stack) -> None:
    """Clusters aside, which are not there; accounts by name."""
    expected = {
        "cluster": [],
        "job": sorted(JOBS),
        "instance": [f"127.0.0.1:{stack.exporter.port}"],
        "account": sorted((each.name, each.id) for each in ACCOUNTS),
        "region": sorted(REGIONS),
    }
    known = variables(BOARDS["invitations"])

    def offered() -> dict[str, Sequence[object]]:
        return {name: _offered(stack, known[name]) for name in (*expected, "status")}

    def all_are_offered() -> bool:
        statuses = {*offered()["status"]}
        return statuses > {*PENDING_STATUSES, "Enabled"} and offered().items() >= expected.items()

    until(all_are_offered, lambda: str(offered()))


def _offered(stack: Stack, variable: Json) -> Sequence[object]:
    """Return the choices that Grafana makes of a variable's query, with texts where it has some."""
    query, label = asked_by(variable)
    if label:
        matching = {"match[]": interpolated(query)}
        return list(stack.prometheus.get(f"/api/v1/label/{label}/values", **matching)["data"])
    result = stack.prometheus.now(interpolated(query))
    lines = [
        "{" + ",".join(f'{name}="{value}"' for name, value in series["metric"].items()) + "} 1"
        for series in result
    ]
    # JavaScript's named groups, in Python's spelling.
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    chosen = [pattern.search(line) for line in lines]
    return sorted((each["text"], each["value"]) for each in chosen if each)
