"""The web file: what the format has is taken or refused by its name, and always with a reason."""

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
from tests.web.pki import Authority, Pair
from tests.web.secured import hashed

CORPUS = Path(__file__).parent / "corpus"
HASH = "$2y$10$" + "e" * 53
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key, "
CERTIFICATE = 'tls_server_config.cert_file = "server.pem"'
CLIENTS = TLS + "client_ca_file: ca.pem, "


@pytest.fixture
def tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a short name: what is said cuts long ones, and the test's own may be."""
    monkeypatch.chdir(tmp_path)
    here = Path("here")
    here.mkdir()
    return here


@pytest.fixture
def folder(authority: Authority, tmp_path: Path) -> Path:
    """A folder with certificates, for paths to be relative to."""
    authority.sign().write(tmp_path, "server")
    (tmp_path / "ca.pem").write_text(authority.pem)
    return tmp_path


def refused(folder: Path, text: str) -> list[str]:
    """Return what is said of a web file, without where it is."""
    file = folder / "web.yml"
    file.write_text(text)
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
    f"basic_auth_users: {{alice: {HASH}}}": "http, basic authentication (1 user)",
    f"basic_auth_users: {{alice: {HASH}, bob: {HASH}}}": "http, basic authentication (2 users)",
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


def test_a_rate_limit_is_taken(tmp_path: Path) -> None:
    """Its interval is a duration as Go writes it, which is what the format has; 0 is none."""
    file = tmp_path / "web.yml"
    seconds = {"1s": 1, "100ms": 0.1, "1m30s": 90, "1.5s": 1.5, ".5h": 1800, "+2us1µs": 3e-6}
    for interval in (*seconds, "0", "0s"):
        file.write_text(f"rate_limit: {{interval: {interval}, burst: 20}}")
        bucket = check_web_file(str(file)).bucket
        assert (bucket.limit if bucket else None) == (
            (seconds[interval], 20) if interval in seconds else None
        )
    for interval, word in (("-1s", "not a dur"), ("1d", "not a dur"), ("9" * 9 + "h", "292")):
        (line,) = refused(tmp_path, f"rate_limit: {{interval: {interval}, burst: 20}}")
        assert word in line


def test_what_is_taken_with_a_warning(tmp_path: Path) -> None:
    """What means something else than it may be thought to, and what it means."""
    file = tmp_path / "web.yml"
    file.write_text(
        "http_server_config: {http2: true}\n"
        f"basic_auth_users: {{a: {HASH}, b: {HASH.replace('10', '14')}, "
        f"c: {HASH.replace('10', '15')}, d: {HASH.replace('10', '18')}}}"
    )

    def dear(user: str, cost: int, seconds: int) -> str:
        return (
            f"basic_auth_users.{user} (from {file}): bcrypt's cost is {cost}: until somebody has "
            f"come in, each guess takes about {seconds} s, one after the other; a scrape waits "
            "10 s. 10 is usual"
        )

    rules = check_web_file(str(file))
    assert str(rules) == "http, basic authentication (4 users)"
    assert rules.warnings == (
        (
            f"http_server_config.http2 (from {file}): "
            "HTTP/2 is not spoken here: HTTP/1.1 is, and Prometheus needs no more"
        ),
        dear("c", 15, 2),
        dear("d", 18, 13),
    )


def test_inline_certificates_are_taken(authority: Authority, tmp_path: Path) -> None:
    """All three of them: certificate, key, and clients' authority."""
    file = tmp_path / "web.yml"
    file.write_text(inline(authority, authority.sign()))
    assert str(check_web_file(str(file))) == "https, client certificates required"


def inline(authority: Authority, pair: Pair) -> str:
    """Write a file that names no other."""

    def block(name: str, text: str) -> str:
        return f"  {name}: |\n" + "".join(f"    {line}\n" for line in text.splitlines())

    return (
        "tls_server_config:\n  client_auth_type: RequireAndVerifyClientCert\n"
        + block("cert", pair.certificate)
        + block("key", pair.key)
        + block("client_ca", authority.pem)
    )


