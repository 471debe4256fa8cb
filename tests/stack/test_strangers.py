"""What people are told of a stranger: fixed metrics, the real Prometheus, the example's routes."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import require
from tests.monitoring import Exposition, Notification, Webhook, alerting, impatient, running
from tests.processes import until
from tests.rules.rulefile import FILE

ROOT = Path(__file__).parents[2]
STRANGER = "999988887777"
ACCOUNTS = [f"{number:012}" for number in range(1, 13)]
SENT = 1_790_000_000
"""Seconds since 1970: 2026-09-21 14:13:20 UTC."""

pytestmark = pytest.mark.timeout(200)


def exposition(status: str | None) -> str:
    """Return what an exporter shows of the accounts, whom a stranger invited or not."""
    lines = [
        "macie_exporter_build_info 1",
        "macie_exporter_shard_index 0",
        "macie_exporter_shards 1",
        'macie_exporter_targets{state="pending"} 0',
        "macie_trust_configured 1",
        "macie_untrusted_inviter_series_dropped 0",
    ]
    for account in ACCOUNTS:
        target = f'aws_account_id="{account}",aws_region="eu-west-1"'
        named = f'aws_account_id="{account}",account_name="team-{account[-2:]}"'
        lines += [
            f"macie_account_info{{{named}}} 1",
            f"macie_enabled{{{target}}} 1",
            f"macie_poll_success{{{target}}} 1",
            f"macie_poll_last_success_timestamp_seconds{{{target}}} {time.time()}",
        ]
        if status:
            invited = f'{target},relationship_status="{status}"'
            inviter = f'{invited},inviter_account_id="{STRANGER}"'
            lines += [
                f"macie_untrusted_invitations{{{invited}}} 1",
                f"macie_untrusted_inviter_timestamp_seconds{{{inviter}}} {SENT}",
            ]
    return "\n".join(lines) + "\n"


def routes(urls: dict[str, str]) -> dict[str, Any]:
    """Return the example for Alertmanager with receivers, and without its waiting times."""
    text = (ROOT / "examples" / "alertmanager.yml").read_text()
    configured: dict[str, Any] = yaml.safe_load(text)
    for receiver in configured["receivers"]:
        if url := urls.get(receiver["name"]):
            receiver["webhook_configs"] = [{"url": url, "send_resolved": True}]
    configured["route"]["routes"][0] |= {"group_wait": "2s", "group_interval": "1s"}
    return configured


def messages(hook: Webhook, status: str) -> list[Sequence[Notification]]:
    """Return the messages that have nothing but alerts of a status."""
    return [each for each in hook.messages if {one.status for one in each} == {status}]


def test_a_stranger_is_one_notification_that_names_it(tmp_path: Path) -> None:
    """Of twelve accounts that it asks; when it is accepted security hears of it and the pager."""
    programs = require("prometheus"), require("prometheus-alertmanager")
    shown, security, pager = Exposition(exposition(None)), Webhook(), Webhook()
    rules = tmp_path / "rules.yml"
    rules.write_text(impatient(FILE))
    with ExitStack() as started:
        scraped = started.enter_context(shown.listening())
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
                        {"job_name": "macie", "static_configs": [{"targets": [scraped]}]}
                    ],
                },
            )
        )
        until(lambda: bool(prometheus.now("macie_enabled")), "a scrape")
        shown.text = exposition("Invited")
        until(lambda: bool(messages(security, "firing")), "a message")
        (told,) = messages(security, "firing")
        assert {one.labels["aws_account_id"] for one in told} == {*ACCOUNTS}
        assert {one.labels["alertname"] for one in told} == {"MacieUntrustedInvitation"}
        first = min(told, key=lambda one: one.labels["aws_account_id"])
        assert first.annotations["description"].startswith(
            f"Account {STRANGER} asks to become the Macie administrator of account 000000000001 "
            "(team-01) in eu-west-1 since 2026-09-21 14:13:20 +0000 UTC. Nobody has accepted."
        )
        assert pager.messages == []

        shown.text = exposition("Enabled")
        until(lambda: all(map(administrators, (security, pager))), "the administrator")
        for hook in (security, pager):
            (worst,) = administrators(hook)
            assert {one.labels["inviter_account_id"] for one in worst} == {STRANGER}
            assert len(worst) == len(ACCOUNTS)

        shown.text = exposition(None)
        until(lambda: len(messages(security, "resolved")) == 2, "the end")
        until(lambda: len(messages(pager, "resolved")) == 1, "the end")
        assert len(messages(security, "firing")) == 2


def administrators(hook: Webhook) -> list[Sequence[Notification]]:
    """Return the messages that a stranger is administrator."""
    alertname = "MacieUntrustedAdministrator"
    return [each for each in messages(hook, "firing") if each[0].labels["alertname"] == alertname]
