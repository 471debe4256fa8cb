"""Whole expositions of small fleets, literally: what a reader can check by eye."""
# ruff: noqa: E501 -- lines are as long as Prometheus' own

from dataclasses import replace

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
    assert (
        scene.text()
        == """\
# HELP macie_invitations Invitations to become a Macie member that the account has received and that are listed now, by status and by age as of the scrape. All values are polled in the background, not at the scrape.
# TYPE macie_invitations gauge
macie_invitations{age_bucket="00d-01d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.0
macie_invitations{age_bucket="01d-07d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.0
macie_invitations{age_bucket="07d-30d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="30d-90d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="90d-inf",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="90d-inf",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Enabled"} 2.0
# HELP macie_invitation_oldest_timestamp_seconds When the oldest listed invitation was sent, in Unix seconds; absent without any.
# TYPE macie_invitation_oldest_timestamp_seconds gauge
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.6999136e+09
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Enabled"} 1.69136e+09
# HELP macie_invitation_newest_timestamp_seconds When the newest listed invitation was sent, in Unix seconds; absent without any.
# TYPE macie_invitation_newest_timestamp_seconds gauge
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.6999568e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Enabled"} 1.69136e+09
# HELP macie_untrusted_invitations Listed invitations whose inviter is trusted by neither metrics.trusted_inviters nor metrics.trust_organization; exists only where one of them says who is.
# TYPE macie_untrusted_invitations gauge
macie_untrusted_invitations{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.0
macie_untrusted_invitations{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Enabled"} 1.0
# HELP macie_untrusted_inviter_timestamp_seconds When an untrusted inviter's oldest invitation in this status was sent, in Unix seconds, 0 where that is unreadable; exists only where it is said who is trusted, the newest metrics.max_inviter_series of them.
# TYPE macie_untrusted_inviter_timestamp_seconds gauge
macie_untrusted_inviter_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",inviter_account_id="123412341234",relationship_status="Invited"} 1.6999136e+09
# HELP macie_untrusted_inviter_series_dropped Untrusted inviters that metrics.max_inviter_series leaves without a series of their own.
# TYPE macie_untrusted_inviter_series_dropped gauge
macie_untrusted_inviter_series_dropped 1.0
# HELP macie_has_administrator Whether the account has a Macie administrator (1), by invitation or through AWS Organizations, or none (0); opt-in.
# TYPE macie_has_administrator gauge
macie_has_administrator{aws_account_id="111122223333",aws_region="eu-west-1"} 1.0
# HELP macie_administrator_info Which account is the Macie administrator; always 1, absent without one; opt-in.
# TYPE macie_administrator_info gauge
macie_administrator_info{administrator_account_id="123412341234",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Enabled"} 1.0
# HELP macie_untrusted_administrator_info Which account is the Macie administrator though it is trusted by neither metrics.trusted_inviters nor metrics.trust_organization; always 1, absent without one; exists only where one of them says who is, and opt-in.
# TYPE macie_untrusted_administrator_info gauge
macie_untrusted_administrator_info{administrator_account_id="123412341234",aws_account_id="111122223333",aws_region="eu-west-1"} 1.0
# HELP macie_invitation_timestamp_seconds When each listed invitation was sent, in Unix seconds; opt-in, the newest metrics.per_invitation.max_series of them.
# TYPE macie_invitation_timestamp_seconds gauge
macie_invitation_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",invitation_id="i1",inviter_account_id="999988887777",relationship_status="Invited"} 1.6999568e+09
macie_invitation_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",invitation_id="i2",inviter_account_id="123412341234",relationship_status="Invited"} 1.6999136e+09
# HELP macie_invitation_series_dropped Invitations that metrics.per_invitation.max_series leaves without a series of their own.
# TYPE macie_invitation_series_dropped gauge
macie_invitation_series_dropped 2.0
# HELP macie_account_info The name of each polled account, for joins, and a label_ for each key of metrics.account_labels; always 1.
# TYPE macie_account_info gauge
macie_account_info{account_name="audit",aws_account_id="000000000042",label_cost_center="",label_team="b"} 1.0
macie_account_info{account_name="payments",aws_account_id="111122223333",label_cost_center="042",label_team="a"} 1.0
# HELP macie_enabled Whether AWS says that Macie is enabled (1) or not (0); absent while unknown.
# TYPE macie_enabled gauge
macie_enabled{aws_account_id="111122223333",aws_region="eu-west-1"} 1.0
# HELP macie_poll_success Whether the last poll of the target got an answer (1) or failed (0).
# TYPE macie_poll_success gauge
macie_poll_success{aws_account_id="000000000042",aws_region="us-east-1"} 0.0
macie_poll_success{aws_account_id="111122223333",aws_region="eu-west-1"} 1.0
# HELP macie_poll_timestamp_seconds When the last poll of the target ended, in Unix seconds.
# TYPE macie_poll_timestamp_seconds gauge
macie_poll_timestamp_seconds{aws_account_id="000000000042",aws_region="us-east-1"} 1.7e+09
macie_poll_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1"} 1.7e+09
# HELP macie_poll_last_success_timestamp_seconds When the last poll that got an answer ended, in Unix seconds; 0 before the first.
# TYPE macie_poll_last_success_timestamp_seconds gauge
macie_poll_last_success_timestamp_seconds{aws_account_id="000000000042",aws_region="us-east-1"} 0.0
macie_poll_last_success_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1"} 1.7e+09
# HELP macie_poll_duration_seconds How long the last poll of the target took, its pages and retries included.
# TYPE macie_poll_duration_seconds gauge
macie_poll_duration_seconds{aws_account_id="000000000042",aws_region="us-east-1"} 0.25
macie_poll_duration_seconds{aws_account_id="111122223333",aws_region="eu-west-1"} 0.25
# HELP macie_poll_error_info Why the last poll of the target failed; 1, and only while it has.
# TYPE macie_poll_error_info gauge
macie_poll_error_info{aws_account_id="000000000042",aws_region="us-east-1",error_code="ThrottlingException"} 1.0
# HELP macie_trust_configured Whether it is configured who may invite (1): without that (0) no invitation can be told as unknown.
# TYPE macie_trust_configured gauge
macie_trust_configured 1.0
# HELP macie_exporter_targets Targets by state: pending, ok, not_enabled, failing (last values, if any, still shown) or stale (values gone); the sum is all of them.
# TYPE macie_exporter_targets gauge
macie_exporter_targets{state="pending"} 0.0
macie_exporter_targets{state="ok"} 1.0
macie_exporter_targets{state="not_enabled"} 0.0
macie_exporter_targets{state="failing"} 1.0
macie_exporter_targets{state="stale"} 0.0
# HELP macie_exporter_invitations_folded Listed invitations that are counted under the relationship_status other: more than 32 statuses that AWS does not document have come since the exporter started.
# TYPE macie_exporter_invitations_folded gauge
macie_exporter_invitations_folded 0.0
# HELP macie_exporter_poll_interval_seconds How often each target is to be polled (poll.interval).
# TYPE macie_exporter_poll_interval_seconds gauge
macie_exporter_poll_interval_seconds 300.0
# HELP macie_exporter_poll_lag_seconds How late the latest polls started; it grows when poll.concurrency is too low.
# TYPE macie_exporter_poll_lag_seconds gauge
macie_exporter_poll_lag_seconds 0.5
# HELP macie_exporter_loop_lag_seconds The longest time, of the last half minute or more, by which polls, scrapes and probes had to wait for each other.
# TYPE macie_exporter_loop_lag_seconds gauge
macie_exporter_loop_lag_seconds 0.02
# HELP macie_exporter_discovery_success Whether the last discovery through AWS Organizations succeeded; absent without one.
# TYPE macie_exporter_discovery_success gauge
macie_exporter_discovery_success 1.0
# HELP macie_exporter_discovery_last_success_timestamp_seconds When discovery through AWS Organizations last succeeded, in Unix seconds; 0 before that.
# TYPE macie_exporter_discovery_last_success_timestamp_seconds gauge
macie_exporter_discovery_last_success_timestamp_seconds 1.69999994e+09
# HELP macie_exporter_config_last_reload_successful Whether the last attempt to load the configuration succeeded.
# TYPE macie_exporter_config_last_reload_successful gauge
macie_exporter_config_last_reload_successful 1.0
# HELP macie_exporter_config_last_reload_success_timestamp_seconds When the configuration in force was loaded, in Unix seconds.
# TYPE macie_exporter_config_last_reload_success_timestamp_seconds gauge
macie_exporter_config_last_reload_success_timestamp_seconds 1.6999136e+09
# HELP macie_exporter_config_hash A hash of the configuration in force, external ids aside: equal where replicas are configured alike.
# TYPE macie_exporter_config_hash gauge
macie_exporter_config_hash 42.0
# HELP macie_exporter_web_config_last_reload_successful Whether the web configuration file, as it is now, is in force (1) or was refused (0); absent without one.
# TYPE macie_exporter_web_config_last_reload_successful gauge
macie_exporter_web_config_last_reload_successful 0.0
# HELP macie_exporter_web_config_last_reload_success_timestamp_seconds When the web configuration in force was loaded, in Unix seconds; absent without a file.
# TYPE macie_exporter_web_config_last_reload_success_timestamp_seconds gauge
macie_exporter_web_config_last_reload_success_timestamp_seconds 1.6999136e+09
# HELP macie_exporter_web_certificate_expiry_timestamp_seconds When the certificate that the exporter serves with ends, in Unix seconds; absent without TLS.
# TYPE macie_exporter_web_certificate_expiry_timestamp_seconds gauge
macie_exporter_web_certificate_expiry_timestamp_seconds 1.7000864e+09
# HELP macie_exporter_shard_index The number of this replica, from 0 (shard.index).
# TYPE macie_exporter_shard_index gauge
macie_exporter_shard_index 0.0
# HELP macie_exporter_shards How many replicas share the accounts (shard.total).
# TYPE macie_exporter_shards gauge
macie_exporter_shards 1.0
# HELP macie_exporter_build_info What this exporter was built from; always 1.
# TYPE macie_exporter_build_info gauge
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
    scene.not_enabled(PAYMENTS)
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
