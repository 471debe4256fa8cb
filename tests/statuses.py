"""Everything that pages show, made by hand."""

from collections.abc import Iterable, Mapping

from exporter.configuration import trust_from
from exporter.exposition.fleet import Reload, WebConfig
from exporter.model import (
    Account,
    Administrator,
    Answer,
    Failure,
    Inventory,
    Invitation,
    PollResult,
    Target,
    Trust,
)
from exporter.settings import Settings
from exporter.state import Snapshot, TargetRecord
from exporter.web.status import Status

NOW = 1_700_000_000.0
MINUTE = 60.0
DAY = 86_400.0

PAYMENTS = Account("111122223333", "payments", regions=("eu-west-1", "us-east-1"))
AUDIT = Account("000000000042", "audit", regions=("eu-west-1",))


def invited(
    status: str = "Invited", age: float = DAY, inviter: str = "999988887777", name: str = "i1"
) -> Invitation:
    """Make an invitation that is so many seconds old."""
    return Invitation(inviter, name, status, NOW - age)


def answered(*invitations: Invitation, administrator: Administrator | None = None) -> Answer:
    """Make an answer that lists invitations."""
    return Answer(enabled=True, invitations=invitations, administrator=administrator)


def status(
    *accounts: Account,
    polls: Mapping[Target, Iterable[Answer | Failure]] | None = None,
    settings: Settings | None = None,
    inventory: Inventory | None = None,
    refused: str = "",
    lag: float = 0.0,
    healthy: bool = True,
    web: WebConfig | None = None,
    trust: Trust | None = None,
    names: Mapping[str, str] | None = None,
) -> Status:
    """Say what is known of accounts whose targets were polled, a minute apart, with outcomes."""
    snapshot = snapshot_of(accounts, polls or {})
    named = names or {account.id: account.name for account in accounts if account.name}
    return Status(
        now=NOW,
        settings=settings
        or Settings.model_validate({"metrics": {"administrator": {"enabled": True}}}),
        known=snapshot.all(),
        accounts={account.id: account for account in accounts},
        due={record.target: NOW + MINUTE for record in snapshot.all()},
        inventory=inventory or Inventory(accounts, named, last_success=NOW),
        reload=Reload(last_success=NOW - DAY, config_hash=42.0, refusal=refused),
        lag=lag,
        healthy=healthy,
        web=web,
        trust=trust or trust_from(settings or Settings()),
    )


def snapshot_of(
    accounts: Iterable[Account], polls: Mapping[Target, Iterable[Answer | Failure]]
) -> Snapshot:
    """Know targets that were polled, a minute apart and the last a minute ago."""
    snapshot = Snapshot()
    targets = (target for account in accounts for target in account.targets())
    snapshot.change((), map(TargetRecord, targets))
    for target, outcomes in polls.items():
        listed = list(outcomes)
        for number, outcome in enumerate(listed):
            ended = NOW - MINUTE * (len(listed) - number)
            snapshot.record(PollResult(target, ended, 0.25, outcome))
    return snapshot
