"""The metric table: every family, what it means, its labels, and how to get its samples.

The one place to add a metric. The exposition, the documentation and the checks of dashboards and
rules are made from it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from math import inf
from typing import Any

from exporter.exposition.counts import InvitationCounts, Options
from exporter.exposition.fleet import Fleet, WebConfig
from exporter.model import NO_ADMINISTRATOR, Account, Answer, Inventory, PollResult, label_of
from exporter.state import TargetRecord, TargetState
from exporter.trust import NO_TRUST, Trust

TARGET_LABELS = ("aws_account_id", "aws_region")

Sample = tuple[tuple[str, ...], float]
"""Values of a family's own labels (those of the target aside), in their order, and the number."""


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
class TargetView:
    """A target as its samples see it. No answer: nothing is known that still counts."""

    record: TargetRecord
    answer: Answer | None
    counts: InvitationCounts | None
    trust: Trust = NO_TRUST


@dataclass(frozen=True, slots=True)
class Family:
    """A row of the table.

    Labels are in the order of their names, as the client library writes them; those of what is
    counted in the order in which they are counted.
    """

    name: str
    group: Group
    labels: tuple[str, ...]
    samples: Callable[[Any], Iterable[Sample]]
    """Takes what the group says: a TargetView, an Account, counts by name, or the Fleet."""
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

    def samples(account: Account) -> Iterable[Sample]:
        own = [account.labels.get(key, "") for key in ordered]
        return [((*values, *own), value) for values, value in family.samples(account)]

    return replace(family, labels=(*family.labels, *map(label_of, ordered)), samples=samples)


def _by_status(pick: Callable[[InvitationCounts], Mapping[str, float]]) -> Callable[..., Any]:
    return lambda view: (
        [((status,), value) for status, value in pick(view.counts).items()] if view.counts else ()
    )


def _listed(view: TargetView) -> Iterable[Sample]:
    return view.counts.listed.items() if view.counts else ()


def _single(view: TargetView) -> Iterable[Sample]:
    for each in view.answer.invitations if view.answer else ():
        if each.invited_at is not None:
            labels = (each.invitation_id, each.inviter_account_id, each.relationship_status)
            yield labels, each.invited_at


def _poll(pick: Callable[[PollResult], float]) -> Callable[[TargetView], Iterable[Sample]]:
    return _one(lambda view: None if view.record.last is None else pick(view.record.last))


def _has_administrator(view: TargetView) -> float | None:
    administrator = view.answer.administrator if view.answer else None
    return None if administrator is None else administrator != NO_ADMINISTRATOR


def _administrator(view: TargetView) -> Iterable[Sample]:
    found = view.answer.administrator if view.answer else None
    if found is not None and found != NO_ADMINISTRATOR:
        yield (found.account_id, found.relationship_status), 1.0


def _untrusted_administrator(view: TargetView) -> Iterable[Sample]:
    for (account_id, _), value in _administrator(view):
        if view.trust.trusts(account_id) is False:
            yield (account_id,), value


def _error(view: TargetView) -> Iterable[Sample]:
    failure = view.record.failure
    return () if failure is None else (((failure.code,), 1.0),)


def _account(account: Account) -> Iterable[Sample]:
    return (((account.name, account.id), 1.0),)


def _states(fleet: Fleet) -> Iterable[Sample]:
    counted = fleet.states
    return () if counted is None else [((s.value,), float(counted.get(s, 0))) for s in TargetState]


def _build(fleet: Fleet) -> Iterable[Sample]:
    of = fleet.build
    return (((of.python_version, of.revision, of.version), 1.0),)


def _counted(_: object) -> Iterable[Sample]:
    return ()


def _one(pick: Callable[[Any], float | None]) -> Callable[[Any], Iterable[Sample]]:
    """Return a getter of the one sample of a family without labels, absent where it is None."""

    def samples(of: object) -> Iterable[Sample]:
        value = pick(of)
        return () if value is None else (((), float(value)),)

    return samples


def _discovery(pick: Callable[[Inventory], float]) -> Callable[[Fleet], Iterable[Sample]]:
    return _one(lambda fleet: None if fleet.discovered is None else pick(fleet.discovered))


def _web(pick: Callable[[WebConfig], float | None]) -> Callable[[Fleet], Iterable[Sample]]:
    return _one(lambda fleet: None if fleet.web is None else pick(fleet.web))


_STATUS = (*TARGET_LABELS, "relationship_status")

