"""The Account dashboard: one account over its regions."""

from grafana import looks, panels, shared
from grafana import promql as q
from grafana.board import DOCS, board, link, over_time, rows

_ADMINISTRATOR = q.each("macie_administrator_info", by=("administrator_account_id",))
_REGIONS = panels.listing(
    "Its regions",
    "What is known of the account in each region, and why the last poll failed where it did.",
    rows(q.named(q.SUCCESS)),
    rows(f"max by (aws_region) ({q.KNOWN})"),
    rows(f"max by (aws_region) ({q.ANSWER_AGE})"),
    rows(f"sum by (aws_region) ({q.invitations(shared.PENDING)})"),
    rows(f"sum by (aws_region) ({q.invitations(q.status('Enabled'))})"),
    rows(f"sum by (aws_region) ({q.untrusted(shared.PENDING)})"),
    rows(f"sum by (aws_region) ({q.untrusted(shared.ACCEPTED)})"),
    rows(f"max by (aws_region, error_code) ({q.ERROR})"),
    rows(f"max by (aws_region) ({q.each('macie_has_administrator')})"),
    rows(f"max by (aws_region, administrator_account_id) ({_ADMINISTRATOR})"),
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
    columns={
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
    },
    runbooks=(
        "MacieTargetStale",
        "MacieAccessDenied",
        "MacieDisabled",
        "MacieWithoutAdministrator",
    ),
    width=24,
)

_STALE, _FAILING, _OFF, _ON = range(4)
_HISTORY = panels.states(
    "Its regions over time",
    """Whether each region answered, and whether Macie was on. A gap says that no exporter told
    anything.""",
    over_time(
        "max by (aws_region) ("
        f"{_ON} * ({q.KNOWN} == 1) * ({q.SUCCESS} == 1)"
        f" or {_OFF} + ({q.KNOWN} == 0) * ({q.SUCCESS} == 1)"
        f" or {_FAILING} + ({q.SUCCESS} == 0) * {q.KNOWN} * 0"
        f" or {q.SUCCESS} == 0)",
        "{{aws_region}}",
    ),
    meanings={
        _STALE: ("no answer: unknown", looks.CRITICAL),
        _FAILING: ("last poll failed", looks.WARNING),
        _OFF: ("Macie is off", looks.INFO),
        _ON: ("ok", looks.OK),
    },
    steps=((None, looks.CRITICAL), (_FAILING, looks.WARNING), (_OFF, looks.INFO), (_ON, looks.OK)),
    runbooks=("MacieTargetStale",),
    width=24,
)

BOARD = board(
    "Account",
    "The invitations of one account, over all its regions.",
    rows={
        "The four questions": shared.QUESTIONS,
        "Its regions": (_REGIONS, _HISTORY),
        "Its invitations": (panels.wide(shared.STRANGERS), shared.NEWEST, shared.LONGEST_WAITING),
        "Over time": (
            shared.BY_STATUS_OVER_TIME,
            shared.AGES,
            panels.wide(shared.UNANSWERING_TARGETS),
        ),
    },
    variables=(
        *shared.EXPORTERS,
        shared.account(multi=False),
        shared.REGION,
        shared.STATUS,
        shared.PAGES,
    ),
    annotations=(shared.NEW_INVITATIONS, shared.UNTRUSTED_INVITATIONS),
    beside=("Invitations", "Exporter"),
    explained=link("Metrics", f"{DOCS}/metrics.md"),
)
