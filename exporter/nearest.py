"""The known word nearest to a mistyped one."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from operator import eq


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that begins with this one, or else the most similar in any case.

    The first of equals; raises ValueError if none is known.
    """
    written = word.lower()

    def likeness(other: str) -> tuple[bool, float, int]:
        alike = SequenceMatcher(None, written, other.lower(), autojunk=False).ratio()
        # Of ca-west-1 and its likes: letters in their places tell us-west-1 from ap-east-1.
        return other.startswith(word), alike, sum(map(eq, word, other))

    return max(known, key=likeness)
