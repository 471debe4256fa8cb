"""A server's TLS, made of what the web file says and of the files that it names."""

import contextlib
import os
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from exporter.settings.errors import Problem, show
from exporter.web.file import ALWAYS_ON, CIPHERS, CURVES, IF_GIVEN, REQUIRED, Read, TlsServer

_SECTION = "tls_server_config"
_VERIFY = {IF_GIVEN: ssl.CERT_OPTIONAL, REQUIRED: ssl.CERT_REQUIRED}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Tls:
    """What a TLS connection is accepted with; the certificate's end in Unix seconds."""

    context: ssl.SSLContext
    expiry: float
    allowed_names: frozenset["Name"]
    verifies_clients: bool

    def admits(self, transport_info: object) -> bool:
        """Tell whether a client with this certificate, as `getpeercert` gives it, may come in."""
        if not self.allowed_names:
            return True
        return not self.allowed_names.isdisjoint(_alternative_names(transport_info))


Name = tuple[str, str]
"""A kind, as the ssl module calls it, and a name of that kind."""

_ADDRESS = "IP Address"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
"""What a URI begins with (RFC 3986 section 3.1), and neither a host nor a mail address does."""


def _meant(listed: str) -> Name:
    """Give a listed name with its kind: authorities let others choose URIs than DNS names."""
    with contextlib.suppress(ValueError):
        return _ADDRESS, str(ip_address(listed))
    if _SCHEME.match(listed):
        return "URI", listed
    return "email" if "@" in listed else "DNS", listed


def _alternative_names(certificate: object) -> Iterator[Name]:
    names = certificate.get("subjectAltName", ()) if isinstance(certificate, dict) else ()
    for kind, value in names:
        if kind != _ADDRESS:
            yield kind, value
            continue
        # OpenSSL writes IPv6 in full; the list has it as people do.
        with contextlib.suppress(ValueError):
            yield kind, str(ip_address(value.strip()))


class TlsError(Exception):
    """The files do not make a server; `problem` says why."""

    def __init__(self, name: str, message: str, shown: str, origin: str) -> None:
        """Take the key's name below `tls_server_config`, and what is wrong with its value."""
        self.problem = Problem((_SECTION, name), message, shown, origin)
        super().__init__(str(self.problem))


@dataclass(frozen=True, slots=True)
class _Source:
    """PEM that stands inline or in a file, and the key that says so."""

    name: str
    shown: str
    pem: bytes


def make_tls(settings: TlsServer, origin: str, read: Read) -> Tls:
    """Make the TLS of a server; `origin` is the web file, to whose folder paths are relative.

    Raises TlsError.
    """
    folder = Path(origin).parent

    def source(name: str, inline: str) -> _Source:
        if inline:
            return _Source(name, "", inline.encode())
        name = f"{name}_file"
        written = getattr(settings, name)
        try:
            return _Source(name, show(written), read(folder / written))
        except OSError as error:
            message = f"cannot read it: {error.strerror}"
            raise TlsError(name, message, show(written), origin) from None

    context = _context(settings)
    certificate = source("cert", settings.cert)
    key = source("key", settings.key.get_secret_value())
    expiry = _expiry_of(certificate, origin)
    _load(context, certificate, key, origin)
    if settings.client_ca or settings.client_ca_file:
        _trust(context, source("client_ca", settings.client_ca), origin)
    return Tls(
        context,
        expiry,
        frozenset(map(_meant, settings.client_allowed_sans)),
        verifies_clients=context.verify_mode == ssl.CERT_REQUIRED,
    )


def _context(settings: TlsServer) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.min_version]
    context.maximum_version = _VERSIONS[settings.max_version]
    context.verify_mode = _VERIFY.get(settings.client_auth_type, ssl.CERT_NONE)
    # A client could make the server work by asking for a handshake over and over.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if settings.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    suites = [CIPHERS[name] for name in settings.cipher_suites if name not in ALWAYS_ON]
    if suites:
        context.set_ciphers(":".join(suites))
    for name in settings.curve_preferences:
        context.set_ecdh_curve(CURVES[name])
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, certificate: _Source, key: _Source, origin: str) -> None:
    def encrypted() -> bytes:
        # Without this OpenSSL would ask at the terminal, and wait.
        raise TlsError(key.name, "is encrypted: give it without a passphrase", key.shown, origin)

    with _as_file(certificate.pem) as certificate_path, _as_file(key.pem) as key_path:
        try:
            context.load_cert_chain(certificate_path, key_path, password=encrypted)
        except ssl.SSLError as error:
            fault, message = _cause(error.reason, certificate, key)
            raise TlsError(fault.name, message, fault.shown, origin) from None


