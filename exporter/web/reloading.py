"""The web file in force: read at the start, read anew when it or a file that it names changes.

Whoever asks for it, it is read and judged alike, and not while somebody writes it. What is wrong
changes nothing: it is named in the log and in a metric, and the old stays in force.
"""

import threading
import time
from collections.abc import Callable

from exporter.exposition.table import WebConfig
from exporter.files import Files, settled
from exporter.log import Log
from exporter.settings import ConfigurationError
from exporter.web.reading import unusable
from exporter.web.rules import Rules, rules_of

_LOOK_EVERY = 1.0
"""Seconds. Contents are compared: a mounted Secret is swapped by a link, and dates say little."""

_LARGEST = 1024 * 1024


def check_web_file(path: str) -> Rules:
    """Read a web file and all that it names, if there is one; raises ConfigurationError."""
    return rules_of(path, Files(_LARGEST)) if path else Rules()


class WebRules:
    """Gives the rules in force, which a newer file replaces whole."""

    def __init__(
        self,
        path: str,
        now: Callable[[], float],
        log: Log,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """Read the file, if there is one; `now` gives Unix seconds. Raises ConfigurationError."""
        self._now, self._log, self._wait = now, log, wait
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="web-config", daemon=True)
        self._rules = Rules()
        self.use(path)

    def __call__(self) -> Rules:
        """Give the rules in force."""
        return self._rules

    def state(self) -> WebConfig | None:
        """Tell how the last reading went; None without a web file."""
        if not self._path:
            return None
        tls = self._rules.tls
        return WebConfig(self._successful, self._loaded, tls.expiry if tls else None)

    def use(self, path: str) -> None:
        """Put a file in force, perhaps another one, and none where the path is empty.

        Raises ConfigurationError, and then changes nothing.
        """
        with self._lock:
            outcome, files = self._read(path)
            if isinstance(outcome, ConfigurationError):
                raise outcome
            self._path, self._files = path, files
            self._accept(outcome)

    def start(self) -> None:
        """Begin to look for changes."""
        self._watcher.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def look(self) -> None:
        """Read the file anew if anything of it has changed since it was last tried."""
        with self._lock:
            if not self._path or (self._files and not self._files.changed()):
                return
            outcome, self._files = self._read(self._path)
            if isinstance(outcome, ConfigurationError):
                self._successful = False
                # No traceback: people made this mistake, and the lines say which.
                self._log.error("web_config_refused", error="; ".join(outcome.lines))
            else:
                self._accept(outcome)
                self._log.info("web_config_reloaded", web=str(self._rules))

    def _read(self, path: str) -> tuple[Rules | ConfigurationError, Files | None]:
        """Judge a file, once it and those that it names have settled.

        Without files where they did not: then they are to be read again whatever is in them.
        """

        def judge(files: Files) -> Rules | ConfigurationError:
            try:
                return rules_of(path, files, self._rules) if path else Rules()
            except ConfigurationError as error:
                return error

        try:
            return settled(judge, _LARGEST, self._now, self._wait)
        except OSError as error:
            return unusable(path, f"cannot read it: {error.strerror}"), None

    def _accept(self, rules: Rules) -> None:
        self._rules, self._successful, self._loaded = rules, True, self._now()
        for warning in rules.warnings:
            self._log.warning("web_config_warning", warning=warning)

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_EVERY):
            try:
                self.look()
            except Exception:  # noqa: BLE001 -- logged; certificates must be looked at tomorrow too
                self._log.exception("web_config_crashed")
