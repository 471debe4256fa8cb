"""Takes secrets out of texts, however they are spelled there. Knows nothing of AWS. Pure."""

import html
import re
from array import array
from collections.abc import Iterable

_ESCAPE = re.compile(
    rb"%([0-9a-f]{2})"  # URLs and forms
    rb"|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|\\([\"'/\\])"  # JSON, and its kin
    rb"|(&(?:\#[0-9]{1,7}|\#x[0-9a-f]{1,6}|amp|lt|gt|quot|apos);)",  # HTML and XML
    re.IGNORECASE,
)
_MOST_LEVELS = 3
"""A spelling may be spelled once more: a query within a text within JSON."""

_USERINFO = re.compile(r"(?<=//)[^\s/@]+(?=@)")
_INSTEAD = b"..."


def without(secrets: Iterable[str], text: str) -> str:
    """Put three dots for secrets, in whatever spelling, and for user and password of a URL."""
    plain = _USERINFO.sub("...", text) if "@" in text else text
    wanted = [secret.encode(errors="surrogatepass") for secret in secrets if secret]
    whole = plain.encode(errors="surrogatepass")
    cut = bytearray()
    at = 0
    for start, end in _merged(_found(wanted, whole)):
        cut += whole[at:start] + _INSTEAD
        at = end
    return (cut + whole[at:]).decode(errors="surrogatepass") if at else plain


def _found(wanted: list[bytes], whole: bytes) -> Iterable[tuple[int, int]]:
    """Give where the wanted is, from its first byte to after its last, at every level."""
    read: bytes = whole
    origins = array("I", range(len(whole) + 1))
    for _ in range(1 + _MOST_LEVELS):
        for secret in wanted:
            at = read.find(secret)
            while at >= 0:
                yield origins[at], origins[at + len(secret)]
                at = read.find(secret, at + 1)
        if not _ESCAPE.search(read):
            return
        read, origins = _unescaped(read, origins)


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


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Give spans in their order, those that overlap as one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
