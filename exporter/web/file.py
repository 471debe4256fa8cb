"""The web configuration file: Prometheus' exporter-toolkit format as frozen values.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. What the
format has works here or is refused by its name, with the reason; nothing is ignored. Each value is
checked here by itself: `exporter.web.checks` does it for values together, `exporter.web.reading`
reads files. `exporter.web.tls` makes a TLS context of what stands here.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from exporter.nearest import nearest
from exporter.settings.errors import show

Read = Callable[[FilePath], bytes]
"""Reads a file whole; raises OSError."""

NO_CLIENT, IF_GIVEN, REQUIRED = (
    "NoClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
)
_UNVERIFIED = frozenset({"RequestClientCert", "RequireAnyClientCert", "RequireClientCert"})

CURVES: Mapping[str, str] = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
}
"""Go's names and OpenSSL's, of those that Python can hold a server to."""

CIPHERS: Mapping[str, str] = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
"""Go's names of the suites up to TLS 1.2 that it holds safe, and OpenSSL's of the same."""

ALWAYS_ON = frozenset(
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
)
"""Those of TLS 1.3: the format takes their names, and they are on whatever the list says."""

BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}")
_LEAST_COST, _MOST_COST = 4, 18
_GO_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h))+", re.ASCII)
_GO_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_WHOLE = re.compile(r"[0-9]{1,9}")
_LONGEST_INTERVAL = timedelta(days=1)


def _client_auth(value: object) -> object:
    if value in _UNVERIFIED:
        raise ValueError(
            "Python's ssl cannot ask for a certificate without verifying it, and it would prove "
            f"nothing: use {REQUIRED} or {IF_GIVEN}"
        )
    return value


def _version(value: object) -> object:
    if value in {"TLS10", "TLS11"}:
        raise ValueError("OpenSSL 3 no longer speaks it safely: use TLS12 or TLS13")
    return value


def _curves(value: tuple[str, ...]) -> tuple[str, ...]:
    known = (*CURVES, "X25519")
    for name in value:
        if name not in known:
            raise ValueError(f"{show(name)} is no curve; the nearest is {nearest(name, known)}")
    if len(value) > 1 or "X25519" in value:
        raise ValueError(
            f"Python's ssl can hold to one curve of {', '.join(CURVES)}, not to a list or to "
            "X25519: name one of them, or leave it out"
        )
    return value


def _ciphers(value: tuple[str, ...]) -> tuple[str, ...]:
    known = (*CIPHERS, *sorted(ALWAYS_ON))
    for name in value:
        if name not in known:
            best = nearest(name, known)
            raise ValueError(f"{show(name)} is unknown or unsafe; the nearest safe one is {best}")
    return value


def _hashed(secret: SecretStr) -> SecretStr:
    found = BCRYPT.fullmatch(secret.get_secret_value())
    if not found:
        raise ValueError("not a bcrypt hash; make one with: htpasswd -nBC 10 USER")
    if not _LEAST_COST <= int(found["cost"]) <= _MOST_COST:
        raise ValueError(f"bcrypt's cost must be from {_LEAST_COST} to {_MOST_COST}: 10 is usual")
    return secret


def _interval(value: object) -> timedelta:
    text = value if isinstance(value, str) else ""
    if text == "0":
        return timedelta()
    if not _GO_DURATION.fullmatch(text):
        raise ValueError("not a duration; write it like 100ms, 1.5s or 1m, or 0 for no limit")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _GO_PART.findall(text))
    if seconds > _LONGEST_INTERVAL.total_seconds():
        raise ValueError("must be at most 24h")
    return timedelta(seconds=seconds)


def _burst(value: object) -> object:
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        raise ValueError("must be a whole number")
    return value


class _Part(BaseModel):
    """A section of the file: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TlsServer(_Part):
    """`tls_server_config`; paths are as they were written."""

    cert: str = ""
    key: SecretStr = SecretStr("")
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_auth_type: Annotated[
        Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
        BeforeValidator(_client_auth),
    ] = "NoClientCert"
    client_allowed_sans: tuple[str, ...] = ()
    min_version: Annotated[Literal["TLS12", "TLS13"], BeforeValidator(_version)] = "TLS12"
    max_version: Annotated[Literal["TLS12", "TLS13"], BeforeValidator(_version)] = "TLS13"
    cipher_suites: Annotated[tuple[str, ...], AfterValidator(_ciphers)] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: Annotated[tuple[str, ...], AfterValidator(_curves)] = ()

    @field_validator("max_version")
    @classmethod
    def _not_below(cls, value: str, info: ValidationInfo) -> str:
        least = info.data.get("min_version")
        if least and value < least:
            raise ValueError(f"is below min_version ({least})")
        return value


class HttpServer(_Part):
    """`http_server_config`."""

    http2: bool = False
    headers: dict[str, str] = Field(default_factory=dict)


class RateLimit(_Part):
    """`rate_limit`: one request an interval, and so many at once after a pause."""

    interval: Annotated[timedelta, BeforeValidator(_interval)] = timedelta()
    burst: Annotated[int, BeforeValidator(_burst)] = 0


def _said(section: object) -> object:
    """Have an empty mapping mean that there is no section, and refuse to take nothing for it."""
    if section is None:
        raise ValueError("is nothing")
    return section or None


class WebFile(_Part):
    """The file's whole."""

    SECTIONS: ClassVar[Mapping[str, type[_Part]]] = {
        "tls_server_config": TlsServer,
        "http_server_config": HttpServer,
        "rate_limit": RateLimit,
    }

    tls_server_config: Annotated[TlsServer | None, BeforeValidator(_said)] = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[str, Annotated[SecretStr, AfterValidator(_hashed)]] = Field(
        default_factory=dict
    )
    rate_limit: RateLimit = RateLimit()
