"""A server's TLS, made of what the web file says and of the files that it names."""

import contextlib
import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from exporter.settings import ConfigurationError
from exporter.settings.errors import Problem, show
from exporter.web.config import CIPHERS, IF_GIVEN, REQUIRED, TlsServer

Read = Callable[[Path], bytes]
"""Reads a file whole; raises OSError."""

_VERIFY = {IF_GIVEN: ssl.CERT_OPTIONAL, REQUIRED: ssl.CERT_REQUIRED}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class Tls:
    """What a TLS connection is accepted with; the certificate's end in Unix seconds."""

    context: ssl.SSLContext
    expiry: float
    allowed_names: frozenset[tuple[str, str]]
    """Each with its kind, as the ssl module has it; empty: whoever has a certificate."""

    @property
    def requires_certificates(self) -> bool:
        """Whether nobody comes in without a certificate."""
        return self.context.verify_mode == ssl.CERT_REQUIRED

    def admits(self, certificate: Mapping[str, Any] | None) -> bool:
        """Return whether a client with this certificate, as `getpeercert` has it, may come in."""
        names = (certificate or {}).get("subjectAltName", ())
        # OpenSSL writes IPv6 in full; the list has it as people do.
        listed = {(kind, _address(name) or name) for kind, name in names}
        return not self.allowed_names or not self.allowed_names.isdisjoint(listed)


def _meant(listed: str) -> tuple[str, str]:
    """Return a listed name with its kind: authorities let others choose URIs than DNS names."""
    if address := _address(listed):
        return "IP Address", address
    if re.match("[A-Za-z][A-Za-z0-9+.-]*:", listed):
        # What a URI begins with (RFC 3986 section 3.1), and neither a host nor a mail address does.
        return "URI", listed
    return "email" if "@" in listed else "DNS", listed


def _address(name: str) -> str:
    try:
        return str(ip_address(name.strip()))
    except ValueError:
        return ""


class _WrongError(Exception):
    """What is wrong with `cert`, `key` or `client_ca`: which of them, and what."""


def make_tls(settings: TlsServer, origin: str, read: Read) -> Tls:
    """Return a server's TLS; `origin` is the web file, to whose folder paths are relative.

    Raises ConfigurationError.
    """
    files = {name: getattr(settings, f"{name}_file") for name in ("cert", "key", "client_ca")}

    def line(name: str, text: str) -> str:
        key, shown = (f"{name}_file", show(files[name])) if files[name] else (name, "")
        return str(Problem(("tls_server_config", key), text, shown, origin))

    pems = {
        "cert": settings.cert.encode(),
        "key": settings.key.get_secret_value().encode(),
        "client_ca": settings.client_ca.encode(),
    }
    lines = []
    for name, path in files.items():
        try:
            pems[name] = read(Path(origin).parent / path) if path else pems[name]
        except OSError as error:
            lines.append(line(name, f"cannot read it: {error.strerror}"))
    if lines:
        raise ConfigurationError(lines)
    try:
        return _made(settings, **pems)
    except _WrongError as error:
        raise ConfigurationError([line(*error.args)]) from None


def _made(settings: TlsServer, cert: bytes, key: bytes, client_ca: bytes) -> Tls:
    context, expiry = _context(settings), _check_pair(cert, key)
    with _as_file(cert) as certificate, _as_file(key) as private:
        try:
            context.load_cert_chain(certificate, private)
        except ssl.SSLError as error:
            raise _WrongError("cert", f"OpenSSL does not take it: {reason(error)}") from None
    if settings.client_ca or settings.client_ca_file:
        try:
            # Bundles name their authorities between the certificates, as those spell themselves.
            context.load_verify_locations(cadata=client_ca.decode("ascii", "ignore"))
        except (ssl.SSLError, ValueError):
            raise _WrongError("client_ca", "not certificates in PEM") from None
    return Tls(context, expiry, frozenset(map(_meant, settings.client_allowed_sans)))


def reason(error: ssl.SSLError) -> str:
    """Return what OpenSSL says is wrong, in words."""
    return (error.reason or "unknown").lower().replace("_", " ")


def _check_pair(certificate: bytes, key: bytes) -> float:
    """Return when the certificate ends, in Unix seconds, if the key is its own.

    Raises _WrongError, with the one of the two that is to blame: OpenSSL would not say which.
    """
    # A twelfth of a second that a start without TLS does without.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        chain = x509.load_pem_x509_certificates(certificate)
        publics = [each.public_key() for each in chain]
    except ValueError:
        raise _WrongError("cert", "not certificates in PEM, each whole") from None
    try:
        public = load_pem_private_key(key, None).public_key()
    except TypeError:
        raise _WrongError("key", "is encrypted: give it without a passphrase") from None
    except ValueError:
        raise _WrongError("key", "not a private key in PEM") from None
    if publics[0] == public:
        return chain[0].not_valid_after_utc.timestamp()
    if public in publics:
        text = "the key's certificate is in it, but not first: put it before the others"
        raise _WrongError("cert", text)
    raise _WrongError("key", "is not the key of the certificate")


def _context(settings: TlsServer) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.min_version]
    context.maximum_version = _VERSIONS[settings.max_version]
    context.verify_mode = _VERIFY.get(settings.client_auth_type, ssl.CERT_NONE)
    # A client could make the server work by asking for a handshake over and over.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not settings.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    suites = [CIPHERS[name] for name in settings.cipher_suites]
    if any(suites):
        context.set_ciphers(":".join(filter(None, suites)))
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextlib.contextmanager
def _as_file(pem: bytes) -> Iterator[str]:
    """Return the name of a file that is in memory alone: OpenSSL takes nothing else."""
    number = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with os.fdopen(number, "wb", closefd=False) as file:
            file.write(pem)
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)


_MORE_DATA = 3
"""How often a client that was refused may still send something, each time 256 KiB at most."""

_NO_TLS = frozenset({"HTTP_REQUEST", "WRONG_VERSION_NUMBER"})
"""Reasons for which OpenSSL has no alert: nobody would understand it."""


def telling(refused: Callable[[str], object]) -> type[ssl.SSLObject]:
    """Return TLS objects that tell both sides why a handshake is refused.

    asyncio closes the connection without the alert that OpenSSL has ready (CPython issue 98078).
    But where a handshake waits for the client it sends what there is. So it is told to wait, and
    the client reads the alert and goes, or is dropped with its handshake's time.
    """

    class Telling(ssl.SSLObject):
        refusal: ssl.SSLError | None = None
        left = _MORE_DATA

        def do_handshake(self) -> None:
            if self.refusal is None:
                try:
                    return super().do_handshake()
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError):
                    raise
                except ssl.SSLError as error:
                    refused(reason(error))
                    if error.reason in _NO_TLS:
                        raise
                    self.refusal = error
            self.left -= 1
            if not self.left:
                raise self.refusal
            raise ssl.SSLWantReadError

    return Telling
