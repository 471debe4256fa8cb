"""Events as lines, logfmt or JSON. Knows nothing of what is logged, and never fails."""

import contextlib
import json
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol, TextIO

from exporter.visible import visible

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Log(Protocol):
    """Where events go: a name and fields, both of them words in snake_case."""

    def debug(self, event: str, **fields: object) -> object:
        """Log what only a developer wants to know."""

    def info(self, event: str, **fields: object) -> object:
        """Log what happened as it should."""

    def warning(self, event: str, **fields: object) -> object:
        """Log what somebody should look at."""

    def error(self, event: str, **fields: object) -> object:
        """Log what keeps the exporter from its work."""

    def exception(self, event: str, **fields: object) -> object:
        """Log an error that should not happen, with its traceback."""


class Lines:
    """Writes events to a stream; level and format can change while it is in use.

    A full disk or a closed pipe does not stop the polling.
    """

    def __init__(
        self, stream: TextIO, *, level: str, form: str, now: Callable[[], float] = time.time
    ) -> None:
        """Write to a stream in the form `logfmt` or `json`, from a level on.

        `now` gives Unix seconds.
        """
        self._stream, self._now = stream, now
        self._lock = threading.Lock()
        self.configure(level=level, form=form)
        self.log: Log = self

    def configure(self, *, level: str, form: str) -> None:
        """Change level and form for every line from now on."""
        self._least, self._write = _LEVELS[level], _FORMS[form]

    # Written out: a line that is left out, of which each poll has some, costs a third of what it
    # does through partialmethod.

    def debug(self, event: str, **fields: object) -> None:
        """Log what only a developer wants to know."""
        self._log("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Log what happened as it should."""
        self._log("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log what somebody should look at."""
        self._log("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Log what keeps the exporter from its work."""
        self._log("error", event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """Log an error that should not happen: `exc_info`, or the one that is being handled."""
        given = fields.pop("exc_info", None)
        error = given if isinstance(given, BaseException) else sys.exception()
        self._log("error", event, fields | ({"exception": _traceback(error)} if error else {}))

    def _log(self, level: str, event: str, fields: Mapping[str, object]) -> None:
        if _LEVELS[level] < self._least:
            return
        moment = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")
        first = {"ts": moment.replace("+00:00", "Z"), "level": level, "event": event}
        line = self._write({**first, **fields})
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()


def _traceback(error: BaseException) -> str:
    """Write an exception after those that it came of, with the frames of each.

    What others' exceptions say may be anything, such as an answer that repeats a token.
    """
    chain: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in chain:
        chain.append(each)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return "\nand then:\n\n".join(map(_told, reversed(chain))).rstrip("\n")


def _told(error: BaseException) -> str:
    module = type(error).__module__
    if module == "builtins" or module.partition(".")[0] == __name__.partition(".")[0]:
        return "".join(traceback.format_exception(error, chain=False))
    frames = "".join(traceback.format_tb(error.__traceback__))
    name = f"{module}.{type(error).__qualname__}"
    return f"Traceback (most recent call last):\n{frames}{name}: (its text is not shown)\n"


def _logfmt(fields: Mapping[str, object]) -> str:
    return " ".join(f"{key}={_quoted(_text(value))}" for key, value in fields.items())


def _json(fields: Mapping[str, object]) -> str:
    return json.dumps({key: _plain(value) for key, value in fields.items()})


_FORMS: Mapping[str, Callable[[Mapping[str, object]], str]] = {"logfmt": _logfmt, "json": _json}


_AMBIGUOUS = re.compile(r'[ ="\\]')


def _quoted(text: str) -> str:
    """Quote as in JSON where it is needed; what is not printable is written as its escape.

    All that any reader takes for the end of a line is among it (U+0085, U+2028, U+2029 too).
    """
    if text.isprintable() and not _AMBIGUOUS.search(text):
        return text
    return visible(json.dumps(text, ensure_ascii=False))


def _text(value: object) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    return plain if isinstance(plain, str) else json.dumps(plain)


def _plain(value: object) -> object:
    """Return what JSON can say of a value: itself, or else its text."""
    if type(value) is str:  # As nearly all are: by JSON a line would cost twice as much.
        return value
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except Exception:  # noqa: BLE001 -- whatever a value's own code raises, the line is written
        return _shown(value)


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 -- likewise
        return f"<{type(value).__name__} that cannot be shown>"
