"""What AWS says of accounts: Organizations' members, and the regions that an account enabled."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from sys import getsizeof
from typing import Any

from exporter.aws.attempts import Call
from exporter.aws.clients import Clients
from exporter.aws.credentials import Credentials
from exporter.aws.paging import PageTokens
from exporter.model import MACIE_REGIONS, Account, AwsError
from exporter.settings.fields import ACCOUNT_ID

GLOBAL_REGION = "us-east-1"
"""Organizations and Account Management are global services, served and signed for here."""

_ENABLED = ("ENABLED", "ENABLED_BY_DEFAULT")

MAX_ACCOUNTS = 200_000
"""Several times what AWS grants an organization: a list that is longer has no end."""

_MOST_BYTES = 64 * 1024 * 1024
"""Of ids and names in memory: twice what 200,000 accounts with AWS's longest names take."""

MAX_UNITS = 10_000
"""AWS allows 2,000 in an organization; each costs two calls."""

_DEEPEST = 10
"""Organizations nests units five deep; deeper answers would never end."""

_ACCOUNTS = ("organizations", "list_accounts", "Accounts")
_ACCOUNTS_OF = ("organizations", "list_accounts_for_parent", "Accounts")
_UNITS_OF = ("organizations", "list_organizational_units_for_parent", "OrganizationalUnits")

_LONGEST_TEXT = 256
"""Characters of a name or id; AWS's have at most 68."""


@dataclass(frozen=True, slots=True)
class Member:
    """An active account of the organization."""

    id: str
    name: str

    @property
    def bytes(self) -> int:
        """Give what its texts take in memory, in bytes."""
        return getsizeof(self.id) + getsizeof(self.name)


class Directory:
    """Asks Organizations with the exporter's own credentials, and accounts with their own."""

    def __init__(self, clients: Clients, credentials: Credentials) -> None:
        """Call through shared clients."""
        self._clients, self._credentials = clients, credentials

    def members(self, units: tuple[str, ...], deadline: float) -> tuple[Member, ...]:
        """List the active accounts under some organizational units, or all. Raises AwsError."""
        call = Call(self._credentials.own.current(deadline), deadline)
        found = self._under(units, call) if units else self._items(*_ACCOUNTS, call)
        members = _Members()
        for account in found:
            if _is_active(account):
                members.add(Member(_account_id(account), _name(account)))
        if not members.all and not units:
            # There is always the management account: this is no answer to lose every target over.
            raise AwsError("MalformedResponse", "an organization without any active account")
        return tuple(members.all.values())

    def regions(self, account: Account, deadline: float) -> tuple[str, ...]:
        """List the regions with Macie that an account has enabled. Raises AwsError."""
        call = Call(self._credentials.of(account).current(deadline), deadline)
        listed = self._items("account", "list_regions", "Regions", call, MaxResults=50)
        names = (
            each.get("RegionName") for each in listed if each.get("RegionOptStatus") in _ENABLED
        )
        enabled = {name for name in names if name in MACIE_REGIONS}
        found = tuple(region for region in MACIE_REGIONS if region in enabled)
        if not found:
            # Most of Macie's regions cannot be disabled: the account would go without a word.
            raise AwsError("MalformedResponse", "an account without any region that has Macie")
        return found

    def _under(self, units: Sequence[str], call: Call) -> Iterator[Mapping[str, Any]]:
        """Give the accounts of units or roots, those of nested units included, level by level.

        So nothing of the pages is kept while the units on them are asked, but their ids.
        """
        asked = 0
        for _ in range(_DEEPEST + 1):
            for unit in units:
                yield from self._items(*_ACCOUNTS_OF, call, ParentId=unit)
            asked += len(units)
            units = list(islice(self._inside(units, call), MAX_UNITS - asked + 1))
            if not units:
                return
            if asked + len(units) > MAX_UNITS:
                raise AwsError("MalformedResponse", f"more than {MAX_UNITS} units")
        raise AwsError("MalformedResponse", f"units nested more than {_DEEPEST} deep")

    def _inside(self, units: Iterable[str], call: Call) -> Iterator[str]:
        """Give the ids of the units that are directly below some."""
        for unit in units:
            for nested in self._items(*_UNITS_OF, call, ParentId=unit):
                yield _text(nested, "Id")

    def _items(
        self, service: str, operation: str, key: str, call: Call, **parameters: object
    ) -> Iterator[Mapping[str, Any]]:
        """Give the items of every page; a page may be empty and still have a token."""
        tokens = PageTokens(operation)
        while True:
            response = self._clients.call(service, GLOBAL_REGION, operation, call, **parameters)
            items = response.get(key)
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise AwsError("MalformedResponse", f"{operation} gave no list of {key}")
            yield from items
            token = tokens.following(response.get("NextToken"))
            if token is None:
                return
            parameters["NextToken"] = token


class _Members:
    """Active accounts by id, as many as an organization may have: a list may have no end."""

    def __init__(self) -> None:
        self.all: dict[str, Member] = {}
        self._bytes = 0

    def add(self, member: Member) -> None:
        """Take an account in, the same one again in its place. Raises AwsError past a limit."""
        before = self.all.get(member.id)
        self.all[member.id] = member
        self._bytes += member.bytes - (before.bytes if before else 0)
        if len(self.all) > MAX_ACCOUNTS:
            raise AwsError("MalformedResponse", f"more than {MAX_ACCOUNTS} accounts")
        if self._bytes > _MOST_BYTES:
            said = f"accounts whose ids and names are more than {_MOST_BYTES >> 20} MiB"
            raise AwsError("MalformedResponse", said)


def _is_active(account: Mapping[str, Any]) -> bool:
    """Tell whether an account is in use; `State` supersedes `Status`, which AWS is retiring."""
    return (account.get("State") or account.get("Status")) == "ACTIVE"


def _account_id(account: Mapping[str, Any]) -> str:
    """Give an account's id, which becomes a label, a part of a role's ARN and of a page's path."""
    found = _text(account, "Id")
    if not ACCOUNT_ID.fullmatch(found):
        raise AwsError("MalformedResponse", "an account whose Id is not 12 digits")
    return found


def _name(account: Mapping[str, Any]) -> str:
    """Give an account's name; an empty one for what is none: it is polled all the same."""
    name = account.get("Name")
    if not isinstance(name, str) or len(name) > _LONGEST_TEXT:
        return ""
    # JSON can spell half a surrogate pair, which no page can be written with.
    return name.encode(errors="replace").decode()


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise AwsError("MalformedResponse", f"an item without {key}")
    return value
