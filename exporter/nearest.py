"""The known word nearest to a mistyped one."""

from collections.abc import Iterable
from difflib import SequenceMatcher


def nearest(word: str, known: Iterable[str]) -> str:
    """Give the most similar known word; raises ValueError where none is known."""
    return max(known, key=lambda candidate: SequenceMatcher(None, word, candidate).ratio())
