"""The web file in force: read at the start, read anew when it or a file that it names changes.

Whoever asks for it, it is read in one way, and not while somebody writes it. What is wrong changes
nothing: it is named in the log and in a metric, and the old stays in force.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from exporter.background import in_daemon, until_next
from exporter.exposition.fleet import WebConfig
from exporter.files import Files, settled
from exporter.log import Log
from exporter.settings import ConfigurationError
from exporter.web.rules import Rules, read_rules, unusable

_LOOK_EVERY = 1.0
"""Seconds. Contents are compared: a mounted Secret is swapped by a link, and dates say little."""

_LARGEST = 1024 * 1024


def check_web_file(path: str) -> Rules:
    """Read a web file and all that it names, if there is one; raises ConfigurationError."""
    return read_rules(path, Files(_LARGEST))


class Watcher:
    """Has the rules in force, which a newer file replaces whole."""

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
        self._rules = Rules()
        self._files: Files | None = None
        self._put_in_force(path, *self._read(path))

    def rules(self) -> Rules:
        """Return the rules in force."""
        return self._rules

    def state(self) -> WebConfig | None:
        """Return how the last reading went; None without a web file."""
        if not self._path:
            return None
        tls = self._rules.tls
        return WebConfig(self._successful, self._loaded, tls.expiry if tls else None)

    async def use(self, path: str) -> None:
        """Put a file in force, perhaps another one, and none where the path is empty.

        Raises ConfigurationError, and then changes nothing.
        """
        async with self._turn:
            self._put_in_force(path, *await in_daemon(partial(self._read, path)))

    async def watch(self) -> None:
        """Look for changes, until this is cancelled."""
        while True:
            await asyncio.sleep(until_next(_LOOK_EVERY))
            await self.look()

    async def look(self) -> None:
        """Read the file anew if anything of it has changed since it was last tried."""
        async with self._turn:
            files = self._files
            if not self._path or (files and not await in_daemon(files.changed)):
                return
            outcome, files = await in_daemon(partial(self._read, self._path))
            try:
                self._put_in_force(self._path, outcome, files)
            except ConfigurationError as error:
                self._files, self._successful = files, False
                # No traceback: people made this mistake, and the lines say which.
                self._log.error("web_config_refused", error="; ".join(error.lines))
            else:
                self._log.info("web_config_reloaded", web=str(self._rules))

    def _read(self, path: str) -> tuple[Rules | ConfigurationError, Files | None]:
        """Read a file, once it and those that it names have settled.

        Without files where they did not: then they are to be read again whatever is in them.
        """

        def read(files: Files) -> Rules | ConfigurationError:
            try:
                return read_rules(path, files, self._rules)
            except ConfigurationError as error:
                return error

        try:
            return settled(read, _LARGEST, self._now, self._wait)
        except OSError as error:
            return unusable(path, f"cannot read it: {error.strerror}"), None

    def _put_in_force(
        self, path: str, outcome: Rules | ConfigurationError, files: Files | None
    ) -> None:
        if isinstance(outcome, ConfigurationError):
            raise outcome
        self._path, self._files, self._rules = path, files, outcome
        self._successful, self._loaded = True, self._now()
        for warning in outcome.warnings:
            self._log.warning("web_config_warning", warning=warning)
