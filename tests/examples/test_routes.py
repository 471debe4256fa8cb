"""The example for Alertmanager, in the real one: who is told, in which messages, of what not."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import require
from tests.monitoring import Peer, alerting
from tests.processes import until
from tests.rules.rulefile import alerts

ROOT = Path(__file__).parents[2]
CONFIGURATION = yaml.safe_load((ROOT / "examples" / "alertmanager.yml").read_text())
SEVERITIES = {name: rule["labels"]["severity"] for name, rule in alerts().items()}
Labels = Mapping[str, str]
HERE = {"job": "a", "aws_account_id": "111122223333", "aws_region": "eu-west-1"}
THERE = {**HERE, "aws_region": "us-east-1"}


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Peer]:
    """Alertmanager with the example, and nothing that fires."""
    with alerting(require("prometheus-alertmanager"), tmp_path / "am", CONFIGURATION) as running:
        yield running


def fire(alertmanager: Peer, *alerts: Labels) -> None:
    """Send alerts, as Prometheus does."""
    alertmanager.post("/api/v2/alerts", [{"labels": dict(labels)} for labels in alerts])


def alert(name: str, **labels: str) -> Labels:
    """Give an alert's labels, with the severity that the rules give it."""
    return {"alertname": name, "severity": SEVERITIES[name], **labels}


def test_every_alert_has_its_receiver(alertmanager: Peer) -> None:
    """The pager, whoever watches over accounts, or whoever runs the exporter."""
    fire(alertmanager, *(alert(name) for name in SEVERITIES), {"alertname": "Other"})

    def receivers() -> dict[str, str]:
        found: Sequence[Mapping[str, Any]] = alertmanager.get("/api/v2/alerts")
        return {
            each["labels"]["alertname"]: ",".join(each["name"] for each in each["receivers"])
            for each in found
        }

    expected = {
        "MacieExporterDown": "pager",
        "MacieExporterAbsent": "pager",
        "MacieShardMissing": "pager",
        "MacieUntrustedAdministrator": "pager",
        "MacieUntrustedInvitation": "security",
        "MacieInvitationPending": "security",
        "MacieRelationshipBroken": "security",
        "MacieDisabled": "security",
        "MacieTargetsFailing": "platform",
        "MacieTargetStale": "platform",
        "MacieAccessDenied": "platform",
        "MacieThrottled": "platform",
        "MacieDiscoveryFailing": "platform",
        "MacieTargetsLost": "platform",
        "MacieConfigReloadFailed": "platform",
        "MacieCertificateExpiring": "platform",
        "Other": "others",
    }
    until(lambda: receivers() == expected, lambda: str(receivers()))


def test_an_account_is_one_message(alertmanager: Peer) -> None:
    """Over its regions; another alert of it is another message."""
    fire(
        alertmanager,
        alert("MacieAccessDenied", **HERE),
        alert("MacieAccessDenied", **THERE),
        alert("MacieDisabled", **THERE),
    )

    def groups() -> dict[str, int]:
        found: Sequence[Mapping[str, Any]] = alertmanager.get("/api/v2/alerts/groups")
        return {each["labels"]["alertname"]: len(each["alerts"]) for each in found}

    until(lambda: groups() == {"MacieAccessDenied": 2, "MacieDisabled": 1}, lambda: str(groups()))


def test_clusters_are_messages_of_their_own(alertmanager: Peer) -> None:
    """Where the alerts tell clusters apart: somebody else may answer for the other one."""
    both = [alert("MacieExporterAbsent", cluster=cluster) for cluster in ("a", "b")]
    fire(alertmanager, *both)

    def groups() -> list[str]:
        found: Sequence[Mapping[str, Any]] = alertmanager.get("/api/v2/alerts/groups")
        return sorted(each["labels"].get("cluster", "") for each in found)

    until(lambda: groups() == ["a", "b"], lambda: str(groups()))


DOWN = alert("MacieExporterDown", job="a", instance="x:10058")
ABSENT = alert("MacieExporterAbsent")
FAILING = alert("MacieTargetsFailing", job="a")


@pytest.mark.parametrize(
    ("cause", "kept_back", "told"),
    [
        pytest.param(
            DOWN,
            [alert("MacieTargetStale", **HERE), alert("MacieShardMissing", job="a")],
            [
                alert("MacieTargetStale", **{**HERE, "job": "b"}),
                alert("MacieUntrustedInvitation", **HERE),
                alert("MacieUntrustedAdministrator", **HERE),
                alert("MacieInvitationPending", **HERE),
            ],
            id="down",
        ),
        pytest.param(
            DOWN,
            [ABSENT],
            [alert("MacieUntrustedAdministrator", **HERE)],
            id="down-and-so-absent",
        ),
        pytest.param(
            ABSENT,
            [alert("MacieTargetStale", **HERE), alert("MacieShardMissing", job="b")],
            [alert("MacieUntrustedAdministrator", **HERE), alert("MacieDisabled", **HERE)],
            id="absent",
        ),
        pytest.param(
            FAILING,
            [alert("MacieTargetStale", **HERE)],
            [alert("MacieTargetStale", **{**HERE, "job": "b"}), alert("MacieAccessDenied", **HERE)],
            id="failing",
        ),
        pytest.param(
            alert("MacieAccessDenied", **HERE),
            [alert("MacieTargetStale", **HERE)],
            [alert("MacieTargetStale", **THERE), alert("MacieUntrustedInvitation", **HERE)],
            id="denied",
        ),
        *(
            pytest.param(
                {**cause, "cluster": "a"},
                [{**stale, "cluster": "a"} for stale in explained],
                [{**stale, "cluster": "b"} for stale in explained],
                id=f"{cause['alertname']} of a cluster: {explained[0]['alertname']}",
            )
            for cause, explained in (
                (DOWN, [alert("MacieTargetStale", **HERE), alert("MacieShardMissing", job="a")]),
                (DOWN, [ABSENT]),
                (ABSENT, [alert("MacieTargetStale", **HERE), alert("MacieShardMissing", job="a")]),
                (FAILING, [alert("MacieTargetStale", **HERE)]),
                (alert("MacieAccessDenied", **HERE), [alert("MacieTargetStale", **HERE)]),
            )
        ),
    ],
)
def test_a_cause_keeps_back_what_it_explains(
    alertmanager: Peer, cause: Labels, kept_back: Sequence[Labels], told: Sequence[Labels]
) -> None:
    """And nothing else: what AWS has said of an administrator is always told."""
    fire(alertmanager, cause, *kept_back, *told)

    def as_told(suppressed: str) -> Callable[[Labels], bool]:
        found: Sequence[Mapping[str, Any]] = alertmanager.get("/api/v2/alerts")
        states = [(each["labels"], each["status"]["state"]) for each in found]
        return lambda labels: (
            [state for each, state in states if each == labels and state != "unprocessed"]
            == [suppressed]
        )

    until(lambda: all(map(as_told("suppressed"), kept_back)), lambda: _states(alertmanager))
    until(lambda: all(map(as_told("active"), [cause, *told])), lambda: _states(alertmanager))


def _states(alertmanager: Peer) -> str:
    return json.dumps(alertmanager.get("/api/v2/alerts"), indent=1)
