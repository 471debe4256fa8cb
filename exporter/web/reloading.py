"""The web file in force: read at the start, read anew when it or a file that it names changes.

What is wrong changes nothing: it is named in the log and in a metric, and the old stays in force.
"""

import contextlib
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

from exporter.exposition.fleet import WebConfig
from exporter.files import read_whole
from exporter.log import Log
from exporter.settings import ConfigurationError
from exporter.settings.written import show
from exporter.web.rules import Rules, rules_of

_LOOK_EVERY = 1.0
"""Seconds. Contents are compared: a mounted Secret is swapped by a link, and dates say little."""

_LARGEST = 1024 * 1024
_EMPTY = "web.config_file = {}: is empty now; to have no rules from now on, write {{}}"


class Files:
    """Reads files, and notices when one of them would read otherwise."""

    def __init__(self) -> None:
        self._seen: dict[Path, bytes] = {}

    def __call__(self, path: Path) -> bytes:
        """Give a file's content; raises OSError."""
        try:
            content = _content(path)
        except OSError:
            self._seen[path] = b""
            raise
        self._seen[path] = _digest(content)
        return content

    def changed(self) -> bool:
        """Tell whether any of them has another content than when it was read."""
        return any(_seen_now(path) != seen for path, seen in self._seen.items())


def _content(path: Path) -> bytes:
    return read_whole(path, _LARGEST)


def _seen_now(path: Path) -> bytes:
    try:
        return _digest(_content(path))
    except OSError:
        return b""


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def check_web_file(path: str) -> Rules:
    """Read a web file and all that it names, if there is one; raises ConfigurationError."""
    return rules_of(path, _content) if path else Rules()


class WebRules:
    """Gives the rules in force, which a newer file replaces whole."""

    def __init__(self, path: str, now: Callable[[], float], log: Log) -> None:
        """Read the file, if there is one; `now` gives Unix seconds. Raises ConfigurationError."""
        self._now, self._log = now, log
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="web-config", daemon=True)
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
            files = Files()
            rules = rules_of(path, files) if path else Rules()
            self._path, self._files = path, files
            self._accept(rules)

    def start(self) -> None:
        """Begin to look for changes."""
        self._watcher.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def look(self) -> None:
        """Read the file anew if anything of it has changed since it was last tried."""
        with self._lock:
            if not self._path or not self._files.changed():
                return
            self._files = Files()
            try:
                self._accept(self._read_anew())
            except ConfigurationError as error:
                self._successful = False
                # No traceback: people made this mistake, and the lines say which.
                self._log.error("web_config_refused", error="; ".join(error.lines))
            else:
                self._log.info("web_config_reloaded", web=str(self._rules))

    def _read_anew(self) -> Rules:
        with contextlib.suppress(OSError):
            if not self._files(Path(self._path)).strip():
                # Perhaps it is being written. To believe it would let everybody in meanwhile.
                raise ConfigurationError([_EMPTY.format(show(self._path))])
        return rules_of(self._path, self._files)

    def _accept(self, rules: Rules) -> None:
        self._rules, self._successful, self._loaded = rules, True, self._now()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_EVERY):
            try:
                self.look()
            except Exception:  # noqa: BLE001 -- logged; certificates must be looked at tomorrow too
                self._log.exception("web_config_crashed")
