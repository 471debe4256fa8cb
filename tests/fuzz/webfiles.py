"""Any file as the web configuration: rules, or lines for people without a word of its secrets."""

import re
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.settings import ConfigurationError
from exporter.web.watcher import Rules, read_rules
from tests.fuzz.engine import Case, Target

_CORPUS = Path(__file__).parent.parent / "web" / "corpus"
_HASH = b"$2b$10$" + b"SecretSaltSecretSaltSeSecretHashSecretHashSecretHashS"
_SECRET = b"SecretHash"


def _made(data: bytes) -> Rules | tuple[str, ...]:
    """Take bytes for a web file, and for every file that it names; or give why not."""
    try:
        return read_rules("web.yaml", lambda _: data)
    except ConfigurationError as error:
        return error.lines


@contextmanager
def _files() -> Iterator[Case]:
    def case(data: bytes) -> Hashable:
        made = _made(data)
        if isinstance(made, Rules):
            return made.tls is None, made.passwords is None, len(made.headers)
        assert made
        assert all(": " in line and "\n" not in line for line in made), made
        # Only as a value: who misspells a key has it named.
        if data.startswith(b"basic_auth_users: {user: ") and data.count(_SECRET) == 1:
            assert _SECRET.decode() not in "".join(made), made
        return re.sub(r"'.*'|\".*\"|\d+", "", made[0])[:60]

    yield case


TARGETS = (
    Target(
        "web-file",
        100,
        (
            *(path.read_bytes() for path in sorted(_CORPUS.glob("*.y*ml"))),
            b"basic_auth_users: {user: " + _HASH + b"}\n",
            b"tls_server_config: {cert_file: a, key_file: b, client_auth_type: NoClientCert}\n",
            b"http_server_config: {headers: {X-Frame-Options: deny}}\n",
            b"rate_limit: {interval: 1s, burst: 20}\n",
        ),
        (
            *(b": ", b"\n", b"  ", b"{", b"}", b"[", b"]", b"!!int ", b"&a ", b"*a", b"\x00"),
            *(b"tls_server_config", b"http_server_config", b"basic_auth_users", b"rate_limit"),
            *(b"cert_file", b"key_file", b"cert", b"key", b"client_ca", b"client_ca_file"),
            *(b"client_auth_type", b"client_allowed_sans", b"min_version", b"max_version"),
            *(b"cipher_suites", b"curve_preferences", b"headers", b"interval", b"burst", b"http2"),
            *(b"TLS12", b"TLS13", b"RequireAndVerifyClientCert", b"1h", b"null", b"true", _HASH),
        ),
        _files,
    ),
)
