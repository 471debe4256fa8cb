"""The web configuration file, in the format of Prometheus' exporter-toolkit, as frozen values.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. What the
format has works here or is refused by its name; nothing is ignored.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from exporter.nearest import suggestion
from exporter.settings.errors import ConfigurationError, Problem, message, show
from exporter.settings.yaml import read_yaml

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

_GO_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
"""Of durations as the format's own reader takes them (https://pkg.go.dev/time#ParseDuration)."""

_GO_PART = re.compile(rf"([0-9]{{1,19}}(?:\.[0-9]*)?|\.[0-9]+)({'|'.join(_GO_UNITS)})")
_GO_DURATION = re.compile(rf"\+?(?:0|(?:{_GO_PART.pattern})+)")
_MICRO = str.maketrans("µμ", "uu")

_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-8])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
"""Of the salt's last character but two bits count, and the others are 0 in what bcrypt writes."""

_Path = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
_Header = Annotated[str, StringConstraints(pattern="^[ -~]*$")]
"""A line of printable ASCII."""


def bcrypt_cost(hashed: str) -> int:
    """Return what a hash costs, one more of which is twice the time; 0 where it is none."""
    found = _BCRYPT.fullmatch(hashed)
    return int(found[1]) if found else 0


def _hash(secret: SecretStr) -> SecretStr:
    if not bcrypt_cost(secret.get_secret_value()):
        raise ValueError(
            "not a bcrypt hash with a cost from 4 to 18; make one with: htpasswd -nBC 10 USER"
        )
    return secret


def _cipher(name: str) -> str:
    if name not in CIPHERS:
        raise ValueError(f"is unknown or unsafe; {suggestion(name, CIPHERS)}")
    return name


def _curves(_: object) -> object:
    raise ValueError("Python's ssl cannot be held to a list of curves: leave it out")


def _seconds(said: object) -> float:
    text = str(said).translate(_MICRO)
    if not _GO_DURATION.fullmatch(text):
        raise ValueError("not a duration; write it like 500ms, 1.5s or 1m30s")
    return sum(float(number) * _GO_UNITS[unit] for number, unit in _GO_PART.findall(text))


class _Section(BaseModel):
    """A section of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ClientAuth(StrEnum):
    """Whether clients are asked for a certificate."""

    NONE = "NoClientCert"
    IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRED = "RequireAndVerifyClientCert"


class TlsServer(_Section):
    """`tls_server_config`; paths are as they were written."""

    cert: str = ""
    key: SecretStr = SecretStr("")
    client_ca: str = ""
    cert_file: _Path = ""
    key_file: _Path = ""
    client_ca_file: _Path = ""
    client_auth_type: ClientAuth = ClientAuth.NONE
    client_allowed_sans: tuple[str, ...] = ()
    min_version: Literal["TLS12", "TLS13"] = "TLS12"
    max_version: Literal["TLS12", "TLS13"] = "TLS13"
    cipher_suites: tuple[Annotated[str, AfterValidator(_cipher)], ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: Annotated[None, BeforeValidator(_curves)] = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        # `{}` is no TLS.
        if self.model_fields_set and (wrong := list(self._contradictions())):
            raise ValueError("; ".join(wrong))
        return self

    def _contradictions(self) -> Iterator[str]:
        """Yield how keys, each right by itself, do not go together."""
        authority, auth = self.client_ca or self.client_ca_file, self.client_auth_type
        for name in ("cert", "key"):
            if not (getattr(self, name) or getattr(self, f"{name}_file")):
                yield f"{name}_file is required, or {name}"
        for name in ("cert", "key", "client_ca"):
            if getattr(self, name) and getattr(self, f"{name}_file"):
                yield f"give {name} or {name}_file, not both"
        if authority and auth is ClientAuth.NONE:
            both = f"{ClientAuth.REQUIRED} or {ClientAuth.IF_GIVEN}"
            yield f"client_auth_type must be {both} for client_ca to be of use"
        if not authority and auth is not ClientAuth.NONE:
            yield (
                f"client_auth_type {auth} needs client_ca_file, or client_ca: "
                "without it every public authority would vouch for clients"
            )
        if self.client_allowed_sans and auth is not ClientAuth.REQUIRED:
            # Who has a certificate with another name would just leave it out.
            yield f"client_allowed_sans is of use only with client_auth_type {ClientAuth.REQUIRED}"
        if self.max_version < self.min_version:
            yield f"max_version is below min_version ({self.min_version})"
        is_restricted = self.cipher_suites and self.min_version == "TLS12"
        if is_restricted and not any(CIPHERS[name] for name in self.cipher_suites):
            yield "cipher_suites names none of TLS 1.2: name some, or set min_version to TLS13"


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

    interval: Annotated[float, BeforeValidator(_seconds)] = 0.0
    """In seconds."""
    burst: NonNegativeInt = 0

    @model_validator(mode="after")
    def _answers_somebody(self) -> Self:
        if self.interval and not self.burst:
            raise ValueError("burst must be at least 1 where an interval is set")
        return self


class WebFile(_Section):
    """The file's whole."""

    tls_server_config: TlsServer = TlsServer()
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[str, Annotated[SecretStr, AfterValidator(_hash)]] = {}
    rate_limit: RateLimit = RateLimit()


def read_web_file(path: str, read: Callable[[Path], bytes]) -> WebFile:
    """Return the file's values. Raises ConfigurationError with everything that is wrong."""
    try:
        content = read_yaml(read(Path(path)).decode())
        if isinstance(content, dict):
            return WebFile.model_validate(content)
        # One that says nothing was perhaps cut off: to believe it would let everybody in.
        keys = ", ".join(WebFile.model_fields)
        error = unusable(path, f"not a mapping with the keys {keys}; to have no rules, write {{}}")
    except OSError as unread:
        error = unusable(path, f"cannot read it: {unread.strerror}")
    except UnicodeDecodeError:
        error = unusable(path, "not UTF-8 text")
    except ValidationError as wrong:
        error = ConfigurationError(map(str, _problems(wrong, path)))
    except ValueError as no_yaml:
        # Only where it is wrong: what stands there may be part of a secret.
        where = re.search(r"\(line [0-9]+, column [0-9]+\)$", str(no_yaml))
        error = unusable(path, f"not YAML {where[0] if where else ''}".rstrip())
    # Outside of the block above: pydantic's error holds every value, secrets included.
    raise error


def unusable(path: str, text: str) -> ConfigurationError:
    """Return the error that a web file as a whole is."""
    return ConfigurationError([str(Problem(("web", "config_file"), text, show(path)))])


def _problems(error: ValidationError, origin: str) -> Iterator[Problem]:
    """Yield what pydantic found wrong. No value is shown: it may be a secret in the wrong place."""
    for detail in error.errors(include_url=False):
        path = detail["loc"]
        match detail["type"]:
            case "extra_forbidden":
                text = f"unknown key; {suggestion(str(path[-1]), _keys(path[:-1]))}"
            case "model_type":
                text = "must be a mapping"
            case "string_pattern_mismatch":
                text = f"must match {detail['ctx']['pattern']}"
            case _:
                text = message(detail)
        yield Problem(path, text, origin=origin)


def _keys(path: Iterable[Any]) -> list[str]:
    """Return the keys of the section at a path."""
    section: Any = WebFile
    for step in path:
        section = section.model_fields[step].annotation
    return [field.alias or name for name, field in section.model_fields.items()]
