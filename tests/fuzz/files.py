"""Any file as the configuration, or as the web's: taken, or lines that each begin with a key."""

import re
import tempfile
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from exporter.settings import ConfigurationError, load
from exporter.settings.keys import KEYS
from exporter.web.watcher import read_rules
from tests.fuzz.engine import Case, Target, dictionary

_TESTS = Path(__file__).parent.parent
_HASH = b"$2b$10$" + b"SecretSaltSecretSaltSeSecretHashSecretHashSecretHashS"
_SECRET = "SecretHash"


def _mistakes(read: Callable[[], object]) -> Sequence[str]:
    """Read a file; return what people are told is wrong with it, a line each."""
    try:
        read()
    except ConfigurationError as error:
        lines = error.lines
    else:
        return ()
    assert lines
    assert all(": " in line and "\n" not in line for line in lines), lines
    return lines


def _kind(mistakes: Sequence[str], folder: str = "") -> tuple[str, ...]:
    """Return what kind of mistake is named first."""
    first = (line.replace(folder, "") for line in mistakes[:1])
    return tuple(re.sub(r"'.*'|\".*\"|\d+", "", line)[:60] for line in first)


@contextmanager
def _configurations() -> Iterator[Case]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exporter.yaml"

        def case(data: bytes) -> Hashable:
            path.write_bytes(data)
            flags = [("config.file", str(path))]
            return _kind(_mistakes(lambda: load(flags, {}, "eu-west-1")), folder)

        yield case


@contextmanager
def _web_files() -> Iterator[Case]:
    def case(data: bytes) -> Hashable:
        # Every file that it names holds the same.
        mistakes = _mistakes(lambda: read_rules("web.yaml", lambda _: data))
        # Only as a value: who misspells a key has it named.
        if data.startswith(b"basic_auth_users: {user: ") and data.count(_SECRET.encode()) == 1:
            assert _SECRET not in "".join(mistakes), mistakes
        return _kind(mistakes)

    yield case


TARGETS = (
    Target(
        "configuration",
        160,
        tuple(path.read_bytes() for path in sorted(_TESTS.glob("settings/corpus/*.yaml"))),
        (
            *(*dictionary("yaml"), b"auto", b"012345678901", b"eu-west-1"),
            *(name.encode() for name in sorted({name for path in KEYS for name in path})),
        ),
        _configurations,
    ),
    Target(
        "web-file",
        100,
        (
            *(path.read_bytes() for path in sorted(_TESTS.glob("web/corpus/*.y*ml"))),
            b"basic_auth_users: {user: " + _HASH + b"}\n",
            b"tls_server_config: {cert_file: a, key_file: b, client_auth_type: NoClientCert}\n",
            b"http_server_config: {headers: {X-Frame-Options: deny}}\n",
            b"rate_limit: {interval: 1s, burst: 20}\n",
        ),
        (*dictionary("yaml", "web-file"), _HASH),
        _web_files,
    ),
)
