"""The page tokens of one list: what follows a page, if anything does, and when that has no end."""

from hashlib import blake2b

from exporter.model import AwsError

MOST_PAGES = 20_000
"""Of one list: Organizations gives 20 accounts a page, and some of its pages are empty."""

LONGEST_TOKEN = 100_000
"""Characters, as Organizations' API reference has it."""


class PageTokens:
    """The tokens of a list's pages so far.

    Remembered by digest: pages may be many, and tokens as long as others choose.
    """

    def __init__(self, operation: str, longest: int = LONGEST_TOKEN) -> None:
        """Begin a list of an operation, whose tokens have at most so many characters."""
        self._operation, self._longest = operation, longest
        self._seen: set[bytes] = set()

    def following(self, token: object, request_id: str = "") -> str | None:
        """Return the next page's token as AWS gave it; null, absent and empty mean there is none.

        Anything else that is no text ends no list: what comes after it is not known. Raises
        AwsError.
        """
        if token is None or token == "":
            return None
        if not isinstance(token, str) or not _has_utf8(token):
            raise self._failed("MalformedResponse", "a page token that is no text", request_id)
        if len(token) > self._longest:
            said = f"a page token of more than {self._longest} characters"
            raise self._failed("MalformedResponse", said, request_id)
        digest = blake2b(token.encode(), digest_size=16).digest()
        if digest in self._seen:
            raise self._failed("PaginationLoop", "a page token that came before", request_id)
        if len(self._seen) == MOST_PAGES:
            raise self._failed("PaginationLoop", f"more than {MOST_PAGES} pages", request_id)
        self._seen.add(digest)
        return token

    def _failed(self, code: str, said: str, request_id: str) -> AwsError:
        return AwsError(code, f"{self._operation} gave {said}", request_id)


def _has_utf8(text: str) -> bool:
    """Tell whether a text can be sent: JSON can spell half a surrogate pair, UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
