"""Certificates made for one test: an authority, and what it signs for servers and clients."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
)

DAY = timedelta(days=1)
_PEM = serialization.Encoding.PEM
_PKCS8 = serialization.PrivateFormat.PKCS8


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: str
    key: str
    expiry: float
    """When the certificate ends, in Unix seconds."""

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write both; give the certificate's file and the key's."""
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        for path, text in zip(paths, (self.certificate, self.key), strict=True):
            path.write_text(text)
        return paths


class Authority:
    """A certificate authority."""

    def __init__(self, name: str = "a test's authority") -> None:
        """Make its key, and a certificate that it signs itself."""
        self._key, self._name = ec.generate_private_key(ec.SECP256R1()), _named(name)
        until, authority = (
            datetime.now(UTC) + 3 * DAY,
            x509.BasicConstraints(ca=True, path_length=0),
        )
        self.pem = self._sign(self._name, self._key.public_key(), until, authority)
        """Its own certificate."""

    def sign(
        self,
        *names: x509.GeneralName,
        until: datetime | None = None,
        passphrase: bytes = b"",
        key: CertificateIssuerPrivateKeyTypes | None = None,
    ) -> Pair:
        """Make a key, unless one is given, and a certificate with these names, or localhost's."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        until = until or (datetime.now(UTC) + DAY).replace(microsecond=0)
        local = x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))
        sans = x509.SubjectAlternativeName(names or local)
        certificate = self._sign(_named("a test"), key.public_key(), until, sans)
        locked = serialization.BestAvailableEncryption(passphrase) if passphrase else None
        text = key.private_bytes(_PEM, _PKCS8, locked or serialization.NoEncryption()).decode()
        return Pair(certificate, text, until.timestamp())

    def _sign(
        self,
        subject: x509.Name,
        key: CertificatePublicKeyTypes,
        until: datetime,
        extension: x509.ExtensionType,
    ) -> str:
        number, since = x509.random_serial_number(), datetime.now(UTC) - DAY
        names = self._name, subject, key
        made = x509.CertificateBuilder(*names, number, since, until).add_extension(
            extension, critical=isinstance(extension, x509.BasicConstraints)
        )
        return made.sign(self._key, hashes.SHA256()).public_bytes(_PEM).decode()


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
