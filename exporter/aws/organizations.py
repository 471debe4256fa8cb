"""What AWS says of accounts: Organizations' members, and the regions that an account enabled."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from exporter.aws.client import Client, Page, pages
from exporter.aws.credentials import Credentials
from exporter.error_codes import NO_SUCH_UNIT
from exporter.model import MACIE_REGIONS, Account, AwsError, Member
from exporter.settings.fields import ACCOUNT_ID

GLOBAL_REGION = "us-east-1"
"""Organizations and Account Management are global services, served and signed for here."""

MAX_ACCOUNTS = 200_000
"""Several times what AWS grants an organization: a list that is longer has no end."""

MAX_UNITS = 10_000
"""AWS allows 2,000 in an organization; each costs two calls."""

MAX_TAGS = 1_000
"""AWS allows 50 on an account."""

Item = Mapping[str, Any]

_ENABLED = ("ENABLED", "ENABLED_BY_DEFAULT")

LONGEST_NAME = 50
"""Characters, as AWS has it: 200,000 accounts take 64 MiB at most."""

_LONGEST_TEXT = 256
"""Characters of an id or a tag's value; AWS's ids have at most 68."""


class Organizations:
    """Asks Organizations with the exporter's own credentials, and accounts with their own."""

    def __init__(self, client: Client, credentials: Credentials) -> None:
        """Call through a client."""
        self._client, self._credentials = client, credentials

    async def members(self, units: tuple[str, ...]) -> tuple[Member, ...]:
        """List the accounts under some organizational units, or all, suspended ones too.

        Raises AwsError.
        """
        found: dict[str, Member] = {}
        listed = self._under(units) if units else self._items("ListAccounts", "Accounts")
        async for account in listed:
            # `State` supersedes `Status`, which AWS is retiring.
            state = account.get("State") or account.get("Status")
            name = _shown(account.get("Name"), LONGEST_NAME)
            member = Member(_account_id(account), name, state == "ACTIVE")
            found[member.id] = member
            if len(found) > MAX_ACCOUNTS:
                raise AwsError("MalformedResponse", f"more than {MAX_ACCOUNTS} accounts")
        if not units and not any(member.is_active for member in found.values()):
            # There is always the management account: this is no answer to lose every target over.
            raise AwsError("MalformedResponse", "an organization without any active account")
        return tuple(found.values())

    async def tags(self, account_id: str) -> Mapping[str, str]:
        """Return an account's tags. Raises AwsError."""
        tags: dict[str, str] = {}
        async for tag in self._items("ListTagsForResource", "Tags", ResourceId=account_id):
            tags[_text(tag, "Key")] = _shown(tag.get("Value"), _LONGEST_TEXT)
            if len(tags) > MAX_TAGS:
                raise AwsError("MalformedResponse", f"more than {MAX_TAGS} tags")
        return tags

    async def regions(self, account: Account) -> tuple[str, ...]:
        """List the regions with Macie that an account has enabled. Raises AwsError."""
        credentials = await self._credentials.for_account(account)
        call = partial(self._client.call, "account", "ListRegions", GLOBAL_REGION, credentials)
        enabled = {
            region["RegionName"]
            async for region in _items(call, "Regions", MaxResults=50)
            if region.get("RegionOptStatus") in _ENABLED
            and region.get("RegionName") in MACIE_REGIONS
        }
        found = tuple(region for region in MACIE_REGIONS if region in enabled)
        if not found:
            # Most of Macie's regions cannot be disabled: the account would go without a word.
            raise AwsError("MalformedResponse", "an account without any region that has Macie")
        return found

    async def _under(self, units: tuple[str, ...]) -> AsyncIterator[Item]:
        """Return the accounts of units or roots, those of nested units included."""
        ahead, found = [*units], {*units}
        while ahead:
            parent = ahead.pop()
            async for account in self._of_unit("ListAccountsForParent", "Accounts", parent):
                yield account
            operation = "ListOrganizationalUnitsForParent"
            async for unit in self._of_unit(operation, "OrganizationalUnits", parent):
                nested = _text(unit, "Id")
                ahead += [nested] if nested not in found else []
                found.add(nested)
                if len(found) > MAX_UNITS:
                    raise AwsError("MalformedResponse", f"more than {MAX_UNITS} units")

    async def _of_unit(self, operation: str, key: str, unit: str) -> AsyncIterator[Item]:
        try:
            async for item in self._items(operation, key, ParentId=unit):
                yield item
        except AwsError as error:
            failure = error.failure
            if failure.code == NO_SUCH_UNIT:
                # AWS does not say which.
                failure = replace(failure, message=f"{unit}: {failure.message}")
            raise AwsError.of(failure) from error

    def _items(self, operation: str, key: str, **parameters: object) -> AsyncIterator[Item]:
        ask = partial(self._credentials.as_self, "organizations", operation, GLOBAL_REGION)
        return _items(ask, key, **parameters)


async def _items(
    call: Callable[..., Awaitable[Page]], key: str, **parameters: object
) -> AsyncIterator[Item]:
    """Return the items of every page; one may be empty. Raises AwsError."""
    async for items in pages(call, partial(_listed, key), "NextToken", parameters):
        for item in items:
            yield item


def _listed(key: str, page: Page) -> list[Item]:
    items = page.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise AwsError("MalformedResponse", f"no list of {key}")
    return items


def _account_id(account: Item) -> str:
    """Return an account's id, which becomes a label, a part of a role's ARN and of a path."""
    found = _text(account, "Id")
    if not ACCOUNT_ID.fullmatch(found):
        raise AwsError("MalformedResponse", "an account whose Id is not 12 digits")
    return found


def _shown(text: object, longest: int) -> str:
    """Return an account's name, or a tag's value, cut; an empty one for what is none."""
    # JSON can spell half a surrogate pair, which no page can be written with.
    return text[:longest].encode(errors="replace").decode() if isinstance(text, str) else ""


def _text(item: Item, key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise AwsError("MalformedResponse", f"an item without {key}")
    return value
