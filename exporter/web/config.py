"""The web configuration file, in the format of Prometheus' exporter-toolkit, as frozen values.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. What the
format has works here or is refused by its name, with the reason; nothing is ignored.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

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

TLS13_CIPHERS = frozenset(
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
)
"""The format takes these names, and they are on whatever the list says."""

NO_CLIENT, IF_GIVEN, REQUIRED = (
    "NoClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
)

BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
"""Of the salt's last character but two bits count, and the others are 0 in what bcrypt writes."""

_LEAST_COST, _MOST_COST = 4, 18
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h))+", re.ASCII)
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_INTERVAL = timedelta(days=1)
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


def _client_auth(value: object) -> object:
    if value in {"RequestClientCert", "RequireAnyClientCert", "RequireClientCert"}:
        raise ValueError(
            "Python's ssl cannot ask for a certificate without verifying it, and it would prove "
            f"nothing: use {REQUIRED} or {IF_GIVEN}"
        )
    return value


def _version(value: object) -> object:
    if value in {"TLS10", "TLS11"}:
        raise ValueError("OpenSSL 3 no longer speaks it safely: use TLS12 or TLS13")
    return value


def _curves(value: object) -> object:
    if value:
        raise ValueError("Python's ssl cannot be held to a list of curves: leave it out")
    return value


def _ciphers(value: tuple[str, ...]) -> tuple[str, ...]:
    known = (*CIPHERS, *sorted(TLS13_CIPHERS))
    for name in value:
        if name not in known:
            best = nearest(name, known)
            raise ValueError(f"{show(name)} is unknown or unsafe; the nearest safe one is {best}")
    return value


def _user(name: str) -> str:
    if ":" in name:
        raise ValueError("a user's name cannot have a colon in basic authentication")
    return name


def _hashed(secret: SecretStr) -> SecretStr:
    found = BCRYPT.fullmatch(secret.get_secret_value())
    if not found:
        raise ValueError("not a bcrypt hash; make one with: htpasswd -nBC 10 USER")
    if not _LEAST_COST <= int(found["cost"]) <= _MOST_COST:
        raise ValueError(f"bcrypt's cost must be from {_LEAST_COST} to {_MOST_COST}: 10 is usual")
    return secret


def _header(value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError("must be one line of printable ASCII")
    return value


def _interval(value: object) -> object:
    if value == "0" or value == timedelta():
        return timedelta()
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError("not a duration; write it like 100ms, 1.5s or 1m, or 0 for no limit")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(value))
    if seconds > _LONGEST_INTERVAL.total_seconds():
        raise ValueError("must be at most 24h")
    return timedelta(seconds=seconds)


class _Section(BaseModel):
    """A section of the file. A field is checked with those that stand before it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )


class TlsServer(_Section):
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
    curve_preferences: Annotated[tuple[str, ...], BeforeValidator(_curves)] = ()

    @field_validator("cert_file", "key_file", "client_ca_file")
    @classmethod
    def _inline_or_file(cls, value: str, info: ValidationInfo) -> str:
        name = str(info.field_name).removesuffix("_file")
        if info.data.get(name) and value:
            raise ValueError(f"give {name} or {name}_file, not both")
        if not info.data.get(name, "wrong") and not value and name != "client_ca":
            raise ValueError(f"is required, or {name}")
        return value

    @field_validator("client_auth_type")
    @classmethod
    def _has_authority(cls, value: str, info: ValidationInfo) -> str:
        if not {"client_ca", "client_ca_file"} <= info.data.keys():
            return value
        authority = info.data["client_ca"] or info.data["client_ca_file"]
        if authority and value == NO_CLIENT:
            raise ValueError(f"must be {REQUIRED} or {IF_GIVEN} for client_ca to be of use")
        if not authority and value != NO_CLIENT:
            raise ValueError(
                "needs client_ca_file, or client_ca: without it every public authority would "
                "vouch for clients"
            )
        return value

    @field_validator("client_allowed_sans")
    @classmethod
    def _of_use(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and info.data.get("client_auth_type", REQUIRED) != REQUIRED:
            # Who has a certificate with another name would just leave it out.
            raise ValueError(f"is of use only with client_auth_type {REQUIRED}")
        return value

    @field_validator("max_version")
    @classmethod
    def _not_below(cls, value: str, info: ValidationInfo) -> str:
        least = info.data.get("min_version")
        if least and value < least:
            raise ValueError(f"is below min_version ({least})")
        return value

    @field_validator("cipher_suites")
    @classmethod
    def _some_of_tls12(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and not set(value) - TLS13_CIPHERS and info.data.get("min_version") == "TLS12":
            raise ValueError("names none of TLS 1.2: name some, or set min_version to TLS13")
        return value


_Header = Annotated[str, AfterValidator(_header)]


class Headers(_Section):
    """`headers`: those that the format lets people set."""

    csp: _Header = Field("", alias="Content-Security-Policy")
    hsts: _Header = Field("", alias="Strict-Transport-Security")
    content_type: Literal["nosniff"] | None = Field(None, alias="X-Content-Type-Options")
    frame: Literal["deny", "sameorigin"] | None = Field(None, alias="X-Frame-Options")
    xss: _Header = Field("", alias="X-XSS-Protection")


class HttpServer(_Section):
    """`http_server_config`."""

    http2: bool = False
    headers: Headers = Headers()


class RateLimit(_Section):
    """`rate_limit`: one request an interval, and so many at once after a pause."""

    interval: Annotated[timedelta, BeforeValidator(_interval)] = timedelta()
    burst: int = 0

    @field_validator("burst", mode="before")
    @classmethod
    def _answers(cls, value: object, info: ValidationInfo) -> int:
        text = str(value)
        if not (text.isascii() and text.isdigit()):
            raise ValueError("must be a whole number")
        if not int(text) and info.data.get("interval"):
            raise ValueError(
                "must be at least 1 where an interval is set: with 0 nothing would be answered"
            )
        return int(text)


class WebFile(_Section):
    """The file's whole. `{}` behind a section says that there is none."""

    tls_server_config: Annotated[TlsServer | None, BeforeValidator(lambda said: said or None)] = (
        None
    )
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[
        Annotated[str, AfterValidator(_user)], Annotated[SecretStr, AfterValidator(_hashed)]
    ] = Field(default_factory=dict)
    rate_limit: RateLimit = RateLimit()
