"""Whole expositions of small fleets, literally: what a reader can check by eye."""
# ruff: noqa: E501 -- lines are as long as Prometheus' own

from dataclasses import replace

from exporter.exposition.families import METRICS, Group
from exporter.model import NO_ADMINISTRATOR, Account, Administrator, Answer, Inventory, Trust
from tests.exposition.scene import (
    AUDIT,
    DAY,
    NOW,
    PAYMENTS,
    STALE_AFTER,
    Scene,
    invitation,
    options,
)


def samples(scene: Scene) -> str:
    """Return the exposition without its headers."""
    return "".join(
        line for line in scene.text().splitlines(keepends=True) if not line.startswith("#")
    )


def test_everything_at_once() -> None:
    """With every option on, each family of the table is there, with its HELP and TYPE once."""
    scene = Scene(
        AUDIT,
        PAYMENTS,
        shows=options(
            zero_fill="invited",
            trusted=["999988887777"],
            most=2,
            most_inviters=1,
            labels=("team", "cost center"),
            administrator=True,
        ),
        accounts=(
            Account(AUDIT.account_id, "audit", labels={"team": "b"}),
            Account(PAYMENTS.account_id, "payments", labels={"team": "a", "cost center": "042"}),
        ),
        discovery=Inventory(last_success=NOW - 60),
    )
    listed = (
        invitation("i1"),
        invitation("i2", at=NOW - DAY, inviter="123412341234"),
        invitation("i3", "Enabled", at=NOW - 100 * DAY),
        invitation("i4", "Enabled", at=NOW - 100 * DAY, inviter="123412341234"),
    )
    administrator = Administrator("123412341234", "Enabled")
    scene.polled(PAYMENTS, Answer(enabled=True, invitations=listed, administrator=administrator))
    scene.failed(AUDIT)
    headers = [line for line in scene.text().splitlines() if line.startswith("#")]
    families = [family for family in METRICS if family.group is not Group.COUNTED]
    assert sorted(headers[::2]) == sorted(f"# HELP {each.name} {each.help}" for each in families)
    assert headers[1::2] == [f"# TYPE {header.split()[2]} gauge" for header in headers[::2]]
    assert (
        samples(scene)
        == """\
macie_invitations{age_bucket="00d-01d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.0
macie_invitations{age_bucket="01d-07d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.0
macie_invitations{age_bucket="07d-30d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="30d-90d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="90d-inf",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="90d-inf",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Enabled"} 2.0
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.6999136e+09
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Enabled"} 1.69136e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.6999568e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Enabled"} 1.69136e+09
macie_untrusted_invitations{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.0
macie_untrusted_invitations{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Enabled"} 1.0
macie_untrusted_inviter_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",inviter_account_id="123412341234",relationship_status="Invited"} 1.6999136e+09
macie_untrusted_inviter_series_dropped 1.0
macie_has_administrator{aws_account_id="111122223333",aws_region="eu-west-1"} 1.0
macie_administrator_info{administrator_account_id="123412341234",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Enabled"} 1.0
macie_untrusted_administrator_info{administrator_account_id="123412341234",aws_account_id="111122223333",aws_region="eu-west-1"} 1.0
macie_invitation_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",invitation_id="i1",inviter_account_id="999988887777",relationship_status="Invited"} 1.6999568e+09
macie_invitation_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",invitation_id="i2",inviter_account_id="123412341234",relationship_status="Invited"} 1.6999136e+09
macie_invitation_series_dropped 2.0
macie_account_info{account_name="audit",aws_account_id="000000000042",label_cost_center="",label_team="b"} 1.0
macie_account_info{account_name="payments",aws_account_id="111122223333",label_cost_center="042",label_team="a"} 1.0
macie_enabled{aws_account_id="111122223333",aws_region="eu-west-1"} 1.0
macie_poll_success{aws_account_id="000000000042",aws_region="us-east-1"} 0.0
macie_poll_success{aws_account_id="111122223333",aws_region="eu-west-1"} 1.0
macie_poll_timestamp_seconds{aws_account_id="000000000042",aws_region="us-east-1"} 1.7e+09
macie_poll_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1"} 1.7e+09
macie_poll_last_success_timestamp_seconds{aws_account_id="000000000042",aws_region="us-east-1"} 0.0
macie_poll_last_success_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1"} 1.7e+09
macie_poll_duration_seconds{aws_account_id="000000000042",aws_region="us-east-1"} 0.25
macie_poll_duration_seconds{aws_account_id="111122223333",aws_region="eu-west-1"} 0.25
macie_poll_error_info{aws_account_id="000000000042",aws_region="us-east-1",error_code="ThrottlingException"} 1.0
macie_trust_configured 1.0
macie_exporter_targets{state="pending"} 0.0
macie_exporter_targets{state="ok"} 1.0
macie_exporter_targets{state="not_enabled"} 0.0
macie_exporter_targets{state="failing"} 1.0
macie_exporter_targets{state="stale"} 0.0
macie_exporter_invitations_folded 0.0
macie_exporter_poll_interval_seconds 300.0
macie_exporter_poll_lag_seconds 0.5
macie_exporter_loop_lag_seconds 0.02
macie_exporter_discovery_success 1.0
macie_exporter_discovery_last_success_timestamp_seconds 1.69999994e+09
macie_exporter_config_last_reload_successful 1.0
macie_exporter_config_last_reload_success_timestamp_seconds 1.6999136e+09
macie_exporter_config_hash 42.0
macie_exporter_web_config_last_reload_successful 0.0
macie_exporter_web_config_last_reload_success_timestamp_seconds 1.6999136e+09
macie_exporter_web_certificate_expiry_timestamp_seconds 1.7000864e+09
macie_exporter_shard_index 0.0
macie_exporter_shards 1.0
macie_exporter_build_info{python_version="3.13.1",revision="abcdef0",version="1.2.3"} 1.0
"""
    )


def test_an_answer_that_was_not_asked_for_the_administrator_shows_none() -> None:
    """Switched on by a reload, the series come with the next poll; switched off, they go."""
    scene = Scene(PAYMENTS)
    scene.answered(PAYMENTS)
    scene.reloaded(options(administrator=True))
    assert "macie_has_administrator{" not in scene.text()
    scene.polled(PAYMENTS, Answer(enabled=True, administrator=NO_ADMINISTRATOR))
    where = 'aws_account_id="111122223333",aws_region="eu-west-1"'
    assert f"macie_has_administrator{{{where}}} 0.0" in scene.text()
    assert "macie_administrator_info{" not in scene.text()
    scene.polled(PAYMENTS, Answer(enabled=False))
    assert "macie_has_administrator{" not in scene.text()
    scene.polled(PAYMENTS, Answer(enabled=True, administrator=Administrator("1", "Enabled")))
    scene.failed(PAYMENTS)
    assert f"macie_has_administrator{{{where}}} 1.0" in scene.text()
    scene.clock.advance(STALE_AFTER)
    assert "macie_has_administrator{" not in scene.text()
    scene.polled(PAYMENTS, Answer(enabled=True, administrator=Administrator("1", "Enabled")))
    scene.reloaded(options())
    assert "administrator" not in scene.text()


def test_nobody_is_untrusted_while_it_is_not_known_who_is_trusted() -> None:
    """Until Organizations has said who belongs to it, the untrusted families are absent."""
    scene = Scene(PAYMENTS, shows=replace(options(), trust=Trust(True, frozenset(), False)))  # noqa: FBT003 -- configured, not complete
    scene.answered(PAYMENTS, invitation())
    assert "macie_untrusted" not in scene.text()
    assert "macie_trust_configured 1.0" in scene.text()
