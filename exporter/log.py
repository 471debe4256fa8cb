"""Events as lines, logfmt or JSON. Knows nothing of what is logged, and never fails."""

import contextlib
import logging
import threading
from typing import Protocol, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


class Log(Protocol):
    """Where events go: a name in snake_case and fields."""

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
    """Makes the log of a stream; level and format can change while it is in use."""

    def __init__(self, stream: TextIO, *, level: str, form: str) -> None:
        """Write to a stream in the form `logfmt` or `json`, from a level on."""
        self._renderers: dict[str, Processor] = {
            "logfmt": structlog.processors.LogfmtRenderer(
                key_order=["ts", "level", "event"], drop_missing=True, bool_as_flag=False
            ),
            "json": structlog.processors.JSONRenderer(),
        }
        self.configure(level=level, form=form)
        self.log: Log = structlog.wrap_logger(
            _Stream(stream),
            processors=[
                structlog.stdlib.add_log_level,
                self._filter,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
                structlog.processors.format_exc_info,
                self._render,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        )

    def configure(self, *, level: str, form: str) -> None:
        """Change level and form for every line from now on."""
        self._least = logging.getLevelNamesMapping()[level.upper()]
        self._renderer = self._renderers[form]

    def _filter(self, _: WrappedLogger, method: str, event: EventDict) -> EventDict:
        severity = logging.ERROR if method == "exception" else logging.getLevelNamesMapping()[method.upper()]
        if severity < self._least:
            raise structlog.DropEvent
        return event

    def _render(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        rendered = self._renderer(logger, method, event)
        return str(rendered).replace("\n", "\\n").replace("\r", "\\r")


class _Stream:
    """Writes lines whole. A full disk or a closed pipe must not stop the polling."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def msg(self, message: str) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(message + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = msg
