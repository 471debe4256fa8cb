"""What others say, made fit to be shown: in a line, and without secrets that they repeat. Pure."""

import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

_LONGEST_MESSAGE = 500
"""Characters, and one more that says that there were more."""

SHORTEST = 4
"""Characters of what is hidden. To hide each `p` of a text would tell what the secret is, and take
the words apart by which AWS's answers are told."""

UNSHOWN = "(not shown: it repeats a secret)"

_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
"""AWS's ids of requests have 36 characters."""

_JSON_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|([\"'/\\]))", re.IGNORECASE)

_LEVELS = 4
"""What is spelled may be spelled once more: a query within a text within JSON."""

_USERINFO = re.compile(r"(?<=//)[^\s/@]+(?=@)")


def shown(text: str, hidden: Iterable[str]) -> str:
    """Return a text as a line of the log, without what is hidden."""
    line = " ".join(without(hidden, text)[: 4 * _LONGEST_MESSAGE].split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"


def shown_id(text: object, hidden: Iterable[str]) -> str:
    """Return what is said to be AWS's id of a request; an empty one where it is none."""
    if not isinstance(text, str) or not _ID.fullmatch(text):
        return ""
    return "" if any(secret in text for secret in _long_enough(hidden)) else text


def without(secrets: Iterable[str], text: str) -> str:
    """Put three dots for secrets, and for user and password of a URL.

    A text that spells a secret in another way, as URLs, JSON and HTML have, is not shown at all.
    """
    wanted = sorted(_long_enough(secrets), key=len, reverse=True)
    for secret in wanted:
        text = text.replace(secret, "...")
    spelled = text
    for _ in range(_LEVELS):
        read = _JSON_ESCAPE.sub(_meant, html.unescape(unquote(spelled)))
        if any(secret in read for secret in wanted):
            return UNSHOWN
        if read == spelled:
            break
        spelled = read
    return _USERINFO.sub("...", text)


def _long_enough(secrets: Iterable[str]) -> Iterator[str]:
    return (secret for secret in secrets if len(secret) >= SHORTEST)


def _meant(escape: re.Match[str]) -> str:
    unicode, byte, itself = escape.groups()
    return itself or chr(int(unicode or byte, 16))
