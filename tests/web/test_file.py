"""The web file: what the format has is taken or refused by its name, and always with a reason."""

import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from pydantic import BaseModel

from exporter.settings import ConfigurationError
from exporter.web.config import Headers, HttpServer, RateLimit, TlsServer, WebFile
from exporter.web.watcher import check_web_file
from tests.web.pki import Authority

CORPUS = Path(__file__).parent / "corpus"
HASH = "$2y$10$" + "e" * 53
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key, "
CLIENTS = TLS + "client_ca_file: ca.pem, "


@pytest.fixture
def folder(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with certificates, for paths to be relative to, with a name that is not cut off."""
    monkeypatch.chdir(tmp_path)
    folder = Path("here")
    folder.mkdir()
    authority.sign().write(folder, "server")
    (folder / "ca.pem").write_text(authority.pem)
    return folder


def refused(folder: Path, text: str | bytes) -> list[str]:
    """Return what is said of a web file, without where it is."""
    file = folder / "web.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as error:
        check_web_file(str(file))
    return [line.replace(f" (from {file})", "") for line in error.value.lines]


ACCEPTED = {
    "{}": "http",
    "tls_server_config: {}\nbasic_auth_users: {}\nhttp_server_config: {headers: {}}": "http",
    TLS + "}": "https",
    TLS + "client_auth_type: NoClientCert, min_version: TLS13}": "https",
    CLIENTS + "client_auth_type: VerifyClientCertIfGiven}": "https",
    CLIENTS + "client_auth_type: RequireAndVerifyClientCert}": (
        "https, client certificates required"
    ),
    TLS + "min_version: TLS12, max_version: TLS12, prefer_server_cipher_suites: false}": "https",
    TLS + "cipher_suites: [TLS_AES_128_GCM_SHA256, "
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]}": "https",
    f"basic_auth_users: {{alice: {HASH}}}": "http, basic authentication",
    f"basic_auth_users: {{alice: {HASH}, bob: {HASH}}}": "http, basic authentication",
    "http_server_config: {http2: false, headers: {X-Frame-Options: deny, X-XSS-Protection: 1}}": (
        "http"
    ),
}
"""What promtool takes too."""


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_is_taken(folder: Path, text: str, promtool: Path) -> None:
    """And told in a few words; Prometheus' own checker takes each of these files as well."""
    file = folder / "web.yml"
    file.write_text(text)
    assert str(check_web_file(str(file))) == ACCEPTED[text]
    judged = subprocess.run(
        [promtool, "check", "web-config", file], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stderr


SECONDS = {"1s": 1, "100ms": 0.1, "1m30s": 90, "1.5s": 1.5, ".5h": 1800, "+2us1µs": 3e-6}


def test_a_rate_limit_is_taken(folder: Path) -> None:
    """Its interval is a duration as Go writes it, which is what the format has; 0 is none."""
    file = folder / "web.yml"
    for interval, seconds in SECONDS.items():
        file.write_text(f"rate_limit: {{interval: {interval}, burst: 20}}")
        bucket = check_web_file(str(file)).bucket
        assert bucket
        assert bucket.interval == pytest.approx(seconds)
    for interval in ("0", "0s"):
        file.write_text(f"rate_limit: {{interval: {interval}, burst: 20}}")
        assert check_web_file(str(file)).bucket is None
    for interval in ("-1s", "1d", "9" * 20 + "h"):
        (line,) = refused(folder, f"rate_limit: {{interval: {interval}, burst: 20}}")
        assert line.startswith("rate_limit.interval: not a duration; write it like 500ms")


def test_what_is_taken_with_a_warning(folder: Path) -> None:
    """What means something else than it may be thought to, and what it means."""
    file = folder / "web.yml"
    file.write_text(
        "http_server_config: {http2: true}\n"
        f"basic_auth_users: {{a: {HASH.replace('10', '14')}, b: {HASH.replace('10', '15')}}}"
    )
    http2, dear = check_web_file(str(file)).warnings
    assert http2 == (
        f"http_server_config.http2 (from {file}): "
        "HTTP/2 is not spoken here: HTTP/1.1 is, and Prometheus needs no more"
    )
    assert dear.startswith(f"basic_auth_users.b (from {file}): bcrypt's cost is above 14: until ")


@pytest.mark.parametrize("name", [path.stem for path in sorted(CORPUS.glob("*.bad.yaml"))])
def test_what_is_refused(folder: Path, name: str) -> None:
    """Every line names the key and says what would be right; all of them at once."""
    expected = (CORPUS / f"{name}.txt").read_text().splitlines()
    assert refused(folder, (CORPUS / f"{name}.yaml").read_text()) == expected


NO_MAPPING = f"not a mapping with the keys {', '.join(WebFile.model_fields)}; to have no rules, "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *((nothing, NO_MAPPING + "write {}") for nothing in ("", "# x", "---", "\ufeff", "null")),
        ("just text", NO_MAPPING + "write {}"),
        ("basic_auth_users:\n  a: x\n  a: y", "not YAML (line 3, column 3)"),
        ("a: &a [" + "x," * 99_999 + "]\nb: [" + "*a," * 99 + "]", "not YAML (line 2, column 59)"),
        ("[" * 9999, "not YAML (line 1, column 101)"),
        (b"\xff\xfe", "not UTF-8 text"),
        ("a" * (1024 * 1024 + 1), "cannot read it: larger than 1024 KiB"),
    ],
    ids=lambda text: repr(text)[:20],
)
def test_a_file_that_is_none(folder: Path, content: str | bytes, message: str) -> None:
    """Is told by its name and the place, never by what stands there: that may be a secret.

    One that says nothing is more likely cut off than meant, and would let everybody in.
    """
    assert refused(folder, content) == [f'web.config_file = "here/web.yml": {message}']


