"""What others say, made fit to be shown: in a line, and without the secrets that they repeat.

However those are spelled there. Pure.
"""

import html
import re
from collections.abc import Iterable, Iterator

_LONGEST_MESSAGE, _LONGEST_ID = 500, 127
"""Characters, and one more that says that there were more; AWS's ids have 36."""

SHORTEST = 4
"""Characters of what is hidden. To hide each `p` of a text would tell what the secret is, and take
the words apart by which AWS's answers are told."""

_PLAIN_ID = re.compile(r"[\w-]{0,64}", re.ASCII)

_ESCAPE = re.compile(
    rb"%([0-9a-f]{2})"  # URLs and forms
    rb"|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|\\([\"'/\\])"  # JSON, and its kin
    rb"|(&(?:\#[0-9]{1,7}|\#x[0-9a-f]{1,6}|amp|lt|gt|quot|apos);)",  # HTML and XML
    re.IGNORECASE,
)
_LEVELS = 4
"""What is spelled may be spelled once more: a query within a text within JSON."""

_USERINFO = re.compile(r"(?<=//)[^\s/@]+(?=@)")


def shown(text: str, hidden: Iterable[str]) -> str:
    """Return a text as a line of the log, with dots where it repeats something hidden."""
    return _shortened(without(hidden, text), _LONGEST_MESSAGE)


def shown_id(text: object, hidden: Iterable[str]) -> str:
    """Return what is said to be AWS's id of a request."""
    if not isinstance(text, str):
        return ""
    if _PLAIN_ID.fullmatch(text) and not any(secret in text for secret in _long_ones(hidden)):
        return text  # As AWS's are, which every answer has.
    return _shortened(without(hidden, text), _LONGEST_ID)


def _shortened(text: str, longest: int) -> str:
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else f"{line[:longest]}…"


def _long_ones(secrets: Iterable[str]) -> Iterator[str]:
    return (secret for secret in secrets if len(secret) >= SHORTEST)


def without(secrets: Iterable[str], text: str) -> str:
    """Put three dots for secrets, and for user and password of a URL.

    Where a secret is spelled in another way, the whole text is shown as what it spells.
    """
    wanted = sorted(map(_bytes, _long_ones(secrets)), key=len, reverse=True)
    read, shown = _bytes(text), text
    for _ in range(_LEVELS):
        hidden = read
        for secret in wanted:
            hidden = hidden.replace(secret, b"...")
        if hidden != read or shown is not text:
            shown = hidden.decode(errors="replace")
        read = _ESCAPE.sub(_meant, hidden)
        if read == hidden:
            break
    return _USERINFO.sub("...", shown)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _meant(escape: re.Match[bytes]) -> bytes:
    percent, unicode, byte, itself, entity = escape.groups()
    if percent:
        return bytes.fromhex(percent.decode())
    if unicode or byte:
        return _bytes(chr(int(unicode or byte, 16)))
    return itself or _bytes(html.unescape(entity.decode()))
