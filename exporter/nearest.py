"""The known word nearest to a mistyped one."""

from collections.abc import Collection
from difflib import get_close_matches

_LIKE = 0.5
"""Of difflib's ratio: `role_arn` is like `aws.accounts.role_arn`, `foo` is not like `log`."""


def nearest(word: str, known: Collection[str]) -> str:
    """Return the known word that begins with this one, or else the most like it, in any case.

    Empty where none is like it.
    """
    word, lower = word.lower(), {each.lower(): each for each in known}
    begun = [each for each in lower if word and each.startswith(word)]
    close = get_close_matches(word, begun, 1, 0.0) or get_close_matches(word, lower, 1, _LIKE)
    return lower[close[0]] if close else ""


def suggestion(word: str, known: Collection[str]) -> str:
    """Return which known word may be meant, or all where none is like it, as part of a sentence."""
    best = nearest(word, known)
    return f"the nearest is {best}" if best else f"there are {', '.join(known)}"
