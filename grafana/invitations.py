"""The Invitations dashboard: who asks, who has not answered, what is lost, and is it true."""

from grafana.board import METRICS, Board, Link, Panel, Query, Row, rows
from grafana.looks import ANY_IS_WARNING, CRITICAL, WARNING
from grafana.panels import (
    ACCOUNT_UID,
    BY_STATUS,
    EXPORTER_UID,
    INVITATIONS_UID,
    absent_cell,
    account_cell,
    bars,
    board_link,
    coloured,
    columns,
    matrix,
    region_cell,
    sorted_listing,
    trend,
)
from grafana.promql import (
    BROKEN,
    CHOSEN_STATUS,
    ERROR,
    GONE,
    KNOWN,
    MACIE_OFF,
    POLLED,
    ZERO_UNTRUSTED,
    invitations,
    named,
    reason,
    untrusted,
)
from grafana.shared import (
    ACCEPTED,
    ACCOUNT,
    AGES,
    BY_STATUS_OVER_TIME,
    CLUSTER,
    EVENTUALLY,
    EXPORTER,
    FEW_POINTS,
    INSTANCE,
    INVITATION_CELLS,
    JOB,
    LONGEST_WAITING,
    NEW_INVITATIONS,
    NEWEST,
    NO_ROWS,
    PENDING,
    QUESTIONS,
    REGION,
    STATUS,
    STRANGERS,
    TOLD_WHO_MAY_INVITE,
    UNANSWERING_TARGETS,
    UNTRUSTED_INVITATIONS,
)

_LOST_ROWS = Panel(
    title="Where coverage is lost, or out of sight",
    description=(
        "Targets where Macie is off, whose administrator's relationship ended without another, "
        "that are no longer polled, or whose last poll failed, with the error code."
    ),
    queries=(
        rows(
            named(
                " or ".join(
                    (
                        reason(MACIE_OFF, "Macie is off"),
                        reason(BROKEN, "relationship broken"),
                        reason(GONE, "no longer polled"),
                        f'label_replace({ERROR}, "reason", "last poll failed", "", "")',
                    )
                )
            ),
            EVENTUALLY,
        ),
    ),
    draw=lambda: sorted_listing("Reason"),
    unit="string",
    unknown=NO_ROWS,
    overrides=(
        absent_cell("Name"),
        absent_cell("Error"),
        account_cell("Account"),
        region_cell(),
    ),
    transformations=columns(
        {
            "account_name": "Name",
            "aws_account_id": "Account",
            "aws_region": "Region",
            "reason": "Reason",
            "error_code": "Error",
        }
    ),
    runbooks=("MacieDisabled", "MacieRelationshipBroken", "MacieTargetsLost", "MacieTargetStale"),
    width=24,
)


def _by_status_and(label: str, title: str, where: str) -> Panel:
    """Make bars of the invitations listed now: one for each of a label's values."""
    listed = invitations(CHOSEN_STATUS)
    return Panel(
        title=title,
        description=f"Invitations of the chosen statuses that are listed now, {where}.",
        queries=(rows(f"sum by ({label}, relationship_status) ({listed}) > 0", EVENTUALLY),),
        draw=bars,
        unit="short",
        colour="palette-classic-by-name",
        overrides=BY_STATUS,
        transformations=matrix(label, "relationship_status"),
    )


_BY_REGION = _by_status_and("aws_region", "By region", "in each region")
_BY_AGE = _by_status_and("age_bucket", "By age", "in each age bucket, youngest first")

_UNTRUSTED_TREND = Panel(
    title="Unknown inviters over time",
    description=(
        "Invitations of accounts that are not trusted, in the targets that were known; “Targets "
        "without an answer” tells how many were not."
    ),
    queries=(
        Query(f"sum({untrusted(PENDING)}) or {ZERO_UNTRUSTED}", "asking"),
        Query(f"sum({untrusted(ACCEPTED)}) or {ZERO_UNTRUSTED}", "accepted"),
    ),
    draw=trend,
    unit="short",
    unknown="trust is not configured, or unknown",
    steps=ANY_IS_WARNING,
    colour="palette-classic-by-name",
    overrides=coloured({"asking": WARNING, "accepted": CRITICAL}),
    runbooks=("MacieUntrustedInvitation", "MacieUntrustedAdministrator"),
    points=FEW_POINTS,
)


def _by_account(expr: str) -> str:
    return f"sum by (aws_account_id) ({expr})"


_ACCOUNTS = Panel(
    title="By account",
    description=(
        "Every account: its targets, how many of them are known, and its invitations. The "
        "account's id leads to that account over its regions."
    ),
    queries=(
        rows(named(f"count by (aws_account_id) ({POLLED})")),
        rows(f"count by (aws_account_id) ({KNOWN})"),
        rows(_by_account(invitations(PENDING))),
        rows(_by_account(untrusted(PENDING))),
        rows(_by_account(untrusted(ACCEPTED))),
        rows(_by_account(invitations(CHOSEN_STATUS))),
    ),
    draw=lambda: sorted_listing("Waiting"),
    unit="short",
    overrides=(
        absent_cell("Name"),
        account_cell("Account"),
        *INVITATION_CELLS,
    ),
    transformations=columns(
        {
            "account_name": "Name",
            "aws_account_id": "Account",
            "Value #C": "Waiting",
            "Value #D": "Unknown, asking",
            "Value #E": "Unknown, accepted",
            "Value #F": "Of the chosen statuses",
            "Value #A": "Targets",
            "Value #B": "Targets known",
        }
    ),
    width=24,
    height=10,
)

BOARD = Board(
    uid=INVITATIONS_UID,
    title="Macie: Invitations",
    description=(
        "Who asks to become the Macie administrator of this organization's accounts, who has not "
        "answered, where coverage is lost, and whether the numbers can be believed."
    ),
    rows=(
        Row("Who is not trusted", (STRANGERS, TOLD_WHO_MAY_INVITE)),
        QUESTIONS,
        Row(
            "Who asks, and what is lost",
            (NEWEST, LONGEST_WAITING, _LOST_ROWS),
        ),
        Row("By account, region, status and age", (_ACCOUNTS, _BY_REGION, _BY_AGE)),
        Row(
            "Over time",
            (BY_STATUS_OVER_TIME, AGES, _UNTRUSTED_TREND, UNANSWERING_TARGETS),
        ),
    ),
    variables=(CLUSTER, JOB, INSTANCE, ACCOUNT, REGION, STATUS, EXPORTER),
    annotations=(NEW_INVITATIONS, UNTRUSTED_INVITATIONS),
    links=(
        board_link("Account", ACCOUNT_UID),
        board_link("Exporter", EXPORTER_UID),
        Link("Metrics", METRICS),
    ),
    since="now-7d",
    refresh="1m",
)