@pytest.mark.parametrize("name", [path.stem for path in sorted(CORPUS.glob("*.bad.yaml"))])
def test_what_is_refused(folder: Path, name: str) -> None:
    """Every line names the key and says what would be right; all of them at once."""
    expected = (CORPUS / f"{name}.txt").read_text().splitlines()
    assert refused(folder, (CORPUS / f"{name}.yaml").read_text()) == expected


def test_a_bundle_of_clients_authorities(authority: Authority, folder: Path) -> None:
    """With what stands between the certificates, as in those of distributions; not without any."""
    text = CLIENTS + "client_auth_type: RequireAndVerifyClientCert}"
    bundle = folder / "ca.pem"
    bundle.write_text(f"\ufeff# Főtanúsítvány\n{authority.pem}\n# other\n{Authority().pem}")
    (folder / "web.yml").write_text(text)
    assert str(check_web_file(str(folder / "web.yml"))) == "https, client certificates required"
    bundle.write_text("")
    (line,) = refused(folder, text)
    assert line == 'tls_server_config.client_ca_file = "ca.pem": not certificates in PEM'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"just text", f"not a mapping with the keys {', '.join(WebFile.model_fields)}"),
        (b"basic_auth_users:\n  a: x\n  a: y", "not YAML (line 3, column 3)"),
        (
            b"a: &a [" + b"x," * 99_999 + b"]\nb: [" + b"*a," * 99 + b"]",
            "not YAML (line 2, column 59)",
        ),
        (b"[" * 9999, "not YAML (line 1, column 101)"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"a" * (1024 * 1024 + 1), "cannot read it: larger than 1024 KiB"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes, message: str) -> None:
    """Is told by its name and the place, never by what stands there: that may be a secret."""
    file = tmp_path / "web.yml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as error:
        check_web_file(str(file))
    assert list(error.value.lines) == [f'web.config_file = "{file}": {message}']


@pytest.mark.parametrize("text", ["", " \n", "# x", "---", "--- # x\n...", "\ufeff", "null", "~"])
def test_a_file_that_says_nothing(tmp_path: Path, text: str) -> None:
    """Is refused: it is more likely cut off than meant, and would let everybody in."""
    assert refused(tmp_path, text) == [
        f'web.config_file = "{tmp_path}/web.yml": says nothing; to have no rules, write {{}}'
    ]


def test_every_key_with_nothing_behind_it(tmp_path: Path) -> None:
    """Is refused, section or value: what was commented out or cut off would be open."""
    assert refused(tmp_path, "tls_server_config:\nbasic_auth_users: ~") == [
        "tls_server_config: has nothing behind it; {} says that there is none",
        "basic_auth_users: must be a mapping",
    ]
    assert refused(tmp_path, "basic_auth_users: {alice: }") == [
        "basic_auth_users.alice: must be text"
    ]
    for section in WebFile.model_fields:
        for nothing in ("''", "[]"):
            (line,) = refused(tmp_path, f"{section}: {nothing}")
            assert line.startswith(f"{section}: must be a mapping")
    sections: dict[str, type[BaseModel]] = {
        "tls_server_config": TlsServer,
        "http_server_config": HttpServer,
        "rate_limit": RateLimit,
    }
    for section, model in sections.items():
        for key in model.model_fields:
            lines = refused(tmp_path, f"{section}: {{{key}: }}")
            assert [line for line in lines if line.startswith(f"{section}.{key}")], key
    for field in Headers.model_fields.values():
        (line,) = refused(tmp_path, f"http_server_config: {{headers: {{{field.alias}: }}}}")
        assert line.startswith(f"http_server_config.headers.{field.alias}: must be ")


