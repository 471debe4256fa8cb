"""Reads the invitations that an account received: pages of ListInvitations to one answer."""

import re
from functools import lru_cache
from typing import Any

from exporter.aws.attempts import Call, Operation
from exporter.aws.clients import Clients
from exporter.aws.credentials import Credentials
from exporter.aws.gets import Document
from exporter.aws.paging import PageTokens
from exporter.aws.timestamps import unix_seconds
from exporter.clock import Clock
from exporter.errors import Retry, kind_of
from exporter.model import UNKNOWN_STATUS, Account, Answer, AwsError, Invitation

PAGE_SIZE = 25
"""The most that ListInvitations takes as maxResults."""

MAX_INVITATIONS = 100_000
"""A list that is longer than this is no account's: the poll ends before it fills the memory."""

LONGEST_TOKEN = 16_384
"""Characters of a page token: it goes into a URL, which servers take up to such a length, and of
which urllib keeps the latest 128."""

_NOT_ENABLED = re.compile(r"(\d+: )?macie is not enabled", re.IGNORECASE)

LONGEST_TEXT = 256
"""Characters of an id or a status; AWS's have at most 32."""


class Macie:
    """The receiving side of Macie, for any account and region."""

    def __init__(self, clients: Clients, credentials: Credentials, clock: Clock) -> None:
        """Call through shared clients, signed with each account's own credentials."""
        self._clients, self._credentials, self._clock = clients, credentials, clock

    def read(self, account: Account, region: str, deadline: float) -> Answer:
        """Read every page before the monotonic deadline.

        A session that AWS refuses is renewed once. Raises AwsError.
        """
        source = self._credentials.of(account)
        used = source.current(deadline)
        try:
            answer = self._pages(region, Call(used, deadline))
        except AwsError as error:
            denied = error.failure.code == "AccessDeniedException"
            renewable = denied or kind_of(error.failure.code).retry is Retry.RENEW
            # Denied too: that is how AWS revokes a role's sessions, and a new one is let in.
            if not renewable or not source.renew(used, region, denied=denied):
                raise
            answer = self._pages(region, Call(source.current(deadline), deadline))
        source.worked(region)
        return answer

    def _pages(self, region: str, call: Call) -> Answer:
        invitations: list[Invitation] = []
        operation = Operation("macie2", "ListInvitations", region)
        tokens = PageTokens(operation.name, LONGEST_TOKEN)
        pages = 0
        query: dict[str, str | int] = {"maxResults": PAGE_SIZE}
        while True:
            try:
                page = self._clients.get(operation, call, **query)
            except AwsError as error:
                if _not_enabled(error):
                    return Answer(enabled=False)
                raise
            pages += 1
            invitations += _invitations(page)
            token = tokens.following(page.fields.get("nextToken"), page.request_id)
            if token is None:
                return Answer(enabled=True, invitations=tuple(invitations), pages=pages)
            if len(invitations) > MAX_INVITATIONS:
                raise AwsError("MalformedResponse", f"more than {MAX_INVITATIONS} invitations")
            query["nextToken"] = token


def _not_enabled(error: AwsError) -> bool:
    """Tell AWS's answer that Macie is off, by how its message begins.

    The code is that of an IAM denial, and the status has been seen as 401 and as 403; without a
    code the status stands before the message.
    """
    failure = error.failure
    return failure.code == "AccessDeniedException" and bool(_NOT_ENABLED.match(failure.message))


def _invitations(page: Document) -> list[Invitation]:
    """Take a page's invitations. A page without the list is not an empty list."""
    listed = page.fields.get("invitations")
    if not isinstance(listed, list):
        raise AwsError("MalformedResponse", "an answer without invitations", page.request_id)
    try:
        return [_invitation(fields) for fields in listed]
    except (AttributeError, TypeError, ValueError) as error:
        message = "an invitation with a field that is no text"
        raise AwsError("MalformedResponse", message, page.request_id) from error


def _invitation(fields: Any) -> Invitation:  # noqa: ANN401 -- whatever AWS sent
    """Take one invitation. Every field is optional; a text that is no text raises TypeError."""
    return Invitation(
        _shared(fields.get("accountId")),
        _text(fields.get("invitationId")),
        _shared(fields.get("relationshipStatus")) or UNKNOWN_STATUS,
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