def test_a_file_that_is_not_there() -> None:
    """Is refused: to serve without it would leave open what is meant to be closed."""
    with pytest.raises(ConfigurationError) as error:
        check_web_file("none.yml")
    assert error.value.lines == (
        'web.config_file = "none.yml": cannot read it: No such file or directory',
    )


SECTIONS: Mapping[str, type[BaseModel]] = {
    "tls_server_config": TlsServer,
    "http_server_config": HttpServer,
    "rate_limit": RateLimit,
}


def test_every_key_with_nothing_behind_it(folder: Path) -> None:
    """Is refused, section or value: what was commented out or cut off would be open."""
    for section in WebFile.model_fields:
        for nothing in ("", "~", "''", "[]"):
            assert refused(folder, f"{section}: {nothing}") == [f"{section}: must be a mapping"]
    for section, model in SECTIONS.items():
        for key in model.model_fields:
            lines = refused(folder, f"{section}: {{{key}: }}")
            assert [line for line in lines if line.startswith(f"{section}.{key}")], key
    for field in Headers.model_fields.values():
        (line,) = refused(folder, f"http_server_config: {{headers: {{{field.alias}: }}}}")
        assert line.startswith(f"http_server_config.headers.{field.alias}: must be ")
    assert refused(folder, "basic_auth_users: {alice: }") == [
        "basic_auth_users.alice: must be text"
    ]


def test_everything_that_is_wrong_is_told_at_once(folder: Path) -> None:
    """TLS, users, headers and limit in one go; and then all that does not go together."""
    text = (
        "tls_server_config: {cert_file: a, min_version: TLS9}\n"
        f"basic_auth_users: {{alice: secret, bob: {HASH}}}\n"
        "http_server_config: {headers: {X-Frames: deny}}\n"
        "rate_limit: {interval: soon}\n"
    )
    assert [line.partition(":")[0] for line in refused(folder, text)] == [
        "tls_server_config.min_version",
        "http_server_config.headers.X-Frames",
        "basic_auth_users.alice",
        "rate_limit.interval",
    ]
    (line,) = refused(
        folder, "tls_server_config: {cert: a, cert_file: b, client_allowed_sans: [c]}"
    )
    assert line == (
        "tls_server_config: key_file is required, or key; give cert or cert_file, not both; "
        "client_allowed_sans is of use only with client_auth_type RequireAndVerifyClientCert"
    )


