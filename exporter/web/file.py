"""The web configuration file: Prometheus' exporter-toolkit format as frozen values.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. What the
format has works here or is refused by its name, with the reason; nothing is ignored. Knows nothing
of sockets: `exporter.web.tls` makes a TLS context of what stands here.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from exporter.nearest import nearest
from exporter.settings import ConfigurationError
from exporter.settings.keys import Path
from exporter.settings.sources import Problem
from exporter.settings.written import Unquoted, as_written, read_yaml, show

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

_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that the format lets people set, and their values where these are a choice."""

_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}")
_LEAST_COST, _MOST_COST = 4, 18
_GO_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h))+", re.ASCII)
_GO_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
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


def _no_http2(value: bool) -> bool:  # noqa: FBT001 -- a setting's value
    if value:
        raise ValueError("HTTP/2 is not spoken here, and Prometheus does not need it: leave it out")
    return value


def _wrong_header(name: str, value: object) -> str:
    """Say what is wrong with a header's value; empty where nothing is, or where it is no text."""
    choices = _HEADERS[name]
    if choices and value not in choices:
        return f"must be {' or '.join(choices)}"
    if isinstance(value, str) and not _HEADER_VALUE.fullmatch(value):
        return "must be one line of printable ASCII"
    return ""


def _hashed(secret: SecretStr) -> SecretStr:
    found = _BCRYPT.fullmatch(secret.get_secret_value())
    if not found:
        raise ValueError("not a bcrypt hash; make one with: htpasswd -nBC 10 USER")
    if not _LEAST_COST <= int(found["cost"]) <= _MOST_COST:
        raise ValueError(f"bcrypt's cost must be from {_LEAST_COST} to {_MOST_COST}: 10 is usual")
    return secret


def _interval(value: object) -> timedelta:
    text = as_written(value) if isinstance(value, str | Unquoted) else ""
    if text == "0":
        return timedelta()
    if not _GO_DURATION.fullmatch(text):
        raise ValueError("not a duration; write it like 100ms, 1.5s or 1m, or 0 for no limit")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _GO_PART.findall(text))
    if seconds > _LONGEST_INTERVAL.total_seconds():
        raise ValueError("must be at most 24h")
    return timedelta(seconds=seconds)


def _burst(value: object) -> object:
    if isinstance(value, Unquoted) and value >= 0:
        return int(value)
    raise ValueError("must be a whole number")


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
    prefer_server_cipher_suites: StrictBool = True
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

    http2: Annotated[StrictBool, AfterValidator(_no_http2)] = False
    headers: dict[str, str] = Field(default_factory=dict)


class RateLimit(_Part):
    """`rate_limit`: one request an interval, and so many at once after a pause."""

    interval: Annotated[timedelta, BeforeValidator(_interval)] = timedelta()
    burst: Annotated[int, BeforeValidator(_burst)] = 0


class WebFile(_Part):
    """The file's whole."""

    SECTIONS: ClassVar[Mapping[str, type[_Part]]] = {
        "tls_server_config": TlsServer,
        "http_server_config": HttpServer,
        "rate_limit": RateLimit,
    }

    tls_server_config: TlsServer | None = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[str, Annotated[SecretStr, AfterValidator(_hashed)]] = Field(
        default_factory=dict
    )
    rate_limit: RateLimit = RateLimit()


def read_web_file(path: str, read: Read) -> tuple[WebFile, list[Problem]]:
    """Read the file; give its values and what is wrong between them, which concerns TLS alone.

    Raises ConfigurationError where there are no values: with everything that is wrong.
    """
    written = _document(path, read)
    try:
        file = WebFile.model_validate(written)
    except ValidationError as error:
        found = [*_refused(error, path), *_beyond_types(written, path)]
        # Not from the error: it holds every value, secrets included.
        raise ConfigurationError(map(str, found)) from None
    problems = [*_beyond_types(written, path), *_contradictions(file, path)]
    return file, problems


