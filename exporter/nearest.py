"""The known word nearest to a mistyped one."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from operator import eq


def nearest(word: str, known: Iterable[str]) -> str:
    """Give the most similar known word, the first of equals; raises ValueError if none is known."""
    # Of ca-west-1 and its likes: letters in their places tell us-west-1 from ap-east-1.
    return max(known, key=lambda other: (similarity(word, other), sum(map(eq, word, other))))


def similarity(word: str, other: str) -> float:
    """Tell how alike two words are, whatever their case: from 0 to 1, which is the same."""
    return SequenceMatcher(None, word.lower(), other.lower(), autojunk=False).ratio()
