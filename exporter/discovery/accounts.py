"""Which accounts there are to poll, by the settings and by what AWS last said. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exporter.model import Account, Member, Target
from exporter.settings import Settings
from exporter.sharding import shard_of

_AT_A_TIME = 64
"""Accounts whose targets are looked at in one go: milliseconds."""


@dataclass(slots=True)
class Known:
    """What AWS last said: it stays when a refresh fails, or the configuration changes."""

    identity: str = ""
    """Whose the exporter's own credentials are."""
    units: dict[str, tuple[Member, ...]] = field(default_factory=dict)
    """Accounts by unit; by no name, of the whole organization."""
    organization: tuple[Member, ...] | None = None
    """All accounts of the organization; None while not known."""
    regions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By account id."""
    tags: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Values of `metrics.account_labels` in Organizations, by account id."""

    def members(self) -> Mapping[str, Member]:
        """Return the accounts known, by id: one may be under several of the units."""
        listed = (*self.units.values(), self.organization or ())
        return {member.id: member for members in listed for member in members}

    def polled_members(self, units: tuple[str, ...] = ()) -> Mapping[str, Member]:
        """Return those in use under some units, or under all while one is not known, by id."""
        wanted = units or ("",)
        known = wanted if self.units.keys() >= {*wanted} else self.units
        listed = (member for unit in known for member in self.units[unit])
        return {member.id: member for member in listed if member.is_active}


def accounts_of(settings: Settings, known: Known, default: tuple[str, ...]) -> list[Account]:
    """Return this shard's accounts; `default` are the regions of those without any of their own."""
    shard = settings.shard
    mine = (
        account
        for account in _accounts(settings, known, default)
        if shard_of(account.id, shard.total) == shard.index
    )
    return labelled(mine, settings, known)


def _accounts(settings: Settings, known: Known, default: tuple[str, ...]) -> Iterator[Account]:
    """Return every account, configured ones first: they win over discovered ones."""
    organization = settings.aws.organization
    members = known.polled_members(organization.include_ous if organization else ())
    configured = {account.id for account in settings.aws.accounts}
    for account in settings.aws.accounts:
        name = account.name or (members[account.id].name if account.id in members else "")
        yield Account(account.id, name, account.role, account.regions or default)
    if organization is not None:
        for member in members.values():
            if member.id not in configured and member.id not in organization.exclude_accounts:
                is_own = member.id == known.identity
                role = None if is_own else organization.role_in(member.id)
                yield Account(member.id, member.name, role, default)
    elif not configured and known.identity:
        yield Account(known.identity, regions=default)


def labelled(accounts: Iterable[Account], settings: Settings, known: Known) -> list[Account]:
    """Return accounts with their labels: those configured, else the tags, of the keys wanted."""
    keys = settings.metrics.account_labels
    written = {account.id: account.labels for account in settings.aws.accounts}

    def with_labels(account: Account) -> Account:
        found = {**known.tags.get(account.id, {}), **written.get(account.id, {})}
        labels = {key: found[key] for key in keys if key in found}
        return account if labels == account.labels else replace(account, labels=labels)

    return [with_labels(account) for account in accounts]


def names_of(settings: Settings, known: Known) -> Mapping[str, str]:
    """Return the names of all accounts that have one, polled or not, by id."""
    listed = {member.id: member.name for member in known.members().values()}
    configured = {account.id: account.name for account in settings.aws.accounts if account.name}
    return {account_id: name for account_id, name in {**listed, **configured}.items() if name}


def differences(
    before: Mapping[str, Account], after: Mapping[str, Account]
) -> Iterator[tuple[Sequence[Target], Sequence[Target]]]:
    """Yield the targets that are gone and those that are new, a few accounts at a time.

    What is found comes in hundreds of parts where each account is asked for its regions: an
    account that stays as it was costs a comparison each time, and not its targets.
    """
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    for start in range(0, len(changed), _AT_A_TIME):
        part = changed[start : start + _AT_A_TIME]
        gone, new = ([of[key] for key in part if key in of] for of in (before, after))
        yield _beyond(gone, new), _beyond(new, gone)


def _beyond(accounts: Sequence[Account], others: Sequence[Account]) -> list[Target]:
    """Return the targets of accounts that are not targets of others."""
    known = {target for account in others for target in account.targets()}
    listed = dict.fromkeys(target for account in accounts for target in account.targets())
    return [target for target in listed if target not in known]
