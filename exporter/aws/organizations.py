"""What AWS says of accounts: Organizations' members, and the regions that an account enabled."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from exporter.aws.client import Client, Page, pages
from exporter.aws.credentials import Credentials
from exporter.errors import NO_SUCH_UNIT
from exporter.model import MACIE_REGIONS, Account, AwsError
from exporter.settings.fields import ACCOUNT_ID

GLOBAL_REGION = "us-east-1"
"""Organizations and Account Management are global services, served and signed for here."""

MAX_ITEMS = 200_000
"""Twenty times what an organization may have: what lists more of anything never ends."""

Item = Mapping[str, Any]

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


class Organizations:
    """Asks Organizations with the exporter's own credentials, and accounts with their own."""

    def __init__(self, client: Client, credentials: Credentials) -> None:
        """Call through a client."""
        self._client, self._credentials = client, credentials

    async def members(self, units: tuple[str, ...]) -> tuple[Member, ...]:
        """List the active accounts under some organizational units, or all. Raises AwsError."""
        found: dict[str, Member] = {}
        for accounts in [self._under(unit) for unit in units] or [self._all()]:
            async for account in accounts:
                if _is_active(account):
                    member = Member(_account_id(account), _name(account))
                    found[member.id] = member
        if not found and not units:
            # There is always the management account: this is no answer to lose every target over.
            raise AwsError("MalformedResponse", "an organization without any active account")
        return tuple(found.values())

    async def regions(self, account: Account) -> tuple[str, ...]:
        """List the regions with Macie that an account has enabled. Raises AwsError."""
        credentials = await self._credentials.for_account(account)
        call = partial(self._client.call, "account", "ListRegions", GLOBAL_REGION, credentials)
        enabled = [
            region.get("RegionName")
            async for region in _items(call, "Regions", MaxResults=50)
            if region.get("RegionOptStatus") in _ENABLED
        ]
        found = tuple(region for region in MACIE_REGIONS if region in enabled)
        if not found:
            # Most of Macie's regions cannot be disabled: the account would go without a word.
            raise AwsError("MalformedResponse", "an account without any region that has Macie")
        return found

    def _all(self) -> AsyncIterator[Item]:
        return _items(self._asking("ListAccounts"), "Accounts")

    async def _under(self, unit: str) -> AsyncIterator[Item]:
        """Give the accounts of a unit or root, those of nested units included."""
        units = [(unit, 0)]
        while units:
            parent, depth = units.pop()
            if depth > _DEEPEST:
                raise AwsError("MalformedResponse", f"units nested more than {_DEEPEST} deep")
            accounts = self._asking("ListAccountsForParent")
            inner = self._asking("ListOrganizationalUnitsForParent")
            try:
                async for account in _items(accounts, "Accounts", ParentId=parent):
                    yield account
                units += [
                    (_text(nested, "Id"), depth + 1)
                    async for nested in _items(inner, "OrganizationalUnits", ParentId=parent)
                ]
            except AwsError as error:
                failure = error.failure
                if failure.code == NO_SUCH_UNIT:
                    # AWS does not say which.
                    failure = replace(failure, message=f"{parent}: {failure.message}")
                raise AwsError.of(failure) from error

    def _asking(self, operation: str) -> Callable[..., Awaitable[Page]]:
        return partial(self._credentials.as_self, "organizations", operation, GLOBAL_REGION)


async def _items(
    call: Callable[..., Awaitable[Page]], key: str, **parameters: object
) -> AsyncIterator[Item]:
    """Give the items of every page; one may be empty. Raises AwsError, also for an endless list."""
    asked = given = 0
    async for items in pages(call, partial(_listed, key), "NextToken", **parameters):
        asked, given = asked + 1, given + len(items)
        if asked > _MOST_PAGES or given > MAX_ITEMS:
            raise AwsError("PaginationLoop", f"a list of {key} without an end")
        for item in items:
            yield item


def _listed(key: str, page: Page) -> list[Item]:
    items = page.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise AwsError("MalformedResponse", f"no list of {key}")
    return items


def _is_active(account: Item) -> bool:
    """Tell whether an account is in use; `State` supersedes `Status`, which AWS is retiring."""
    return (account.get("State") or account.get("Status")) == "ACTIVE"


def _account_id(account: Item) -> str:
    """Return an account's id, which becomes a label, a part of a role's ARN and of a path."""
    found = _text(account, "Id")
    if not ACCOUNT_ID.fullmatch(found):
        raise AwsError("MalformedResponse", "an account whose Id is not 12 digits")
    return found


def _name(account: Item) -> str:
    """Return an account's name; an empty one for what is none: it is polled all the same."""
    name = account.get("Name")
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return ""
    # JSON can spell half a surrogate pair, which no page can be written with.
    return name.encode(errors="replace").decode()


def _text(item: Item, key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise AwsError("MalformedResponse", f"an item without {key}")
    return value
