"""The Invitations dashboard: who asks, who has not answered, what is lost, and is it true."""

from grafana import looks, panels, shared
from grafana import promql as q
from grafana.board import DOCS, Json, board, link, over_time, rows

_LOST = " or ".join(
    (
        q.reason(q.MACIE_OFF, "Macie is off"),
        q.reason(q.BROKEN, "relationship broken"),
        q.reason(q.GONE, "no longer polled"),
        f'label_replace({q.ERROR}, "reason", "last poll failed", "", "")',
    )
)
_LOST_ROWS = panels.listing(
    "Where coverage is lost, or out of sight",
    """Targets where Macie is off, whose administrator's relationship ended without another, that
    are no longer polled, or whose last poll failed, with the error code.""",
    rows(q.named(_LOST)),
    first="Reason",
    unit="string",
    unknown=shared.NO_ROWS,
    overrides=(
        panels.absent_cell("Name"),
        panels.absent_cell("Error"),
        panels.ACCOUNT_CELL,
        panels.region_cell(),
    ),
    columns=panels.TARGET | {"reason": "Reason", "error_code": "Error"},
    runbooks=("MacieDisabled", "MacieRelationshipBroken", "MacieTargetsLost", "MacieTargetStale"),
    width=24,
)


def _by_status_and(label: str, title: str, where: str) -> Json:
    """Make bars of the invitations listed now: one for each of a label's values."""
    listed = q.invitations(q.CHOSEN_STATUS)
    order = {"sort": [{"field": label, "desc": False}]}
    columns = {"columnField": "relationship_status", "valueField": "Value", "emptyValue": "null"}
    return panels.bars(
        title,
        f"Invitations of the chosen statuses that are listed now, {where}.",
        rows(f"sum by ({label}, relationship_status) ({listed}) > 0"),
        overrides=panels.BY_STATUS,
        transformations=(
            {"id": "sortBy", "options": order},
            {"id": "groupingToMatrix", "options": {"rowField": label, **columns}},
        ),
    )


_BY_REGION = _by_status_and("aws_region", "By region", "in each region")
_BY_AGE = _by_status_and("age_bucket", "By age", "in each age bucket, youngest first")

_UNTRUSTED_TREND = panels.trend(
    "Unknown inviters over time",
    """Invitations of accounts that are not trusted, in the targets that were known; “Targets
    without an answer” tells how many were not.""",
    over_time(f"sum({q.untrusted(shared.PENDING)}) or {q.ZERO_UNTRUSTED}", "asking"),
    over_time(f"sum({q.untrusted(shared.ACCEPTED)}) or {q.ZERO_UNTRUSTED}", "accepted"),
    unknown="trust is not configured, or unknown",
    steps=looks.ANY_IS_WARNING,
    overrides=panels.coloured({"asking": looks.WARNING, "accepted": looks.CRITICAL}),
    runbooks=("MacieUntrustedInvitation", "MacieUntrustedAdministrator"),
    points=shared.FEW_POINTS,
)


_ACCOUNTS = panels.listing(
    "By account",
    """Every account: its targets, how many of them are known, and its invitations. The account's
    id leads to that account over its regions.""",
    rows(q.named(f"count by (aws_account_id) ({q.POLLED})")),
    rows(f"count by (aws_account_id) ({q.KNOWN})"),
    rows(f"sum by (aws_account_id) ({q.invitations(shared.PENDING)})"),
    rows(f"sum by (aws_account_id) ({q.untrusted(shared.PENDING)})"),
    rows(f"sum by (aws_account_id) ({q.untrusted(shared.ACCEPTED)})"),
    rows(f"sum by (aws_account_id) ({q.invitations(q.CHOSEN_STATUS)})"),
    first="Waiting",
    overrides=(panels.absent_cell("Name"), panels.ACCOUNT_CELL, *shared.INVITATION_CELLS),
    columns={
        "account_name": "Name",
        "aws_account_id": "Account",
        "Value #C": "Waiting",
        "Value #D": "Unknown, asking",
        "Value #E": "Unknown, accepted",
        "Value #F": "Of the chosen statuses",
        "Value #A": "Targets",
        "Value #B": "Targets known",
    },
    width=24,
    height=10,
)

BOARD = board(
    "Invitations",
    "Who asks to become the Macie administrator of this organization's accounts, who has not "
    "answered, where coverage is lost, and whether the numbers can be believed.",
    rows={
        "Who is not trusted": (shared.STRANGERS, shared.TOLD_WHO_MAY_INVITE),
        "The four questions": shared.QUESTIONS,
        "Who asks, and what is lost": (shared.NEWEST, shared.LONGEST_WAITING, _LOST_ROWS),
        "By account, region, status and age": (_ACCOUNTS, _BY_REGION, _BY_AGE),
        "Over time": (
            shared.BY_STATUS_OVER_TIME,
            shared.AGES,
            _UNTRUSTED_TREND,
            shared.UNANSWERING_TARGETS,
        ),
    },
    variables=(*shared.EXPORTERS, shared.account(), shared.REGION, shared.STATUS, shared.PAGES),
    annotations=(shared.NEW_INVITATIONS, shared.UNTRUSTED_INVITATIONS),
    beside=("Account", "Exporter"),
    explained=link("Metrics", f"{DOCS}/metrics.md"),
)
