"""The web configuration file, in the format of Prometheus' exporter-toolkit, as frozen values.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. What the
format has works here or is refused by its name; nothing is ignored.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    SecretStr,
    model_validator,
)

from exporter.nearest import suggestion

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
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
}
"""Go's names of the suites that it holds safe, and OpenSSL's of the same.

The last three are of TLS 1.3, and on whatever the list says.
"""

NO_CLIENT, IF_GIVEN, REQUIRED = (
    "NoClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
)

_GO_UNITS: Mapping[str, float] = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3600,
}
_GO_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_GO_DURATION = re.compile(rf"\+?(?:0|(?:{_GO_PART.pattern})+)")
_GO_LONGEST = 2**63 / 1e9
"""Durations as the format's own reader takes them (https://pkg.go.dev/time#ParseDuration)."""

_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-8])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
"""Of the salt's last character but two bits count, and the others are 0 in what bcrypt writes."""


def bcrypt_cost(hashed: SecretStr) -> int:
    """Return what a hash costs: one more is twice the time. Raises ValueError where it is none."""
    found = _BCRYPT.fullmatch(hashed.get_secret_value())
    if not found:
        raise ValueError(
            "not a bcrypt hash with a cost from 4 to 18; make one with: htpasswd -nBC 10 USER"
        )
    return int(found[1])


def _hash(secret: SecretStr) -> SecretStr:
    bcrypt_cost(secret)
    return secret


def _user(name: str) -> str:
    if ":" in name:
        raise ValueError("a user's name cannot have a colon in basic authentication")
    return name


def _cipher(name: str) -> str:
    if name not in CIPHERS:
        raise ValueError(f"is unknown or unsafe; {suggestion(name, CIPHERS)}")
    return name


def _curves(_: object) -> object:
    raise ValueError("Python's ssl cannot be held to a list of curves: leave it out")


def _header(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("must be one line of printable ASCII")
    return value


def _interval(value: object) -> timedelta:
    if not _GO_DURATION.fullmatch(str(value)):
        raise ValueError("not a duration; write it like 500ms, 1.5s or 1m30s")
    seconds = sum(float(number) * _GO_UNITS[unit] for number, unit in _GO_PART.findall(str(value)))
    if seconds > _GO_LONGEST:
        raise ValueError("longer than 292 years")
    return timedelta(seconds=seconds)


def _section(said: object) -> object:
    if said is None:
        # Commented out or cut off, more often than not; and without it everybody comes in.
        raise ValueError("has nothing behind it; {} says that there is none")
    return None if said == {} else said


class _Section(BaseModel):
    """A section of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if wrong := list(self.contradictions()):
            raise ValueError("; ".join(wrong))
        return self

    def contradictions(self) -> Iterator[str]:
        """Yield how keys of the section, each right by itself, do not go together."""
        yield from ()


class TlsServer(_Section):
    """`tls_server_config`; paths are as they were written."""

    cert: str = ""
    key: SecretStr = SecretStr("")
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_auth_type: Literal[
        "NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"
    ] = "NoClientCert"
    client_allowed_sans: tuple[str, ...] = ()
    min_version: Literal["TLS12", "TLS13"] = "TLS12"
    max_version: Literal["TLS12", "TLS13"] = "TLS13"
    cipher_suites: tuple[Annotated[str, AfterValidator(_cipher)], ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: Annotated[None, BeforeValidator(_curves)] = None

    def contradictions(self) -> Iterator[str]:
        """Yield them."""
        authority = self.client_ca or self.client_ca_file
        for name in ("cert", "key"):
            if not (getattr(self, name) or getattr(self, f"{name}_file")):
                yield f"{name}_file is required, or {name}"
        for name in ("cert", "key", "client_ca"):
            if getattr(self, name) and getattr(self, f"{name}_file"):
                yield f"give {name} or {name}_file, not both"
        if authority and self.client_auth_type == NO_CLIENT:
            yield f"client_auth_type must be {REQUIRED} or {IF_GIVEN} for client_ca to be of use"
        if not authority and self.client_auth_type != NO_CLIENT:
            yield (
                f"client_auth_type {self.client_auth_type} needs client_ca_file, or client_ca: "
                "without it every public authority would vouch for clients"
            )
        if self.client_allowed_sans and self.client_auth_type != REQUIRED:
            # Who has a certificate with another name would just leave it out.
            yield f"client_allowed_sans is of use only with client_auth_type {REQUIRED}"
        if self.max_version < self.min_version:
            yield f"max_version is below min_version ({self.min_version})"
        is_restricted = self.cipher_suites and self.min_version == "TLS12"
        if is_restricted and not any(CIPHERS[name] for name in self.cipher_suites):
            yield "cipher_suites names none of TLS 1.2: name some, or set min_version to TLS13"


_Header = Annotated[str, AfterValidator(_header)]


class Headers(_Section):
    """`headers`: those that the format lets people set. Only those that are set are sent."""

    csp: _Header = Field("", alias="Content-Security-Policy")
    hsts: _Header = Field("", alias="Strict-Transport-Security")
    content_type: Literal["nosniff"] = Field("nosniff", alias="X-Content-Type-Options")
    frame: Literal["deny", "sameorigin"] = Field("deny", alias="X-Frame-Options")
    xss: _Header = Field("", alias="X-XSS-Protection")


class HttpServer(_Section):
    """`http_server_config`."""

    http2: bool = False
    headers: Headers = Headers()


class RateLimit(_Section):
    """`rate_limit`: one request an interval, and so many at once after a pause."""

    interval: Annotated[timedelta, BeforeValidator(_interval)] = timedelta()
    burst: NonNegativeInt = 0

    def contradictions(self) -> Iterator[str]:
        """Yield them."""
        if self.interval and not self.burst:
            yield "burst must be at least 1 where an interval is set: nothing would be answered"


class WebFile(_Section):
    """The file's whole."""

    tls_server_config: Annotated[TlsServer | None, BeforeValidator(_section)] = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[
        Annotated[str, AfterValidator(_user)], Annotated[SecretStr, AfterValidator(_hash)]
    ] = Field(default_factory=dict)
    rate_limit: RateLimit = RateLimit()
