"""The Account dashboard: one account over its regions."""

from dataclasses import replace

from grafana import looks, panels, shared
from grafana import promql as q
from grafana.board import METRICS, Board, Link, Query, Row, rows


def _by_region(expr: str) -> str:
    return f"sum by (aws_region) ({expr})"


_ADMINISTRATOR = "only with metrics.administrator.enabled"
_REGIONS = panels.listing(
    "Its regions",
    "What is known of the account in each region, and why the last poll failed where it did.",
    rows(q.named(q.SUCCESS)),
    rows(f"max by (aws_region) ({q.KNOWN})"),
    rows(f"max by (aws_region) ({q.ANSWER_AGE})", "not before the first answer"),
    rows(_by_region(q.invitations(shared.PENDING))),
    rows(_by_region(q.invitations(q.status("Enabled")))),
    rows(_by_region(q.untrusted(shared.PENDING))),
    rows(_by_region(q.untrusted(shared.ACCEPTED))),
    rows(f"max by (aws_region, error_code) ({q.ERROR})", "only while polls fail"),
    rows(f"max by (aws_region) ({q.each('macie_has_administrator')})", _ADMINISTRATOR),
    rows(
        "max by (aws_region, administrator_account_id)"
        f" ({q.each('macie_administrator_info', by=('administrator_account_id',))})",
        _ADMINISTRATOR,
    ),
    overrides=(
        panels.absent_cell("Name"),
        panels.absent_cell("Error"),
        panels.absent_cell("Administrator"),
        panels.region_cell("$account"),
        panels.cell("Administered", looks.ADMINISTERED, unknown="not asked, or unknown"),
        panels.cell("Last poll", looks.SUCCESS),
        panels.cell("Macie", looks.MACIE),
        panels.field("Age of the last answer", unit="dtdurations", decimals=0),
        *shared.INVITATION_CELLS,
    ),
    transformations=panels.columns(
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
    _STALE: looks.Meaning("no answer: unknown", looks.CRITICAL),
    _FAILING: looks.Meaning("last poll failed", looks.WARNING),
    _OFF: looks.Meaning("Macie is off", looks.INFO),
    _ON: looks.Meaning("ok", looks.OK),
}

_HISTORY = panels.states(
    "Its regions over time",
    """Whether each region answered, and whether Macie was on. A gap says that no exporter told
    anything.""",
    Query(
        "max by (aws_region) ("
        f"{_ON} * ({q.KNOWN} == 1) * ({q.SUCCESS} == 1)"
        f" or {_OFF} + ({q.KNOWN} == 0) * ({q.SUCCESS} == 1)"
        f" or {_FAILING} + ({q.SUCCESS} == 0) * {q.KNOWN} * 0"
        f" or {q.SUCCESS} == 0)",
        "{{aws_region}}",
    ),
    meanings=_STATES,
    steps=((None, looks.CRITICAL), (_FAILING, looks.WARNING), (_OFF, looks.INFO), (_ON, looks.OK)),
    runbooks=("MacieTargetStale",),
    width=24,
)

_ACCOUNT = replace(shared.ACCOUNT, multi=False)

BOARD = Board(
    uid=panels.ACCOUNT_UID,
    title="Macie: Account",
    description="The invitations of one account, over all its regions.",
    rows=(
        shared.QUESTIONS,
        Row("Its regions", (_REGIONS, _HISTORY)),
        Row(
            "Its invitations",
            (replace(shared.STRANGERS, width=24), shared.NEWEST, shared.LONGEST_WAITING),
        ),
        Row(
            "Over time",
            (
                shared.BY_STATUS_OVER_TIME,
                shared.AGES,
                replace(shared.UNANSWERING_TARGETS, width=24),
            ),
        ),
    ),
    variables=(*shared.EXPORTERS, _ACCOUNT, shared.REGION, shared.STATUS, shared.PAGES),
    annotations=(shared.NEW_INVITATIONS, shared.UNTRUSTED_INVITATIONS),
    links=(
        panels.board_link("Invitations", panels.INVITATIONS_UID),
        panels.board_link("Exporter", panels.EXPORTER_UID),
        Link("Metrics", METRICS),
    ),
    since="now-7d",
    refresh="1m",
)
