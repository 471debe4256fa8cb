"""Reads the invitations that an account received, and its administrator, to one answer."""

import re
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from botocore.credentials import ReadOnlyCredentials

from exporter.aws.answers import unix_seconds
from exporter.aws.client import Client, Page, pages
from exporter.aws.credentials import Credentials
from exporter.model import (
    NO_ADMINISTRATOR,
    UNKNOWN_STATUS,
    Account,
    Administrator,
    Answer,
    AwsError,
    Invitation,
    known_status,
)

PAGE_SIZE = 25
"""The most that ListInvitations takes as maxResults."""

LONGEST_TOKEN = 16_384
"""Characters of a page token: it goes into a URL, which servers take up to such a length, and of
which yarl keeps the latest."""

MAX_INVITATIONS = 100_000
"""A list that is longer than this is no account's: the poll ends before it fills the memory."""

LONGEST_TEXT = 256
"""Characters of an id or a status; AWS's have at most 32."""

_NOT_ENABLED = re.compile(r"(?:40[13]: )?macie is not enabled", re.IGNORECASE)
_DENIED = ("AccessDeniedException", "MalformedResponse")
"""The second where it has no code."""


class Macie:
    """The receiving side of Macie, for any account and region."""

    def __init__(self, client: Client, credentials: Credentials) -> None:
        """Call through a client, signed with each account's own credentials."""
        self._client, self._credentials = client, credentials

    async def read(self, account: Account, region: str, *, administrator: bool = False) -> Answer:
        """Read every page, and who the account's administrator is, where that is asked for.

        Raises AwsError.
        """
        read = partial(self._answer, region, administrator=administrator)
        return await self._credentials.using(account, region, read)

    async def _answer(
        self, region: str, credentials: ReadOnlyCredentials, *, administrator: bool
    ) -> Answer:
        try:
            answer = await self._listed(region, credentials)
            if administrator:
                found = await self._administrator(region, credentials)
                answer = replace(answer, administrator=found)
        except AwsError as error:
            if _not_enabled(error):
                return Answer(enabled=False)
            raise
        return answer

    async def _listed(self, region: str, credentials: ReadOnlyCredentials) -> Answer:
        invitations: list[Invitation] = []
        count = 0
        call = partial(self._client.call, "macie2", "ListInvitations", region, credentials)

        def take(page: Page) -> list[Invitation]:
            return _invitations(page, MAX_INVITATIONS - len(invitations))

        listed = pages(call, take, "nextToken", {"maxResults": PAGE_SIZE}, LONGEST_TOKEN)
        async for taken in listed:
            count += 1
            invitations += taken
        return Answer(enabled=True, invitations=tuple(invitations), pages=count)

    async def _administrator(self, region: str, credentials: ReadOnlyCredentials) -> Administrator:
        try:
            page = await self._client.call("macie2", "GetAdministratorAccount", region, credentials)
        except AwsError as error:
            if error.failure.code == "ResourceNotFoundException":
                return NO_ADMINISTRATOR
            raise
        return _administrator(page)


def _not_enabled(error: AwsError) -> bool:
    """Return whether AWS answers that Macie is off, by how its message begins.

    The code is that of an IAM denial, and the status has been seen as 401 and as 403; without a
    code the status stands before the message.
    """
    failure = error.failure
    return failure.code in _DENIED and bool(_NOT_ENABLED.match(failure.message))


def _invitations(page: Page, most: int) -> list[Invitation]:
    """Take a page's invitations. A page without the list is not an empty list."""
    listed = page.get("invitations")
    if not isinstance(listed, list):
        raise _malformed("an answer without invitations", page)
    if len(listed) > most:
        raise _malformed(f"more than {MAX_INVITATIONS} invitations", page)
    try:
        return [_invitation(fields) for fields in listed]
    except (AttributeError, TypeError, ValueError) as error:
        raise _malformed("an invitation with a field that is no text", page) from error


def _invitation(fields: Any) -> Invitation:  # noqa: ANN401 -- whatever AWS sent
    """Take one invitation. Every field is optional; a text that is no text raises TypeError."""
    return Invitation(
        _shared(fields.get("accountId")),
        _text(fields.get("invitationId")),
        _status(fields.get("relationshipStatus")),
        unix_seconds(fields.get("invitedAt")),
    )


def _text(value: object) -> str:
    """Take a text of a label's length; null is as good as absent.

    Raises TypeError or ValueError for anything else.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError
    if len(value) > LONGEST_TEXT or not (value.isascii() or value.encode()):
        # encode refuses half a surrogate pair, which JSON can spell and UTF-8 cannot.
        raise ValueError
    return value


# Few inviters and fewer statuses, over very many invitations: each is kept, and checked, once.
# Not sys.intern, which keeps what outsiders choose for ever from Python 3.12 on.
_shared = lru_cache(maxsize=4096)(_text)


@lru_cache(maxsize=4096)
def _status(value: object) -> str:
    return known_status(_text(value)) or UNKNOWN_STATUS


def _administrator(page: Page) -> Administrator:
    """Return the administrator; where it is one through Organizations only its id is sure."""
    found: Any = page.get("administrator")
    # Nothing at all means that there is none; an answer that says something else does not.
    if found in (None, {}) and not page.keys() - {"administrator", "ResponseMetadata"}:
        return NO_ADMINISTRATOR
    try:
        account_id, status = _shared(found["accountId"]), _status(found.get("relationshipStatus"))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise _malformed("an administrator with a field that is no text", page) from error
    if not account_id:
        raise _malformed("an administrator without an account id", page)
    return Administrator(account_id, status)


def _malformed(message: str, page: Page) -> AwsError:
    return AwsError("MalformedResponse", message, page["ResponseMetadata"]["RequestId"])
