"""What AWS says of accounts: Organizations' members, and the regions that an account enabled."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from exporter.aws.attempts import Call
from exporter.aws.clients import Clients
from exporter.aws.credentials import Credentials
from exporter.model import MACIE_REGIONS, Account, AwsError
from exporter.settings.fields import ACCOUNT_ID

GLOBAL_REGION = "us-east-1"
"""Organizations and Account Management are global services, served and signed for here."""

_ENABLED = ("ENABLED", "ENABLED_BY_DEFAULT")
_MOST_PAGES = 10_000
_DEEPEST = 10
"""Organizations nests units five deep; deeper answers would never end."""

_LONGEST_NAME = 256
"""Characters; AWS's have at most 50."""


@dataclass(frozen=True, slots=True)
class Member:
    """An active account of the organization."""

    id: str
    name: str


class Directory:
    """Asks Organizations with the exporter's own credentials, and accounts with their own."""

    def __init__(self, clients: Clients, credentials: Credentials) -> None:
        """Call through shared clients."""
        self._clients, self._credentials = clients, credentials

    def members(self, units: tuple[str, ...], deadline: float) -> tuple[Member, ...]:
        """List the active accounts under some organizational units, or all. Raises AwsError."""
        call = Call(self._credentials.own.current(deadline), deadline)
        found = (
            (account for unit in units for account in self._under(unit, call))
            if units
            else self._items("organizations", "list_accounts", "Accounts", call)
        )
        # All of it first: an answer that fails later fails for what it fails of.
        active = [account for account in list(found) if _is_active(account)]
        if not active and not units:
            # There is always the management account: this is no answer to lose every target over.
            raise AwsError("MalformedResponse", "an organization without any active account")
        members = (Member(_account_id(one), _name(one)) for one in active)
        return tuple({member.id: member for member in members}.values())

    def regions(self, account: Account, deadline: float) -> tuple[str, ...]:
        """List the regions with Macie that an account has enabled. Raises AwsError."""
        call = Call(self._credentials.of(account).current(deadline), deadline)
        enabled = [
            region.get("RegionName")
            for region in self._items("account", "list_regions", "Regions", call, MaxResults=50)
            if region.get("RegionOptStatus") in _ENABLED
        ]
        found = tuple(region for region in MACIE_REGIONS if region in enabled)
        if not found:
            # Most of Macie's regions cannot be disabled: the account would go without a word.
            raise AwsError("MalformedResponse", "an account without any region that has Macie")
        return found

    def _under(self, unit: str, call: Call, depth: int = 0) -> Iterator[Mapping[str, Any]]:
        """Give the accounts of a unit or root, those of nested units included."""
        if depth > _DEEPEST:
            raise AwsError("MalformedResponse", f"units nested more than {_DEEPEST} deep")
        yield from self._items(
            "organizations", "list_accounts_for_parent", "Accounts", call, ParentId=unit
        )
        inner = self._items(
            "organizations",
            "list_organizational_units_for_parent",
            "OrganizationalUnits",
            call,
            ParentId=unit,
        )
        for nested in inner:
            yield from self._under(_text(nested, "Id"), call, depth + 1)

    def _items(
        self, service: str, operation: str, key: str, call: Call, **parameters: object
    ) -> Iterator[Mapping[str, Any]]:
        """Give the items of every page; a page may be empty and still have a token."""
        seen: set[str] = set()
        page: dict[str, object] = dict(parameters)
        while len(seen) < _MOST_PAGES:
            response = self._clients.call(service, GLOBAL_REGION, operation, call, **page)
            items = response.get(key)
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise AwsError("MalformedResponse", f"{operation} gave no list of {key}")
            yield from items
            token = response.get("NextToken")
            if not token:
                return
            if not isinstance(token, str):
                raise AwsError(
                    "MalformedResponse", f"{operation} gave a page token that is no text"
                )
            if token in seen:
                raise AwsError("PaginationLoop", f"{operation} repeated a page token")
            seen.add(token)
            page["NextToken"] = token
        raise AwsError("PaginationLoop", f"{operation} has no last page")


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
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return ""
    # JSON can spell half a surrogate pair, which no page can be written with.
    return name.encode(errors="replace").decode()


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise AwsError("MalformedResponse", f"an item without {key}")
    return value
