"""What people are told of a stranger: from AWS to the pager, by the example's routes."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import processes
from tests.conftest import require
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Invitation, World
from tests.monitoring import Notification, Webhook, alerting, impatient, running
from tests.processes import until
from tests.rules.rulefile import FILE

ROOT = Path(__file__).parents[2]
STRANGER = "999988887777"
HUB, REGION = "100000000000", "eu-west-1"
ACCOUNTS = [f"{number:012}" for number in range(1, 13)]
INVITATION, ADMINISTRATOR = "MacieUntrustedInvitation", "MacieUntrustedAdministrator"
SLOW = 100.0
"""Seconds within which something has been polled, scraped, evaluated and sent."""
SENT = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)

pytestmark = pytest.mark.timeout(400)


def fleet() -> World:
    """Make an organization of twelve members, which nobody has invited."""
    world = World(HUB, regions=[REGION])
    for account in ACCOUNTS:
        world.add_account(account, f"team-{account[-2:]}")
    return world


def settings(folder: Path) -> str:
    """Write the exporter's configuration; polls are as frequent as it allows. Return the flag."""
    organization = {"role_name": "macie-invitations-reader"}
    configured = {
        "poll": {"interval": "10s"},
        "aws": {"regions": [REGION], "organization": organization},
        "metrics": {"trust_organization": True},
    }
    file = folder / "exporter.yaml"
    file.write_text(yaml.safe_dump(configured))
    return f"--config.file={file}"


def routes(urls: dict[str, str]) -> dict[str, Any]:
    """Return the example for Alertmanager with receivers, and without its waiting times."""
    text = (ROOT / "examples" / "alertmanager.yml").read_text()
    configured: dict[str, Any] = yaml.safe_load(text)
    for receiver in configured["receivers"]:
        if url := urls.get(receiver["name"]):
            receiver["webhook_configs"] = [{"url": url, "send_resolved": True}]
    # Polls are spread over ten seconds: by then all of the accounts have told.
    configured["route"]["routes"][0] |= {"group_wait": "14s", "group_interval": "14s"}
    return configured


def messages(hook: Webhook, status: str, alertname: str) -> list[Sequence[Notification]]:
    """Return the messages that have nothing but one alert, in a status."""
    only = {(status, alertname)}
    told = hook.messages
    return [
        each for each in told if {(one.status, one.labels["alertname"]) for one in each} == only
    ]


def about_all(hook: Webhook, alertname: str) -> Sequence[Notification]:
    """Wait for a message that has all accounts in it.

    A message has all of its group that fires by then: what was polled too late for the first is in
    the next one, together with what that had.
    """

    def found() -> list[Sequence[Notification]]:
        return [each for each in messages(hook, "firing", alertname) if len(each) == len(ACCOUNTS)]

    until(lambda: bool(found()), alertname, SLOW)
    return found()[0]


def test_a_stranger_is_one_notification_that_names_it(tmp_path: Path) -> None:
    """Of twelve accounts that it asks; when it is accepted security hears of it and the pager."""
    programs = require("prometheus"), require("prometheus-alertmanager")
    world, security, pager = fleet(), Webhook(), Webhook()
    rules = tmp_path / "rules.yml"
    rules.write_text(impatient(FILE))
    with ExitStack() as started:
        aws = started.enter_context(EmbeddedAws(world))
        exporter = started.enter_context(processes.running(aws.environment(), [settings(tmp_path)]))
        exporter.wait_until_ready()
        exporter_at = f"127.0.0.1:{exporter.port}"
        hooks = {
            "security": started.enter_context(security.listening()),
            "pager": started.enter_context(pager.listening()),
        }
        alertmanager = started.enter_context(alerting(programs[1], tmp_path / "am", routes(hooks)))
        prometheus = started.enter_context(
            running(
                programs[0],
                tmp_path / "prometheus",
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(rules)],
                    "alerting": {
                        "alertmanagers": [{"static_configs": [{"targets": [alertmanager.address]}]}]
                    },
                    "scrape_configs": [
                        {"job_name": "macie", "static_configs": [{"targets": [exporter_at]}]}
                    ],
                },
            )
        )
        until(lambda: bool(prometheus.now("macie_enabled")), "a scrape")
        for account in ACCOUNTS:
            world.invite(account, REGION, Invitation(f"from-{account}", STRANGER, "Invited", SENT))
        told = about_all(security, INVITATION)
        assert {one.labels["aws_account_id"] for one in told} == {*ACCOUNTS}
        first = min(told, key=lambda one: one.labels["aws_account_id"])
        assert first.annotations["description"].startswith(
            f"Account {STRANGER} asks to become the Macie administrator of account 000000000001 "
            "(team-01) in eu-west-1 since 2026-09-21 14:13:20 +0000 UTC. Nobody has accepted."
        )
        assert pager.messages == []

        for account in ACCOUNTS:
            world.set_status(account, REGION, f"from-{account}", "Enabled")
        for hook in (security, pager):
            worst = about_all(hook, ADMINISTRATOR)
            assert {one.labels["inviter_account_id"] for one in worst} == {STRANGER}

        for account in ACCOUNTS:
            world.delete_invitation(account, REGION, f"from-{account}")
        told_of = ((security, INVITATION), (security, ADMINISTRATOR), (pager, ADMINISTRATOR))
        until(
            lambda: all(messages(hook, "resolved", alertname) for hook, alertname in told_of),
            "the end",
            SLOW,
        )
        assert messages(pager, "firing", INVITATION) == []
