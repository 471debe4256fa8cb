"""The metric table: every family, what it means, its labels, and how to get its samples.

The one place to add a metric. The exposition, the documentation and the checks of dashboards and
rules are made from it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from math import inf

from exporter.exposition import samples
from exporter.exposition.counts import Options
from exporter.exposition.samples import Sample, Samples, counted, one
from exporter.model import Account, label_of

TARGET_LABELS = ("aws_account_id", "aws_region")


class Group(Enum):
    """What a family's samples are made from, and so when they have to be made anew."""

    ANSWER = "answer"
    """A target's last answer that counts: until the next that differs, or an age edge."""
    POLL = "poll"
    """A target's last poll: until the next."""
    OUTCOME = "outcome"
    """Whether a target's last poll failed, and how: until that changes."""
    ACCOUNT = "account"
    """An account that discovery found: until it finds others."""
    DROPPED = "dropped"
    """How many samples of each capped family are left out, by the family's name."""
    EXPORTER = "exporter"
    """The exporter as a whole: at every scrape, by the client library."""
    COUNTED = "counted"
    """What `own_metrics` counts while it happens."""


OF_TARGETS = frozenset({Group.ANSWER, Group.POLL, Group.OUTCOME})
"""The groups whose families have lines for each target."""


@dataclass(frozen=True, slots=True)
class Family:
    """A row of the table.

    Labels are in the order of their names, as the client library writes them; those of what is
    counted in the order in which they are counted.
    """

    name: str
    group: Group
    labels: tuple[str, ...]
    samples: Samples
    help: str
    kind: str = "gauge"
    most: Callable[[Options], float] = lambda _: inf
    """How many samples there may be of all targets together, the greatest values first; 0 hides
    the family."""


def families_of(options: Options) -> tuple[Family, ...]:
    """Return the families that these options show, without those of the exporter itself."""
    own = {Group.EXPORTER, Group.COUNTED}
    return tuple(
        _with_labels(each, options.account_labels) if each.group is Group.ACCOUNT else each
        for each in METRICS
        if each.group not in own and each.most(options)
    )


def _with_labels(family: Family, keys: tuple[str, ...]) -> Family:
    """Return a family of accounts that shows their labels too, in the order of their names."""
    ordered = sorted(keys, key=label_of)

    def labelled(account: Account) -> Iterable[Sample]:
        own = [account.labels.get(key, "") for key in ordered]
        return [((*values, *own), value) for values, value in family.samples(account)]

    return replace(family, labels=(*family.labels, *map(label_of, ordered)), samples=labelled)


def _of_target(
    name: str,
    samples: Samples,
    text: str,
    *own: str,
    group: Group = Group.ANSWER,
    most: Callable[[Options], float] = lambda _: inf,
) -> Family:
    labels = tuple(sorted((*TARGET_LABELS, *own)))
    return Family(name, group, labels, samples, text, most=most)


def _of_exporter(name: str, samples: Samples, text: str, *labels: str) -> Family:
    return Family(name, Group.EXPORTER, labels, samples, text)


def _counted(name: str, kind: str, text: str, *labels: str) -> Family:
    return Family(name, Group.COUNTED, labels, lambda _: (), text, kind)


def _dropped(name: str, of: str, text: str, most: Callable[[Options], float]) -> Family:
    return Family(name, Group.DROPPED, (), one(lambda dropped: dropped.get(of, 0)), text, most=most)


def _if_told(options: Options) -> float:
    """Show it only where an inviter can be told as unknown."""
    return inf if options.trust.tells else 0


def _if_asked(options: Options) -> float:
    """Show it only where it is asked who administers an account."""
    return inf if options.administrator else 0


_of_poll = partial(_of_target, group=Group.POLL)
_of_outcome = partial(_of_target, group=Group.OUTCOME)

_STATUS, _INVITER = "relationship_status", "inviter_account_id"
_ADMINISTRATOR = "administrator_account_id"