# A row in a few lines is read as a row.
# fmt: off
METRICS: tuple[Family, ...] = (
    Family("macie_invitations", Group.ANSWER, ("age_bucket", *_STATUS), _listed,
           "Invitations to become a Macie member that the account has received and that are "
           "listed now, by status and by age as of the scrape. All values are polled in the "
           "background, not at the scrape."),
    Family("macie_invitation_oldest_timestamp_seconds", Group.ANSWER, _STATUS,
           _by_status(lambda counts: counts.oldest),
           "When the oldest listed invitation was sent, in Unix seconds; absent without any."),
    Family("macie_invitation_newest_timestamp_seconds", Group.ANSWER, _STATUS,
           _by_status(lambda counts: counts.newest),
           "When the newest listed invitation was sent, in Unix seconds; absent without any."),
    Family("macie_untrusted_invitations", Group.ANSWER, _STATUS,
           _by_status(lambda counts: counts.untrusted),
           "Listed invitations whose inviter is trusted by neither metrics.trusted_inviters nor "
           "metrics.trust_organization; exists only where one of them says who is.",
           most=lambda options: inf if options.trust.tells else 0),
    Family("macie_untrusted_inviter_timestamp_seconds", Group.ANSWER,
           (*TARGET_LABELS, "inviter_account_id", "relationship_status"),
           lambda view: view.counts.untrusted_inviters.items() if view.counts else (),
           "When an untrusted inviter's oldest invitation in this status was sent, in Unix "
           "seconds, 0 where that is unreadable; exists only where it is said who is trusted, the "
           "newest metrics.max_inviter_series of them.",
           most=lambda options: options.max_inviter_series if options.trust.tells else 0),
    Family("macie_untrusted_inviter_series_dropped", Group.DROPPED, (),
           _one(lambda dropped: dropped.get("macie_untrusted_inviter_timestamp_seconds", 0)),
           "Untrusted inviters that metrics.max_inviter_series leaves without a series of "
           "their own.",
           most=lambda options: inf if options.trust.complete else 0),
    Family("macie_trust_configured", Group.EXPORTER, (),
           _one(lambda fleet: fleet.trust_configured),
           "Whether it is configured who may invite (1): without that (0) no invitation can be "
           "told as unknown."),
    Family("macie_has_administrator", Group.ANSWER, TARGET_LABELS, _one(_has_administrator),
           "Whether the account has a Macie administrator (1), by invitation or through AWS "
           "Organizations, or none (0); opt-in.",
           most=lambda options: inf if options.administrator else 0),
    Family("macie_administrator_info", Group.ANSWER,
           ("administrator_account_id", *_STATUS), _administrator,
           "Which account is the Macie administrator; always 1, absent without one; opt-in.",
           most=lambda options: inf if options.administrator else 0),
    Family("macie_untrusted_administrator_info", Group.ANSWER,
           ("administrator_account_id", *TARGET_LABELS), _untrusted_administrator,
           "Which account is the Macie administrator though it is trusted by neither "
           "metrics.trusted_inviters nor metrics.trust_organization; always 1, absent without one; "
           "exists only where one of them says who is, and opt-in.",
           most=lambda options: inf if options.administrator and options.trust.tells else 0),
    Family("macie_invitation_timestamp_seconds", Group.ANSWER,
           (*TARGET_LABELS, "invitation_id", "inviter_account_id", "relationship_status"), _single,
           "When each listed invitation was sent, in Unix seconds; opt-in, the newest "
           "metrics.per_invitation.max_series of them.",
           most=lambda options: options.max_invitation_series),
    Family("macie_invitation_series_dropped", Group.DROPPED, (),
           _one(lambda dropped: dropped.get("macie_invitation_timestamp_seconds", 0)),
           "Invitations that metrics.per_invitation.max_series leaves without a series of "
           "their own."),
    Family("macie_account_info", Group.ACCOUNT, ("account_name", "aws_account_id"), _account,
           "The name of each polled account, for joins, and a label_ for each key of "
           "metrics.account_labels; always 1."),
    Family("macie_enabled", Group.ANSWER, TARGET_LABELS,
           _one(lambda view: None if view.answer is None else view.answer.enabled),
           "Whether AWS says that Macie is enabled (1) or not (0); absent while unknown."),
    Family("macie_poll_success", Group.OUTCOME, TARGET_LABELS,
           _poll(lambda poll: isinstance(poll.outcome, Answer)),
           "Whether the last poll of the target got an answer (1) or failed (0)."),
    Family("macie_poll_timestamp_seconds", Group.POLL, TARGET_LABELS,
           _poll(lambda poll: poll.ended),
           "When the last poll of the target ended, in Unix seconds."),
    Family("macie_poll_last_success_timestamp_seconds", Group.POLL, TARGET_LABELS,
           _one(lambda view: view.record.last_success),
           "When the last poll that got an answer ended, in Unix seconds; 0 before the first."),
    Family("macie_poll_duration_seconds", Group.POLL, TARGET_LABELS,
           _poll(lambda poll: poll.duration),
           "How long the last poll of the target took, its pages and retries included."),
    Family("macie_poll_error_info", Group.OUTCOME, (*TARGET_LABELS, "error_code"), _error,
           "Why the last poll of the target failed; 1, and only while it has."),
    Family("macie_exporter_targets", Group.EXPORTER, ("state",), _states,
           "Targets by state: pending, ok, not_enabled, failing (last values, if any, still "
           "shown) or stale (values gone); the sum is all of them."),
    Family("macie_exporter_invitations_folded", Group.EXPORTER, (),
           _one(lambda fleet: fleet.folded),
           "Listed invitations that are counted under the relationship_status other: more than 32 "
           "statuses that AWS does not document have come since the exporter started."),
    Family("macie_exporter_poll_interval_seconds", Group.EXPORTER, (),
           _one(lambda fleet: fleet.interval),
           "How often each target is to be polled (poll.interval)."),
    Family("macie_exporter_poll_lag_seconds", Group.EXPORTER, (), _one(lambda fleet: fleet.lag),
           "How late the latest polls started; it grows when poll.concurrency is too low."),
    Family("macie_exporter_loop_lag_seconds", Group.EXPORTER, (),
           _one(lambda fleet: fleet.loop_lag),
           "The longest time, of the last half minute or more, by which polls, scrapes and probes "
           "had to wait for each other."),
    Family("macie_exporter_aws_requests_total", Group.COUNTED,
           ("service", "operation", "aws_region"), _counted,
           "HTTP requests sent to AWS, retries included.", kind="counter"),
    Family("macie_exporter_aws_request_errors_total", Group.COUNTED,
           ("service", "operation", "aws_region", "error_code"), _counted,
           "HTTP requests to AWS that failed, by error code, retries included.", kind="counter"),
    Family("macie_exporter_aws_request_duration_seconds", Group.COUNTED, ("service", "operation"),
           _counted,
           "How long HTTP requests to AWS took, retries counted one by one.", kind="histogram"),
    Family("macie_exporter_worker_restarts_total", Group.COUNTED, (), _counted,
           "Tasks of the exporter that an error of its own ended and that began anew; the log "
           "has a line worker_crashed with the traceback of each.", kind="counter"),
    Family("macie_exporter_web_tls_handshakes_refused_total", Group.COUNTED, (), _counted,
           "TLS handshakes of clients that were refused, such as for want of a certificate; the "
           "log has a line tls_handshake_refused with the reason of each, at level debug.",
           kind="counter"),
    Family("macie_exporter_discovery_success", Group.EXPORTER, (),
           _discovery(lambda found: found.last_success > 0 and found.failure is None),
           "Whether the last discovery through AWS Organizations succeeded; absent without one."),
    Family("macie_exporter_discovery_last_success_timestamp_seconds", Group.EXPORTER, (),
           _discovery(lambda found: found.last_success),
           "When discovery through AWS Organizations last succeeded, in Unix seconds; 0 before "
           "that."),
    Family("macie_exporter_config_last_reload_successful", Group.EXPORTER, (),
           _one(lambda fleet: fleet.reload.successful),
           "Whether the last attempt to load the configuration succeeded."),
    Family("macie_exporter_config_last_reload_success_timestamp_seconds", Group.EXPORTER, (),
           _one(lambda fleet: fleet.reload.last_success),
           "When the configuration in force was loaded, in Unix seconds."),
    Family("macie_exporter_config_hash", Group.EXPORTER, (),
           _one(lambda fleet: fleet.reload.config_hash),
           "A hash of the configuration in force, external ids aside: equal where replicas are "
           "configured alike."),
    Family("macie_exporter_web_config_last_reload_successful", Group.EXPORTER, (),
           _web(lambda web: web.successful),
           "Whether the web configuration file, as it is now, is in force (1) or was refused (0);"
           " absent without one."),
    Family("macie_exporter_web_config_last_reload_success_timestamp_seconds", Group.EXPORTER, (),
           _web(lambda web: web.last_success),
           "When the web configuration in force was loaded, in Unix seconds; absent without a "
           "file."),
    Family("macie_exporter_web_certificate_expiry_timestamp_seconds", Group.EXPORTER, (),
           _web(lambda web: web.certificate_expiry),
           "When the certificate that the exporter serves with ends, in Unix seconds; absent "
           "without TLS."),
    Family("macie_exporter_shard_index", Group.EXPORTER, (), _one(lambda fleet: fleet.shard_index),
           "The number of this replica, from 0 (shard.index)."),
    Family("macie_exporter_shards", Group.EXPORTER, (), _one(lambda fleet: fleet.shards),
           "How many replicas share the accounts (shard.total)."),
    Family("macie_exporter_build_info", Group.EXPORTER, ("python_version", "revision", "version"),
           _build,
           "What this exporter was built from; always 1."),
)
# fmt: on
