"""What the dashboards have in common: the four questions, choices, annotations, some panels."""

from functools import partial

from exporter.model import PENDING_STATUSES
from grafana import looks, panels
from grafana import promql as q
from grafana.board import Json, annotation, choice, now, over_time, rows, text

PENDING = q.status(*PENDING_STATUSES)
ACCEPTED = q.status(*q.ACCEPTED_STATUSES)

INVITATION_CELLS = (
    panels.cell("Waiting", steps=looks.ANY_IS_INFO),
    panels.cell("Unknown, asking", steps=looks.ANY_IS_WARNING),
    panels.cell("Unknown, accepted", steps=looks.ANY_IS_CRITICAL),
)
"""The columns of a table that count invitations: a colour means the same in each."""

FEW_POINTS = 200
"""For what reads every series of macie_invitations: with 20,000 targets and metrics.zero_fill
invited 20 million samples a query, of the 50 million that Prometheus allows by default."""

NO_ROWS = "no rows: none, or unknown; the questions above tell which"

_GONE = f"count({q.GONE})"
_OLDEST = q.each("macie_invitation_oldest_timestamp_seconds", PENDING, by=("relationship_status",))
_NEWEST = q.each("macie_invitation_newest_timestamp_seconds", PENDING, by=("relationship_status",))

_SOME_UNKNOWN = (
    "A number counts what is known. "
    "“none seen, some unknown” says that some targets have not answered, or shards are missing; "
    "“unknown” that none has."
)


def _unknown_inviters(statuses: str) -> str:
    return f"{q.honest(f'sum({q.untrusted(statuses)})', q.ZERO_UNTRUSTED)} or {q.UNTOLD}"


_question = partial(panels.number, width=6, height=6)

UNKNOWN_INVITERS = _question(
    "Is someone unknown our administrator, or asking?",
    f"""Invitations of accounts that are not trusted: *asking* are those without an answer,
    *accepted* those whose sender sees this organization's findings (Enabled, Paused). “trust is
    not configured” says that neither metrics.trusted_inviters nor metrics.trust_organization is
    set: then nobody can be told as unknown. *not named* counts inviters that
    metrics.max_inviter_series leaves out of the table of them. {_SOME_UNKNOWN}""",
    now(_unknown_inviters(PENDING), "asking"),
    now(_unknown_inviters(ACCEPTED), "accepted"),
    now(f"sum({q.fleet('macie_untrusted_inviter_series_dropped')})", "not named"),
    steps=looks.ANY_IS_WARNING,
    meanings=looks.NONE,
    overrides=(panels.query("B", steps=looks.ANY_IS_CRITICAL),),
    runbooks=("MacieUntrustedInvitation", "MacieUntrustedAdministrator"),
    least=None,
)

UNANSWERED = _question(
    "Who has not answered?",
    f"""Invitations that wait for an answer (Invited, Created, EmailVerificationInProgress), of
    trusted inviters as well, and how long the oldest has waited. {_SOME_UNKNOWN}""",
    now(q.honest(f"sum({q.invitations(PENDING)})"), "waiting"),
    now(q.honest(f"time() - min({_OLDEST})"), "longest"),
    steps=looks.ANY_IS_INFO,
    meanings=looks.NONE,
    overrides=(panels.query("B", unit="dtdurations", decimals=1, steps=looks.PENDING_AGE),),
    runbooks=("MacieInvitationPending",),
    least=None,
)

LOST_COVERAGE = _question(
    "Where have we lost coverage?",
    f"""Targets (an account in a region) in which Macie is off; in which an administrator's
    relationship ended or never came about (Paused, Removed, Resigned, EmailVerificationFailed,
    RegionDisabled, AccountSuspended) and no other is Enabled; and which were polled a day ago
    and no longer are: closed accounts, or a narrower configuration; “not known yet” where
    nothing was polled a day ago. {_SOME_UNKNOWN}""",
    now(q.honest(f"count({q.MACIE_OFF})"), "Macie is off"),
    now(q.honest(f"count({q.BROKEN})"), "relationship broken"),
    now(
        f"{q.honest(f'count({q.GONE})', q.ZERO_GONE)} or {q.ZERO} + {q.NOT_YET}", "no longer polled"
    ),
    steps=looks.ANY_IS_WARNING,
    meanings=looks.NONE,
    # As not_enabled is elsewhere: where Macie was on before, an alert says so.
    overrides=(panels.query("A", steps=looks.ANY_IS_INFO),),
    runbooks=("MacieDisabled", "MacieRelationshipBroken", "MacieTargetsLost"),
    least=None,
)

