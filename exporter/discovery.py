"""Which targets exist: configured accounts, Organizations' members, regions, this shard's part.

Knows no threads and no boto3. Keeps what it last found: a failed refresh loses nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from exporter.errors import NO_SUCH_UNIT, hint_of
from exporter.log import Log
from exporter.model import DEFAULT_REGIONS, Account, AwsError, Failure, Inventory, Role
from exporter.settings import AccountSettings, Settings
from exporter.settings.fields import AUTO
from exporter.sharding import shard_of

_AUTO = (AUTO,)
_BATCH = 64
"""Accounts whose regions are asked for before what is known so far is handed on."""


class Member(Protocol):
    """An active account of the organization."""

    @property
    def id(self) -> str:
        """Give the account's id."""

    @property
    def name(self) -> str:
        """Give the account's name."""


class Directory(Protocol):
    """Knows the organization's accounts and each account's regions. Raises AwsError."""

    def members(self, units: tuple[str, ...], deadline: float) -> Sequence[Member]:
        """List the active accounts under some organizational units, or all."""

    def regions(self, account: Account, deadline: float) -> tuple[str, ...]:
        """List the regions with Macie that an account has enabled."""


WhoAmI = Callable[[float], str]
"""Gives the account of the own credentials before a monotonic deadline; raises AwsError."""

InParallel = Callable[
    [Callable[[Account], tuple[str, ...] | Failure], Sequence[Account]],
    Iterable[tuple[str, ...] | Failure],
]
"""Maps a function over accounts, several at once, results in order."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be polled as far as is known; `complete` once there is nothing more to find out.

    `failure` says why accounts could not be discovered, and `inventory` then holds the last known.
    """

    inventory: Inventory
    complete: bool
    failure: Failure | None = None