def test_a_bundle_of_clients_authorities(authority: Authority, folder: Path) -> None:
    """With what stands between the certificates, as in those of distributions; not without any."""
    text = CLIENTS + "client_auth_type: RequireAndVerifyClientCert}"
    bundle = folder / "ca.pem"
    bundle.write_text(f"\ufeff# Főtanúsítvány\n{authority.pem}\n# other\n{Authority().pem}")
    (folder / "web.yml").write_text(text)
    assert str(check_web_file(str(folder / "web.yml"))) == "https, client certificates required"
    bundle.write_text("")
    assert refused(folder, text) == [
        'tls_server_config.client_ca_file = "ca.pem": not certificates in PEM'
    ]


AUTHORITY = Authority()
GOOD = AUTHORITY.sign()
WEAK = AUTHORITY.sign(key=rsa.generate_private_key(65537, 1024))  # noqa: S505 -- the point
LOCKED = AUTHORITY.sign(passphrase=b"open sesame")
CERTIFICATE = 'tls_server_config.cert_file = "server.pem": '
KEY = 'tls_server_config.key_file = "server.key": '
OPENSSL = f"{CERTIFICATE}OpenSSL does not take it: "


def pem(key: PrivateKeyTypes) -> str:
    """Write a key."""
    none = serialization.NoEncryption()
    pkcs8 = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, none).decode()


def on_a_strange_curve(certificate: str) -> str:
    """Write a certificate as of a curve, instead of P-256, that nobody knows."""
    p256, strange = (bytes.fromhex(f"2a8648ce3d0301{last}") for last in ("07", "7f"))
    der = ssl.PEM_cert_to_DER_cert(certificate)
    return ssl.DER_cert_to_PEM_cert(der.replace(p256, strange))


ANOTHERS = f"{KEY}is not the key of the certificate"
PAIRS = {
    "RSA": (GOOD.certificate, pem(rsa.generate_private_key(65537, 2048)), ANOTHERS),
    "P-256": (GOOD.certificate, pem(ec.generate_private_key(ec.SECP256R1())), ANOTHERS),
    "Ed25519": (GOOD.certificate, pem(ed25519.Ed25519PrivateKey.generate()), ANOTHERS),
    "X25519": (GOOD.certificate, pem(x25519.X25519PrivateKey.generate()), ANOTHERS),
    "out of order": (
        AUTHORITY.pem + GOOD.certificate,
        GOOD.key,
        f"{CERTIFICATE}the key's certificate is in it, but not first: put it before the others",
    ),
    "encrypted": (
        *(LOCKED.certificate, LOCKED.key),
        f"{KEY}is encrypted: give it without a passphrase",
    ),
    "weak": (WEAK.certificate, WEAK.key, f"{OPENSSL}ee key too small"),
    "weak above": (GOOD.certificate + WEAK.certificate, GOOD.key, f"{OPENSSL}ca key too small"),
    "strange curve": (
        *(on_a_strange_curve(GOOD.certificate), GOOD.key),
        f"{CERTIFICATE}cannot be used: Curve 1.2.840.10045.3.1.127 is not supported",
    ),
    "cut off": (GOOD.certificate + AUTHORITY.pem[:-10], GOOD.key, f"{OPENSSL}bad end line"),
}
"""Certificates and keys that do not serve, and what is said of whichever is to blame."""


@pytest.mark.parametrize("pair", PAIRS)
def test_a_pair_that_does_not_serve(folder: Path, pair: str) -> None:
    """Is found before anybody is answered with it, and told for what it is."""
    certificate, key, line = PAIRS[pair]
    (folder / "server.pem").write_text(certificate)
    (folder / "server.key").write_text(key)
    assert refused(folder, TLS + "}") == [line]