def _document(path: str, read: Read) -> dict[str, Any]:
    try:
        content = read_yaml(read(FilePath(path)).decode())
    except OSError as error:
        raise _unusable(path, f"cannot read it: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _unusable(path, "not UTF-8 text") from None
    except ValueError as error:
        # Only where it is wrong: what stands there may be part of a secret.
        where = re.search(r"\(line [0-9]+, column [0-9]+\)$", str(error))
        raise _unusable(path, f"not YAML {where[0] if where else ''}".rstrip()) from None
    if not isinstance(content, dict | None):
        raise _unusable(path, f"not a mapping with the keys {', '.join(WebFile.model_fields)}")
    return _set(content or {})


def _unusable(path: str, message: str) -> ConfigurationError:
    return ConfigurationError([str(Problem(("web", "config_file"), message, show(path)))])


def _set(tree: dict[str, Any]) -> dict[str, Any]:
    """Leave out keys with nothing behind them, and sections in which nothing is set."""
    kept = {name: _set(v) if isinstance(v, dict) else v for name, v in tree.items()}
    return {name: value for name, value in kept.items() if value not in (None, {})}


def _refused(error: ValidationError, origin: str) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        path: Path = detail["loc"]
        shown = "" if _is_secret(path, detail) else show(detail["input"])
        yield Problem(path, _message(detail, path), shown, origin)


def _is_secret(path: Path, detail: ErrorDetails) -> bool:
    """Tell whether a value must not be shown; of a section nothing is, nor of an unknown key."""
    return (
        detail["type"] == "extra_forbidden"
        or len(path) == 1
        or path[0] == "basic_auth_users"
        or path[-1] in {"key", "cert", "client_ca"}
    )


def _message(detail: ErrorDetails, path: Path) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown key; the nearest known key is {_nearest_key(path)}"
        case "value_error":
            return str(detail["ctx"]["error"])
        case "literal_error":
            return f"must be {detail['ctx']['expected'].replace(chr(39), '')}"
        case "string_type" if isinstance(detail["input"], bool | int | float):
            return "must be a string: put it in quotes"
        case kind:
            return _EXPECTED.get(kind.partition("_")[0], detail["msg"])


_EXPECTED = {
    "string": "must be a string",
    "bool": "must be true or false",
    "tuple": "must be a list",
    "model": "must be a mapping with the format's keys",
    "dict": "must be a mapping",
}


def _nearest_key(path: Path) -> str:
    section = WebFile.SECTIONS.get(str(path[0]), WebFile) if len(path) > 1 else WebFile
    known = [".".join([*map(str, path[:-1]), name]) for name in section.model_fields]
    if len(path) == 1:
        known += [f"{name}.{key}" for name, s in WebFile.SECTIONS.items() for key in s.model_fields]
    return nearest(".".join(map(str, path)), known)


def _beyond_types(written: Mapping[str, Any], origin: str) -> Iterator[Problem]:
    """Give what is wrong with names that people choose, and between two values."""
    http = written.get("http_server_config")
    headers = http.get("headers") if isinstance(http, dict) else None
    for name, value in headers.items() if isinstance(headers, dict) else ():
        here = ("http_server_config", "headers", name)
        if name not in _HEADERS:
            message = f"cannot be set; the nearest that can is {nearest(name, _HEADERS)}"
            yield Problem(here, message, origin=origin)
        elif message := _wrong_header(name, value):
            yield Problem(here, message, show(value), origin)
    users = written.get("basic_auth_users")
    for name in users if isinstance(users, dict) else ():
        if ":" in name:
            message = "a user's name cannot have a colon in basic authentication"
            yield Problem(("basic_auth_users", name), message, origin=origin)
    yield from _starved(written.get("rate_limit"), origin)


def _starved(limit: object, origin: str) -> Iterator[Problem]:
    if not isinstance(limit, dict):
        return
    interval, burst = as_written(limit.get("interval", "0")), as_written(limit.get("burst", "0"))
    if interval not in {"0", "0s"} and burst == "0":
        message = "must be at least 1 where an interval is set: with 0 nothing would be answered"
        yield Problem(("rate_limit", "burst"), message, burst, origin)


def _contradictions(file: WebFile, origin: str) -> Iterator[Problem]:
    tls = file.tls_server_config
    if tls is not None:
        for name, message in (*_pairs(tls), *_of_clients(tls), *_of_suites(tls)):
            yield Problem(("tls_server_config", name), message, origin=origin)


def _pairs(tls: TlsServer) -> Iterator[tuple[str, str]]:
    for name in ("cert", "key"):
        inline, file = bool(_text(getattr(tls, name))), bool(getattr(tls, f"{name}_file"))
        if inline and file:
            yield name, f"give {name} or {name}_file, not both"
        elif not inline and not file:
            yield f"{name}_file", f"is required, or {name}"
    if tls.client_ca and tls.client_ca_file:
        yield "client_ca", "give client_ca or client_ca_file, not both"


def _of_clients(tls: TlsServer) -> Iterator[tuple[str, str]]:
    authority = tls.client_ca or tls.client_ca_file
    if authority and tls.client_auth_type == NO_CLIENT:
        yield "client_auth_type", f"must be {REQUIRED} or {IF_GIVEN} for client_ca to be of use"
    if not authority and tls.client_auth_type != NO_CLIENT:
        yield (
            "client_ca_file",
            (
                f"is required for {tls.client_auth_type}, or client_ca: without it every public "
                "authority would vouch for clients"
            ),
        )
    if tls.client_allowed_sans and tls.client_auth_type != REQUIRED:
        # Who has a certificate with another name would just leave it out.
        yield "client_allowed_sans", f"is of use only with client_auth_type {REQUIRED}"


def _of_suites(tls: TlsServer) -> Iterator[tuple[str, str]]:
    if tls.cipher_suites and not set(tls.cipher_suites) - ALWAYS_ON and tls.min_version != "TLS13":
        yield (
            "cipher_suites",
            "names none of TLS 1.2: name some, or set min_version to TLS13",
        )


def _text(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