BELIEVABLE = _question(
    "Can I believe these numbers?",
    """The share of targets of which everything here is known, those that were not polled yet and
    what missing shards would have counted as unknown; and the age of the oldest answer that is
    still shown, which the exporter drops after poll.stale_after.""",
    now(q.SHARE_KNOWN, "of the targets known"),
    now(f"max(({q.ANSWER_AGE}) and {q.each('macie_enabled')})", "oldest answer shown"),
    unit="percentunit",
    steps=looks.SHARE,
    overrides=(
        panels.query("A", decimals=1),
        panels.query("B", unit="dtdurations", decimals=0, steps=((None, looks.INFO),)),
    ),
    runbooks=("MacieTargetStale", "MacieTargetsFailing", "MacieShardMissing", "MacieExporterDown"),
)

QUESTIONS = (UNKNOWN_INVITERS, UNANSWERED, LOST_COVERAGE, BELIEVABLE)

_FORMER = q.status(*sorted({*q.BROKEN_STATUSES} - {*q.ACCEPTED_STATUSES}))
_STRANGERS = {
    "is administrator, says Macie": f"topk(200, {q.administrators_in_fact()})",
    "is administrator": f"topk(200, {q.inviters(ACCEPTED)}) * 1000",
    "asks": f"topk(200, {q.inviters(PENDING)}) * 1000",
    "asked before": f"topk(200, {q.inviters(_FORMER)}) * 1000",
}
"""What an unknown inviter is to an account; the gravest sorts last."""
_IS = [f'label_replace({expr}, "is", "{role}", "", "")' for role, expr in _STRANGERS.items()]

STRANGERS = panels.listing(
    "Unknown inviters and administrators",
    """Who is not trusted and asks to become the Macie administrator of an account, or is it
    (Enabled, Paused): whom, where, in which status, and since when its oldest invitation is
    there. Where Macie was asked, also who administers an account in fact, with an invitation or
    without. Administrators stand first; the 200 newest of each. The account's id leads to that
    account, the region to the exporter's page of the target.""",
    rows(q.named(" or ".join(_IS))),
    first="Is",
    unit="dateTimeAsIso",
    unknown="no rows: nobody, unknown, or trust is not configured",
    overrides=(
        *panels.TARGET_CELLS,
        panels.status_cell("Status"),
        panels.cell("Since", {0: ("not said", looks.UNKNOWN)}),
    ),
    columns={
        "inviter_account_id": "Who",
        "is": "Is",
        "relationship_status": "Status",
        **panels.TARGET,
        "Value": "Since",
    },
    runbooks=("MacieUntrustedInvitation", "MacieUntrustedAdministrator"),
    width=18,
)
TOLD_WHO_MAY_INVITE = panels.number(
    "Is it told who may invite?",
    """Whether metrics.trusted_inviters or metrics.trust_organization is set everywhere. Where
    neither is, nobody is shown as unknown, and the alerts about strangers never fire.""",
    now(q.TRUST, "trust configured"),
    steps=looks.ANY_IS_WARNING,
    meanings=looks.TOLD,
    runbooks=("MacieTrustNotConfigured",),
    width=6,
)

LONGEST_WAITING = panels.listing(
    "Waiting longest for an answer",
    """The oldest invitation without an answer of each account, region and status; the 50 oldest.
    The account's id leads to that account.""",
    rows(q.named(f"bottomk(50, {_OLDEST}) * 1000")),
    rows(f"topk(50, time() - {_OLDEST})"),
    first="Waiting",
    unknown=NO_ROWS,
    overrides=(
        panels.field("Sent", unit="dateTimeAsIso"),
        panels.cell("Waiting", steps=looks.PENDING_AGE, unit="dtdurations", decimals=1),
        *panels.TARGET_CELLS,
        panels.status_cell("Status"),
    ),
    columns=panels.TARGET
    | {"relationship_status": "Status", "Value #A": "Sent", "Value #B": "Waiting"},
    runbooks=("MacieInvitationPending",),
)

