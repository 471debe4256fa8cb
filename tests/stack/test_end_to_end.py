"""From AWS to somebody's pager: the exporter, the real Prometheus and the real Alertmanager."""

import json
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
HUB, PAYMENTS, AUDIT = "100000000000", "111122223333", "222233334444"
OURS, STRANGER = "900000000001", "900000000009"
JOB = "macie-invitations"
SLOW = 100.0
"""Seconds for what takes several polls, of which there is one each ten seconds."""
OUTAGE = Fault(503, "ServiceUnavailableException", "there is an outage")
LOST = (
    "prometheus_target_scrapes_sample_duplicate_timestamp_total",
    "prometheus_target_scrapes_sample_out_of_bounds_total",
    "prometheus_target_scrapes_sample_out_of_order_total",
    "prometheus_target_scrapes_exceeded_sample_limit_total",
)
"""What Prometheus counts of samples that it could not take."""

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

    def fires(self, name: str) -> bool:
        """Return whether an alert fires now, as Prometheus sees it."""
        return self.number(f'count(ALERTS{{alertname="{name}",alertstate="firing"}})') == 1

    def number(self, expr: str) -> float | None:
        """Ask for one number as of now."""
        result = self.prometheus.now(expr)
        return float(result[0]["value"][1]) if result else None


def invitation(name: str, inviter: str, status: str) -> Invitation:
    """Make an invitation of just now."""
    return Invitation(name, inviter, status, datetime.now(UTC))


def fleet() -> World:
    """Make an organization of two members, which one of ours administers."""
    world = World(HUB, regions=REGIONS)
    for account, name in ((PAYMENTS, "payments"), (AUDIT, "audit")):
        world.add_account(account, name)
        for region in REGIONS:
            world.invite(account, region, invitation(f"{account}-{region}", OURS, "Enabled"))
    return world


SETTINGS = {
    "poll": {"interval": "10s", "stale_after": "30s"},
    "aws": {
        "regions": list(REGIONS),
        "organization": {"role_name": "macie-invitations-reader"},
    },
    "metrics": {"trusted_inviters": [OURS]},
}
"""As a user would have them; polls are as frequent as they may be."""


def scrapes(port: int, alertmanager: str) -> dict[str, Any]:
    """Configure Prometheus: one job as the README has it."""
    job = {"job_name": JOB, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [job],
    }


def routes(webhook: str) -> dict[str, Any]:
    """Configure Alertmanager: everything goes to the webhook, at once."""
    receiver = {"name": "pager", "webhook_configs": [{"url": webhook, "send_resolved": True}]}
    labels = ["alertname", "job", "aws_account_id", "aws_region"]
    times = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
    return {"route": {"receiver": "pager", "group_by": labels, **times}, "receivers": [receiver]}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything, started."""
    prometheus_, alertmanager_ = require("prometheus"), require("prometheus-alertmanager")
    folder = tmp_path_factory.mktemp("stack")
    (folder / "exporter.json").write_text(json.dumps(SETTINGS))
    (folder / "rules.yml").write_text(impatient(FILE))
    world, webhook = fleet(), Webhook()
    flags = [f"--config.file={folder / 'exporter.json'}"]
    with (
        EmbeddedAws(world) as aws,
        processes.running(aws.environment(), flags) as exporter,
        webhook.listening() as hook,
        alerting(alertmanager_, folder / "alertmanager", routes(hook)) as alertmanager,
        running(prometheus_, folder, scrapes(exporter.port, alertmanager.address)) as prometheus,
    ):
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
    assert {name: own[name, frozenset()] for name in LOST} == dict.fromkeys(LOST, 0)


def test_an_invitation_reaches_the_pager_and_outlives_an_outage(stack: Stack) -> None:
    """It fires with its runbook, stays while AWS is out, and resolves when it is deleted."""
    world, region = stack.world, REGIONS[0]
    where = {"aws_account_id": PAYMENTS, "aws_region": region}
    untrusted, stale = "MacieUntrustedInvitation", "MacieTargetStale"
    assert stack.told(untrusted) == []

    world.invite(PAYMENTS, region, invitation("stranger", STRANGER, "Invited"))
    until(lambda: stack.told(untrusted, **where) == ["firing"], "the pager", SLOW)
    (page,) = stack.webhook.of(alertname=untrusted, job=JOB)
    runbook = page.annotations["runbook_url"]
    assert (ROOT / "docs/runbooks" / Path(runbook).name).is_file()
    assert "payments" in page.annotations["description"]
    assert STRANGER in page.annotations["description"]
    assert page.labels["severity"] == "warning"
    assert page.labels["inviter_account_id"] == STRANGER

    for account, each in world.targets():
        world.fail(account, each, OUTAGE)
    until(lambda: stack.told(stale, **where) == ["firing"], "the outage", SLOW)
    shown = f'count(macie_untrusted_invitations{{job="{JOB}"}})'
    until(lambda: stack.number(shown) is None, "values to be too old to show", SLOW)
    assert stack.fires(untrusted)
    assert stack.told(untrusted) == ["firing"]

    for account, each in world.targets():
        world.heal(account, each)
    until(lambda: stack.told(stale, **where) == ["firing", "resolved"], "the end of it", SLOW)
    assert stack.fires(untrusted)
    assert stack.told(untrusted) == ["firing"]

    world.delete_invitation(PAYMENTS, region, "stranger")
    until(lambda: stack.told(untrusted) == ["firing", "resolved"], "the invitation's end", SLOW)
