"""The queries that several panels are made of, as text.

Two rules hold in all of them. A target is counted once: with replicas being replaced, or two
Prometheus jobs for one exporter, its series exist twice, so `max by` its own labels comes before
any sum. And what is unknown is absent: a 0 comes only from series that are there when it is true.
"""

from collections.abc import Iterable

from exporter.error_codes import ERRORS
from exporter.exposition.families import TARGET_LABELS
from exporter.model import KNOWN_STATUSES, PENDING_STATUSES

REPLICA = ("cluster", "job", "instance")
"""The labels of one running exporter; `cluster` is empty where Prometheus adds none."""

# Paused: Macie is suspended in the member, whose administrator stays.
ACCEPTED_STATUSES = ("Enabled", "Paused")
BROKEN_STATUSES = tuple(x for x in KNOWN_STATUSES if x not in {*PENDING_STATUSES, "Enabled"})

_FLEET = ('cluster=~"$cluster"', 'job=~"$job"', 'instance=~"$instance"')
OF_ACCOUNT = 'aws_account_id=~"$account"'
_REGION = 'aws_region=~"$region"'
_T = ", ".join(TARGET_LABELS)


def fleet(metric: str, *matchers: str) -> str:
    """Select series of the chosen exporters."""
    return f"{metric}{{{', '.join((*_FLEET, *matchers))}}}"


def targets(metric: str, *matchers: str) -> str:
    """Select series of the chosen accounts in the chosen regions."""
    return fleet(metric, OF_ACCOUNT, _REGION, *matchers)


def each(metric: str, *matchers: str, by: Iterable[str] = (), ago: str = "") -> str:
    """Return every target once, with more labels where asked for; `ago` is a duration like 1d."""
    offset = f" offset {ago}" if ago else ""
    return f"max by ({', '.join((*TARGET_LABELS, *by))}) ({targets(metric, *matchers)}{offset})"


def status(*statuses: str) -> str:
    """Match some statuses."""
    return f'relationship_status=~"{"|".join(statuses)}"'


CHOSEN_STATUS = 'relationship_status=~"$status"'


def invitations(*matchers: str) -> str:
    """Return every target's invitations once, by status and age."""
    return each("macie_invitations", *matchers, by=("relationship_status", "age_bucket"))


def untrusted(*matchers: str) -> str:
    """Return every target's invitations of unknown inviters once, by status."""
    return each("macie_untrusted_invitations", *matchers, by=("relationship_status",))


def inviters(*matchers: str) -> str:
    """Return when each unknown inviter of each target sent its oldest invitation, by status."""
    by = ("relationship_status", "inviter_account_id")
    return each("macie_untrusted_inviter_timestamp_seconds", *matchers, by=by)


def administrators_in_fact() -> str:
    """Return each target's administrator that is not trusted, as Macie itself says; since 0."""
    told = each("macie_untrusted_administrator_info", by=("administrator_account_id",))
    label = '"inviter_account_id", "$1", "administrator_account_id", "(.*)"'
    renamed = f"label_replace({told}, {label})"
    return f"max by ({_T}, inviter_account_id) ({renamed}) * 0"


# macie_enabled goes away with a target's invitations, and is there wherever they are known.
KNOWN = each("macie_enabled")
POLLED = each("macie_poll_timestamp_seconds")
SUCCESS = each("macie_poll_success")
MACIE_OFF = f"{KNOWN} == 0"
NO_ANSWER = f"({POLLED} unless {KNOWN})"
POLLED_YESTERDAY = each("macie_poll_timestamp_seconds", ago="1d")
GONE = f"({POLLED_YESTERDAY} unless {POLLED})"
_ERRORS = each("macie_poll_error_info", by=("error_code",))
ERROR = f"({_ERRORS} unless on ({_T}) {SUCCESS} == 1)"
"""Why targets fail, unless another replica got an answer."""

_BROKEN = f"sum by ({_T}) ({invitations(status(*BROKEN_STATUSES))}) > 0"
_ENABLED = f"sum by ({_T}) ({invitations(status('Enabled'))}) > 0"
BROKEN = f"({_BROKEN} unless {_ENABLED})"
"""Targets that had an administrator and have none; how many invitations say so."""


def sharded(expr: str) -> str:
    """Put the label `shard` on series of exporters."""
    on = ", ".join(REPLICA)
    shard = f'count_values by ({on}) ("shard", {fleet("macie_exporter_shard_index")})'
    return f"{expr} * on ({on}) group_left (shard) {shard}"


