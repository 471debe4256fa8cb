"""What others say, made fit to be shown: in a line, and without the secrets that they repeat."""

import re
from collections.abc import Iterable

from exporter.redaction import without

_LONGEST_MESSAGE, _LONGEST_ID = 500, 127
"""Characters, and one more that says that there were more; AWS's ids have 36."""

_PLAIN_ID = re.compile(r"[\w-]{0,64}", re.ASCII)


def shown(text: str, hidden: Iterable[str]) -> str:
    """Return a text as a line of the log, with dots where it repeats something hidden."""
    return _shortened(without(hidden, text), _LONGEST_MESSAGE)


def shown_id(text: object, hidden: Iterable[str]) -> str:
    """Return what is said to be AWS's id of a request."""
    if not isinstance(text, str):
        return ""
    if _PLAIN_ID.fullmatch(text) and not any(secret in text for secret in hidden):
        return text  # As AWS's are, which every answer has.
    return _shortened(without(hidden, text), _LONGEST_ID)


def _shortened(text: str, longest: int) -> str:
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else f"{line[:longest]}…"
