"""The Account dashboard: one account over its regions."""

from dataclasses import replace

from grafana.board import METRICS, Board, Link, Panel, Query, Row, rows
from grafana.looks import (
    ADMINISTERED,
    CRITICAL,
    INFO,
    MACIE,
    OK,
    SUCCESS,
    WARNING,
    Meaning,
)
from grafana.panels import (
    ACCOUNT_UID,
    EXPORTER_UID,
    INVITATIONS_UID,
    absent_cell,
    board_link,
    cell,
    columns,
    field,
    listing,
    region_cell,
    states,
)
from grafana.promql import ANSWER_AGE, ERROR, KNOWN, each, invitations, named, status, untrusted
from grafana.promql import SUCCESS as POLL_SUCCESS
from grafana.shared import (
    ACCEPTED,
    ACCOUNT,
    AGES,
    BY_STATUS_OVER_TIME,
    CLUSTER,
    EXPORTER,
    INSTANCE,
    INVITATION_CELLS,
    JOB,
    LONGEST_WAITING,
    NEW_INVITATIONS,
    NEWEST,
    PENDING,
    QUESTIONS,
    REGION,
    STATUS,
    STRANGERS,
    UNANSWERING_TARGETS,
    UNTRUSTED_INVITATIONS,
)


def _by_region(expr: str) -> str:
    return f"sum by (aws_region) ({expr})"


_ADMINISTRATOR = "only with metrics.administrator.enabled"
_REGIONS = Panel(
    title="Its regions",
    description=(
        "What is known of the account in each region, and why the last poll failed where it did."
    ),
    queries=(
        rows(named(POLL_SUCCESS)),
        rows(f"max by (aws_region) ({KNOWN})"),
        rows(f"max by (aws_region) ({ANSWER_AGE})", "not before the first answer"),
        rows(_by_region(invitations(PENDING))),
        rows(_by_region(invitations(status("Enabled")))),
        rows(_by_region(untrusted(PENDING))),
        rows(_by_region(untrusted(ACCEPTED))),
        rows(f"max by (aws_region, error_code) ({ERROR})", "only while polls fail"),
        rows(f"max by (aws_region) ({each('macie_has_administrator')})", _ADMINISTRATOR),
        rows(
            "max by (aws_region, administrator_account_id)"
            f" ({each('macie_administrator_info', by=('administrator_account_id',))})",
            _ADMINISTRATOR,
        ),
    ),
    draw=listing,
    unit="short",
    overrides=(
        absent_cell("Name"),
        absent_cell("Error"),
        absent_cell("Administrator"),
        region_cell("$account"),
        cell("Administered", ADMINISTERED, unknown="not asked, or unknown"),
        cell("Last poll", SUCCESS),
        cell("Macie", MACIE),
        field("Age of the last answer", unit="dtdurations", decimals=0),
        *INVITATION_CELLS,
    ),
    transformations=columns(
        {
            "aws_region": "Region",
            "account_name": "Name",
            "Value #A": "Last poll",
            "error_code": "Error",
            "Value #C": "Age of the last answer",
            "Value #B": "Macie",
            "Value #I": "Administered",
            "administrator_account_id": "Administrator",
            "Value #D": "Waiting",
            "Value #E": "Enabled",
            "Value #F": "Unknown, asking",
            "Value #G": "Unknown, accepted",
        }
    ),
    runbooks=(
        "MacieTargetStale",
        "MacieAccessDenied",
        "MacieDisabled",
        "MacieWithoutAdministrator",
    ),
    width=24,
)

_STALE, _FAILING, _OFF, _ON = range(4)
_STATES = {
    _STALE: Meaning("no answer: unknown", CRITICAL),
    _FAILING: Meaning("last poll failed", WARNING),
    _OFF: Meaning("Macie is off", INFO),
    _ON: Meaning("ok", OK),
}

_HISTORY = Panel(
    title="Its regions over time",
    description=(
        "Whether each region answered, and whether Macie was on. A gap says that no exporter "
        "told anything."
    ),
    queries=(
        Query(
            "max by (aws_region) ("
            f"{_ON} * ({KNOWN} == 1) * ({POLL_SUCCESS} == 1)"
            f" or {_OFF} + ({KNOWN} == 0) * ({POLL_SUCCESS} == 1)"
            f" or {_FAILING} + ({POLL_SUCCESS} == 0) * {KNOWN} * 0"
            f" or {POLL_SUCCESS} == 0)",
            "{{aws_region}}",
        ),
    ),
    draw=states,
    unit="short",
    meanings=_STATES,
    steps=((None, CRITICAL), (_FAILING, WARNING), (_OFF, INFO), (_ON, OK)),
    runbooks=("MacieTargetStale",),
    width=24,
)

BOARD = Board(
    uid=ACCOUNT_UID,
    title="Macie: Account",
    description="The invitations of one account, over all its regions.",
    rows=(
        QUESTIONS,
        Row("Its regions", (_REGIONS, _HISTORY)),
        Row("Its invitations", (replace(STRANGERS, width=24), NEWEST, LONGEST_WAITING)),
        Row("Over time", (BY_STATUS_OVER_TIME, AGES, replace(UNANSWERING_TARGETS, width=24))),
    ),
    variables=(CLUSTER, JOB, INSTANCE, replace(ACCOUNT, multi=False), REGION, STATUS, EXPORTER),
    annotations=(NEW_INVITATIONS, UNTRUSTED_INVITATIONS),
    links=(
        board_link("Invitations", INVITATIONS_UID),
        board_link("Exporter", EXPORTER_UID),
        Link("Metrics", METRICS),
    ),
    since="now-7d",
    refresh="1m",
)
