"""What the web file asks of connections and requests: read at the start, and when it changes.

Whoever asks for it, it is read in one way, and not while somebody writes it. What is wrong changes
nothing: it is named in the log and in a metric, and the old stays in force.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from exporter.background import in_daemon, until_next
from exporter.exposition.fleet import WebConfig
from exporter.files import Files, settled
from exporter.log import Log
from exporter.settings import ConfigurationError
from exporter.settings.errors import Problem
from exporter.web.config import WebFile, bcrypt_cost, read_web_file, unusable
from exporter.web.passwords import Passwords
from exporter.web.tls import Read, Tls, make_tls

_LOOK_EVERY = 1.0
"""Seconds."""

_LARGEST = 1024 * 1024
_DEAREST_COST = 14


@dataclass(slots=True)
class Bucket:
    """A token more each interval, in seconds, up to as many as the burst; each request takes one.

    As Go's rate limiter has it.
    """

    interval: float
    burst: int
    full_at: float = field(default=0.0, compare=False)

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one.

        `now` is by any clock that only goes on, in seconds.
        """
        full_at = max(self.full_at, now) + self.interval
        # To the microsecond: sums of floats are off by less, and a burst is to be a whole one.
        wait = round(full_at - now - self.burst * self.interval, 6)
        if wait > 0:
            return wait
        self.full_at = full_at
        return 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What is in force together; without a web file everybody is answered, without TLS."""

    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    passwords: Passwords | None = None
    bucket: Bucket | None = None
    warnings: tuple[str, ...] = ()
    """What is in force otherwise than whoever wrote the file may think."""

    def __str__(self) -> str:
        """Return it in a few words, without a secret."""
        certificates = self.tls and self.tls.context.verify_mode == ssl.CERT_REQUIRED
        parts = {
            "https" if self.tls else "http": True,
            "client certificates required": certificates,
            "basic authentication": self.passwords,
            "rate limit": self.bucket,
        }
        return ", ".join(part for part, is_so in parts.items() if is_so)


def read_rules(path: str, read: Read, before: Rules | None = None) -> Rules:
    """Read a web file, if there is one, and all that it names.

    Who was recognised by the rules before stays so, and so does what is left of the same rate
    limit. Raises ConfigurationError with everything that is wrong.
    """
    if not path:
        return Rules()
    before, file = before or Rules(), read_web_file(path, read)
    tls, limit = file.tls_server_config, file.rate_limit
    users = {name: hashed.get_secret_value() for name, hashed in file.basic_auth_users.items()}
    bucket = Bucket(limit.interval, limit.burst) if limit.interval else None
    if bucket == before.bucket:
        # A new one is full: each writing of the file would let so many in.
        bucket = before.bucket
    return Rules(
        make_tls(tls, path, read) if tls.model_fields_set else None,
        file.http_server_config.headers.model_dump(by_alias=True, exclude_unset=True),
        Passwords(users, before.passwords) if users else None,
        bucket,
        tuple(str(remark) for remark in _remarks(file, path)),
    )


def _remarks(file: WebFile, origin: str) -> Iterator[Problem]:
    """Yield what is taken, and yet not as whoever wrote it may think."""
    if file.http_server_config.http2:
        text = "HTTP/2 is not spoken here: HTTP/1.1 is, and Prometheus needs no more"
        yield Problem(("http_server_config", "http2"), text, origin=origin)
    for name, hashed in file.basic_auth_users.items():
        if bcrypt_cost(hashed.get_secret_value()) > _DEAREST_COST:
            text = (
                "bcrypt's cost is above 14: until somebody has come in, each guess takes seconds, "
                "one after the other; a scrape waits 10 s. 10 is usual"
            )
            yield Problem(("basic_auth_users", name), text, origin=origin)


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
        return WebConfig(self._loaded, tls.expiry if tls else None, self._refusal)

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
                self._files, self._refusal = files, "; ".join(error.lines)
                # No traceback: people made this mistake, and the lines say which.
                self._log.error("web_config_refused", error=self._refusal)
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
        self._refusal, self._loaded = "", self._now()
        for warning in outcome.warnings:
            self._log.warning("web_config_warning", warning=warning)
