"""From AWS to somebody's pager: the exporter, the real Prometheus and the real Alertmanager."""

import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import processes
from tests.conftest import require
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Fault, Invitation, World
from tests.monitoring import Prometheus, Webhook, alerting, impatient, running
from tests.processes import Exporter, until
from tests.rules.rulefile import FILE

ROOT = Path(__file__).parents[2]
REGIONS = ("eu-west-1", "us-east-1")
HUB, PAYMENTS = "100000000000", "111122223333"
OURS, STRANGER = "900000000001", "900000000009"
JOB = "macie-invitations"
SLOW = 100.0
"""Seconds for what takes several polls, of which there is one each ten seconds."""
OUTAGE = Fault(503, "ServiceUnavailableException", "there is an outage")
LOST = "duplicate_timestamp out_of_bounds out_of_order"
"""Why Prometheus may not take samples, as it counts them."""

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything from AWS to the pager."""

    world: World
    exporter: Exporter
    prometheus: Prometheus
    webhook: Webhook

    def told(self, name: str, **labels: str) -> list[str]:
        """Return what the pager was told of an alert: firing, resolved, …."""
        return [each.status for each in self.webhook.of(alertname=name, job=JOB, **labels)]

    def number(self, expr: str) -> float | None:
        """Ask for one number as of now."""
        result = self.prometheus.now(expr)
        return float(result[0]["value"][1]) if result else None

    def goes_on(self, name: str) -> None:
        """Hold Prometheus and the pager to an alert that fires, and nobody heard otherwise."""
        assert self.number(f'count(ALERTS{{alertname="{name}",alertstate="firing"}})') == 1
        assert self.told(name) == ["firing"]


FLAGS = (
    "--poll.interval=10s",
    "--poll.stale-after=30s",
    f"--aws.regions={','.join(REGIONS)}",
    "--aws.organization.role-name=macie-invitations-reader",
    f"--metrics.trusted-inviters={OURS}",
)
"""As a user would have them; polls are as frequent as they may be."""


def fleet() -> World:
    """Make an organization of one member, which one of ours administers."""
    world = World(HUB, regions=REGIONS)
    world.add_account(PAYMENTS, "payments")
    for region in REGIONS:
        ours = Invitation(f"ours-{region}", OURS, "Enabled", datetime.now(UTC))
        world.invite(PAYMENTS, region, ours)
    return world


def static(*addresses: str) -> dict[str, Any]:
    """Return the place of a configuration that names where something is."""
    return {"static_configs": [{"targets": list(addresses)}]}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything, started: one job as the README has it, and everything paged at once."""
    prometheus_, alertmanager_ = require("prometheus"), require("prometheus-alertmanager")
    folder = tmp_path_factory.mktemp("stack")
    (folder / "rules.yml").write_text(impatient(FILE))
    world, webhook = fleet(), Webhook()
    with (
        EmbeddedAws(world) as aws,
        processes.running(aws.environment(), FLAGS) as exporter,
        webhook.listening() as url,
    ):
        receiver = {"name": "pager", "webhook_configs": [{"url": url, "send_resolved": True}]}
        route = {"receiver": "pager", "group_by": ["..."], "group_wait": "0s"}
        routes = {"route": {**route, "group_interval": "1s"}, "receivers": [receiver]}
        with alerting(alertmanager_, folder / "alertmanager", routes) as alertmanager:
            settings = {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["rules.yml"],
                "alerting": {"alertmanagers": [static(alertmanager.address)]},
                "scrape_configs": [{"job_name": JOB, **static(f"127.0.0.1:{exporter.port}")}],
            }
            with running(prometheus_, folder, settings) as prometheus:
                exporter.wait_until_ready()
                yield Stack(world, exporter, prometheus, webhook)


def test_it_is_scraped_whole(stack: Stack) -> None:
    """Every sample that the exporter shows is taken."""

    def all_taken() -> bool:
        shown = processes.series_of(stack.exporter.metrics())
        taken = stack.number(f'scrape_samples_post_metric_relabeling{{job="{JOB}"}}')
        return taken == len(shown) and stack.number(f'up{{job="{JOB}"}}') == 1

    until(all_taken, lambda: str(stack.prometheus.targets()))
    assert not any(target["lastError"] for target in stack.prometheus.targets())
    url = f"http://{stack.prometheus.address}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        own = processes.series_of(answer.read().decode())
    for why in LOST.split():
        assert own[f"prometheus_target_scrapes_sample_{why}_total", frozenset()] == 0


def test_an_invitation_reaches_the_pager_and_outlives_an_outage(stack: Stack) -> None:
    """It fires with its runbook, stays while AWS is out, and resolves when it is deleted."""
    world, region = stack.world, REGIONS[0]
    where = {"aws_account_id": PAYMENTS, "aws_region": region}
    untrusted, stale = "MacieUntrustedInvitation", "MacieTargetStale"
    assert stack.told(untrusted) == []

    invited = Invitation("stranger", STRANGER, "Invited", datetime.now(UTC))
    world.invite(PAYMENTS, region, invited)
    until(lambda: stack.told(untrusted, **where) == ["firing"], "the pager", SLOW)
    (page,) = stack.webhook.of(alertname=untrusted, job=JOB)
    assert (ROOT / "docs/runbooks" / Path(page.annotations["runbook_url"]).name).is_file()
    assert "payments" in page.annotations["description"]
    assert STRANGER in page.annotations["description"]
    shown = {"severity": "warning", "inviter_account_id": STRANGER}
    assert page.labels.items() >= shown.items()

    for account, each in world.targets():
        world.fail(account, each, OUTAGE)
    until(lambda: stack.told(stale, **where) == ["firing"], "the outage", SLOW)
    values = f'count(macie_untrusted_invitations{{job="{JOB}"}})'
    until(lambda: stack.number(values) is None, "values to be too old to show", SLOW)
    stack.goes_on(untrusted)

    for account, each in world.targets():
        world.heal(account, each)
    until(lambda: stack.told(stale, **where) == ["firing", "resolved"], "the end of it", SLOW)
    stack.goes_on(untrusted)

    world.delete_invitation(PAYMENTS, region, "stranger")
    until(lambda: stack.told(untrusted) == ["firing", "resolved"], "the invitation's end", SLOW)