_SHARDS = fleet("macie_exporter_shard_index")
_SHARDS_THERE = f'count by (cluster, job) (count_values by (cluster, job) ("shard", {_SHARDS}))'
_SHARDS_WANTED = f"max by (cluster, job) ({fleet('macie_exporter_shards')})"
SHARDS_MISSING = f"sum({_SHARDS_WANTED} - {_SHARDS_THERE})"
_PENDING_TARGETS = sharded(fleet("macie_exporter_targets", 'state="pending"'))
PENDING_TARGETS = f"sum(max by (cluster, job, shard) ({_PENDING_TARGETS}))"
"""Targets that were not polled yet; those of a shard that is being replaced once."""
TARGETS_BY_STATE = (
    "sum by (state) (max by (cluster, job, shard, state)"
    f" ({sharded(fleet('macie_exporter_targets'))}))"
)
"""As the exporters count them, whatever account and region are chosen."""

# In order: targets without an answer, targets not polled yet, shards that are not there. What the
# last two would tell is nobody's account or region yet, so that they count whatever is chosen.
_UNKNOWN = f"clamp_max(count({NO_ANSWER}) or {PENDING_TARGETS} > 0 or {SHARDS_MISSING} > 0, 1)"

NONE_SEEN = -1
"""What `honest` gives instead of 0 where something is unknown."""

ZERO = f"0 * count({KNOWN})"
"""0 as soon as one target is known, and nothing before: then a count that is absent is a 0."""

NOT_YET = -2
"""What a comparison gives with a time of which nothing was recorded."""

ZERO_GONE = f"0 * count({POLLED_YESTERDAY})"
"""0 only once there is a yesterday to compare with."""

NOT_CONFIGURED = -3
"""What stands instead of a count of unknown inviters where nobody has said who is known."""

_TRUST = f"min({fleet('macie_trust_configured')})"
TRUST = f"({_TRUST})"
"""1 where every chosen exporter is told who may invite, 0 where one is not."""
ZERO_UNTRUSTED = f"({ZERO} and on () {_TRUST} == 1)"
"""0 only where unknown inviters are told from known ones."""
UNTOLD = f"{ZERO} + {NOT_CONFIGURED} and on () {_TRUST} == 0"


def honest(count: str, zero: str = ZERO) -> str:
    """Return a count if it is above 0, else 0 if all is known, NONE_SEEN if only a part is.

    Nothing if nothing is known. `count` and `zero` are vectors without labels.
    """
    return f"({count}) > 0 or {zero} - {_UNKNOWN} or {zero}"


SHARE_KNOWN = (
    f"count({KNOWN}) / (count({POLLED}) + {PENDING_TARGETS})"
    f" * min({_SHARDS_THERE} / {_SHARDS_WANTED})"
)
"""The share of targets that are known; of missing shards it takes what they would have."""

ANSWER_AGE = f"time() - ({each('macie_poll_last_success_timestamp_seconds')} > 0)"
"""Seconds since each target's last answer; absent before the first."""

ACCOUNT_NAME = (
    "topk by (aws_account_id) (1, max by (aws_account_id, account_name)"
    f" ({fleet('macie_account_info', OF_ACCOUNT)}))"
)
"""One name for each account: during a rename there are two, which no join takes."""


def named(expr: str) -> str:
    """Put account_name beside aws_account_id; a series whose account has no name stays."""
    joined = f"({expr}) * on (aws_account_id) group_left (account_name) {ACCOUNT_NAME}"
    return f"{joined} or on (aws_account_id) ({expr})"


def reason(expr: str, text: str) -> str:
    """Return targets with the label `reason`, and value 1."""
    return f'label_replace(group by ({_T}) ({expr}), "reason", "{text}", "", "")'


_EXPORTERS = fleet("macie_exporter_build_info")


def ours(expr: str) -> str:
    """Keep of series that every job has (`process_*`, `scrape_*`) those of the exporters."""
    return f"{expr} and on ({', '.join(REPLICA)}) {_EXPORTERS}"


UP = f"({fleet('up')} and on (cluster, job) present_over_time({_EXPORTERS}[1d]))"
"""Scrapes of the jobs in which there was an exporter within a day, also where it is down."""

THROTTLING = "|".join(
    kind.code for kind in ERRORS.values() if kind.hint == ERRORS["ThrottlingException"].hint
)


def rate(metric: str, *matchers: str) -> str:
    """Return how fast a counter of the exporters grows, a second."""
    return f"rate({fleet(metric, *matchers)}[$__rate_interval])"
