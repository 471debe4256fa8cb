"""What the web file asks of connections and requests: read in one way, whoever asks."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, ValidationError

from exporter.nearest import suggestion
from exporter.settings.errors import ConfigurationError, Problem, message, show
from exporter.settings.yaml import read_yaml
from exporter.web.config import Headers, HttpServer, RateLimit, TlsServer, WebFile, bcrypt_cost
from exporter.web.passwords import Passwords
from exporter.web.tls import Read, Tls, make_tls

_USUAL_COST, _DEAREST_COST = 10, 14
_USUAL_SECONDS = 0.05
"""What a comparison of the usual cost takes; one more of cost is twice the time."""


class Bucket:
    """A token more each interval, up to as many as the burst; each request takes one.

    As Go's rate limiter has it.
    """

    def __init__(self, interval: float, burst: int, monotonic: Callable[[], float]) -> None:
        """Make it full; interval and clock in seconds."""
        self.limit = interval, burst
        self._monotonic = monotonic
        self._tokens, self._at = float(burst), monotonic()

    def take(self) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        interval, burst = self.limit
        now = self._monotonic()
        grown = self._tokens + (now - self._at) / interval
        self._tokens, self._at = min(grown, float(burst)), now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) * interval


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
        parts = ["https" if self.tls else "http"]
        if self.tls and self.tls.requires_certificates:
            parts.append("client certificates required")
        if self.passwords:
            users = len(self.passwords)
            parts.append(f"basic authentication ({users} user{'s' if users > 1 else ''})")
        if self.bucket:
            parts.append("rate limit")
        return ", ".join(parts)


def read_rules(
    path: str,
    read: Read,
    before: Rules | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Rules:
    """Read a web file, if there is one, and all that it names.

    Who was recognised by the rules before stays so, and so does what is left of the same rate
    limit. Raises ConfigurationError with everything that is wrong.
    """
    if not path:
        return Rules()
    before = before or Rules()
    file = read_web_file(path, read)
    users = {name: hashed.get_secret_value() for name, hashed in file.basic_auth_users.items()}
    interval, burst = file.rate_limit.interval.total_seconds(), file.rate_limit.burst
    bucket = Bucket(interval, burst, monotonic) if interval else None
    if bucket and before.bucket and before.bucket.limit == bucket.limit:
        # A new one is full: each writing of the file would let so many in.
        bucket = before.bucket
    return Rules(
        make_tls(file.tls_server_config, path, read) if file.tls_server_config else None,
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
        cost = bcrypt_cost(hashed)
        if cost > _DEAREST_COST:
            seconds = _USUAL_SECONDS * 2 ** (cost - _USUAL_COST)
            text = (
                f"bcrypt's cost is {cost}: until somebody has come in, each guess takes about "
                f"{seconds:.0f} s, one after the other; a scrape waits 10 s. {_USUAL_COST} is usual"
            )
            yield Problem(("basic_auth_users", name), text, origin=origin)


def read_web_file(path: str, read: Read) -> WebFile:
    """Return the file's values. Raises ConfigurationError with everything that is wrong."""
    try:
        return WebFile.model_validate(_document(path, read))
    except ValidationError as error:
        lines = [str(problem) for problem in _problems(error, path)]
    # Outside of the block above: pydantic's error holds every value, secrets included.
    raise ConfigurationError(lines)


def _document(path: str, read: Read) -> dict[str, Any]:
    try:
        content = read_yaml(read(FilePath(path)).decode())
    except OSError as error:
        raise unusable(path, f"cannot read it: {error.strerror}") from None
    except UnicodeDecodeError:
        raise unusable(path, "not UTF-8 text") from None
    except ValueError as error:
        # Only where it is wrong: what stands there may be part of a secret.
        where = re.search(r"\(line [0-9]+, column [0-9]+\)$", str(error))
        raise unusable(path, f"not YAML {where[0] if where else ''}".rstrip()) from None
    if content is None:
        # Perhaps it was cut off. To believe it would let everybody in.
        raise unusable(path, "says nothing; to have no rules, write {}")
    if not isinstance(content, dict):
        raise unusable(path, f"not a mapping with the keys {', '.join(WebFile.model_fields)}")
    return content


def unusable(path: str, text: str) -> ConfigurationError:
    """Return the error that a web file as a whole is."""
    return ConfigurationError([str(Problem(("web", "config_file"), text, show(path)))])


def _problems(error: ValidationError, origin: str) -> Iterator[Problem]:
    """Yield what pydantic found wrong. No value is shown: it may be a secret in the wrong place."""
    for detail in error.errors(include_url=False):
        *above, key = path = tuple(step for step in detail["loc"] if step != "[key]")
        text = message(detail, _keys(key))
        if detail["type"] == "extra_forbidden":
            known = _keys(above[-1] if above else "")
            text = f"unknown key; {suggestion(str(key), known)}"
        yield Problem(path, text, origin=origin)


_SECTIONS: Mapping[str | int, type[BaseModel]] = {
    "tls_server_config": TlsServer,
    "http_server_config": HttpServer,
    "headers": Headers,
    "rate_limit": RateLimit,
}


def _keys(section: str | int) -> list[str]:
    fields = _SECTIONS.get(section, WebFile).model_fields
    return [field.alias or name for name, field in fields.items()]
