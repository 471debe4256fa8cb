"""The known word nearest to a mistyped one."""

from collections.abc import Iterable
from difflib import SequenceMatcher


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that begins with this one, or else the most similar in any case.

    The first of equals; raises ValueError if none is known.
    """

    def likeness(other: str) -> tuple[bool, float]:
        alike = SequenceMatcher(None, word.lower(), other.lower(), autojunk=False).ratio()
        return other.startswith(word), alike

    return max(known, key=likeness)
