"""The web file in force: read at the start, read anew when it or a file that it names changes.

Whoever asks for it, it is read and judged alike, and not while somebody writes it. What is wrong
changes nothing: it is named in the log and in a metric, and the old stays in force.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from exporter.background import in_daemon
from exporter.exposition.fleet import WebConfig
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
        self._turn = asyncio.Lock()
        self._path, self._successful, self._loaded = "", True, now()
        self._files: Files | None = None
        self._rules = Rules()
        self._take_on(path, *self._read(path))

    def __call__(self) -> Rules:
        """Give the rules in force."""
        return self._rules

    def state(self) -> WebConfig | None:
        """Tell how the last reading went; None without a web file."""
        if not self._path:
            return None
        tls = self._rules.tls
        return WebConfig(self._successful, self._loaded, tls.expiry if tls else None)

    async def use(self, path: str) -> None:
        """Put a file in force, perhaps another one, and none where the path is empty.

        Raises ConfigurationError, and then changes nothing.
        """
        async with self._turn:
            self._take_on(path, *await in_daemon(partial(self._read, path)))

    async def watch(self) -> None:
        """Look for changes, until this is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            await self.look()

    async def look(self) -> None:
        """Read the file anew if anything of it has changed since it was last tried."""
        async with self._turn:
            files = self._files
            if not self._path or (files and not await in_daemon(files.changed)):
                return
            outcome, self._files = await in_daemon(partial(self._read, self._path))
            if isinstance(outcome, ConfigurationError):
                self._successful = False
                # No traceback: people made this mistake, and the lines say which.
                self._log.error("web_config_refused", error="; ".join(outcome.lines))
            else:
                self._accept(outcome)
                self._log.info("web_config_reloaded", web=str(self._rules))

    def _take_on(self, path: str, outcome: Rules | ConfigurationError, files: Files | None) -> None:
        if isinstance(outcome, ConfigurationError):
            raise outcome
        self._path, self._files = path, files
        self._accept(outcome)

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