# A row in a few lines is read as a row.
# fmt: off
METRICS: tuple[Family, ...] = (
    _of_target("macie_invitations", counted(lambda counts: counts.listed),
        "Invitations to become a Macie member that the account has received and that are listed "
        "now, by status and by age as of the scrape. All values are polled in the background, not "
        "at the scrape.", "age_bucket", _STATUS),
    _of_target("macie_invitation_oldest_timestamp_seconds", counted(lambda counts: counts.oldest),
        "When the oldest listed invitation was sent, in Unix seconds; absent without any.",
        _STATUS),
    _of_target("macie_invitation_newest_timestamp_seconds", counted(lambda counts: counts.newest),
        "When the newest listed invitation was sent, in Unix seconds; absent without any.",
        _STATUS),
    _of_target("macie_untrusted_invitations", counted(lambda counts: counts.untrusted),
        "Listed invitations whose inviter is trusted by neither metrics.trusted_inviters nor "
        "metrics.trust_organization; exists only where one of them says who is.",
        _STATUS, most=_if_told),
    _of_target("macie_untrusted_inviter_timestamp_seconds",
        counted(lambda counts: counts.untrusted_inviters),
        "When an untrusted inviter's oldest invitation in this status was sent, in Unix seconds, "
        "0 where that is unreadable; exists only where it is said who is trusted, the newest "
        "metrics.max_inviter_series of them.", _INVITER, _STATUS,
        most=lambda options: options.max_inviter_series if options.trust.tells else 0),
    _dropped("macie_untrusted_inviter_series_dropped", "macie_untrusted_inviter_timestamp_seconds",
        "Untrusted inviters that metrics.max_inviter_series leaves without a series of their own.",
        lambda options: inf if options.trust.complete else 0),
    _of_exporter("macie_trust_configured", one(lambda fleet: fleet.trust_configured),
        "Whether it is configured who may invite (1): without that (0) no invitation can be told "
        "as unknown."),
    _of_target("macie_has_administrator", one(samples.has_administrator),
        "Whether the account has a Macie administrator (1), by invitation or through AWS "
        "Organizations, or none (0); opt-in.", most=_if_asked),
    _of_target("macie_administrator_info", samples.administrator,
        "Which account is the Macie administrator; always 1, absent without one; opt-in.",
        _ADMINISTRATOR, _STATUS, most=_if_asked),
    _of_target("macie_untrusted_administrator_info", samples.untrusted_administrator,
        "Which account is the Macie administrator though it is trusted by neither "
        "metrics.trusted_inviters nor metrics.trust_organization; always 1, absent without one; "
        "exists only where one of them says who is, and opt-in.",
        _ADMINISTRATOR, most=lambda options: min(_if_asked(options), _if_told(options))),
    _of_target("macie_invitation_timestamp_seconds", samples.invitations,
        "When each listed invitation was sent, in Unix seconds; opt-in, the newest "
        "metrics.per_invitation.max_series of them.", "invitation_id", _INVITER, _STATUS,
        most=lambda options: options.max_invitation_series),
    _dropped("macie_invitation_series_dropped", "macie_invitation_timestamp_seconds",
        "Invitations that metrics.per_invitation.max_series leaves without a series of their own.",
        lambda _: inf),
    Family("macie_account_info", Group.ACCOUNT, ("account_name", "aws_account_id"),
        lambda account: (((account.name, account.id), 1.0),),
        "The name of each polled account, for joins, and a label_ for each key of "
        "metrics.account_labels; always 1."),
    _of_target("macie_enabled",
        one(lambda view: None if view.answer is None else view.answer.enabled),
        "Whether AWS says that Macie is enabled (1) or not (0); absent while unknown."),
    _of_outcome("macie_poll_success",
        one(lambda view: view.record.last and view.record.failure is None),
        "Whether the last poll of the target got an answer (1) or failed (0)."),
    _of_poll("macie_poll_timestamp_seconds",
        one(lambda view: view.record.last and view.record.last.ended),
        "When the last poll of the target ended, in Unix seconds."),
    _of_poll("macie_poll_last_success_timestamp_seconds",
        one(lambda view: view.record.last_success),
        "When the last poll that got an answer ended, in Unix seconds; 0 before the first."),
    _of_poll("macie_poll_duration_seconds",
        one(lambda view: view.record.last and view.record.last.duration),
        "How long the last poll of the target took, its pages and retries included."),
    _of_outcome("macie_poll_error_info", samples.error,
        "Why the last poll of the target failed; 1, and only while it has.", "error_code"),
    _of_exporter("macie_exporter_targets", samples.states,
        "Targets by state: pending, ok, not_enabled, failing (last values, if any, still shown) "
        "or stale (values gone); the sum is all of them.", "state"),
    _of_exporter("macie_exporter_poll_interval_seconds", one(lambda fleet: fleet.interval),
        "How often each target is to be polled (poll.interval)."),
    _of_exporter("macie_exporter_poll_lag_seconds", one(lambda fleet: fleet.lag),
        "How late the latest polls started; it grows when poll.concurrency is too low."),
    _of_exporter("macie_exporter_loop_lag_seconds", one(lambda fleet: fleet.loop_lag),
        "The longest time, of the last half minute or more, by which polls, scrapes and probes "
        "had to wait for each other."),
    _counted("macie_exporter_aws_requests_total", "counter",
        "HTTP requests sent to AWS, retries included.", "service", "operation", "aws_region"),
    _counted("macie_exporter_aws_request_errors_total", "counter",
        "HTTP requests to AWS that failed, by error code, retries included.",
        "service", "operation", "aws_region", "error_code"),
    _counted("macie_exporter_aws_request_duration_seconds", "histogram",
        "How long HTTP requests to AWS took, retries counted one by one.", "service", "operation"),
    _counted("macie_exporter_worker_restarts_total", "counter",
        "Tasks of the exporter that an error of its own ended and that began anew; the log has a "
        "line worker_crashed with the traceback of each."),
    _counted("macie_exporter_web_tls_handshakes_refused_total", "counter",
        "TLS handshakes of clients that were refused, such as for want of a certificate; the log "
        "has a line tls_handshake_refused with the reason of each, at level debug."),
    _of_exporter("macie_exporter_discovery_success",
        one(lambda fleet: fleet.discovered and fleet.discovered.failure is None
            and fleet.discovered.last_success > 0),
        "Whether the last discovery through AWS Organizations succeeded; absent without one."),
    _of_exporter("macie_exporter_discovery_last_success_timestamp_seconds",
        one(lambda fleet: fleet.discovered and fleet.discovered.last_success),
        "When discovery through AWS Organizations last succeeded, in Unix seconds; 0 before that."),
    _of_exporter("macie_exporter_config_last_reload_successful",
        one(lambda fleet: fleet.reload.successful),
        "Whether the last attempt to load the configuration succeeded."),
    _of_exporter("macie_exporter_config_last_reload_success_timestamp_seconds",
        one(lambda fleet: fleet.reload.last_success),
        "When the configuration in force was loaded, in Unix seconds."),
    _of_exporter("macie_exporter_config_hash", one(lambda fleet: fleet.reload.config_hash),
        "A hash of the configuration in force, external ids aside: equal where replicas are "
        "configured alike."),
    _of_exporter("macie_exporter_web_config_last_reload_successful",
        one(lambda fleet: fleet.web and fleet.web.successful),
        "Whether the web configuration file, as it is now, is in force (1) or was refused (0); "
        "absent without one."),
    _of_exporter("macie_exporter_web_config_last_reload_success_timestamp_seconds",
        one(lambda fleet: fleet.web and fleet.web.last_success),
        "When the web configuration in force was loaded, in Unix seconds; absent without a file."),
    _of_exporter("macie_exporter_web_certificate_expiry_timestamp_seconds",
        one(lambda fleet: fleet.web and fleet.web.certificate_expiry),
        "When the certificate that the exporter serves with ends, in Unix seconds; absent without "
        "TLS."),
    _of_exporter("macie_exporter_shard_index", one(lambda fleet: fleet.shard_index),
        "The number of this replica, from 0 (shard.index)."),
    _of_exporter("macie_exporter_shards", one(lambda fleet: fleet.shards),
        "How many replicas share the accounts (shard.total)."),
    _of_exporter("macie_exporter_build_info",
        lambda of: (((of.build.python_version, of.build.revision, of.build.version), 1.0),),
        "What this exporter was built from; always 1.", "python_version", "revision", "version"),
)
# fmt: on
