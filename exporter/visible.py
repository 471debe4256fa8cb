"""Texts from outside as people may see them: they steer no terminal, page or line of a log."""

import json
import re

_ODD = re.compile(r"[^ -~]")


def visible(text: str) -> str:
    """Return a text with what is not printable as its escape, as JSON writes it, on one line.

    That is what `str.isprintable` says: controls such as ESC, all that sets the direction of
    writing, what has no width, every space but the ordinary one, and half a surrogate pair.
    """
    return text if text.isprintable() else _ODD.sub(_escaped, text)


def visible_lines(text: str) -> str:
    """Return a text so, line by line."""
    return "\n".join(map(visible, text.split("\n")))


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]
