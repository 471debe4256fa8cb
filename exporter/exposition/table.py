"""The metric table: every family, what it means, its labels, and how to get its samples.

The one place to add a metric. The exposition, the README and the checks of dashboards and rules are
made from it.
"""

from exporter.exposition import family as of
from exporter.exposition.family import (
    TARGET_LABELS,
    Build,
    Discovery,
    Family,
    Fleet,
    FleetView,
    Group,
    Reload,
    Sample,
    TargetView,
    WebConfig,
)

__all__ = [
    "METRICS",
    "TARGET_LABELS",
    "Build",
    "Discovery",
    "Family",
    "Fleet",
    "FleetView",
    "Group",
    "Reload",
    "Sample",
    "TargetView",
    "WebConfig",
]

_BACKGROUND = "polled in the background, not at the scrape"
_STATUS = (*TARGET_LABELS, "relationship_status")

METRICS: tuple[Family, ...] = (
    Family(
        "macie_invitations",
        "gauge",
        ("age_bucket", *_STATUS),
        "Invitations to become a Macie member that the account has received and that are listed "
        f"now, by status and by age as of the scrape; {_BACKGROUND}.",
        Group.ANSWER,
        of.tallied(lambda tally: tally.counts),
    ),
    Family(
        "macie_invitation_oldest_timestamp_seconds",
        "gauge",
        _STATUS,
        "When the oldest listed invitation was sent, in Unix seconds; absent without any; "
        f"{_BACKGROUND}.",
        Group.ANSWER,
        of.by_status(lambda tally: tally.oldest),
    ),
    Family(
        "macie_invitation_newest_timestamp_seconds",
        "gauge",
        _STATUS,
        "When the newest listed invitation was sent, in Unix seconds; absent without any; "
        f"{_BACKGROUND}.",
        Group.ANSWER,
        of.by_status(lambda tally: tally.newest),
    ),
    Family(
        "macie_untrusted_invitations",
        "gauge",
        _STATUS,
        "Listed invitations whose inviter is not in metrics.trusted_inviters; exists only when "
        f"that list is set; {_BACKGROUND}.",
        Group.ANSWER,
        of.by_status(lambda tally: tally.untrusted),
    ),
    Family(
        "macie_invitation_timestamp_seconds",
        "gauge",
        (*TARGET_LABELS, "invitation_id", "inviter_account_id", "relationship_status"),
        "When each listed invitation was sent, in Unix seconds; opt-in, the newest "
        f"metrics.per_invitation.max_series of them; {_BACKGROUND}.",
        Group.INVITATION,
        of.single,
    ),
    Family(
        "macie_invitation_series_dropped",
        "gauge",
        (),
        "Invitations that metrics.per_invitation.max_series leaves without a series of their own.",
        Group.FLEET,
        of.fleet(lambda view: view.dropped),
    ),
    Family(
        "macie_account_info",
        "gauge",
        ("account_name", "aws_account_id"),
        "The name of each polled account, for joins; always 1.",
        Group.ACCOUNT,
        of.account,
    ),
    Family(
        "macie_enabled",
        "gauge",
        TARGET_LABELS,
        "Whether AWS says that Macie is enabled (1) or not (0); absent while unknown; "
        f"{_BACKGROUND}.",
        Group.ANSWER,
        of.enabled,
    ),
    Family(
        "macie_poll_success",
        "gauge",
        TARGET_LABELS,
        "Whether the last poll of the target got an answer (1) or failed (0).",
        Group.OUTCOME,
        of.success,
    ),
    Family(
        "macie_poll_timestamp_seconds",
        "gauge",
        TARGET_LABELS,
        "When the last poll of the target ended, in Unix seconds.",
        Group.POLL,
        of.ended,
    ),
    Family(
        "macie_poll_last_success_timestamp_seconds",
        "gauge",
        TARGET_LABELS,
        "When the last poll that got an answer ended, in Unix seconds; 0 before the first.",
        Group.POLL,
        of.last_success,
    ),
    Family(
        "macie_poll_duration_seconds",
        "gauge",
        TARGET_LABELS,
        "How long the last poll of the target took, its pages and retries included.",
        Group.POLL,
        of.duration,
    ),
    Family(
        "macie_poll_error_info",
        "gauge",
        (*TARGET_LABELS, "error_code"),
        "Why the last poll of the target failed; 1, and only while it has.",
        Group.OUTCOME,
        of.error,
    ),
    Family(
        "macie_exporter_targets",
        "gauge",
        ("state",),
        "Targets by state: pending, ok, not_enabled, failing (last values, if any, still shown) "
        "or stale (values gone); the sum is all of them.",
        Group.FLEET,
        of.states,
    ),
    Family(
        "macie_exporter_invitations_folded",
        "gauge",
        (),
        "Listed invitations that are counted under the relationship_status other: more than 32 "
        "statuses that AWS does not document have come since the exporter started.",
        Group.FLEET,
        of.fleet(lambda view: view.folded),
    ),
    Family(
        "macie_exporter_poll_interval_seconds",
        "gauge",
        (),
        "How often each target is to be polled (poll.interval).",
        Group.FLEET,
        of.fleet(lambda view: view.fleet.interval),
    ),
    Family(
        "macie_exporter_poll_lag_seconds",
        "gauge",
        (),
        "How late the latest polls started; it grows when poll.concurrency is too low.",
        Group.FLEET,
        of.fleet(lambda view: view.fleet.lag),
    ),
    Family(
        "macie_exporter_aws_requests_total",
        "counter",
        ("service", "operation", "aws_region"),
        "HTTP requests sent to AWS, retries included.",
        Group.TELEMETRY,
    ),
    Family(
        "macie_exporter_aws_request_errors_total",
        "counter",
        ("service", "operation", "aws_region", "error_code"),
        "HTTP requests to AWS that failed, by error code, retries included.",
        Group.TELEMETRY,
    ),
    Family(
        "macie_exporter_aws_request_duration_seconds",
        "histogram",
        ("service", "operation"),
        "How long HTTP requests to AWS took, retries counted one by one.",
        Group.TELEMETRY,
    ),
    Family(
        "macie_exporter_worker_restarts_total",
        "counter",
        (),
        "Threads of the exporter that an error of its own ended and that began anew; the log has "
        "a line worker_crashed with the traceback of each.",
        Group.TELEMETRY,
    ),
    Family(
        "macie_exporter_discovery_success",
        "gauge",
        (),
        "Whether the last discovery through AWS Organizations succeeded; absent without one.",
        Group.FLEET,
        of.discovery(lambda discovery: discovery.success),
    ),
    Family(
        "macie_exporter_discovery_last_success_timestamp_seconds",
        "gauge",
        (),
        "When discovery through AWS Organizations last succeeded, in Unix seconds; 0 before that.",
        Group.FLEET,
        of.discovery(lambda discovery: discovery.last_success),
    ),
    Family(
        "macie_exporter_config_last_reload_successful",
        "gauge",
        (),
        "Whether the last attempt to load the configuration succeeded.",
        Group.FLEET,
        of.fleet(lambda view: view.fleet.reload.successful),
    ),
    Family(
        "macie_exporter_config_last_reload_success_timestamp_seconds",
        "gauge",
        (),
        "When the configuration in force was loaded, in Unix seconds.",
        Group.FLEET,
        of.fleet(lambda view: view.fleet.reload.last_success),
    ),
    Family(
        "macie_exporter_config_hash",
        "gauge",
        (),
        "A hash of the configuration in force, secrets included: equal where replicas are "
        "configured alike.",
        Group.FLEET,
        of.fleet(lambda view: view.fleet.reload.config_hash),
    ),
    Family(
        "macie_exporter_web_config_last_reload_successful",
        "gauge",
        (),
        "Whether the web configuration file, as it is now, is in force (1) or was refused (0); "
        "absent without one.",
        Group.FLEET,
        of.web(lambda web: web.successful),
    ),
    Family(
        "macie_exporter_web_config_last_reload_success_timestamp_seconds",
        "gauge",
        (),
        "When the web configuration in force was loaded, in Unix seconds; absent without a file.",
        Group.FLEET,
        of.web(lambda web: web.last_success),
    ),
    Family(
        "macie_exporter_web_certificate_expiry_timestamp_seconds",
        "gauge",
        (),
        "When the certificate that the exporter serves with ends, in Unix seconds; absent "
        "without TLS.",
        Group.FLEET,
        of.web(lambda web: web.certificate_expiry),
    ),
    Family(
        "macie_exporter_shard_index",
        "gauge",
        (),
        "The number of this replica, from 0 (shard.index).",
        Group.FLEET,
        of.fleet(lambda view: view.fleet.shard_index),
    ),
    Family(
        "macie_exporter_shard_total",
        # A gauge in all but its declared type: promtool keeps `_total` for counters.
        "untyped",
        (),
        "How many replicas share the accounts (shard.total).",
        Group.FLEET,
        of.fleet(lambda view: view.fleet.shard_total),
    ),
    Family(
        "macie_exporter_build_info",
        "gauge",
        ("python_version", "revision", "version"),
        "What this exporter was built from; always 1.",
        Group.FLEET,
        of.build,
    ),
)