def test_a_missing_key_is_told_beside_a_missing_certificate(tmp_path: Path) -> None:
    """Each by its key: whoever mends the one need not find the other afterwards."""
    assert refused(tmp_path, TLS + "}") == [
        f'tls_server_config.{name}_file = "server.{end}": cannot read it: No such file or directory'
        for name, end in (("cert", "pem"), ("key", "key"))
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Is refused: to serve without it would leave open what is meant to be closed."""
    with pytest.raises(ConfigurationError) as error:
        check_web_file(str(tmp_path / "none.yml"))
    assert list(error.value.lines) == [
        f'web.config_file = "{tmp_path}/none.yml": cannot read it: No such file or directory'
    ]


KEYS: Mapping[str, PrivateKeyTypes] = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "X25519": x25519.X25519PrivateKey.generate(),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_of_another_certificate(authority: Authority, folder: Path, kind: str) -> None:
    """Is found before anybody is answered with it, and told for what it is, of whatever kind."""
    authority.sign().write(folder, "server")
    (folder / "server.key").write_bytes(pem(KEYS[kind]))
    assert refused(folder, TLS + "}") == [
        'tls_server_config.key_file = "server.key": is not the key of the certificate'
    ]


@pytest.mark.parametrize("kind", ["PKCS8", "TraditionalOpenSSL"])
def test_an_rsa_key_in_either_form(authority: Authority, folder: Path, kind: str) -> None:
    """Is taken: openssl has written both."""
    key = rsa.generate_private_key(65537, 2048)
    authority.sign(key=key).write(folder, "server")
    (folder / "server.key").write_bytes(pem(key, kind))
    (folder / "web.yml").write_text(TLS + "}")
    assert str(check_web_file(str(folder / "web.yml"))) == "https"


def pem(key: PrivateKeyTypes, form: str = "PKCS8") -> bytes:
    """Write a key."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        getattr(serialization.PrivateFormat, form),
        serialization.NoEncryption(),
    )


def test_a_chain_out_of_order(authority: Authority, folder: Path) -> None:
    """The server's certificate comes first; the key is not to blame."""
    certificate, _ = (pair := authority.sign()).write(folder, "server")
    certificate.write_text(authority.pem + pair.certificate)
    assert refused(folder, TLS + "}") == [
        f"{CERTIFICATE}: the key's certificate is in it, but not first: put it before the others"
    ]


def test_a_certificate_that_openssl_does_not_take(authority: Authority, folder: Path) -> None:
    """Weak, or followed by one that is cut off or weak: the key is not to blame for that."""
    weak = authority.sign(key=rsa.generate_private_key(65537, 1024))  # noqa: S505 -- the point
    good = authority.sign()
    for pair, text, reason in (
        (weak, weak.certificate, "ee key too small"),
        (good, good.certificate + weak.certificate, "ca key too small"),
        (good, good.certificate + authority.pem[:40], "bad end line"),
        (good, good.certificate + authority.pem[:-10], "bad end line"),
    ):
        certificate, _ = pair.write(folder, "server")
        certificate.write_text(text)
        assert refused(folder, TLS + "}") == [f"{CERTIFICATE}: OpenSSL does not take it: {reason}"]


def test_an_encrypted_key(authority: Authority, folder: Path) -> None:
    """Is refused, instead of asking at a terminal that there is not."""
    authority.sign(passphrase=b"open sesame").write(folder, "server")
    assert refused(folder, TLS + "}") == [
        'tls_server_config.key_file = "server.key": is encrypted: give it without a passphrase'
    ]


def test_everything_that_is_wrong_is_told_at_once(folder: Path) -> None:
    """TLS, users and headers in one go."""
    text = (
        "tls_server_config: {cert_file: a, min_version: TLS9}\n"
        "basic_auth_users: {alice: secret, bob: " + hashed("b") + "}\n"
        "http_server_config: {headers: {X-Frames: deny}}\n"
        "rate_limit: {interval: soon}\n"
    )
    keys = [line.partition(":")[0].partition(" ")[0] for line in refused(folder, text)]
    assert sorted(keys) == [
        "basic_auth_users.alice",
        "http_server_config.headers.X-Frames",
        "rate_limit.interval",
        "tls_server_config.min_version",
    ]


def test_all_that_does_not_go_together_is_told_at_once(tmp_path: Path) -> None:
    """Once each key of the section is right by itself."""
    (line,) = refused(
        tmp_path, "tls_server_config: {cert: a, cert_file: b, client_allowed_sans: [c]}"
    )
    assert line == (
        "tls_server_config: key_file is required, or key; give cert or cert_file, not both; "
        "client_allowed_sans is of use only with client_auth_type RequireAndVerifyClientCert"
    )
