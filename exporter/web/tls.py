"""A server's TLS, made of what the web file says and of the files that it names."""

import contextlib
import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from exporter.settings import ConfigurationError
from exporter.settings.errors import Problem, show
from exporter.web.config import CIPHERS, ClientAuth, TlsServer

Read = Callable[[Path], bytes]
"""Reads a file whole; raises OSError."""

_VERIFY = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.IF_GIVEN: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRED: ssl.CERT_REQUIRED,
}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class Tls:
    """What a TLS connection is accepted with; the certificate's end in Unix seconds."""

    context: ssl.SSLContext
    expiry: float
    allowed_names: frozenset[tuple[str, str]]
    """Each with its kind, as the ssl module has it; empty: whoever has a certificate."""

    def admits(self, certificate: Mapping[str, Any] | None) -> bool:
        """Return whether a client with this certificate, as `getpeercert` has it, may come in."""
        names = (certificate or {}).get("subjectAltName", ())
        # What looks like a name of another kind than it is meets none.
        known = {_meant(name) for kind, name in names if _meant(name)[0] == kind}
        return not self.allowed_names or not self.allowed_names.isdisjoint(known)


def _meant(name: str) -> tuple[str, str]:
    """Return a name with its kind: authorities let others choose URIs than DNS names."""
    with contextlib.suppress(ValueError):
        # OpenSSL writes IPv6 in full; the list has it as people do.
        return "IP Address", str(ip_address(name.strip()))
    if re.match("[A-Za-z][A-Za-z0-9+.-]*:", name):
        # What a URI begins with (RFC 3986 section 3.1), and neither a host nor a mail address does.
        return "URI", name
    return "email" if "@" in name else "DNS", name


@dataclass(frozen=True, slots=True)
class _Pem:
    """A certificate or a key, and where it is from: a key of the web file, and perhaps a path."""

    key: str
    origin: str
    path: str
    content: bytes = b""

    def wrong(self, text: str) -> ConfigurationError:
        """Return the error that says what is wrong with it."""
        shown = show(self.path) if self.path else ""
        problem = Problem(("tls_server_config", self.key), text, shown, self.origin)
        return ConfigurationError([str(problem)])


def make_tls(settings: TlsServer, origin: str, read: Read) -> Tls:
    """Return a server's TLS; `origin` is the web file, to whose folder paths are relative.

    Raises ConfigurationError.
    """

    def pem(key: str, said: str, path: str) -> _Pem:
        if not path:
            return _Pem(key, origin, "", said.encode())
        found = _Pem(f"{key}_file", origin, path)
        try:
            return replace(found, content=read(Path(origin).parent / path))
        except OSError as error:
            raise found.wrong(f"cannot read it: {error.strerror}") from None

    cert = pem("cert", settings.cert, settings.cert_file)
    key = pem("key", settings.key.get_secret_value(), settings.key_file)
    context, expiry = _context(settings), _check_pair(cert, key)
    with _as_file(cert.content) as certificate, _as_file(key.content) as private:
        try:
            context.load_cert_chain(certificate, private)
        except ssl.SSLError as error:
            raise cert.wrong(f"OpenSSL does not take it: {reason(error)}") from None
    if settings.client_auth_type is not ClientAuth.NONE:
        client_ca = pem("client_ca", settings.client_ca, settings.client_ca_file)
        try:
            # Bundles name their authorities between the certificates, as those spell themselves.
            context.load_verify_locations(cadata=client_ca.content.decode("ascii", "ignore"))
        except (ssl.SSLError, ValueError):
            raise client_ca.wrong("not certificates in PEM") from None
    return Tls(context, expiry, frozenset(map(_meant, settings.client_allowed_sans)))


def reason(error: ssl.SSLError) -> str:
    """Return what OpenSSL says is wrong, in words."""
    return (error.reason or "unknown").lower().replace("_", " ")


def _check_pair(cert: _Pem, key: _Pem) -> float:
    """Return when the certificate ends, in Unix seconds, if the key is its own.

    Raises ConfigurationError, with the one of the two that is to blame: OpenSSL would not say.
    """
    # A twelfth of a second that a start without TLS does without.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        chain = x509.load_pem_x509_certificates(cert.content)
        publics = [each.public_key() for each in chain]
    except ValueError:
        raise cert.wrong("not certificates in PEM, each whole") from None
    except UnsupportedAlgorithm as error:
        raise cert.wrong(f"cannot be used: {error}") from None
    try:
        public = load_pem_private_key(key.content, None).public_key()
    except TypeError:
        raise key.wrong("is encrypted: give it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise key.wrong("not a private key in PEM") from None
    if public not in publics:
        raise key.wrong("is not the key of the certificate")
    if publics[0] != public:
        text = "the key's certificate is in it, but not first: put it before the others"
        raise cert.wrong(text)
    return chain[0].not_valid_after_utc.timestamp()


def _context(settings: TlsServer) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.min_version]
    context.maximum_version = _VERSIONS[settings.max_version]
    context.verify_mode = _VERIFY[settings.client_auth_type]
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