@dataclass(slots=True)
class _Known:
    """What AWS last said: it stays when a refresh fails, or the configuration changes."""

    identity: str = ""
    units: dict[str, tuple[Member, ...]] = field(default_factory=dict)
    """Members by unit; by no name, of the whole organization."""
    regions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By account id."""


class Discovery:
    """Finds the accounts to poll, each with its regions."""

    def __init__(
        self,
        settings: Settings,
        *,
        default_region: str,
        who_am_i: WhoAmI,
        directory: Directory,
        in_parallel: InParallel,
        log: Log,
        previous: "Discovery | None" = None,
    ) -> None:
        """Poll `default_region` where none is configured; start from what another one knew."""
        self._settings = settings
        self._default_regions = settings.aws.regions or (default_region,)
        self._who_am_i, self._directory, self._in_parallel = who_am_i, directory, in_parallel
        self._log = log
        self._known: _Known = previous._known if previous else _Known()  # noqa: SLF001 -- its own

    @property
    def repeats(self) -> bool:
        """Whether what is found may change with time."""
        return self._settings.aws.organization is not None or self._settings.auto_regions

    def find(self, deadline: float) -> Iterator[Finding]:
        """Find what there is to poll before the monotonic deadline; hand on parts as they come."""
        failure = self._refresh_accounts(deadline)
        accounts = [account for account in self._accounts() if self._is_mine(account)]
        asking = [account for account in accounts if account.regions == _AUTO]
        if asking:
            # Who left goes at once, however long the regions of the others take.
            yield Finding(self._inventory(accounts), complete=False, failure=failure)
        for start in range(0, len(asking), _BATCH):
            self._ask_regions(asking[start : start + _BATCH], deadline)
            if start + _BATCH < len(asking):
                yield Finding(self._inventory(accounts), complete=False, failure=failure)
        self._known.regions = {account.id: self._known.regions[account.id] for account in asking}
        yield Finding(self._inventory(accounts), complete=failure is None, failure=failure)

    def _refresh_accounts(self, deadline: float) -> Failure | None:
        """Ask who this is and who belongs to the organization, where that is needed."""
        organization = self._settings.aws.organization
        try:
            if organization is not None:
                self._known.identity = self._who_am_i(deadline)
                return self._refresh_members(organization.include_ous, deadline)
            if not self._settings.aws.accounts and not self._known.identity:
                self._known.identity = self._who_am_i(deadline)
        except AwsError as error:
            return error.failure
        return None

    def _refresh_members(self, units: tuple[str, ...], deadline: float) -> Failure | None:
        """Ask for the members, unit by unit. Raises AwsError where Organizations cannot be asked.

        A unit that is not there hides no other, and keeps what it had, or all that was known where
        it is new: a mistake must not end the polling of any account. Give the failure, if there
        was one.
        """
        found: dict[str, tuple[Member, ...]] = {}
        failure = None
        for unit in units or ("",):
            try:
                found[unit] = tuple(self._directory.members((unit,) if unit else (), deadline))
            except AwsError as error:
                if error.failure.code != NO_SUCH_UNIT:
                    raise
                found[unit] = self._known.units.get(unit, tuple(self._members().values()))
                failure = failure or error.failure
        self._known.units = found
        return failure

    def _members(self) -> Mapping[str, Member]:
        """Give the members known, by id: one may be under several of the units."""
        known = self._known.units.values()
        return {member.id: member for members in known for member in members}

    def _accounts(self) -> Iterator[Account]:
        """Give every account, static ones first: they win over discovered ones."""
        members = self._members()
        static = {account.id: self._static(account) for account in self._settings.aws.accounts}
        for account in static.values():
            member = members.get(account.id)
            yield replace(account, name=account.name or (member.name if member else ""))
        organization = self._settings.aws.organization
        if organization is not None:
            external = secret(organization.external_id)
            for member in members.values():
                if member.id not in static and member.id not in organization.exclude_accounts:
                    own = member.id == self._known.identity
                    role = Role(role_arn(member.id, organization.role_name), external)
                    yield Account(
                        member.id, member.name, None if own else role, self._default_regions
                    )
        elif not static and self._known.identity:
            yield Account(self._known.identity, regions=self._default_regions)

    def _static(self, settings: AccountSettings) -> Account:
        return Account(
            settings.id, settings.name, role_of(settings), settings.regions or self._default_regions
        )

    def _is_mine(self, account: Account) -> bool:
        shard = self._settings.shard
        return shard_of(account.id, shard.total) == shard.index

    def _ask_regions(self, accounts: Sequence[Account], deadline: float) -> None:
        """Ask accounts for their regions; where that fails, keep the last known or the default."""

        def ask(account: Account) -> tuple[str, ...] | Failure:
            try:
                return self._directory.regions(account, deadline)
            except AwsError as error:
                return error.failure

        for account, answer in zip(accounts, self._in_parallel(ask, accounts), strict=True):
            if isinstance(answer, Failure):
                self._known.regions.setdefault(account.id, DEFAULT_REGIONS)
                self._note_fallback(account, answer)
            else:
                self._known.regions[account.id] = answer

    def _note_fallback(self, account: Account, failure: Failure) -> None:
        self._log.warning(
            "regions_unknown",
            account=account.id,
            error_code=failure.code,
            aws_request_id=failure.request_id,
            error=failure.message,
            regions=",".join(self._known.regions[account.id]),
            hint="polling the last known or default regions; allow account:ListRegions in the "
            "account's role, or set its regions",
        )

    def _inventory(self, accounts: Iterable[Account]) -> Inventory:
        """Give the accounts whose regions are known."""
        resolved = (
            replace(account, regions=self._known.regions.get(account.id, ()))
            if account.regions == _AUTO
            else account
            for account in accounts
        )
        return Inventory(tuple(account for account in resolved if account.regions))


def hint(failure: Failure) -> str:
    """Say what mends a failed discovery."""
    denied = failure.code in {"AccessDenied", "AccessDeniedException"}
    if denied and failure.asked.partition(":")[0] in {"", "organizations"}:
        return (
            "allow the exporter's role organizations:ListAccounts (with include_ous "
            "ListAccountsForParent and ListOrganizationalUnitsForParent), and run it in the "
            "organization's management or a delegated administrator account"
        )
    return hint_of(failure, "organizations")


def role_of(settings: AccountSettings) -> Role | None:
    """Give the role to assume in a configured account, if there is one."""
    external = secret(settings.external_id)
    if settings.role_arn:
        return Role(settings.role_arn, external)
    if settings.role_name:
        return Role(role_arn(settings.id, settings.role_name), external)
    return None


def role_arn(account_id: str, role_name: str) -> str:
    """Give a role's ARN by its name, path included; Macie is in the partition `aws` alone."""
    return f"arn:aws:iam::{account_id}:role/{role_name}"


def secret(value: "Secret | None") -> str | None:
    """Take a secret out of its wrapping."""
    return value.get_secret_value() if value is not None else None


class Secret(Protocol):
    """A value that does not show itself."""

    def get_secret_value(self) -> str:
        """Give the value."""
