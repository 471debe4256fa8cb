"""What others say, made fit to be shown: in a line, and without the secrets that they repeat.

However those are spelled there. Pure.
"""

import html
import re
from array import array
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
_MARK = b"\1"
_MARKED = re.compile(_MARK + b"+")


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


def without(secrets: Iterable[str], text: str) -> str:
    """Put three dots for secrets, in whatever spelling, and for user and password of a URL."""
    whole = text.encode(errors="surrogatepass")
    shown = bytearray()
    at = 0
    for secret in _MARKED.finditer(_marks(secrets, whole)):
        shown += whole[at : secret.start()] + b"..."
        at = secret.end()
    return _USERINFO.sub("...", (shown + whole[at:]).decode(errors="surrogatepass"))


def _long_ones(secrets: Iterable[str]) -> Iterator[str]:
    return (secret for secret in secrets if len(secret) >= SHORTEST)


def _marks(secrets: Iterable[str], whole: bytes) -> bytearray:
    """Return a mark for each byte that belongs to a secret, whatever it stands for there."""
    wanted = [secret.encode(errors="surrogatepass") for secret in _long_ones(secrets)]
    marks = bytearray(len(whole))
    read, origins = whole, array("I", range(len(whole) + 1))
    for _ in range(_LEVELS):
        for secret in wanted:
            at = read.find(secret)
            while at >= 0:
                start, end = origins[at], origins[at + len(secret)]
                marks[start:end] = _MARK * (end - start)
                at = read.find(secret, at + 1)
        if not _ESCAPE.search(read):
            break
        read, origins = _unescaped(read, origins)
    return marks


def _unescaped(text: bytes, origins: "array[int]") -> tuple[bytes, "array[int]"]:
    """Read a text's escapes; give what they stand for, and where each byte of it comes from."""
    read, sources = bytearray(), array("I")
    at = 0
    for escape in _ESCAPE.finditer(text):
        start = escape.start()
        meant = _meant(escape)
        read += text[at:start] + meant
        sources += origins[at:start] + array("I", [origins[start]] * len(meant))
        at = escape.end()
    return bytes(read + text[at:]), sources + origins[at:]


def _meant(escape: re.Match[bytes]) -> bytes:
    percent, unicode, byte, itself, entity = escape.groups()
    if percent:
        return bytes.fromhex(percent.decode())
    if unicode or byte:
        return chr(int(unicode or byte, 16)).encode(errors="surrogatepass")
    return bytes(itself) if itself else html.unescape(entity.decode()).encode()
