"""The example for Alertmanager, in the real one: who is told, in which messages, of what not."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import require
from tests.helm.charts import run
from tests.monitoring import Peer, alerting
from tests.processes import until
from tests.rules.rulefile import alerts

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "alertmanager.yml"
SEVERITIES = {name: rule["labels"]["severity"] for name, rule in alerts().items()}
INHIBITED = yaml.safe_load(Path(__file__).with_name("inhibited.yaml").read_text())
Labels = Mapping[str, str]
HERE, THERE = INHIBITED.pop("places")


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Alertmanager with the example; each test fires alerts of a cluster of its own."""
    configuration = yaml.safe_load(EXAMPLE.read_text())
    folder = tmp_path_factory.mktemp("routes")
    with alerting(require("prometheus-alertmanager"), folder / "am", configuration) as running:
        yield running


def fire(alertmanager: Peer, *alerts: Labels) -> None:
    """Send alerts, as Prometheus does."""
    alertmanager.post("/api/v2/alerts", [{"labels": dict(labels)} for labels in alerts])


def alert(alertname: str, **labels: str) -> Labels:
    """Return an alert's labels, with the severity that the rules give it."""
    return {"alertname": alertname, "severity": SEVERITIES[alertname], **labels}


TOLD = {
    "pager": "ExporterDown ExporterAbsent ShardMissing NothingPolled",
    "pager,security": "UntrustedAdministrator",
    "security": "UntrustedInvitation TrustNotConfigured InvitationPending RelationshipBroken"
    " Disabled WithoutAdministrator",
    "platform": "TargetsFailing TargetStale AccessDenied Throttled DiscoveryFailing TargetsLost"
    " ConfigReloadFailed CertificateExpiring JobGone",
}
RECEIVERS = {f"Macie{name}": each for each, names in TOLD.items() for name in names.split()}


def told(labels: Labels) -> str:
    """Return the receivers of an alert, as Alertmanager's own tool finds them."""
    words = [f"{name}={value}" for name, value in labels.items()]
    amtool = require("amtool")
    return run(amtool, "config", "routes", "test", f"--config.file={EXAMPLE}", *words).strip()


def test_every_alert_has_its_receiver() -> None:
    """The pager, whoever watches over accounts, or whoever runs the exporter: one, or two."""
    assert {name: told(alert(name)) for name in SEVERITIES} == RECEIVERS
    assert told({"alertname": "Other"}) == "others"
    # Who owns an account is told too, by the label that the rules carry; nobody else hears less.
    for name in ("MacieUntrustedAdministrator", "MacieTargetStale"):
        there = told(alert(name, **HERE, label_team="payments"))
        assert there == f"team-payments,{RECEIVERS[name]}"
        assert told(alert(name, **HERE, label_team="other")) == RECEIVERS[name]


def groups(alertmanager: Peer, **labels: str) -> list[tuple[str, str, int]]:
    """Return messages about alerts with some labels: the alert, who receives it, of how many."""
    found: Sequence[Mapping[str, Any]] = alertmanager.get("/api/v2/alerts/groups")
    return sorted(
        (each["labels"]["alertname"], each["receiver"]["name"], len(each["alerts"]))
        for each in found
        if all(labels.items() <= one["labels"].items() for one in each["alerts"])
    )


def test_what_is_of_one_account_or_one_stranger_is_one_message(alertmanager: Peer) -> None:
    """Over an account's regions; of a stranger however many accounts it asks, or has.

    Another alert, another cluster's and another stranger's are messages of their own.
    """
    clusters = ("groups", "those of another cluster")
    denied, off = "MacieAccessDenied", "MacieDisabled"
    untrusted = ("MacieUntrustedInvitation", "MacieUntrustedAdministrator")
    for of in clusters:
        fired = [alert(denied, **HERE), alert(denied, **THERE), alert(off, **THERE)]
        for name in untrusted:
            fired.append(alert(name, **HERE, inviter_account_id="555566667777"))
            for number in range(12):
                where = {**HERE, "aws_account_id": f"{number:012}"}
                fired.append(alert(name, **where, inviter_account_id="999988887777"))
        fire(alertmanager, *({**each, "cluster": of} for each in fired))
    expected = [(denied, "platform", 2), (off, "security", 1)]
    for name in untrusted:
        receivers = RECEIVERS[name].split(",")
        expected += [(name, each, number) for each in receivers for number in (1, 12)]
    until(
        lambda: all(groups(alertmanager, cluster=of) == sorted(expected) for of in clusters),
        lambda: str(groups(alertmanager)),
    )


@pytest.mark.parametrize("name", INHIBITED)
def test_a_cause_keeps_back_what_it_explains(alertmanager: Peer, name: str) -> None:
    """And nothing else, nor in another cluster: what AWS has said of an administrator is told."""
    case = INHIBITED[name]
    kept_back = [alert(**each, cluster=name) for each in case["kept back"]]
    told = [alert(**each, cluster=name) for each in (case["cause"], *case["told"])]
    told += [{**each, "cluster": f"not {name}"} for each in kept_back]
    fire(alertmanager, *told, *kept_back)
    expected = {frozenset(each.items()): "active" for each in told}
    expected |= {frozenset(each.items()): "suppressed" for each in kept_back}

    def states() -> Mapping[object, str]:
        found: Sequence[Mapping[str, Any]] = alertmanager.get("/api/v2/alerts")
        return {frozenset(each["labels"].items()): each["status"]["state"] for each in found}

    until(lambda: states().items() >= expected.items(), lambda: f"{expected} in {states()}")
