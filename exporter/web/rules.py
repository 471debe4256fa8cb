"""What the web file asks of connections and requests, ready to be applied."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from exporter.settings import ConfigurationError
from exporter.web.checks import remarks
from exporter.web.file import Read, WebFile
from exporter.web.passwords import Passwords
from exporter.web.rate import Bucket
from exporter.web.reading import read_web_file
from exporter.web.tls import Tls, TlsError, make_tls


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
        """Say it in a few words, without a secret."""
        parts = ["https" if self.tls else "http"]
        if self.tls and self.tls.verifies_clients:
            parts.append("client certificates required")
        if self.passwords:
            users = len(self.passwords)
            parts.append(f"basic authentication ({users} user{'s' if users > 1 else ''})")
        if self.bucket:
            parts.append("rate limit")
        return ", ".join(parts)


def rules_of(
    path: str,
    read: Read,
    before: Rules | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Rules:
    """Read a web file and all that it names; who was recognised by the rules before stays so.

    Raises ConfigurationError with everything that is wrong.
    """
    file, problems = read_web_file(path, read)
    tls = None
    section = file.tls_server_config
    if section is not None and not any(each.path[0] == "tls_server_config" for each in problems):
        try:
            tls = make_tls(section, path, read)
        except TlsError as error:
            problems.append(error.problem)
    if problems:
        raise ConfigurationError(map(str, problems))
    passwords = _passwords(file, before.passwords if before else None)
    return Rules(
        tls,
        file.http_server_config.headers,
        passwords,
        _bucket(file, monotonic),
        tuple(map(str, remarks(file, path))),
    )


def _passwords(file: WebFile, before: Passwords | None) -> Passwords | None:
    users = {name: secret.get_secret_value() for name, secret in file.basic_auth_users.items()}
    return Passwords(users, before.memory if before else None) if users else None


def _bucket(file: WebFile, monotonic: Callable[[], float]) -> Bucket | None:
    interval, burst = file.rate_limit.interval.total_seconds(), file.rate_limit.burst
    return Bucket(interval, burst, monotonic) if interval else None