def _cause(reason: str | None, certificate: _Source, key: _Source) -> tuple[_Source, str]:
    """Give what is to blame that certificate and key are not taken, and for what."""
    if reason in _WEAK:
        return certificate, "is too weak for OpenSSL: use a longer key and SHA-2"
    first, *others = _CERTIFICATE.findall(certificate.pem) or [b""]
    if _go_together(first, key.pem):
        return certificate, "after its first certificate it has something that is none in PEM"
    if any(_go_together(other, key.pem) for other in others):
        message = f"the certificate of {key.name} is in it, but not first: put it before those "
        return certificate, f"{message}that signed it"
    if reason in _OTHER_KEY:
        return key, f"is not the key of {certificate.name}"
    return key, "not a private key in PEM"


_WEAK = frozenset({"EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"})
_OTHER_KEY = frozenset(
    {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
    # A key of a kind that no certificate of a server has.
    | {"UNKNOWN_CERTIFICATE_TYPE"}
)
"""OpenSSL's reasons where the key was read, by whether it is of the certificate's kind."""

_CERTIFICATE = re.compile(rb"%s.*?%s" % (_BEGIN.encode(), _END.encode()), re.DOTALL)


def _go_together(certificate: bytes, key: bytes) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _as_file(certificate) as certificate_path, _as_file(key) as key_path:
        try:
            context.load_cert_chain(certificate_path, key_path, password=b"")
        except ssl.SSLError:
            return False
    return True


@contextlib.contextmanager
def _as_file(pem: bytes) -> Iterator[str]:
    """Give bytes the name of a file that is in memory alone: OpenSSL takes nothing else."""
    number = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with os.fdopen(number, "wb", closefd=False) as file:
            file.write(pem)
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)


def _trust(context: ssl.SSLContext, authority: _Source, origin: str) -> None:
    try:
        context.load_verify_locations(cadata=authority.pem.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError, ValueError):
        message = "not certificates in PEM"
        raise TlsError(authority.name, message, authority.shown, origin) from None


def _expiry_of(certificate: _Source, origin: str) -> float:
    text = certificate.pem.decode("latin-1")
    start, end = text.find(_BEGIN), text.find(_END)
    try:
        der = ssl.PEM_cert_to_DER_cert(text[start : end + len(_END)])
        return not_after(der)
    except (ValueError, IndexError):
        message = "not a certificate in PEM"
        raise TlsError(certificate.name, message, certificate.shown, origin) from None


_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17
_LONG = 0x80


def not_after(der: bytes) -> float:
    """Give when a certificate's validity ends, in Unix seconds (RFC 5280 section 4.1).

    The ssl module tells it of verified peers only, and a library for one date is a lot. Raises
    ValueError or IndexError where it is no certificate.
    """
    certificate = _inside(der)
    fields = list(_elements(_inside(certificate)))
    if fields[0][0] == _VERSION:
        del fields[0]
    # Serial number, signature algorithm, issuer, then validity: not before, not after.
    kind, content = list(_elements(fields[3][1]))[1]
    text = content.decode("ascii")
    if kind == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _inside(der: bytes) -> bytes:
    kind, content = next(_elements(der))
    if kind != _SEQUENCE:
        raise ValueError("not a sequence")
    return content


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Take DER elements apart that stand one after the other."""
    position = 0
    while position < len(der):
        kind, length = der[position], der[position + 1]
        position += 2
        if length & _LONG:
            size = length ^ _LONG
            length = int.from_bytes(der[position : position + size])
            position += size
        if position + length > len(der):
            raise ValueError("cut off")
        yield kind, der[position : position + length]
        position += length