SENT = q.each(
    "macie_invitation_timestamp_seconds",
    q.CHOSEN_STATUS,
    by=("invitation_id", "inviter_account_id", "relationship_status"),
)
NEWEST = panels.listing(
    "Newest invitations, and who sent them",
    """The 50 newest invitations of the chosen statuses with their senders. Needs
    metrics.per_invitation.enabled, whose max_series keeps the newest.""",
    rows(q.named(f"topk(50, {SENT}) * 1000")),
    first="Sent",
    unit="dateTimeAsIso",
    unknown="no rows: none, unknown, or metrics.per_invitation is off",
    overrides=(*panels.TARGET_CELLS, panels.status_cell("Status")),
    columns={
        "Value": "Sent",
        "inviter_account_id": "Inviter",
        "relationship_status": "Status",
        **panels.TARGET,
        "invitation_id": "Invitation",
    },
)


def _listed_by(label: str) -> Json:
    listed = q.invitations(q.CHOSEN_STATUS)
    return over_time(f"sum by ({label}) ({listed})", f"{{{{{label}}}}}")


BY_STATUS_OVER_TIME = panels.trend(
    "Invitations by status",
    """How many invitations of the chosen statuses were listed. A gap says that nothing was known;
    a dip at the time of one in “Targets without an answer” that less was.""",
    _listed_by("relationship_status"),
    overrides=panels.BY_STATUS,
    points=FEW_POINTS,
)

AGES = panels.ages(
    "Ages of invitations",
    """How many invitations of the chosen statuses are in each age bucket, the youngest at the
    bottom. The buckets are those of metrics.age_buckets, in their order.""",
    _listed_by("age_bucket"),
    points=FEW_POINTS,
)

UNANSWERING_TARGETS = panels.trend(
    "Targets without an answer",
    """Targets that were polled and of which nothing is known any more. What the other panels show
    is without them. No line where there is none.""",
    over_time(f"count({q.NO_ANSWER}) or {q.ZERO}", "without an answer"),
    over_time(f"count({q.ERROR})", "last poll failed"),
    steps=looks.ANY_IS_WARNING,
    overrides=panels.coloured(
        {"without an answer": looks.CRITICAL, "last poll failed": looks.WARNING}
    ),
    runbooks=("MacieTargetStale", "MacieTargetsFailing"),
)

PAGES = text(
    "exporter",
    "Exporter's pages",
    "Where the exporter's own pages are reached, for the links to a target's page.",
    "http://localhost:10058",
)
EXPORTERS = (
    choice(
        "cluster",
        "Where Prometheus or its peers add the label cluster; else there is nothing to choose.",
        "label_values(macie_exporter_build_info, cluster)",
        all_value=".*",
    ),
    choice(
        "job",
        "Prometheus' jobs that scrape an exporter.",
        'label_values(macie_exporter_build_info{cluster=~"$cluster"}, job)',
    ),
    choice(
        "instance",
        "Running exporters. One of several shards knows only its part of the accounts: what the "
        "others know then counts as unknown.",
        'label_values(macie_exporter_build_info{cluster=~"$cluster", job=~"$job"}, instance)',
    ),
)
"""Which exporters are asked."""
account = partial(
    choice,
    "account",
    "Accounts that receive invitations, by name.",
    f"query_result(max by (account_name, aws_account_id) ({q.fleet('macie_account_info')}))",
    regex='/(?:account_name="(?<text>[^"]*)".*)?aws_account_id="(?<value>[^"]*)"/',
)
REGION = choice(
    "region",
    "Regions that are polled.",
    f"label_values({q.fleet('macie_poll_timestamp_seconds', q.OF_ACCOUNT)}, aws_region)",
)
STATUS = choice(
    "status",
    "Statuses of invitations. The four questions ask of statuses of their own.",
    f"label_values({q.targets('macie_invitations')}, relationship_status)",
)

NEW_INVITATIONS = annotation(
    "New invitations",
    q.named(f"{_NEWEST} * 1000"),
    title="Invitation in {{aws_region}}",
    text="{{account_name}} {{aws_account_id}}: {{relationship_status}}",
    colour=looks.INFO,
    tags=("aws_account_id", "aws_region", "relationship_status"),
    at_value=True,
)
UNTRUSTED_INVITATIONS = annotation(
    "Untrusted invitations",
    q.named(f"sum by (aws_account_id, aws_region) ({q.untrusted(PENDING)}) > 0"),
    title="An unknown account is asking, in {{aws_region}}",
    text="{{account_name}} {{aws_account_id}}",
    colour=looks.WARNING,
    tags=("aws_account_id", "aws_region"),
)
