"""An authority for servers that stand in for AWS."""

import ssl
from pathlib import Path

from cryptography import x509

from tests.web import pki


class Authority(pki.Authority):
    """A certificate authority."""

    def write(self, path: Path) -> Path:
        """Write the authority's certificate, for AWS_CA_BUNDLE."""
        path.write_text(self.pem)
        return path

    def server(self, folder: Path, host: str = "localhost") -> ssl.SSLContext:
        """Make a server's context with a certificate for a host."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sign(x509.DNSName(host)).write(folder, host))
        return context
