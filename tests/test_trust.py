"""Who may invite and who administers, from AWS's answers over real HTTP to the series."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from exporter.settings import Settings
from tests import faulty
from tests.daemons import Running, running
from tests.faults.services import HUB, IDENTITY
from tests.faulty import FaultyServer, Peer, invitation, page, response
from tests.processes import until

SUSPENDED, STRANGER = "000000000009", "666666666666"
LISTED = [
    {"Id": HUB, "Name": "hub", "State": "ACTIVE"},
    {"Id": SUSPENDED, "Name": "gone", "State": "SUSPENDED"},
]
INVITERS = page([invitation("a", accountId=SUSPENDED), invitation("b", accountId=STRANGER)])
DENIED = response('{"message": "no"}', 400, {"x-amzn-ErrorType": "AccessDeniedException"})


class Aws:
    """STS, Organizations and Macie, as far as the hub's own account asks for them."""

    def __init__(self) -> None:
        self.denies_organization = threading.Event()

    def __call__(self, peer: Peer) -> bool:
        """Answer one request."""
        peer.socket.sendall(self._answer(peer.request))
        return True

    def _answer(self, request: faulty.Request) -> bytes:
        match request.headers.get("x-amz-target", request.target).rpartition(".")[2]:
            case "ListAccounts" if self.denies_organization.is_set():
                return DENIED
            case "ListAccounts":
                return response(json.dumps({"Accounts": LISTED}))
            case "ListTagsForResource":
                return response(json.dumps({"Tags": [{"Key": "team", "Value": "platform"}]}))
            case "/administrator":
                return response(json.dumps({"administrator": {"accountId": STRANGER}}))
            case "/":
                return response(IDENTITY)
            case _:
                return response(INVITERS)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """AWS for this process."""
    made = Aws()
    with FaultyServer(made) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield made


def settings(**metrics: object) -> Settings:
    """Poll the hub's own account, whatever Organizations says."""
    aws = {"accounts": [{"id": HUB}], "organization": {"role_name": "reader"}}
    return Settings.model_validate({"aws": aws, "metrics": {"zero_fill": "none", **metrics}})


def untrusted(exporter: Running) -> dict[tuple[str, str], float]:
    """Return what the exposition says of those who are not trusted, by name and inviter."""
    return {
        (name, dict(labels).get("inviter_account_id", "")): value
        for (name, labels), value in exporter.series().items()
        if name.startswith("macie_untrusted")
    }


def counted(exporter: Running) -> bool:
    """Whether the invitations are shown."""
    return any(name == "macie_invitations" for name, _ in exporter.series())


def test_nobody_is_unknown_before_the_organization_is_known_nor_after_it_failed(aws: Aws) -> None:
    """Whoever Organizations lists is trusted, suspended accounts too, and stays so."""
    aws.denies_organization.set()
    with running(settings(trust_organization=True)) as exporter:
        until(lambda: counted(exporter), "a first poll")
        assert exporter.value("macie_trust_configured") == 1
        assert untrusted(exporter) == {}
        aws.denies_organization.clear()
        until(lambda: bool(untrusted(exporter)), "the organization's accounts")
        invited_at = datetime(2024, 5, 6, 7, 8, 9, 123_000, UTC).timestamp()
        known = {
            ("macie_untrusted_invitations", ""): 1.0,
            ("macie_untrusted_inviter_timestamp_seconds", STRANGER): invited_at,
            ("macie_untrusted_inviter_series_dropped", ""): 0.0,
        }
        assert untrusted(exporter) == known
        aws.denies_organization.set()
        exporter.reload(settings(trust_organization=True, trusted_inviters=["000000000001"]))
        until(lambda: exporter.value("macie_exporter_discovery_success") == 0, "a failure")
        assert untrusted(exporter) == known
    assert f"level=warning event=invitation_received account={HUB}" not in exporter.log


def test_a_stranger_is_a_warning_and_the_administrator_and_the_tags_are_shown(aws: Aws) -> None:
    """All that is opted in, in one round."""
    del aws
    chosen = settings(
        trusted_inviters=[SUSPENDED], account_labels=["team"], administrator={"enabled": True}
    )
    with running(chosen) as exporter:
        team = ("label_team", "platform")
        until(lambda: any(team in labels for _, labels in exporter.series()), "the tags")
        until(lambda: counted(exporter), "a first poll")
        where = {("aws_account_id", HUB), ("aws_region", "eu-west-1")}
        which = {("administrator_account_id", STRANGER), ("relationship_status", "unknown")}
        series = exporter.series()
        assert series["macie_has_administrator", frozenset(where)] == 1
        assert series["macie_administrator_info", frozenset(where | which)] == 1
    received = [line for line in exporter.log.splitlines() if "invitation_received" in line]
    said = sorted((f"inviter={STRANGER}" in line, line.split()[1]) for line in received)
    assert said == [(False, "level=info"), (True, "level=warning")]
    assert all(("trusted=false" in line) == (STRANGER in line) for line in received)
